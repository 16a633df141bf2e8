"""A file system with Python, what was handed in, and nothing else: no other submission, no checkout, no home, no solutions.

In a mount namespace of its own, the root is an empty folder in memory in which there is what a Python program needs, to read. It is
a list of what is there, and not of what is hidden: a copy of the solutions may lie anywhere.
"""

import ctypes
import os
import site
import struct
import sys

PACKAGE = os.path.realpath(__file__).split("/check/_child/")[0]
SYSTEM = ("/usr", "/bin", "/lib", "/lib32", "/lib64", "/nix/store", "/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime")
# What of the folder of a Python environment is Python's. Somebody's course may lie in the same folder.
PARTS = ("bin", "lib", "lib32", "lib64", "include", "share", "pyvenv.cfg")
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
HOME, SPACE = "/tmp/homework", 64 * 2**20  # where it works, and how many bytes may be written
_READ_ONLY, _NO_SUID, _NO_DEVICES, _REMOUNT, _BIND, _RECURSIVE, _PRIVATE, _DETACH = 1, 2, 4, 32, 0x1000, 0x4000, 0x40000, 2
_SET_ATTRIBUTES, _HERE, _WHOLE_TREE = 442, -100, 0x8000


def needed():
    """The places that Python and its packages are read from. A checkout of this package is not one of them."""
    sites = {*site.getsitepackages(), site.getusersitepackages()}
    homes = sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix
    found = [os.path.join(home, part) for home in homes for part in PARTS]
    for place in sys.path:
        whole = place in sites or os.path.basename(place) in ("site-packages", "dist-packages")
        if os.path.isdir(place) and (whole or not os.path.isdir(os.path.join(place, "lossnotes"))):
            found.append(place)
    # Also by the names without links: a program is looked for where the last link leads.
    return [place for place in dict.fromkeys([*found, *map(os.path.realpath, found)]) if os.path.exists(place)]


class Room:
    """Build it over the folder `root` for a user, and move in. Raises OSError where the kernel does not allow that."""

    def __init__(self, root, user, hidden=(), library=False):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.root, self.places = root, []
        files = [(name, _read(os.path.join(root, name))) for name in os.listdir(root) if os.path.isfile(os.path.join(root, name))]
        self._mount(None, "/", None, _RECURSIVE | _PRIVATE)
        self._memory(root, "size=1m,mode=755")
        space = SPACE + sum(len(raw) + 4096 for _, raw in files)
        self._memory(self._made("/tmp"), f"size={space},mode=1777")  # first, as Python itself may lie in there
        for place in (*SYSTEM, *needed()):
            self._show(place)
        packages = {PACKAGE, *(os.path.join(place, "lossnotes") for place in self.places)}
        for place in [*hidden, *packages]:
            if not (library and os.path.realpath(place) == PACKAGE):
                self._cover(place)
        if library:
            self._show(PACKAGE)  # where it does not lie among the other packages
            self._cover(os.path.join(PACKAGE, "check"))
        for place in DEVICES:
            self._show(place, _NO_SUID)
        os.mkdir(root + HOME)
        for name, raw in files:
            with open(os.path.join(root + HOME, name), "wb") as file:
                file.write(raw)
        # Of its own processes, for those who look for themselves there. In some containers it is not allowed, and nobody needs it.
        self.libc.mount(b"proc", os.fsencode(self._made("/proc")), b"proc", _NO_SUID | _NO_DEVICES, None)
        with open(self._made("/etc") + "/passwd", "w") as file:  # some ask who they are, and take no number for an answer
            file.write(f"student:x:{user}:{user}::{HOME}:/bin/false\n")
        self._enter()

    def _enter(self):
        """The old root is let go: nothing of it can be reached, also not by way of what is open."""
        os.chdir(self.root)
        self._check(self.libc.pivot_root(b".", b"."), "pivot_root")
        self._check(self.libc.umount2(b".", _DETACH), "umount2")
        os.chdir("/")
        self._mount(None, "/", None, _REMOUNT | _BIND | _READ_ONLY | _NO_SUID | _NO_DEVICES)

    def _made(self, place):
        os.makedirs(self.root + place, exist_ok=True)
        return self.root + place

    def _show(self, place, locks=_READ_ONLY | _NO_SUID):
        """The same place, to be read."""
        inside = self.root + place
        if not os.path.exists(place) or any(place == p or place.startswith(p + "/") for p in self.places):
            return
        if os.path.islink(place):
            os.makedirs(os.path.dirname(inside), exist_ok=True)
            os.symlink(os.readlink(place), inside)
            return
        if os.path.isdir(place):
            os.makedirs(inside, exist_ok=True)
            self.places.append(place)
        else:
            os.makedirs(os.path.dirname(inside), exist_ok=True)
            open(inside, "w").close()
        self._mount(place, inside, None, _BIND | _RECURSIVE)
        self._lock(inside, locks)

    def _lock(self, inside, locks):
        attributes = struct.pack("QQQQ", locks, 0, 0, 0)
        if self.libc.syscall(_SET_ATTRIBUTES, _HERE, inside.encode(), _WHOLE_TREE, attributes, len(attributes)) == 0:
            return
        # Before Linux 5.12. What is locked already has to be named again: the first bits, and those about access times.
        was = os.statvfs(inside).f_flag
        kept = was & 0b1111 | was & 0xC00 | (was & 0x1000) << 9
        self._mount(None, inside, None, _BIND | _REMOUNT | kept | locks)

    def _cover(self, place):
        if os.path.isdir(self.root + place):
            self._memory(self.root + place, "size=4k,mode=555")

    def _memory(self, place, how):
        self._mount("none", place, "tmpfs", _NO_SUID | _NO_DEVICES, how)

    def _mount(self, source, target, kind, flags, how=None):
        words = [None if word is None else os.fsencode(word) for word in (source, target, kind, how)]
        self._check(self.libc.mount(*words[:3], flags, words[3]), f"mount {target}")

    def _check(self, result, what):
        if result:
            number = ctypes.get_errno()
            raise OSError(number, f"{what}: {os.strerror(number)}")


def _read(path):
    with open(path, "rb") as file:
        return file.read()
