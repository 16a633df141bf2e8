"""From files to a result: the functions are loaded in a process of their own, and judged here."""

import ast
import base64
import contextlib
import shutil
import tempfile
import time
from pathlib import Path

from lossnotes.check import _judge
from lossnotes.check._cases import specs
from lossnotes.check._child.words import clean
from lossnotes.check._class.names import follows
from lossnotes.check._grade.process import Ended
from lossnotes.check._grade.proxy import Clock, Remote
from lossnotes.check._grade.walls import needs_library
from lossnotes.check._judge.values import FRESH
from lossnotes.check._report import Line, Report

TOTAL = 60.0  # seconds for a whole submission
STATEMENT = 15.0  # seconds for one statement at the top level
LIBRARY = Path(__file__).parents[2]
_TEXT = Path(__file__).with_name("right.py").read_text("utf-8")
BUILT_ON = {node.name: ast.get_source_segment(_TEXT, node) for node in ast.parse(_TEXT).body if isinstance(node, ast.FunctionDef)}


def grade(files, sheet, launcher, *, seed, allowed=(), seconds=TOTAL, times=None):
    """Reports and points of a submission, as a dict ready for JSON. `files` are pairs of a name and bytes.

    `times` says of some of the names when they came, as texts that can be ordered.
    """
    started = time.monotonic()
    with _folder(files, launcher.wall) as folder:
        attempt = _Attempt(files, sheet, launcher, frozenset(allowed), folder, Clock(seconds), times or {})
        try:
            reports = attempt.reports(seed)
        finally:
            attempt.close()
    points = {report.name: _points(report, sheet) for report in reports}
    possible = sheet.points if sheet else float(len(reports))
    whole = bool(reports) and all(report.passed for report in reports) and (sheet is not None or not attempt.errors)
    return {
        "passed": whole,
        "points": round(sum(points.values()), 2),
        "possible": possible,
        "exercises": points,
        "worth": {report.name: sheet.exercises[report.name].points if sheet else 1.0 for report in reports},
        "errors": attempt.errors,
        "notes": attempt.notes,
        "reports": [report.to_dict() for report in reports],
        "seed": seed,
        "wall": launcher.wall,
        "alone": launcher.alone,
        "filtered": launcher.filtered,
        "seconds": round(time.monotonic() - started, 2),
    }


def _points(report, sheet):
    return round(report.score * (sheet.exercises[report.name].points if sheet else 1.0), 2)


@contextlib.contextmanager
def _folder(files, wall):
    """An empty folder with copies of the submission's own files."""
    folder = Path(tempfile.mkdtemp(prefix="lossnotes-"))
    try:
        for name, raw in files:
            (folder / Path(name).name).write_bytes(raw)
        if wall != "process":  # which is another user; a process reads it before it becomes one
            folder.chmod(0o755)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Attempt:
    """A submission under way. When its process ends, another one goes on with the next function."""

    def __init__(self, files, sheet, launcher, allowed, folder, clock, times):
        self.files, self.sheet, self.launcher, self.folder, self.clock = files, sheet, launcher, folder, clock
        self.times, self.given = times, []
        self.allowed = allowed | set(sheet.allowed if sheet else ())
        self.errors, self.notes, self.skip, self.connection, self.found = [], [], [], None, {}
        self.lost = ""

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def reports(self, seed):
        """One for each function that is expected or, without a sheet, that is found."""
        self._load()
        reports, wrong = [], []
        for name in self.sheet.exercises if self.sheet else list(self.found):
            report = self._carried(name, seed, self._report(name, seed), wrong)
            if not report.passed and name in self.found and report.lines[0].check != "written":
                wrong.append(name)
            fresh = [line.check for line in report.lines if line.passed is False and line.found.startswith(FRESH)]
            if fresh:
                self._say(
                    self.notes,
                    f"{name} is right for the inputs that its check at home tries, and wrong for those that were drawn here "
                    f"({', '.join(fresh)}, seed {seed})",
                )
            reports.append(report)
        if not reports:
            self.notes.append("no function with a known name: python -m lossnotes.check --names lists them")
        return reports

    def _report(self, name, seed):
        if name not in self.found:
            near = [note for note in self.notes if name in note.split(" ", 4)[:4] or f"no {name}," in note]
            said = self.lost or (f"not handed in ({near[0]})" if near else "not handed in")
            return Report(name, [Line("handed in", False, said)])
        about = self.found[name]
        if about.get("stub") is True:
            return Report(name, [Line("written", False, "not written yet")])
        report, file = self._judged(name, seed), clean(str(about.get("file")), 100)
        for number, rival in enumerate(_list(about.get("rivals"))[:9]):
            before = clean(str(rival.get("file")), 100)
            where = f"{name} is in {before} and in {file}"
            if follows(before, file, self.times):
                self._say(self.notes, f"{where}; that of {file} is graded")
                continue
            errors = list(self.errors)
            other = self._judged(name, seed, number, rival)
            if other.score > report.score:
                report, file = other, before
            else:
                self.errors = errors  # what went wrong in the other one is no matter
            self._say(self.notes, f"{where}, and nothing says which is the later; the better one, that of {file}, is graded")
        return report

    def _judged(self, name, seed, rival=None, about=None):
        """The report of a function, or of that of another file with this number."""
        if self.connection is None:
            self._load()
        if self.connection is None or name not in self.found:
            return Report(name, [Line("handed in", False, self.lost or "it was there once, and not when the file was run again")])
        about = about or self.found[name]
        rules = self.sheet.exercises[name].rules(seed) if self.sheet else _judge.Rules(seed=seed)
        remote = Remote(specs()[name], _signature(about.get("signature")), self.connection, self.clock, rival)
        report = Report(name, _judge.lines(remote, rules))
        if remote.over:  # also where that was after right values: somebody who ended the program is not one who handed in nothing
            self._say(self.errors, f"{name} {remote.over}")
            self.close()
        elif remote.said:
            self._say(self.errors, f"{name} raised {remote.said}")
        return report

    def _carried(self, name, seed, report, wrong):
        """An error that is carried forward costs once: judged again with right functions in the place of earlier ones that are wrong."""
        uses = _list(self.found.get(name, {}).get("uses"), str)
        given = [other for other in wrong if other in uses and other in BUILT_ON]
        if report.passed or not given:
            return report
        self.close()
        self.given, errors = given, list(self.errors)
        again = self._judged(name, seed)
        self.close()
        self.given, self.errors = [], errors
        if again.score <= report.score:
            return report
        said = f"judged with a right {' and '.join(given)} in the place of the student's, which is wrong"
        self._say(self.notes, f"{name} is {said}")
        return Report(name, [*again.lines, Line("carried forward", False, said, role="told")])

    def _load(self):
        """Run the files. A statement that does not end, or ends the process, is left out, and the rest is run again."""
        while True:
            running = {}
            try:
                self.connection = self.launcher.connect(self.folder, self.clock.seconds, needs_library(self.allowed))
                answer = self._ask_to_load(running)
            except Ended as error:
                self.close()
                if not running or running["running"] in self.skip:
                    self.lost = self.lost or f"the submission {error}"
                    self._say(self.errors, self.lost)
                    return
                self._say(self.errors, f"{running['where']} {error}")
                self.skip.append(running["running"])
                continue
            break
        found = answer.get("functions")
        found = found if isinstance(found, dict) else {}
        self.found = {k: v for k, v in found.items() if k in specs() and isinstance(v, dict)}
        for mine, key in ((self.errors, "errors"), (self.notes, "notes")):
            for text in answer.get(key) if isinstance(answer.get(key), list) else []:
                self._say(mine, str(text))

    def _ask_to_load(self, running):
        def told(message):
            if type(message.get("running")) is int and isinstance(message.get("where"), str):
                running.update(running=message["running"], where=clean(message["where"], 100))
            return time.monotonic() + self.clock.limit(STATEMENT)

        expected = [*self.sheet.exercises, *self.sheet.forbidden] if self.sheet else []
        request = {
            "do": "load",
            "files": [[name, base64.b64encode(raw).decode()] for name, raw in self.files],
            "names": list(self.sheet.exercises) if self.sheet else sorted(specs()),
            "forbidden": expected,
            "allowed": sorted(self.allowed),
            "library": str(LIBRARY),
            "skip": self.skip,
            "given": {name: BUILT_ON[name] for name in self.given},
        }
        return self.connection.ask(request, self.clock.limit(STATEMENT), told)

    def _say(self, mine, text):
        text = clean(text, 300)
        if text not in mine and len(mine) < 60:
            mine.append(text)


def _list(data, kind=dict):
    """What is of that kind in what should be a list."""
    return [each for each in data if isinstance(each, kind)] if isinstance(data, list) else []


def _signature(data):
    """What the other process says that the function takes; None where it says nothing, or nonsense."""
    try:
        placed = [[str(name)[:60], given is True] for name, given in data["placed"]][:50]
        return {"placed": placed, "named": [str(name)[:60] for name in data["named"]][:50], "any": data["any"] is True}
    except (KeyError, TypeError, ValueError):
        return None
