"""The three calls of Linux's inotify, which Python's standard library does not have."""

from __future__ import annotations

import ctypes
import os
import sys
from errno import EINVAL, ENOENT, ENOSYS, ENOTDIR

_MODIFY, _ATTRIB, _MOVED_FROM, _MOVED_TO = 0x2, 0x4, 0x40, 0x80
_CREATE, _DELETE, _DELETE_SELF, _MOVE_SELF = 0x100, 0x200, 0x400, 0x800
_ONLYDIR = 0x0100_0000

OVERFLOW, IGNORED = 0x4000, 0x8000
"""The kernel lost events; it watches that folder no longer."""
APPEARS_OR_GOES = _CREATE | _DELETE | _MOVED_FROM | _MOVED_TO
"""An entry of the folder."""
SELF_GONE = _DELETE_SELF | _MOVE_SELF
"""The folder itself."""

_MASK = _MODIFY | _ATTRIB | APPEARS_OR_GOES | SELF_GONE | _ONLYDIR


def open_inotify() -> int:
    """A descriptor that does not block. Raises `OSError`."""
    if sys.platform != "linux":
        raise OSError(ENOSYS, os.strerror(ENOSYS))
    fd = _libc().inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if fd < 0:
        raise _error()
    return fd


def add_folder(fd: int, folder: str) -> int | None:
    """The number under which changes in `folder` will be told; the same one when it is watched
    already. None when it is gone. Raises `OSError`."""
    number = _libc().inotify_add_watch(fd, os.fsencode(folder), _MASK)
    if number >= 0:
        return number
    error = _error()
    if error.errno in (ENOENT, ENOTDIR):
        return None
    raise error


def drop_folder(fd: int, number: int) -> None:
    """Watch it no longer; nothing when the kernel has forgotten it by itself."""
    if fd >= 0 and _libc().inotify_rm_watch(fd, number) < 0:
        error = _error()
        if error.errno != EINVAL:
            raise error


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
