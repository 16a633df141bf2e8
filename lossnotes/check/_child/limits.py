"""What a process may take, before it runs a line of a student's: on Linux all of it, elsewhere what there is.

A process group of its own; limits on processor time, memory, files and processes; nothing of the environment; no other program;
where the kernel gives them, namespaces without other processes, without a network, and without the folders that are hidden; and
where the grader is root, nobody's rights.
"""

import ctypes
import os
import platform
import signal
import struct
import sys

NOBODY = 65534
_NEW_PID, _NEW_NET, _NEW_IPC, _NEW_USER, _NEW_MOUNTS = 0x20000000, 0x40000000, 0x08000000, 0x10000000, 0x00020000
_PDEATHSIG, _DUMPABLE, _SECCOMP, _NO_NEW_PRIVS, _SUBREAPER = 1, 4, 22, 38, 36
_BIND, _RECURSIVE, _PRIVATE = 0x1000, 0x4000, 0x40000


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
    """Shut this process in, and say whether it is alone; `keep` are the file descriptors that stay open.

    The request says ``folder``, where it works, ``seconds`` and ``memory``, which folders are ``hidden``, and whether it is
    ``walled`` already.
    """
    folder = request["folder"]
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
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(HOME=folder, TMPDIR=folder, PATH="/usr/bin:/bin", LANG="C.UTF-8", MPLBACKEND="Agg", OMP_NUM_THREADS="1")
    sys.path.insert(0, folder)
    alone = request.get("walled", False) or _namespaces(request["hidden"])
    _rlimits(request["seconds"], request["memory"])
    if hasattr(os, "geteuid") and os.geteuid() == 0 and not request.get("walled"):
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    prctl(_NO_NEW_PRIVS, 1)
    _no_programs()
    hide()
    return alone


def _namespaces(hidden):
    """Alone: no other process to be seen or ended, no network; its end is the end of all it started. Where that is allowed."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    prctl(_DUMPABLE, 1)  # or the files written below belong to root
    user, group = os.geteuid(), os.getegid()
    own = _NEW_PID | _NEW_NET | _NEW_IPC | _NEW_MOUNTS
    if user == 0:
        if libc.unshare(own):
            return False
    else:
        if libc.unshare(own | _NEW_USER):
            return False
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
    libc.mount(None, b"/", None, _RECURSIVE | _PRIVATE, None)
    if user == 0:
        _reachable(libc)
    for place in hidden:  # an empty folder over it
        libc.mount(b"none", place.encode(), b"tmpfs", 0, b"size=4k,mode=555")
    return True


def _reachable(libc):
    """Nobody has to read Python's own folders: where they lie in a closed one, as root's home is, that is replaced by them alone."""
    places = {os.path.realpath(place) for place in (sys.prefix, sys.base_prefix, *sys.path) if os.path.isdir(place)}
    closed = {}
    for place in sorted(places):
        parts = place.split("/")
        for i in range(2, len(parts) + 1):
            above = "/".join(parts[:i])
            if not os.stat(above).st_mode & 1:
                closed.setdefault(above, []).append((place, os.open(place, os.O_PATH)))
                break
    for above, inside in closed.items():
        libc.mount(b"none", above.encode(), b"tmpfs", 0, b"size=1m,mode=755")
        for place, fd in inside:
            os.makedirs(place, exist_ok=True)
            libc.mount(f"/proc/self/fd/{fd}".encode(), place.encode(), None, _BIND | _RECURSIVE, None)
            os.close(fd)


def _no_programs():
    """Refuse to start another program: one with a Python of its own would stand outside of the fence."""
    calls = {"x86_64": (0xC000003E, (59, 322)), "aarch64": (0xC00000B7, (221, 281))}
    if sys.platform != "linux" or platform.machine() not in calls:
        return
    machine, numbers = calls[platform.machine()]
    load, equal, above, give = 0x20, 0x15, 0x35, 0x06  # the words of the kernel's filters
    allow, refuse = 0x7FFF0000, 0x00050000 | 1
    # Another machine's calls, and on x86 those of its other interface, are refused with the rest.
    rules = [(load, 0, 0, 4), (equal, 0, 4, machine), (load, 0, 0, 0), (above, 2, 0, 0x40000000)]
    rules += [(equal, 1, 0, numbers[0]), (equal, 0, 1, numbers[1]), (give, 0, 0, refuse), (give, 0, 0, allow)]
    code = b"".join(struct.pack("HBBI", *rule) for rule in rules)
    buffer = ctypes.create_string_buffer(code)
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(rules), ctypes.addressof(buffer)))
    ctypes.CDLL(None).prctl(_SECCOMP, 2, program, 0, 0)


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
