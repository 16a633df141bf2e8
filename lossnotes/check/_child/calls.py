"""What is asked of the kernel, and refused: other programs, other namespaces and file systems, sockets, other processes' memory.

A filter of system calls, which the kernel keeps for a process and all that comes of it, as `limits` puts it in force. Together with no
rights it means: a room that was locked stays locked.
"""

import platform
import struct
import sys

# By name, so that the two tables can be compared.
_NUMBERS = {
    "x86_64": {
        "machine": 0xC000003E, "clone": 56, "execve": 59, "execveat": 322, "mount": 165, "umount2": 166, "pivot_root": 155, "chroot": 161,
        "unshare": 272, "setns": 308, "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312, "bpf": 321,
        "perf_event_open": 298, "add_key": 248, "request_key": 249, "keyctl": 250, "userfaultfd": 323, "open_by_handle_at": 304, "socket": 41,
    },
    "aarch64": {
        "machine": 0xC00000B7, "clone": 220, "execve": 221, "execveat": 281, "mount": 40, "umount2": 39, "pivot_root": 41, "chroot": 51,
        "unshare": 97, "setns": 268, "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271, "kcmp": 272, "bpf": 280,
        "perf_event_open": 241, "add_key": 217, "request_key": 218, "keyctl": 219, "userfaultfd": 282, "open_by_handle_at": 265, "socket": 198,
    },
}  # fmt: skip
# New calls have one number on every machine: io_uring (which does what is refused here), mounts of the new kind, others' files.
_NEWER = {
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "open_tree": 428, "move_mount": 429, "fsopen": 430,
    "fsconfig": 431, "fsmount": 432, "fspick": 433, "pidfd_getfd": 438, "mount_setattr": 442, "open_tree_attr": 467,
}  # fmt: skip
_CLONE3 = 435
_NEW_NAMESPACES = 0x7E020000  # of clone: for mounts, control groups, names, messages, users, processes and networks
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _GIVE = 0x20, 0x15, 0x35, 0x45, 0x06  # the words of the kernel's filters
_ALLOW, _REFUSE, _MISSING = 0x7FFF0000, 0x00050000 | 1, 0x00050000 | 38  # 1: not permitted, 38: there is no such call
_OTHER_ABI = 0x40000000  # on x86 the calls of its other interface begin here


def refused():
    """Numbers of the calls that are refused whatever their arguments, by name; empty where the machine is not known."""
    if sys.platform != "linux" or platform.machine() not in _NUMBERS:
        return {}
    own = _NUMBERS[platform.machine()]
    return {name: number for name, number in own.items() if name not in ("machine", "clone")} | _NEWER


def program():
    """The filter, as the kernel reads it: (what, if so, if not, number) for each step; the jumps are counted from the next one."""
    own = _NUMBERS[platform.machine()]
    steps = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, own["machine"]), (_GIVE, 0, 0, _REFUSE)]
    steps += [(_LOAD, 0, 0, 0), (_AT_LEAST, 0, 1, _OTHER_ABI), (_GIVE, 0, 0, _REFUSE)]
    for number in refused().values():
        steps += [(_EQUAL, 0, 1, number), (_GIVE, 0, 0, _REFUSE)]
    # The arguments of clone3 lie in memory, where a filter cannot look. Whoever hears that there is none takes clone.
    steps += [(_EQUAL, 0, 1, _CLONE3), (_GIVE, 0, 0, _MISSING)]
    steps += [(_EQUAL, 0, 3, own["clone"]), (_LOAD, 0, 0, 16), (_ANY_BIT, 0, 1, _NEW_NAMESPACES), (_GIVE, 0, 0, _REFUSE)]
    steps += [(_GIVE, 0, 0, _ALLOW)]
    return b"".join(struct.pack("HBBI", *step) for step in steps)
