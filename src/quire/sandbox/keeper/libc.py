"""System calls that Python does not offer, through ctypes. They raise `CallFailed`."""

from __future__ import annotations

import ctypes
import os

AT_FDCWD, AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, AT_RECURSIVE = -100, 0x1000, 0x100, 0x8000
CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWUSER = 0x0002_0000, 0x0800_0000, 0x1000_0000
CLONE_NEWPID, CLONE_NEWNET = 0x2000_0000, 0x4000_0000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REC, MS_PRIVATE = 1, 2, 4, 8, 0x4000, 0x4_0000
MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV = 1, 2, 4

_OPEN_TREE_CLONE, _MOVE_MOUNT_F_EMPTY_PATH, _MOVE_MOUNT_T_EMPTY_PATH = 1, 0x4, 0x40
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_CAPBSET_DROP = 1, 4, 22, 24
_PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 36, 38
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_SECCOMP_MODE_FILTER, _SIGKILL, _LAST_CAPABILITY = 2, 9, 63
_CAPABILITY_VERSION_3 = 0x2008_0522

SCOPES_SINCE, SCOPE_ABSTRACT_SOCKETS, SCOPE_SIGNALS = 6, 1, 2

_SYS_OPEN_TREE, _SYS_MOVE_MOUNT, _SYS_MOUNT_SETATTR = 428, 429, 442
_SYS_LANDLOCK_CREATE, _SYS_LANDLOCK_ADD, _SYS_LANDLOCK_RESTRICT = 444, 445, 446

_libc = ctypes.CDLL(None, use_errno=True)


class CallFailed(Exception):
    """`call` names the system call and what it was for; `error` is its errno."""

    def __init__(self, call: str, error: int) -> None:
        super().__init__(f"{call}: {os.strerror(error)}")
        self.call = call
        self.error = error


class _Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


class _MountAttributes(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "userns"))


class Ruleset(ctypes.Structure):
    """`struct landlock_ruleset_attr`."""

    _fields_ = tuple((name, ctypes.c_uint64) for name in ("files", "network", "scoped"))


class _BeneathRule(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def unshare(flags: int) -> None:
    _checked("unshare", _libc.unshare(flags))


def mount(kind: str, target: str, flags: int, data: str = "") -> None:
    words = (kind.encode(), os.fsencode(target), kind.encode())
    done = _libc.mount(*words, ctypes.c_ulong(flags), data.encode() or None)
    _checked(f"mount of {kind} on {target}", done)


def make_private(target: str) -> None:
    """Mounts below `target` are no longer shared with outside."""
    done = _libc.mount(
        b"none", os.fsencode(target), None, ctypes.c_ulong(MS_REC | MS_PRIVATE), None
    )
    _checked(f"mount (private) of {target}", done)


def clone_tree(fd: int, what: str) -> int:
    """A detached copy of the mounts at the descriptor `fd` and below."""
    flags = _OPEN_TREE_CLONE | AT_EMPTY_PATH | AT_RECURSIVE | os.O_CLOEXEC
    return _checked(f"open_tree {what}", _libc.syscall(_SYS_OPEN_TREE, fd, b"", flags))


def attach(tree: int, target: int, what: str) -> None:
    """Mount a detached tree on what the descriptor `target` stands for, a symlink too."""
    flags = _MOVE_MOUNT_F_EMPTY_PATH | _MOVE_MOUNT_T_EMPTY_PATH
    done = _libc.syscall(_SYS_MOVE_MOUNT, tree, b"", target, b"", flags)
    _checked(f"move_mount {what}", done)


def set_mount(fd: int, path: str, attributes: int, *, recursive: bool = True) -> None:
    """Add attributes to the mount at `path` below `fd`, or at `fd` itself when `path` is empty."""
    wanted = _MountAttributes(attributes, 0, 0, 0)
    flags = (AT_RECURSIVE if recursive else 0) | (0 if path else AT_EMPTY_PATH)
    size = ctypes.sizeof(wanted)
    done = _libc.syscall(
        _SYS_MOUNT_SETATTR, fd, os.fsencode(path), flags, ctypes.byref(wanted), size
    )
    _checked(f"mount_setattr {path}".strip(), done)


def drop_capabilities() -> None:
    """Give up all capabilities for ever, also for programs started later as root."""
    for capability in range(_LAST_CAPABILITY + 1):
        if _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) < 0:
            break  # No such capability in this kernel, or (EPERM) none to drop.
    _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    _checked("capset", _libc.capset(ctypes.byref(header), ctypes.byref(nothing)))


def no_new_privileges() -> None:
    _checked("prctl PR_SET_NO_NEW_PRIVS", _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


def load_filter(code: bytes) -> None:
    """Load a seccomp filter, an array of `struct sock_filter`."""
    program = _Filter(len(code) // 8, code)
    done = _libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0)
    _checked("prctl PR_SET_SECCOMP", done)


def die_with_parent() -> None:
    _checked("prctl PR_SET_PDEATHSIG", _libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0))


def become_subreaper() -> None:
    _checked("prctl PR_SET_CHILD_SUBREAPER", _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))


def own_proc_files() -> None:
    """Let this process write its own files in /proc, which a change of user forbids."""
    _checked("prctl PR_SET_DUMPABLE", _libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0))


def default_signals() -> None:
    """Undo what Python and the keeper ignore (SIGHUP, SIGINT, SIGPIPE, SIGTERM, SIGXFSZ), which a
    new program would inherit. The module `signal` takes longer to import than this whole step."""
    for number in (1, 2, 13, 15, 25):
        _libc.signal(number, None)


def landlock_version() -> int:
    """The Landlock version of this kernel."""
    done = _libc.syscall(_SYS_LANDLOCK_CREATE, None, ctypes.c_size_t(0), 1)
    return _checked("landlock_create_ruleset", done)


def landlock_ruleset(rules: Ruleset, size: int) -> int:
    """A new ruleset; `size` is how much of `rules` this kernel knows."""
    done = _libc.syscall(_SYS_LANDLOCK_CREATE, ctypes.byref(rules), ctypes.c_size_t(size), 0)
    return _checked("landlock_create_ruleset", done)


def landlock_allow(ruleset: int, fd: int, rights: int, what: str) -> None:
    """Allow `rights` at and below what `fd` stands for."""
    rule = _BeneathRule(rights, fd)
    done = _libc.syscall(_SYS_LANDLOCK_ADD, ruleset, 1, ctypes.byref(rule), 0)
    _checked(f"landlock_add_rule {what}", done)


def scope_abstract_sockets() -> None:
    """Keep this process and its children from unix sockets of others that have no path. Does
    nothing before Linux 6.12."""
    try:
        if landlock_version() < SCOPES_SINCE:
            return
        rules = Ruleset(0, 0, SCOPE_ABSTRACT_SOCKETS)
        ruleset = landlock_ruleset(rules, ctypes.sizeof(rules))
    except CallFailed:
        return  # A kernel without Landlock.
    no_new_privileges()
    landlock_restrict(ruleset)
    os.close(ruleset)


def landlock_restrict(ruleset: int) -> None:
    _checked("landlock_restrict_self", _libc.syscall(_SYS_LANDLOCK_RESTRICT, ruleset, 0))


def _checked(call: str, result: int) -> int:
    if result < 0:
        raise CallFailed(call, ctypes.get_errno())
    return result
