"""`thread/searchOccurrences`: the places of a term in one thread (row D8, Codex 0.169)."""

from __future__ import annotations

from itertools import islice

import msgspec
from msgspec import Struct

from quire.core.errors import UsageError
from quire.protocol.rpc.thread_history import (
    ThreadSearchOccurrence,
    ThreadSearchOccurrencesParams,
    ThreadSearchOccurrencesResponse,
    ThreadSearchTextRange,
)
from quire.protocol.stored import Occurrence
from quire.server.calls.blocking import Blocking
from quire.server.errors import InvalidRequest
from quire.server.history import not_loaded
from quire.server.library import ThreadLibrary
from quire.server.paging import PageRequest, entry_cursor, page_limit
from quire.server.routes import Caller, Routes, route


class _Cursor(Struct, frozen=True, rename="camel"):
    """Goes on behind the first `passed` places of this term in this thread."""

    thread_id: str
    search_term: str
    passed: int


class OccurrenceCalls:
    """Answers about places in threads."""

    def __init__(self, library: ThreadLibrary) -> None:
        self._library = library
        self._blocking = Blocking(1)

    def routes(self) -> Routes:
        return {"thread/searchOccurrences": route(ThreadSearchOccurrencesParams, self.search)}

    async def search(
        self, params: ThreadSearchOccurrencesParams, caller: Caller
    ) -> ThreadSearchOccurrencesResponse:
        """Oldest first. Raises `InvalidRequest` for an empty term and for a cursor of another
        search."""
        if not params.search_term.strip():
            raise InvalidRequest("thread/searchOccurrences requires a non-empty searchTerm")
        passed = _passed(params)
        limit = page_limit(
            PageRequest(
                thread_id=params.thread_id, kind="places", direction="asc", limit=params.limit
            )
        )

        def read() -> list[Occurrence]:
            try:
                found = self._library.occurrences(params.thread_id, params.search_term)
            except UsageError:
                raise not_loaded(params.thread_id) from None
            return list(islice(found, passed, passed + limit + 1))

        found = await self._blocking.run(read)
        onward = None
        if len(found) > limit:
            cursor = _Cursor(params.thread_id, params.search_term, passed + limit)
            onward = msgspec.json.encode(cursor).decode()
        return ThreadSearchOccurrencesResponse(
            data=tuple(_view(params.thread_id, place) for place in found[:limit]),
            next_cursor=onward,
        )


def _passed(params: ThreadSearchOccurrencesParams) -> int:
    if params.cursor is None:
        return 0
    try:
        cursor = msgspec.json.decode(params.cursor, type=_Cursor)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        cursor = None
    asked = (params.thread_id, params.search_term)
    if cursor is None or (cursor.thread_id, cursor.search_term) != asked or cursor.passed < 0:
        raise InvalidRequest(f"invalid cursor: {params.cursor}")
    return cursor.passed


def _view(thread_id: str, place: Occurrence) -> ThreadSearchOccurrence:
    return ThreadSearchOccurrence(
        turn_id=place.turn_id,
        item_id=place.item_id,
        snippet=place.snippet,
        snippet_match_range=ThreadSearchTextRange(start=place.start, end=place.end),
        turn_cursor=entry_cursor(thread_id, "turns", place.turn_id),
    )
