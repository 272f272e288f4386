"""Rollout files: how records get into them.

Files are 0600, folders 0700. A line is in the kernel's hands before `append` returns, so it
survives the death of this process; it is forced to the disk when a turn ends.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from quire.core.errors import RolloutError
from quire.protocol.records import Record, SessionMeta, TurnCompleted
from quire.rollout.lines import LineState, encode
from quire.rollout.locks import WriterLock
from quire.rollout.paths import make_folders, rollout_path, thread_id_of

if TYPE_CHECKING:
    from quire.rollout.resume import LoadedThread


class RolloutFile:
    """The log of one thread on disk (port `Rollout`). Made by `RolloutStore`.

    A new file appears with the second record: a thread in which nothing happened leaves none.
    A write that fails is taken back whole: the file always ends with a whole line."""

    def __init__(
        self, home: str, path: str, state: LineState, now: Callable[[], float] = time.time
    ) -> None:
        self.path = path
        self._home = home
        self._state = state
        self._now = now
        self._fd = -1
        self._size = 0
        self._first: bytes | None = None
        self._lock: WriterLock | None = None
        self._unsynced = False
        self._closed = False

    def reopen(self, lock: WriterLock, thread: LoadedThread) -> None:
        """Go on with an existing file, whose lock was taken, behind its last whole line; what
        follows it is cut off. Raises `RolloutError`; the lock is given up then."""
        self._lock = lock
        try:
            self._fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            if os.fstat(self._fd).st_size > thread.size:
                os.ftruncate(self._fd, thread.size)
            self._size = thread.size
            if thread.open_line:
                _write_all(self._fd, b"\n")
                self._size += 1
        except OSError as exc:
            self._release()
            raise self._error(exc) from exc

    def append(self, record: Record) -> None:
        """Store it. Raises `RolloutError`; the file is then as it was before."""
        self.append_many((record,))

    def append_many(self, records: Sequence[Record]) -> None:
        """Store all of them with one write, or none. Raises `RolloutError`. The end of a turn is
        forced to the disk; should only that fail, it is stored although this raises."""
        if self._closed:
            raise ValueError("append to a rollout that was closed")
        state, parts = self._state, [] if self._first is None else [self._first]
        for record in records:
            state, lines = encode(state, record, self._now())
            parts.append(lines)
        if self._fd < 0 and len(records) == 1 and isinstance(records[0], SessionMeta):
            self._first = b"".join(parts)
        elif parts:
            self._write(b"".join(parts))
            self._first = None
        self._state = state
        if any(isinstance(record, TurnCompleted) for record in records):
            self.sync()

    def sync(self) -> None:
        """Force what was written to the disk. Raises `RolloutError`."""
        if self._unsynced:
            try:
                os.fsync(self._fd)
                self._unsynced = False
            except OSError as exc:
                raise self._error(exc) from exc

    def close(self) -> None:
        """Force it to the disk and give up the lock. Idempotent. Raises `RolloutError` when the
        disk refuses; the lock is given up all the same."""
        self._closed = True
        try:
            self.sync()
        finally:
            self._release()

    def _write(self, data: bytes) -> None:
        created = False
        try:
            if self._fd < 0:
                self._create()
                created = True
            _write_all(self._fd, data)
        except OSError as exc:
            self._take_back(created)
            raise self._error(exc) from exc
        self._size += len(data)
        self._unsynced = True

    def _create(self) -> None:
        self._lock = WriterLock(self._home, self._state.thread_id)
        make_folders(os.path.dirname(self.path))
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._fd = os.open(self.path, flags, 0o600)

    def _take_back(self, created: bool) -> None:
        """Cut off what a failed write left. Should that fail as well, the next reader cuts it."""
        if self._fd >= 0:
            with suppress(OSError):  # The reason of the failed write is the one to tell.
                os.ftruncate(self._fd, self._size)
                if created:
                    os.unlink(self.path)
        if created or self._fd < 0:
            self._release()

    def _release(self) -> None:
        self._unsynced = False
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _error(self, exc: OSError) -> RolloutError:
        return RolloutError(
            f"cannot write the thread's log: {exc.strerror}: {self.path}; "
            "free some space or mend the folder, then resume the thread"
        )


class MemoryRollout:
    """The log of an ephemeral thread (port `Rollout`): nothing is kept."""

    def append(self, record: Record) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class RolloutStore:
    """The rollout files below one home. `now` gives seconds since the epoch."""

    def __init__(self, home: str, now: Callable[[], float] = time.time) -> None:
        self.home = home
        self._now = now

    def create(self, thread_id: str) -> RolloutFile:
        """The file of a new thread. Nothing is on disk before its second record."""
        path = rollout_path(self.home, thread_id, self._now())
        return RolloutFile(self.home, path, LineState(thread_id=thread_id), self._now)

    def resume(self, thread_id: str) -> tuple[RolloutFile, LoadedThread]:
        """A stored thread, and its file to go on writing. Raises `UsageError` for an id that is
        not stored or is being written by another process, `RolloutError` for a file that cannot
        be used."""
        from quire.rollout.listing import require_rollout

        path = require_rollout(self.home, thread_id)
        thread_id = thread_id.lower()
        lock = WriterLock(self.home, thread_id)
        try:
            thread = self.load(path)
            if thread.meta.thread_id != thread_id:
                raise RolloutError(f"{path}:1: the file of thread {thread.meta.thread_id}")
        except BaseException:
            lock.release()
            raise
        state = LineState(thread_id=thread_id, ordinal=thread.next_ordinal)
        file = RolloutFile(self.home, path, state, self._now)
        file.reopen(lock, thread)
        return file, thread

    def load(self, path: str, *, items: bool = False) -> LoadedThread:
        """Read a thread without the right to write it. Raises `RolloutError`."""
        from quire.rollout.resume import load

        return load(path, self.find_segment, items=items)

    def fork(self, source: str, meta: SessionMeta, last_turn: str | None = None) -> str:
        """Store a new thread, `meta`, with the history of the file at `source`, up to the end of
        turn `last_turn` if one is named. Returns its path. Raises `UsageError` for an unknown
        turn, `RolloutError`."""
        from quire.rollout.fork import fork

        return fork(source, self.home, meta, self._now(), self.find_segment, last_turn)

    def find(self, thread_id: str) -> str | None:
        """The path of a thread's file, archived ones included."""
        from quire.rollout.listing import find_rollout

        return find_rollout(self.home, thread_id)

    def find_segment(self, segment_id: str) -> str | None:
        """The path of a file that other files continue (`history.Find`)."""
        from quire.rollout.listing import find_segment

        return find_segment(self.home, segment_id)

    def latest(self, cwd: str) -> str | None:
        """The id of the thread that was written last among those started in `cwd`."""
        from quire.rollout.listing import latest_rollout

        path = latest_rollout(self.home, cwd)
        return thread_id_of(os.path.basename(path)) if path is not None else None


def _write_all(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]
