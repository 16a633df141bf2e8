"""What a process may take, before it runs a line of a student's: on Linux all of it, elsewhere what there is.

A process group of its own; limits on processor time, memory, files and processes; nothing of the environment; where the kernel
gives them, namespaces without other processes and without a network; and where the grader is root, nobody's rights.
"""

import ctypes
import os
import signal
import sys

NOBODY = 65534
_NEW_PID, _NEW_NET, _NEW_IPC, _NEW_USER = 0x20000000, 0x40000000, 0x08000000, 0x10000000
_PDEATHSIG, _DUMPABLE, _NO_NEW_PRIVS, _SUBREAPER = 1, 4, 38, 36


def prctl(option, value):
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def hide():
    """Nobody with the same rights may read or change this process's memory."""
    prctl(_DUMPABLE, 0)


def adopt():
    """What a child leaves behind becomes a child of this process, and can be found."""
    prctl(_SUBREAPER, 1)


def confine(folder, seconds, memory, keep, walled=False):
    """Shut this process in; `keep` are the file descriptors that stay open, and `walled` says that there is a wall already."""
    if os.getsid(0) != os.getpid():
        os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    last = 2
    for fd in sorted(keep):
        os.closerange(last + 1, fd)
        last = fd
    os.closerange(last + 1, 4096)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(HOME=folder, TMPDIR=folder, PATH="/usr/bin:/bin", LANG="C.UTF-8", MPLBACKEND="Agg", OMP_NUM_THREADS="1")
    sys.path.insert(0, folder)
    if not walled:
        _namespaces()
    _rlimits(seconds, memory)
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    prctl(_NO_NEW_PRIVS, 1)
    hide()


def _namespaces():
    """Alone: no other process to be seen or ended, no network; its end is the end of all it started. Where that is allowed."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    prctl(_DUMPABLE, 1)  # or the files written below belong to root
    user, group = os.geteuid(), os.getegid()
    own = _NEW_PID | _NEW_NET | _NEW_IPC
    if user == 0:
        if libc.unshare(own):
            return
    else:
        if libc.unshare(own | _NEW_USER):
            return
        try:
            for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
                with open(f"/proc/self/{name}", "w") as file:
                    file.write(text)
        except OSError:
            os._exit(1)
    inner = os.fork()  # the first process of the new namespace
    if inner:
        _, status = os.waitpid(inner, 0)
        code = os.waitstatus_to_exitcode(status)
        if code < 0:  # end as it ended
            signal.signal(-code, signal.SIG_DFL)
            os.kill(os.getpid(), -code)
        os._exit(code if code >= 0 else 1)
    prctl(_PDEATHSIG, signal.SIGKILL)


def _rlimits(seconds, memory):
    try:
        import resource
    except ImportError:  # Windows
        return
    limits = [
        (resource.RLIMIT_CPU, int(seconds) + 5),
        (resource.RLIMIT_FSIZE, 16 * 2**20),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 256),
    ]
    if sys.platform == "linux":
        with open("/proc/self/statm") as file:
            size = int(file.read().split()[0]) * resource.getpagesize()
        limits += [(resource.RLIMIT_AS, size + memory), (resource.RLIMIT_NPROC, _threads() + 64)]
    for which, value in limits:
        hard = resource.getrlimit(which)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(which, (value, value))


def _threads():
    """How many threads the user has: the limit on processes counts them all."""
    user = NOBODY if os.geteuid() == 0 else os.geteuid()
    count = 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if os.stat(f"/proc/{name}").st_uid == user:
                    count += len(os.listdir(f"/proc/{name}/task"))
            except OSError:  # it has ended meanwhile
                pass
    return count


def end(pid):
    """Kill the process, its group and whatever else came of it."""
    for kill in (os.killpg, os.kill):
        try:
            kill(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
    status = os.waitpid(pid, 0)[1]
    while sys.platform == "linux" and (strays := _children()):  # those that left its group are children of ours by now
        for stray in strays:
            os.kill(stray, signal.SIGKILL)
            os.waitpid(stray, 0)
    return os.waitstatus_to_exitcode(status)


def _children():
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return [int(pid) for pid in file.read().split()]
