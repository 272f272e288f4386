"""Pages of a list that only grows at its end, with cursors like those of Codex 0.169.

A cursor names a place in the list by its number, so it stays right while the list grows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from quire.protocol.rpc.values import SortDirection
from quire.server.errors import InvalidRequest

DEFAULT_PAGE = 25
MAX_PAGE = 100
_END = (1 << 31) - 1  # no list is as long

_Entry = TypeVar("_Entry")


class Place(Struct, frozen=True, kw_only=True, rename="camel"):
    """Where a page begins: at entry `ordinal` of the list `kind` of a thread, or right after it
    in the direction of reading. Where the entry's number was not known it is named."""

    requested_thread_id: str
    kind: str
    ordinal: int
    include_anchor: bool
    entry_id: str | None = None


class Page(Struct, Generic[_Entry], frozen=True):
    """`next_cursor` goes on in the same direction and is None at the end; `backwards_cursor`
    reads from the first entry of this page in the other direction."""

    data: tuple[_Entry, ...]
    next_cursor: str | None = None
    backwards_cursor: str | None = None


class HasId(Protocol):
    @property
    def id(self) -> str: ...


_Named = TypeVar("_Named", bound=HasId)


class PageRequest(Struct, frozen=True, kw_only=True):
    """What a client asked for. `thread_id` and `kind` name the list; `direction` `asc` is from
    the oldest on."""

    thread_id: str
    kind: str
    direction: SortDirection
    cursor: str | None = None
    limit: int | None = None

    def place(self, ordinal: int, *, include: bool) -> Place:
        return Place(
            requested_thread_id=self.thread_id,
            kind=self.kind,
            ordinal=ordinal,
            include_anchor=include,
        )


def newest_page(entries: Sequence[_Named], asked: PageRequest) -> Page[_Named]:
    """The first page of a list from its newest entry on, of which `entries` are the newest ones
    (oldest first): more than fit, or else all there are. Raises `InvalidRequest` for a negative
    limit."""
    limit = page_limit(asked)
    if len(entries) <= limit:
        return page(entries, asked)
    shown = tuple(reversed(entries[-limit:]))
    return Page(
        shown,
        _cursor(replace(asked.place(-1, include=False), entry_id=shown[-1].id)),
        _cursor(replace(asked.place(-1, include=True), entry_id=shown[0].id)),
    )


def entry_cursor(thread_id: str, kind: str, entry_id: str) -> str:
    """A cursor that begins at the entry of this id, that one included."""
    return _cursor(
        Place(
            requested_thread_id=thread_id,
            kind=kind,
            ordinal=-1,
            include_anchor=True,
            entry_id=entry_id,
        )
    )


def named_place(entries: Sequence[HasId], asked: PageRequest) -> PageRequest:
    """The request with the number of the entry that its cursor names. Raises `InvalidRequest` for
    a cursor that is not of this list."""
    place = _place(asked)
    if place is None or place.entry_id is None:
        return asked
    for number, entry in enumerate(entries):
        if entry.id == place.entry_id:
            known = replace(place, ordinal=number, entry_id=None)
            return replace(asked, cursor=_cursor(known))
    raise InvalidRequest(f"invalid cursor: {asked.cursor}")


def page_limit(asked: PageRequest) -> int:
    """How many entries a page has at most. Raises `InvalidRequest` for a negative limit."""
    if asked.limit is not None and asked.limit < 0:
        raise InvalidRequest(
            f"Invalid request: invalid value: integer `{asked.limit}`, expected u32"
        )
    return min(max(asked.limit if asked.limit is not None else DEFAULT_PAGE, 1), MAX_PAGE)


def page(
    entries: Sequence[_Entry], asked: PageRequest, *, after: int | None = None
) -> Page[_Entry]:
    """One page of `entries` (oldest first). `after` begins right after that entry, in the
    direction of reading, instead of at a cursor. Raises `InvalidRequest` for a cursor that is not
    of this list and for a negative limit."""
    limit = page_limit(asked)
    start = asked.place(after, include=False) if after is not None else _place(asked)
    numbers = _numbers(len(entries), start, asked.direction)
    shown = numbers[:limit]
    if not shown:
        return Page(())
    more = len(numbers) > len(shown)
    return Page(
        tuple(entries[number] for number in shown),
        _cursor(asked.place(shown[-1], include=False)) if more else None,
        _cursor(asked.place(shown[0], include=True)),
    )


def last_cursor(thread_id: str, kind: str) -> str:
    """What reads a list backwards, from the entry on that is the last one then."""
    asked = PageRequest(thread_id=thread_id, kind=kind, direction="desc")
    return _cursor(asked.place(_END, include=True))


def _numbers(length: int, start: Place | None, direction: SortDirection) -> range:
    """The numbers of the entries from `start` on, in the order of reading."""
    if direction == "asc":
        first = 0 if start is None else start.ordinal + (0 if start.include_anchor else 1)
        return range(max(first, 0), length)
    last = length - 1 if start is None else start.ordinal - (0 if start.include_anchor else 1)
    return range(min(last, length - 1), -1, -1)


def _place(asked: PageRequest) -> Place | None:
    if asked.cursor is None:
        return None
    try:
        place = msgspec.json.decode(asked.cursor, type=Place)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        place = None
    if place is None or (place.requested_thread_id, place.kind) != (asked.thread_id, asked.kind):
        raise InvalidRequest(f"invalid cursor: {asked.cursor}")
    return place


def _cursor(place: Place) -> str:
    return msgspec.json.encode(place).decode()
