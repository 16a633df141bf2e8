"""Grade a text as a submission, for the tests of the checker."""

import contextlib
import ctypes
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from lossnotes.check._grade.sheet import load
from lossnotes.check._grade.submission import grade


def graded(launcher, source, sheet=None, name="homework.py", **options):
    raw = source if isinstance(source, bytes) else source.encode()
    sheet = load(sheet) if isinstance(sheet, str) else sheet
    return grade([(name, raw)], sheet, launcher, **{"seed": 1, **options})


def report_of(result, name):
    (found,) = (report for report in result["reports"] if report["name"] == name)
    return found


def mistakes_of(result, name):
    return report_of(result, name)["mistakes"]


ROOT = Path(__file__).parents[1]
STRANGER = 64321  # a user without any rights


def become_a_stranger():
    """For `preexec_fn`: where the tests are root's, the program is another user's, as most teachers' are. Nothing else is changed.

    Python may lie in a folder that is root's alone. Then that is replaced, for this program, by Python's own folders.
    """
    if os.geteuid() != 0:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.unshare(0x00020000) == 0 and libc.mount(None, b"/", None, 0x44000, None) == 0
    closed = {}
    for place in sorted({os.path.realpath(place) for place in (sys.prefix, sys.base_prefix, *sys.path) if os.path.isdir(place)}):
        for above in [*reversed(Path(place).parents), Path(place)]:
            if not above.stat().st_mode & 1:
                closed.setdefault(str(above), []).append((place, os.open(place, os.O_PATH)))
                break
    for above, inside in closed.items():
        assert libc.mount(b"none", above.encode(), b"tmpfs", 0, b"size=1m,mode=755") == 0
        for place, fd in inside:
            os.makedirs(place, exist_ok=True)
            assert libc.mount(f"/proc/self/fd/{fd}".encode(), place.encode(), None, 0x5000, None) == 0
            os.close(fd)
    os.setgroups([])
    os.setresgid(STRANGER, STRANGER, STRANGER)
    os.setresuid(STRANGER, STRANGER, STRANGER)


@contextlib.contextmanager
def folder_of_a_stranger():
    """A folder in which that user may write."""
    with tempfile.TemporaryDirectory() as name:
        if os.geteuid() == 0:
            os.chown(name, STRANGER, STRANGER)
        yield Path(name)


def command(*arguments, cwd, **more):
    """Run the command as that user: (exit status, output, errors)."""
    run = [sys.executable, "-P", "-m", "lossnotes.check", *map(str, arguments)]
    done = subprocess.run(run, capture_output=True, text=True, cwd=cwd, preexec_fn=become_a_stranger, **more)
    return done.returncode, done.stdout, done.stderr
