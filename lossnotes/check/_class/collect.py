"""Who handed in what: files, notebooks and folders of them."""

import dataclasses
import hashlib
import os

SUFFIXES = (".py", ".ipynb")
LARGEST = 20 * 2**20  # bytes of a file


@dataclasses.dataclass
class Submission:
    """What one student handed in: pairs of a name and bytes, and sentences about what cannot be read."""

    student: str
    files: list
    errors: list = dataclasses.field(default_factory=list)

    def digest(self, *more):
        """Changes when the files do, or anything else that the result hangs on."""
        text = hashlib.sha256(repr(more).encode())
        for name, raw in self.files:
            text.update(repr((name, hashlib.sha256(raw).hexdigest())).encode())
        text.update(repr(self.errors).encode())
        return text.hexdigest()[:24]


def collect(paths):
    """Submissions in order, and the names of files that are none. A folder is a class: each file or folder in it a student."""
    found, left = [], []
    for path in paths:
        if not path.is_dir():
            found.append(_submission(path.stem, [path], path.parent))
            continue
        for entry in sorted(path.iterdir()):
            if entry.name.startswith((".", "__")):
                continue
            if entry.is_dir() and not entry.is_symlink():
                files = sorted(p for p in entry.rglob("*") if p.suffix.lower() in SUFFIXES and not _hidden(p, entry))
                found.append(_submission(entry.name, files, entry))
            elif entry.suffix.lower() in SUFFIXES:
                found.append(_submission(entry.stem, [entry], path))
            else:
                left.append(str(entry))
    _tell_apart(found)
    return found, left


def _hidden(path, folder):
    return any(part.startswith((".", "__")) for part in path.relative_to(folder).parts)


def _submission(student, files, folder):
    made = Submission(_readable(student), [])
    for path in files:
        name = _readable(path.relative_to(folder).as_posix())
        try:
            if path.is_symlink() or not path.is_file():
                made.errors.append(f"{name}: the file is a link or no file; expected the file itself")
            elif path.stat().st_size > LARGEST:
                made.errors.append(f"{name}: the file is larger than {LARGEST // 2**20} MB; expected a homework. Try to clear its outputs")
            else:
                made.files.append((name, path.read_bytes()))
        except OSError as error:
            made.errors.append(f"{name}: the file cannot be read ({error.strerror})")
    if not files:
        made.errors.append("the folder has no .py and no .ipynb file")
    return made


def _readable(name):
    """A name in UTF-8: one from an old zip file may be in another encoding, and nothing could be written about it."""
    return os.fsencode(name).decode("utf-8", "replace")


def _tell_apart(found):
    """Two of one name are called by number, and never by a name that somebody else has."""
    taken = {submission.student for submission in found}
    seen = set()
    for submission in found:
        name, count = submission.student, 1
        while submission.student in seen:
            count += 1
            another = f"{name} ({count})"
            submission.student = submission.student if another in taken else another
        seen.add(submission.student)
        taken.add(submission.student)
