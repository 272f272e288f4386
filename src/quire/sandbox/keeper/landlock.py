"""The layer `landlock`: no namespaces, only rules about files (Linux 6.2 or later).

A rule allows writing below a folder and cannot take a part of it back. So a folder that holds
something protected is not allowed itself, but each of its other entries is: inside, commands can
change those, and cannot make, remove or rename an entry of that folder. Names directly in `/tmp`
and `TMPDIR` are not protected, or nothing could be made there.
"""

from __future__ import annotations

import ctypes
import os
from stat import S_ISDIR, S_ISLNK

from quire.sandbox.keeper import libc

LEAST_VERSION = 3
"""The first that can stop files from being truncated."""

_WRITE, _REFER, _TRUNCATE = 1 << 1, 1 << 13, 1 << 14
_ENTRIES = 0x1FF0  # remove and make: folders, files, devices, sockets, pipes, symlinks
_FILE_RIGHTS = _WRITE | _TRUNCATE
_FOLDER_RIGHTS = _FILE_RIGHTS | _ENTRIES | _REFER
_CONTROL, _CONTROL_SINCE = 1 << 15, 5  # ioctl on devices
_BIND_TCP, _CONNECT_TCP = 1, 2
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts")


def prepare(writable: list[str], protected: list[str], *, network: bool) -> int:
    """A ruleset that lets only `writable` be written, and in those nothing at or below
    `protected`. To be given to `libc.landlock_restrict`."""
    version = libc.landlock_version()
    if version < LEAST_VERSION:
        raise libc.CallFailed(f"landlock_create_ruleset: version {version} is too old", 95)
    control = _CONTROL if version >= _CONTROL_SINCE else 0
    rules = libc.Ruleset(_FOLDER_RIGHTS | control, 0, 0)
    size = 8
    if version >= 4:
        size = 16
        rules.network = 0 if network else _BIND_TCP | _CONNECT_TCP
    if version >= libc.SCOPES_SINCE:
        size = ctypes.sizeof(rules)
        rules.scoped = libc.SCOPE_ABSTRACT_SOCKETS | libc.SCOPE_SIGNALS
    ruleset = libc.landlock_ruleset(rules, size)
    for name in _DEVICES:
        _allow(ruleset, f"/dev/{name}", [], control)
    for root in writable:
        _allow(ruleset, root, protected)
    return ruleset


def _allow(ruleset: int, path: str, protected: list[str], more: int = 0) -> None:
    if path in protected:
        return
    try:
        fd = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return  # It vanished; what cannot be opened cannot be allowed either.
    try:
        mode = os.fstat(fd).st_mode
        if S_ISLNK(mode):
            return
        below = [place for place in protected if place.startswith(path + "/")]
        if not below:
            rights = _FOLDER_RIGHTS if S_ISDIR(mode) else _FILE_RIGHTS
            libc.landlock_allow(ruleset, fd, rights | more, path)
            return
    finally:
        os.close(fd)
    for name in _entries(path):
        _allow(ruleset, f"{path}/{name}", below)


def _entries(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
