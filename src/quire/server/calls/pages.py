"""Cursors that are places in a short list, as `model/list` has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from quire.server.errors import InvalidRequest

_LARGEST = 2**32 - 1
_Entry = TypeVar("_Entry")


def page(
    entries: Sequence[_Entry], cursor: str | None, limit: int | None, what: str
) -> tuple[tuple[_Entry, ...], str | None]:
    """The page that begins at `cursor`, and the cursor of the next one. Raises `InvalidRequest`
    for a cursor or a limit that cannot be; `what` names the entries in that."""
    start = _start(cursor, len(entries), what)
    end = start + _limit(limit, len(entries))
    return tuple(entries[start:end]), str(end) if end < len(entries) else None


def _start(cursor: str | None, total: int, what: str) -> int:
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 20):
        raise InvalidRequest(f"invalid cursor: {cursor}")
    if int(cursor) > total:
        raise InvalidRequest(f"cursor {int(cursor)} exceeds total {what} {total}")
    return int(cursor)


def _limit(limit: int | None, total: int) -> int:
    if limit is None:
        return total
    if not 0 <= limit <= _LARGEST:
        raise InvalidRequest(f"Invalid request: invalid value: integer `{limit}`, expected u32")
    return max(limit, 1)
