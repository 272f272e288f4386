"""Small facts about threads that stand outside their logs: names, and what clients noted.

One JSON object a line, the last line about a thread wins. `session_index.jsonl` is Codex's (0.169):
`{"id":…,"thread_name":…,"updated_at":"2026-11-20T13:25:45.896Z"}`; `thread_metadata.jsonl` is ours
(Codex keeps such facts in a database). Several processes may write: each holds the file's lock.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from typing import Generic, TypeVar

import msgspec
from msgspec import Struct

from quire.config.locking import lock_for_a_change
from quire.core.errors import RolloutError
from quire.rollout.paths import make_folders

NAMES = "session_index.jsonl"
METADATA = "thread_metadata.jsonl"


class Note(Struct, frozen=True):
    """What every line has."""

    id: str


class ThreadName(Note, frozen=True):
    """A line of `session_index.jsonl`."""

    thread_name: str
    updated_at: str = ""


class ThreadMetadata(Note, frozen=True):
    """A line of `thread_metadata.jsonl`: the commit that takes the place of the stored one."""

    sha: str | None = None
    branch: str | None = None
    origin_url: str | None = None


N = TypeVar("N", bound=Note)


class Notes(Generic[N]):
    """One file of notes, read again only when it changed."""

    def __init__(self, path: str, kind: type[N]) -> None:
        self._path = path
        self._kind = kind
        self._decoder = msgspec.json.Decoder(kind)
        self._seen: tuple[int, int, int] | None = None
        self._notes: dict[str, N] = {}

    def all(self) -> dict[str, N]:
        """The newest note of each thread, by id. Lines that cannot be read are passed over.
        Empty when there is no file or it cannot be read."""
        try:
            with open(self._path, "rb") as file:
                there = os.fstat(file.fileno())
                seen = (there.st_ino, there.st_mtime_ns, there.st_size)
                if seen != self._seen:
                    self._notes = {note.id: note for note in self._decoded(file)}
                    self._seen = seen
        except OSError:
            self._seen, self._notes = None, {}
        return self._notes

    def add(self, note: N) -> None:
        """Append one. Raises `RolloutError`."""
        with self._locked() as fd:
            size = os.fstat(fd).st_size
            torn = size > 0 and os.pread(fd, 1, size - 1) != b"\n"
            line = b"\n" * torn + msgspec.json.encode(note) + b"\n"
            if os.write(fd, line) != len(line):  # The next one mends what is torn.
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def remove(self, thread_id: str) -> None:
        """Take out all lines about a thread. Raises `RolloutError`; the file is whole before and
        after, whatever happens."""
        if thread_id not in self.all():
            return
        with self._locked() as old, open(old, "rb", closefd=False) as file:
            kept = [line for line in file if self._id_of(line) != thread_id]
            fresh = f"{self._path}.new"
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
            with open(os.open(fresh, flags, 0o600), "wb") as out:
                out.writelines(kept)
                out.flush()
                os.fsync(out.fileno())
            os.rename(fresh, self._path)

    def _decoded(self, lines: Iterator[bytes]) -> Iterator[N]:
        for line in lines:
            with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                yield self._decoder.decode(line)

    def _id_of(self, line: bytes) -> str | None:
        return next((note.id for note in self._decoded(iter((line,)))), None)

    @contextmanager
    def _locked(self) -> Generator[int]:
        """The file, opened to append, while no other process writes it."""
        try:
            make_folders(os.path.dirname(self._path))
            fd = self._open()
            try:
                yield fd
            finally:
                os.close(fd)
        except OSError as exc:
            raise RolloutError(
                f"cannot write {self._path}: {exc.strerror}; free some space or mend the folder"
            ) from exc

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        while True:
            fd = os.open(self._path, flags, 0o600)
            try:
                lock_for_a_change(fd)
                if os.path.samestat(os.fstat(fd), os.stat(self._path)):
                    return fd
            except FileNotFoundError:
                pass
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)  # Another process put a new file in its place in between.


def thread_names(home: str) -> Notes[ThreadName]:
    """The names below a home."""
    return Notes(os.path.join(home, NAMES), ThreadName)


def thread_metadata(home: str) -> Notes[ThreadMetadata]:
    """What clients noted about threads below a home."""
    return Notes(os.path.join(home, METADATA), ThreadMetadata)
