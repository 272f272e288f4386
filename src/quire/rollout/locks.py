"""One writer for each thread, in all processes of the machine.

A lock is a `flock` on `$QUIRE_HOME/thread-writer-locks/<thread-id>.lock`. The kernel gives it up
when its holder dies, however it dies, so a lock that is held is proof of a living writer and is
never broken. The file holds the writer's process id and the time it took the lock, for the message
that a second writer gets; the file goes when the lock does.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress

from quire.core.errors import RolloutError, UsageError
from quire.rollout.paths import make_folders

FOLDER = "thread-writer-locks"

_held: set[int] = set()
_hooked = False


class WriterLock:
    """The right to write one thread. Held from the moment it is made until `release`."""

    def __init__(self, home: str, thread_id: str) -> None:
        """Take it at once or raise: `UsageError` names the process that holds it, `RolloutError`
        the folder that cannot be used."""
        self._path = os.path.join(home, FOLDER, f"{thread_id}.lock")
        try:
            self._fd: int | None = _acquire(self._path, thread_id)
        except OSError as exc:
            raise RolloutError(
                f"cannot lock thread {thread_id}: {exc.strerror}: {self._path}; "
                "check that this folder can be written"
            ) from exc
        _held.add(self._fd)
        _close_in_forks()

    def release(self) -> None:
        """Give it up. Idempotent, never raises."""
        fd, self._fd = self._fd, None
        if fd is None or fd not in _held:  # In a forked child it is its parent's.
            return
        _held.discard(fd)
        with suppress(OSError):  # Should its folder be gone, the lock ends all the same.
            os.unlink(self._path)
        os.close(fd)


def _acquire(path: str, thread_id: str) -> int:
    make_folders(os.path.dirname(path))
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_file_at(fd, path):
                os.ftruncate(fd, 0)
                os.pwrite(fd, f"{os.getpid()} {time.time():.3f}\n".encode(), 0)
                return fd
        except BlockingIOError:
            holder = _holder(fd)
            os.close(fd)
            raise UsageError(
                f"thread {thread_id} is being written by {holder}; wait until that ends, or fork "
                "the thread"
            ) from None
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)  # Its holder gave it up and removed the file in between.


def _is_file_at(fd: int, path: str) -> bool:
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(fd), there)


def _holder(fd: int) -> str:
    """`process 1234 (since 10:16:07)`. The text is only for people and may be a moment old."""
    words = os.pread(fd, 64, 0).split()
    try:
        since = time.strftime("%H:%M:%S", time.localtime(float(words[1])))
        return f"process {int(words[0])} (since {since})"
    except (ValueError, IndexError, OverflowError):
        return "another process"


def _close_in_forks() -> None:
    """A child that is forked without a new program would keep the lock after its parent's death."""
    global _hooked
    if not _hooked:
        _hooked = True
        os.register_at_fork(after_in_child=_close_held)


def _close_held() -> None:
    while _held:
        os.close(_held.pop())
