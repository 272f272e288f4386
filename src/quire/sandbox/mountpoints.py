"""Empty folders that stand in for missing protected names while a sandbox runs.

A mount needs something to be mounted on. So for `.codex` to be absent and stay absent inside, an
empty folder of that name has to exist outside, read-only inside, for as long as any sandbox on
that root runs. Nothing of it may remain, and nothing that a person made may be removed:

- A folder made here carries the time `MARK_NS`. It is removed only while it is empty and still
  carries it; whatever is put into it changes the time and makes it the person's.
- Every user of such a folder, and of any other empty protected folder, holds a shared lock on it
  (`flock` on the folder itself, so that it counts across processes and homes, and ends with the
  process). Who lets go last removes it.
- A list under `HOME/tmp/mounts`, locked by its process, names what that process uses. A list
  that nobody locks was left by a process that was killed: the next one removes what it names.
"""

from __future__ import annotations

import errno
import os
import time
from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, flock
from os.path import dirname, join
from stat import S_ISDIR

from msgspec import Struct

from quire.core.errors import AgentError

MARK_NS = 981_173_106 * 1_000_000_000
"""The modification time of folders made here: whole even seconds, so that every file system can
store it."""

Identity = tuple[int, int]
"""Device and inode."""
StandIns = dict[str, Identity]
"""The empty folders that exist now, by path."""

_ATTEMPTS, _PAUSE_S = 5000, 0.0001
_UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS)
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class _Held(Struct):
    fd: int
    identity: Identity
    users: int = 0


class MountPoints:
    """The stand-ins this process uses. `home` is Quire's own folder; the list goes there."""

    def __init__(self, home: str) -> None:
        self._home = home
        self._held: dict[str, _Held] = {}
        self._record: _Record | None = None

    def hold(self, paths: tuple[str, ...]) -> StandIns:
        """Make the folders that are missing and keep all until `release`. Returns those that
        exist now; one is left out where nobody, so no command either, could make it. Raises
        `AgentError` when a folder cannot be made for another reason (full disk), `OSError` when
        one cannot be opened, and `FileExistsError` when something else has appeared there: plan
        again."""
        held: StandIns = {}
        try:
            for path in paths:
                entry = self._enter(path)
                if entry is not None:
                    entry.users += 1
                    held[path] = entry.identity
        except BaseException:
            self.release(held)
            raise
        return held

    def release(self, stand_ins: StandIns) -> None:
        """Let go of what `hold` returned; remove what nobody uses any more."""
        for path in stand_ins:
            entry = self._held.get(path)
            if entry is None:
                continue
            entry.users -= 1
            if entry.users <= 0:
                del self._held[path]
                _remove(path, entry.fd)
        if not self._held and self._record is not None:
            self._record.finish()
            self._record = None

    def sweep(self) -> None:
        """Remove what killed processes left. Cheap when there is nothing."""
        _sweep(join(self._home, "tmp", "mounts"))

    def _enter(self, path: str) -> _Held | None:
        entry = self._held.get(path)
        if entry is not None and _identity(path) == entry.identity:
            return entry
        if self._record is None:
            self.sweep()
            self._record = _Record(join(self._home, "tmp", "mounts"))
        self._record.add(path)
        fresh = _make(path)
        if fresh is None:
            return None
        if entry is not None:  # It was removed under us; those who use it go on with this one.
            os.close(entry.fd)
            fresh.users = entry.users
        self._held[path] = fresh
        return fresh


def _make(path: str) -> _Held | None:
    for _ in range(_ATTEMPTS):
        try:
            os.mkdir(path)
        except FileExistsError:
            pass
        except OSError as exc:
            if exc.errno in _UNWRITABLE:
                return None
            raise AgentError(
                f"cannot make a sandbox: mkdir {path}: {exc.strerror}; it stands in for a "
                "protected name while a command runs"
            ) from None
        else:
            _mark(path)
        held = _lock(path)
        if held is not None:
            return held
        time.sleep(_PAUSE_S)  # Another process is removing it just now.
    raise AgentError(f"cannot make a sandbox: {path} is locked by another program")


def _mark(path: str) -> None:
    try:
        os.utime(path, ns=(MARK_NS, MARK_NS), follow_symlinks=False)
    except OSError:
        return  # It vanished, or times cannot be set: then it is left alone.


def _lock(path: str) -> _Held | None:
    """Share the stand-in at `path`; None when it vanished or is being removed."""
    try:
        fd = os.open(path, _FOLDER)
    except FileNotFoundError:
        return None
    except OSError as exc:
        if exc.errno in (errno.ENOTDIR, errno.ELOOP, errno.EACCES):
            raise FileExistsError(path) from None
        raise
    try:
        flock(fd, LOCK_SH | LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    except OSError:
        pass  # This file system has no locks: other users cannot be seen.
    stat = os.fstat(fd)
    if _identity(path) != (stat.st_dev, stat.st_ino):
        os.close(fd)
        return None
    return _Held(fd, (stat.st_dev, stat.st_ino))


def _remove(path: str, fd: int) -> None:
    """Remove a stand-in that nobody else uses, then let go of it."""
    try:
        if not _alone(fd):
            return
        stat = os.lstat(path)
        same = (stat.st_dev, stat.st_ino) == _identity_of(fd)
        if same and S_ISDIR(stat.st_mode) and stat.st_mtime_ns == MARK_NS:
            os.rmdir(path)
    except OSError:
        pass  # Gone, filled, or in a folder we may not change: not ours to remove.
    finally:
        os.close(fd)


def _alone(fd: int) -> bool:
    try:
        flock(fd, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # No locks here.
    return True


class _Record:
    """The list of this process: paths, each ended by NUL. Without it (the home cannot be
    written) everything works, but what a killed process leaves is found only by the next sandbox
    on the same root."""

    def __init__(self, folder: str) -> None:
        self._path = join(folder, f"{os.getpid()}-{os.urandom(4).hex()}")
        self._known: set[str] = set()
        self._fd = -1
        try:
            for path in (dirname(dirname(folder)), dirname(folder), folder):
                os.makedirs(path, mode=0o700, exist_ok=True)  # The mode is the last one's alone.
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
            self._fd = os.open(self._path + ".new", flags, 0o600)
            flock(self._fd, LOCK_EX | LOCK_NB)
            os.rename(self._path + ".new", self._path)  # Visible only once it is locked.
        except OSError:
            return

    def add(self, path: str) -> None:
        """Note `path` before it is made."""
        if path in self._known or self._fd < 0:
            return
        self._known.add(path)
        try:
            os.write(self._fd, os.fsencode(path) + b"\0")
        except OSError:
            return

    def finish(self) -> None:
        """Nothing is in use any more. What others still use stands in their lists."""
        if self._fd >= 0:
            _unlink(self._path)
            os.close(self._fd)


def _sweep(folder: str) -> None:
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        path = join(folder, name)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            flock(fd, LOCK_EX | LOCK_NB)
            with open(fd, "rb", closefd=False) as file:
                paths = [os.fsdecode(line) for line in file.read().split(b"\0") if line]
        except OSError:
            paths = None  # Its process lives.
        if paths is not None:
            for place in paths:
                _remove_left(place)
            _unlink(path)
        os.close(fd)


def _remove_left(path: str) -> None:
    try:
        fd = os.open(path, _FOLDER)
    except OSError:
        return
    _remove(path, fd)


def _identity(path: str) -> Identity | None:
    try:
        stat = os.lstat(path)
    except OSError:
        return None
    return (stat.st_dev, stat.st_ino)


def _identity_of(fd: int) -> Identity:
    stat = os.fstat(fd)
    return (stat.st_dev, stat.st_ino)


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return
