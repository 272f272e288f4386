"""What the server needs of stored threads: implemented by `rollout.library`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from quire.protocol.records import GitInfo, Record
from quire.protocol.stored import HitPage, ListQuery, Occurrence, Page, StoredThread


class ThreadLibrary(Protocol):
    """The threads of one home. Every call raises `UsageError` for a thread that is not there and
    `RolloutError` for one that cannot be used."""

    def list(self, query: ListQuery) -> Page: ...

    def thread(self, thread_id: str) -> StoredThread:
        """One stored thread, archived ones included."""
        ...

    def records(self, thread_id: str) -> Iterable[Record]:
        """Its log, without loading it for writing."""
        ...

    def turn_records(self, thread_id: str, newest: int | None = None) -> Sequence[Record]:
        """What people see of its log: turns and their items; with `newest` those of the last so
        many turns, without reading the rest."""
        ...

    def search(self, text: str, query: ListQuery) -> HitPage:
        """Threads in whose messages `text` is."""
        ...

    def occurrences(self, thread_id: str, text: str) -> Iterator[Occurrence]:
        """Every place of `text` in the messages of one thread, oldest first."""
        ...

    def rename(self, thread_id: str, name: str) -> str:
        """Name it; the name as stored."""
        ...

    def set_metadata(self, thread_id: str, git: GitInfo | None) -> None: ...
    def archive(self, thread_id: str) -> None: ...
    def unarchive(self, thread_id: str) -> None: ...
    def delete(self, thread_id: str) -> None: ...
