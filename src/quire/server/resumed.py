"""Where a client that resumed a thread goes on to read what happened in it."""

from __future__ import annotations

from msgspec.structs import replace

from quire.protocol.rpc.thread import (
    ThreadResumeInitialTurnsPageParams,
    ThreadResumeParams,
    ThreadResumeResponse,
    TurnsPage,
)
from quire.protocol.rpc.turn import Turn
from quire.server.paging import PageRequest, last_cursor, newest_page, page, page_limit
from quire.server.turn_views import turn_view


def turns_needed(params: ThreadResumeParams) -> int | None:
    """How many of the newest turns have to be read for the answer; None: all. Raises
    `InvalidRequest` for a negative limit."""
    asked = params.initial_turns_page
    if not params.exclude_turns or (asked is not None and asked.sort_direction == "asc"):
        return None
    return 1 if asked is None else page_limit(_request(params.thread_id, asked)) + 1


def with_pages(
    response: ThreadResumeResponse,
    turns: tuple[Turn, ...],
    asked: ThreadResumeInitialTurnsPageParams | None,
) -> ThreadResumeResponse:
    """The response with cursors that read turns and items from the end, where there are any, and
    with the page that was asked for: newest first, summaries, unless asked otherwise. `turns` are
    as many as `turns_needed` says."""
    thread_id = response.thread.id
    items = any(turn.items for turn in turns)
    return replace(
        response,
        initial_turns_page=None if asked is None else _first_page(thread_id, turns, asked),
        turns_backwards_cursor=last_cursor(thread_id, "turns") if turns else None,
        items_backwards_cursor=last_cursor(thread_id, "items:") if items else None,
    )


def _first_page(
    thread_id: str, turns: tuple[Turn, ...], asked: ThreadResumeInitialTurnsPageParams
) -> TurnsPage:
    request = _request(thread_id, asked)
    found = (newest_page if request.direction == "desc" else page)(turns, request)
    view = asked.items_view or "summary"
    return TurnsPage(
        data=tuple(turn_view(turn, view) for turn in found.data),
        next_cursor=found.next_cursor,
        backwards_cursor=found.backwards_cursor,
    )


def _request(thread_id: str, asked: ThreadResumeInitialTurnsPageParams) -> PageRequest:
    direction = asked.sort_direction or "desc"
    return PageRequest(thread_id=thread_id, kind="turns", direction=direction, limit=asked.limit)
