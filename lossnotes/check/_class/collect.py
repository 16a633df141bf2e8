"""Who handed in what: files, notebooks and folders of them."""

import collections
import dataclasses
import hashlib
import os

from lossnotes.check._class import names

SUFFIXES = (".py", ".ipynb")
LARGEST = 20 * 2**20  # bytes of a file


@dataclasses.dataclass
class Submission:
    """What one student handed in: pairs of a name and bytes, sentences about what cannot be read, and what else is to be known.

    `times` says of a name when that file came, where the system that has packed it says so. `id` is the number that Moodle or Canvas has for the student, where the name of a file says it.
    """

    student: str
    files: list
    errors: list = dataclasses.field(default_factory=list)
    notes: list = dataclasses.field(default_factory=list)
    id: str = ""
    times: dict = dataclasses.field(default_factory=dict)

    def digest(self, *more):
        """Changes when the files do, or anything else that the result hangs on."""
        text = hashlib.sha256(repr(more).encode())
        for name, raw in self.files:
            text.update(repr((name, hashlib.sha256(raw).hexdigest())).encode())
        text.update(repr((self.errors, self.notes, sorted(self.times.items()))).encode())
        return text.hexdigest()[:24]


def collect(paths):
    """Submissions in order, and the names of files that are none. A folder is a class: each file or folder in it a student.

    What Moodle, Canvas or Blackboard have packed is called by their names for it: then all files of one student are one submission.
    """
    groups, left = {}, []
    entries = [entry for path in paths for entry in (_entries(path) if path.is_dir() else [path])]
    for entry, owner in zip(entries, names.owners([_readable(entry.name) for entry in entries])):
        if owner is None and not _is_folder(entry) and entry.suffix.lower() not in SUFFIXES:
            left.append(str(entry))
            continue
        key = (owner.student, owner.id) if owner else (len(groups),)
        groups.setdefault(key, []).append((owner or names.Owner(entry.name if _is_folder(entry) else entry.stem), entry))
    found = [_submission(sorted(group, key=lambda each: (each[0].when, names.order(each[1].name)))) for group in groups.values()]
    _tell_apart(found)
    return found, left


def _entries(folder):
    return [entry for entry in sorted(folder.iterdir()) if not entry.name.startswith((".", "__"))]


def _is_folder(path):
    return path.is_dir() and not path.is_symlink()


def _hidden(path, folder):
    return any(part.startswith((".", "__")) for part in path.relative_to(folder).parts)


def _submission(group):
    """That of one student: pairs of what a name says and what is there. Later versions come behind earlier ones."""
    made, others = Submission(_readable(group[0][0].student), [], id=group[0][0].id), []
    for owner, entry in group:
        if _is_folder(entry):
            inside = [path for path in entry.rglob("*") if not _hidden(path, entry) and not _is_folder(path)]
            files = [(path.relative_to(entry).as_posix(), path) for path in inside]
        else:
            files = [(owner.file or entry.name, entry)]
        for name, path in sorted(files, key=lambda each: (os.path.dirname(each[0]), names.order(os.path.basename(each[0])))):
            name = _readable(name)
            if path.suffix.lower() not in SUFFIXES:
                others.append(name)
                continue
            if any(name == other for other, _ in made.files):  # uploaded again: both are to be told apart in what is said of them
                stem, suffix = os.path.splitext(name)
                name = f"{stem} ({owner.when.lstrip('0') or len(made.files) + 1}){suffix}"
            _read(made, name, path)
            if owner.when:
                made.times[name] = owner.when
    said = f"{_some(others)} {'is' if len(others) == 1 else 'are'} left out: neither .py nor .ipynb" if others else ""
    if not made.files and not made.errors:
        made.errors.append(f"there is no .py and no .ipynb file{'; ' * bool(said)}{said}")
    elif said:
        made.notes.append(said)
    if any(owner.late for owner, _ in group):
        made.notes.append("handed in late")
    return made


def _some(names, most=5):
    """The names, or the first of many."""
    return ", ".join(names[:most]) + f" and {len(names) - most} more" * (len(names) > most)


def _read(made, name, path):
    try:
        if path.is_symlink() or not path.is_file():
            made.errors.append(f"{name}: the file is a link or no file; expected the file itself")
        elif path.stat().st_size > LARGEST:
            made.errors.append(
                f"{name}: the file is larger than {LARGEST // 2**20} MB; expected a homework. Try to clear its outputs"
            )
        else:
            made.files.append((name, path.read_bytes()))
    except OSError as error:
        made.errors.append(f"{name}: the file cannot be read ({error.strerror})")


def _readable(name):
    """A name in UTF-8: one from an old zip file may be in another encoding, and nothing could be written about it."""
    return os.fsencode(name).decode("utf-8", "replace")


def _tell_apart(found):
    """Two of one name are called by number, theirs or one that is counted, and never by a name that somebody else has."""
    count = collections.Counter(submission.student for submission in found)
    for submission in found:
        if count[submission.student] > 1 and submission.id:
            submission.student += f" ({submission.id})"
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
