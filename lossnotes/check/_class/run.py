"""All submissions, several at a time; results as they come, so that a run that broke off goes on."""

import concurrent.futures
import json
import threading

from lossnotes.check._grade.submission import grade


class Store:
    """Results in a file of JSON lines, or nowhere."""

    def __init__(self, path):
        self.path, self.known, self.lost = path, {}, []
        if path is not None:
            for line in self._lines():
                try:
                    result = json.loads(line)
                    self.known[result["student"], result["digest"]] = result
                except (ValueError, KeyError, TypeError):  # the line at which it broke off
                    continue

    def _lines(self):
        try:
            return self.path.read_text("utf-8", errors="replace").splitlines() if self.path.exists() else []
        except OSError as error:
            self.lost.append(unwritten(self.path, error))
            return []

    def add(self, result):
        """Where it cannot be written it is still a result: the disk may be full, or the folder gone, and the class goes on."""
        if self.path is None or result.get("failed"):
            return
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write("\n" * self._broken() + json.dumps(result) + "\n")
        except OSError as error:
            self.lost.append(unwritten(self.path, error))

    def _broken(self):
        """Whether the file ends within a line."""
        text = self.path.read_bytes()
        return bool(text) and not text.endswith(b"\n")


def unwritten(path, error):
    """A sentence about a file that could not be read or written."""
    return f"{path} could not be written ({error.strerror or type(error).__name__})"


def run(submissions, sheet, launcher, store, *, seed, allowed, seconds, jobs, again=()):
    """Results, in the order in which they come. `launcher` makes one for a worker. Those students are graded `again` whose result is known."""
    about = (sheet.digest or repr(sheet) if sheet else "", sorted(allowed), seconds, seed)
    waiting = []
    for submission in submissions:
        digest = submission.digest(*about)
        known = None if submission.student in again else store.known.get((submission.student, digest))
        if known is None:
            waiting.append((submission, digest))
        else:
            yield known
    own, made = threading.local(), []

    def work(submission, digest):
        if not hasattr(own, "launcher"):
            own.launcher = launcher()
            made.append(own.launcher)
        about = {"student": submission.student, "id": submission.id, "digest": digest}
        try:
            how = {"seed": seed, "allowed": allowed, "seconds": seconds, "times": submission.times}
            result = grade(submission.files, sheet, own.launcher, **how)
        except Exception as error:  # no fault of the submission: the others go on, and the run says so at its end
            return about | _failed(error)
        result["errors"] = submission.errors + result["errors"]
        result["notes"] = submission.notes + result["notes"]
        return about | result

    pool = concurrent.futures.ThreadPoolExecutor(max(1, min(jobs, len(waiting))))
    try:
        for future in concurrent.futures.as_completed([pool.submit(work, *each) for each in waiting]):
            result = future.result()
            store.add(result)
            yield result
    finally:
        pool.shutdown(cancel_futures=True)
        for each in made:
            each.close()


def _failed(error):
    said = f"the checker failed: {type(error).__name__}: {error}"
    about = {"passed": False, "points": 0.0, "possible": 0.0, "exercises": {}, "worth": {}, "reports": [], "notes": []}
    return about | {"errors": [said], "failed": True, "seed": None, "wall": "", "alone": False, "filtered": False, "seconds": 0.0}
