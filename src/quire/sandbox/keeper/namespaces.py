"""The layer `namespaces`: what bubblewrap does, by our own system calls (Linux 5.12 or later).

It can also hold a symlink in place, by mounting the link on itself.
"""

from __future__ import annotations

import os
from stat import S_ISDIR

from quire.sandbox.keeper import libc
from quire.sandbox.keeper.job import Places

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS = (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2"))
_SAFE = libc.MOUNT_ATTR_NOSUID | libc.MOUNT_ATTR_NODEV


def unshare(*, network: bool) -> None:
    """Leave the namespaces of the host, but for its mounts: the caller still sees its /proc. The
    next child is the first process of the new ones and has to call `build`."""
    user, group = os.geteuid(), os.getegid()
    libc.own_proc_files()
    flags = libc.CLONE_NEWUSER | libc.CLONE_NEWPID | libc.CLONE_NEWIPC
    libc.unshare(flags if network else flags | libc.CLONE_NEWNET)
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{user} {user} 1")
    _write("/proc/self/gid_map", f"{group} {group} 1")


def build(writable: Places, read_only: Places, links: Places) -> None:
    """Make everything read-only but `writable`; keep `read_only` and `links` in those as they
    are, in mounts of our own. What is no longer the file that was planned is refused."""
    os.chdir("/")
    libc.unshare(libc.CLONE_NEWNS)
    libc.make_private("/")
    trees = [(path, _clone(path, (device, inode), 0)) for path, device, inode in writable]
    kept = libc.MOUNT_ATTR_RDONLY
    trees += [(path, _clone(path, (device, inode), kept)) for path, device, inode in read_only]
    trees += [(path, _clone(path, (device, inode), kept)) for path, device, inode in links]
    devices = [(name, _device(name)) for name in _DEVICES if os.path.exists(f"/dev/{name}")]
    libc.set_mount(libc.AT_FDCWD, "/", kept | _SAFE)
    _make_dev(devices)
    flags = libc.MS_NOSUID | libc.MS_NODEV | libc.MS_NOEXEC | libc.MS_RDONLY
    libc.mount("proc", "/proc", flags)
    for path, tree in trees:
        _attach(path, tree)


def _clone(path: str, identity: tuple[int, int], attributes: int) -> int:
    fd = _open(path)
    stat = os.fstat(fd)
    if (stat.st_dev, stat.st_ino) != identity:
        raise libc.CallFailed(f"{path} has been replaced", 116)  # ESTALE
    tree = libc.clone_tree(fd, path)
    os.close(fd)
    libc.set_mount(tree, "", attributes | _SAFE)
    return tree


def _device(name: str) -> int:
    fd = _open(f"/dev/{name}")
    tree = libc.clone_tree(fd, f"/dev/{name}")
    os.close(fd)
    return tree


def _make_dev(devices: list[tuple[str, int]]) -> None:
    libc.mount("tmpfs", "/dev", libc.MS_NOSUID, "mode=0755")
    for name, tree in devices:
        os.close(os.open(f"/dev/{name}", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        _attach(f"/dev/{name}", tree)
    for name, target in _LINKS:
        os.symlink(f"/proc/self/fd{target}", f"/dev/{name}")
    os.mkdir("/dev/shm")
    os.chmod("/dev/shm", 0o1777)
    os.mkdir("/dev/pts")
    options = "newinstance,ptmxmode=0666,mode=0620"
    libc.mount("devpts", "/dev/pts", libc.MS_NOSUID | libc.MS_NOEXEC, options)
    os.symlink("pts/ptmx", "/dev/ptmx")


def _attach(path: str, tree: int) -> None:
    try:
        target = _open(path)
    except FileNotFoundError:
        os.makedirs(path)  # Below the new, empty /dev.
        target = _open(path)
    if S_ISDIR(os.fstat(target).st_mode) != S_ISDIR(os.fstat(tree).st_mode):
        raise libc.CallFailed(f"{path} has been replaced", 116)  # ESTALE
    libc.attach(tree, target, path)
    os.close(tree)
    os.close(target)


def _open(path: str) -> int:
    """What `path` itself stands for, a symlink too."""
    try:
        return os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as exc:
        raise libc.CallFailed(f"open {path}", exc.errno or 0) from None


def _write(path: str, text: str) -> None:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        os.write(fd, text.encode())
        os.close(fd)
    except OSError as exc:
        raise libc.CallFailed(f"write {path}", exc.errno or 0) from None
