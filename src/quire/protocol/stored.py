"""Stored threads as lists show them, and the queries for them.

The words are those of Codex 0.169's app-server (`thread/list`, `thread/search`, `thread/queue/*`);
times are in seconds since the epoch, paths absolute.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Raw, Struct

from quire.protocol.records import GitInfo

SortKey = Literal["created_at", "updated_at"]

INTERACTIVE_SOURCES = ("cli", "vscode", "custom")
"""The source kinds that a list shows when none is asked for."""

MAX_PAGE = 100


class StoredThread(Struct, frozen=True, kw_only=True):
    """A thread as its files tell it. `preview` is the text of its first message; `source` the
    word its first line has, `source_kind` the app-server's `ThreadSourceKind` for it (or
    `custom`); `model` and `effort` are those of its newest turn."""

    id: str
    path: str
    cwd: str
    created_at: int
    updated_at: int
    preview: str = ""
    name: str | None = None
    archived: bool = False
    model_provider: str = ""
    model: str | None = None
    effort: str | None = None
    source: str = ""
    source_kind: str = "unknown"
    thread_source: str | None = None
    originator: str = ""
    cli_version: str = ""
    git: GitInfo | None = None
    forked_from: str | None = None


class ListQuery(Struct, frozen=True, kw_only=True):
    """Which threads, and in which order. An empty tuple does not filter. `search_term` is a part
    of the name or of the preview, upper and lower case apart. `limit` below 1 counts as 1, above
    `MAX_PAGE` as that."""

    archived: bool = False
    cwds: tuple[str, ...] = ()
    model_providers: tuple[str, ...] = ()
    source_kinds: tuple[str, ...] = ()
    search_term: str | None = None
    excluded_ids: tuple[str, ...] = ()
    sort_key: SortKey = "created_at"
    descending: bool = True
    cursor: str | None = None
    limit: int = 25


class Page(Struct, frozen=True):
    """One page. `next_cursor` goes on behind it, None at the end; `backwards_cursor` goes the
    other way from its first thread, that one included, None for an empty page."""

    threads: tuple[StoredThread, ...]
    next_cursor: str | None = None
    backwards_cursor: str | None = None


class Hit(Struct, frozen=True):
    """A thread in whose messages a term was found, with the words around it."""

    thread: StoredThread
    snippet: str


class HitPage(Struct, frozen=True):
    """`Page` for a search."""

    hits: tuple[Hit, ...]
    next_cursor: str | None = None
    backwards_cursor: str | None = None


class Occurrence(Struct, frozen=True):
    """One place in one message. `start` and `end` are offsets in `snippet`, in UTF-16 units."""

    turn_id: str
    item_id: str
    snippet: str
    start: int
    end: int


class QueuedMessage(Struct, frozen=True, kw_only=True):
    """A message that waits for its turn. `input` and `metadata` are JSON, kept as they came."""

    id: str
    input: Raw
    client_message_id: str
    metadata: Raw = Raw(b"null")
