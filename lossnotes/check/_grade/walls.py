"""Walls around the process that runs a submission: what there is on this machine, bubblewrap, or a container.

They protect the teacher's machine. Which of them is in force is said in a sentence, before any student's code runs.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import uuid
from pathlib import Path

from lossnotes.check._child.room import PARTS
from lossnotes.check._grade.process import CHILD

PACKAGE = CHILD.parents[1]
CHECKOUT = PACKAGE.parent if (PACKAGE.parent / "pyproject.toml").is_file() else None
SYSTEM = ("/usr", "/bin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/alternatives")

_OWN = "Each submission runs in a process of its own"
_ROOM = (
    "with the system's programs, Python with its packages, and its own files: no other submission, no other file of yours, no other "
    "process, no network"
)
_MALICE = "Against malice, try --container."
_BEHIND = {
    "sandbox": "Each submission runs in bubblewrap: no network, read-only, none of your files.",
    "container": "Each submission runs in a container: no network, read-only, nobody's rights.",
}


def sentence(wall, alone, filtered):
    """Which wall it is, and what it lacks. `alone` says whether the kernel gave namespaces, `filtered` whether it filters its calls."""
    if wall in _BEHIND:
        return _BEHIND[wall]
    if alone and filtered:
        return f"{_OWN}, {_ROOM}. What it may ask of the kernel is filtered."
    if alone:
        return f"{_OWN}, {_ROOM}. What it may ask of the kernel is not filtered on this machine. {_MALICE}"
    if filtered:
        return (
            f"{_OWN}, without a network and other programs. This system gives it no namespaces: it could read, change and delete what its "
            f"user may, and end its user's processes. {_MALICE}"
        )
    return (
        f"{_OWN}. This system gives it no namespaces and no filter of calls: that protects the grades against mistakes. {_MALICE}"
    )


def whole(wall, alone, filtered):
    """Whether nothing is missing from the wall."""
    return wall in _BEHIND or alone and filtered


def tried(launcher):
    """The wall that a submission would run behind, as `sentence` takes it: one is started that is empty."""
    with tempfile.TemporaryDirectory(prefix="lossnotes-") as folder, contextlib.closing(launcher.connect(folder, 5.0)):
        return launcher.wall, launcher.alone, launcher.filtered


def needs_library(allowed):
    """Whether one of these names is a function of this package: then a submission has to read the package, and may see how it does it."""
    import lossnotes  # here: it has this module among its own

    return any(name in lossnotes.__all__ for name in allowed)


def sandbox(allowed=()):
    """The command for bubblewrap: read-only, without a network, other processes, this user's files or this package."""

    def command(folder):
        python = [os.path.join(home, part) for home in (sys.base_prefix, sys.prefix) for part in PARTS]
        places = [*SYSTEM, *python, *{sysconfig.get_path(name) for name in ("purelib", "platlib")}]
        places = [place for place in places if Path(place).exists()]
        binds = [part for place in dict.fromkeys(places) for part in ("--ro-bind", place, place)]
        # Where the package lies among the others, an empty folder hides it; what is allowed is shown without the checker.
        if needs_library(allowed):
            binds += ["--ro-bind", str(PACKAGE), str(PACKAGE), "--tmpfs", str(CHILD.parent)]
        elif any(PACKAGE.is_relative_to(place) for place in places):
            binds += ["--tmpfs", str(PACKAGE)]
        shut = [
            "--unshare-all",
            "--uid",
            "65534",
            "--gid",
            "65534",
            "--die-with-parent",
            "--new-session",
            "--cap-drop",
            "ALL",
            "--clearenv",
        ]
        own = ["--setenv", "OMP_NUM_THREADS", "1", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", *binds]
        mine = ["--ro-bind", str(CHILD), "/grader", "--bind", str(folder), "/hw", "--chdir", "/hw"]
        return [shutil.which("bwrap"), *shut, *own, *mine, sys.executable, "-I", "/grader"], "/hw", lambda: None

    return command


def container(image, allowed=()):
    """The command for a container of `image`, which has Python and torch: no network, nobody's rights, read-only."""
    engine = shutil.which("docker") or shutil.which("podman")

    def command(folder):
        name = f"lossnotes-{uuid.uuid4().hex[:12]}"
        limits = ["--memory", "4g", "--pids-limit", "256", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
        shut = ["--network", "none", "--read-only", "--user", "65534:65534", "--tmpfs", "/tmp:size=64m"]
        shown = ["--volume", f"{CHILD}:/grader:ro", "--volume", f"{folder}:/hw:ro", "--workdir", "/hw"]
        if needs_library(allowed):
            shown += ["--volume", f"{PACKAGE}:{PACKAGE}:ro", "--tmpfs", str(PACKAGE / "check")]
        run = [engine, "run", "--rm", "--interactive", "--name", name, *shut, *limits, *shown, image, "python3", "-I", "/grader"]

        def end():
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            subprocess.run([engine, "rm", "--force", name], check=False, timeout=60, **quiet)

        return run, "/hw", end

    return command


def missing(wall):
    """What has to be installed for a wall, or an empty text."""
    if wall == "sandbox" and not shutil.which("bwrap"):
        return "--sandbox needs bubblewrap, and there is no bwrap on the PATH. Try apt install bubblewrap"
    if wall == "container" and not (shutil.which("docker") or shutil.which("podman")):
        return "--container needs docker or podman, and there is neither on the PATH. Try --sandbox"
    return ""
