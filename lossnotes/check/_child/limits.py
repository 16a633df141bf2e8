"""What a process may take, before it runs a line of a student's: on Linux all of it, elsewhere what there is.

A process group of its own; limits on processor time, memory, files and processes; nothing of the environment; where the kernel gives
them, namespaces without other processes and a network, and a root of its own (see `room`); a filter of system calls (see `calls`); and
where the grader is root, a user that nobody else is.
"""

import contextlib
import ctypes
import importlib
import os
import signal
import struct
import sys

from . import calls
from .room import HOME, Room

NOBODY, STRANGERS = 65534, 2_000_000_000  # the first user of those that nobody is
_NEW_PID, _NEW_NET, _NEW_IPC, _NEW_USER, _NEW_MOUNTS = 0x20000000, 0x40000000, 0x08000000, 0x10000000, 0x00020000
_PDEATHSIG, _DUMPABLE, _SUBREAPER = 1, 4, 36
_DROP_BOUND, _SECCOMP, _NO_NEW_PRIVS, _AMBIENT = 24, 22, 38, 47


def prctl(option, value):
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def hide():
    """Nobody with the same rights may read or change this process's memory."""
    prctl(_DUMPABLE, 0)


def adopt():
    """What a child leaves behind becomes a child of this process, and can be found."""
    prctl(_SUBREAPER, 1)


def confine(request, keep):
    """Shut this process in, and say how: whether it is ``alone``, and whether its calls are ``filtered``.

    `keep` are the file descriptors that stay open. The request says ``folder``, where it works, ``seconds`` and ``memory``, which
    folders are ``hidden``, whether it may read the ``library``, and whether it is ``walled`` already.
    """
    folder, walled = request["folder"], request.get("walled", False)
    if hasattr(os, "setsid") and os.getsid(0) != os.getpid():
        os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    last = 2
    for fd in sorted(keep):
        os.closerange(last + 1, fd)
        last = fd
    os.closerange(last + 1, 4096)
    os.environ.clear()
    own = not walled and possible(request)
    user = _user()
    if own:
        _namespaces()
    limits = _limits(request["seconds"], request["memory"], user)
    if own:
        Room(folder, user, request["hidden"], request.get("library", False))
        folder = HOME
    for which, value in limits:
        _limit(which, value)
    if not walled:
        bounded()
        _become(user, folder)
    powerless()
    os.chdir(folder)
    os.environ.update(HOME=folder, TMPDIR=folder, PATH="/usr/bin:/bin", LANG="C.UTF-8", MPLBACKEND="Agg", OMP_NUM_THREADS="1")
    sys.path.insert(0, folder)
    importlib.invalidate_caches()
    hide()
    return {"alone": walled or own, "filtered": filtered()}


def _user():
    """Who it is going to be: where this is root, a user that nobody else is."""
    if not hasattr(os, "geteuid"):
        return None
    return os.geteuid() or STRANGERS + os.getpid()


def possible(request):
    """Whether the kernel gives namespaces with a root of one's own: another process tries, as there is no way back."""
    if sys.platform != "linux":
        return False
    if "own" not in request:
        pid = os.fork()
        if not pid:
            code = 1
            with contextlib.suppress(BaseException):
                _namespaces()
                Room(request["folder"], NOBODY)
                code = 0
            os._exit(code)
        request["own"] = os.waitpid(pid, 0)[1] == 0
    return request["own"]


def _namespaces():
    """Alone: no other process to be seen or ended, no network; its end is the end of all it started."""
    libc = ctypes.CDLL(None, use_errno=True)
    prctl(_DUMPABLE, 1)  # or the files written below belong to root
    user, group = os.geteuid(), os.getegid()
    own = _NEW_PID | _NEW_NET | _NEW_IPC | _NEW_MOUNTS
    if libc.unshare(own if user == 0 else own | _NEW_USER):
        raise OSError(ctypes.get_errno(), "unshare")
    if user:
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    inner = os.fork()  # the first process of the new namespace
    if inner:
        _, status = os.waitpid(inner, 0)
        code = os.waitstatus_to_exitcode(status)
        if code < 0:  # end as it ended
            signal.signal(-code, signal.SIG_DFL)
            os.kill(os.getpid(), -code)
        os._exit(code if code >= 0 else 1)
    prctl(_PDEATHSIG, signal.SIGKILL)


def _become(user, folder):
    """Where this is root: another user, and another one for each submission, so that none can reach into a second."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return
    os.setgroups([])
    for number in (user, NOBODY):
        try:
            for path in (folder, *(os.path.join(folder, name) for name in os.listdir(folder))):
                os.chown(path, number, number)
            os.setresgid(number, number, number)
            os.setresuid(number, number, number)
            return
        except OSError:  # a container has fewer users
            if number == NOBODY:
                raise


def _limits(seconds, memory, user):
    """What is to be limited, and at which value. `user` is who it is going to be."""
    try:
        import resource
    except ImportError:  # Windows
        return []
    limits = [
        (resource.RLIMIT_CPU, int(seconds) + 5),
        (resource.RLIMIT_FSIZE, 16 * 2**20),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 256),
    ]
    if sys.platform == "linux":
        with open("/proc/self/statm") as file:
            size = int(file.read().split()[0]) * resource.getpagesize()
        limits += [(resource.RLIMIT_AS, size + memory), (resource.RLIMIT_NPROC, _threads(user) + 64)]
    return limits


def _limit(which, value):
    import resource

    hard = resource.getrlimit(which)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (value, value))


def _threads(user):
    """How many threads the user has: the limit on processes counts them all."""
    count = 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if os.stat(f"/proc/{name}").st_uid == user:
                    count += len(os.listdir(f"/proc/{name}/task"))
            except OSError:  # it has ended meanwhile
                pass
    return count


def filtered():
    """Put the filter in force for this process, for good, and say whether it is."""
    if not calls.refused():
        return False
    code = calls.program()
    buffer = ctypes.create_string_buffer(code)
    about = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buffer)))
    libc = ctypes.CDLL(None)
    libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
    return libc.prctl(_SECCOMP, 2, about, 0, 0) == 0


def bounded():
    """Nothing that this process becomes has any of root's rights. It takes a right to give them up: before the user changes."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    for right in range(64):
        if libc.prctl(_DROP_BOUND, right, 0, 0, 0):
            break  # there are no more


def powerless():
    """Give up those rights that are left: in a namespace of its own a process has all of them."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(_AMBIENT, 4, 0, 0, 0)
    libc.capset(struct.pack("Ii", 0x20080522, 0), bytes(24))


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
