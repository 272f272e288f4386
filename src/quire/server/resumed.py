"""Where a client that resumed a thread goes on to read what happened in it."""

from __future__ import annotations

from msgspec.structs import replace

from quire.protocol.rpc.thread import (
    ThreadResumeInitialTurnsPageParams,
    ThreadResumeResponse,
    TurnsPage,
)
from quire.protocol.rpc.turn import Turn
from quire.server.paging import PageRequest, last_cursor, page
from quire.server.turn_views import turn_view


def with_pages(
    response: ThreadResumeResponse,
    turns: tuple[Turn, ...],
    asked: ThreadResumeInitialTurnsPageParams | None,
) -> ThreadResumeResponse:
    """The response with cursors that read `turns` (all, with all items) and their items from the
    end, and with the page that was asked for: newest first, summaries, unless asked otherwise.
    Raises `InvalidRequest` for a negative limit."""
    thread_id = response.thread.id
    return replace(
        response,
        initial_turns_page=None if asked is None else _first_page(thread_id, turns, asked),
        turns_backwards_cursor=last_cursor(thread_id, "turns", len(turns)),
        items_backwards_cursor=last_cursor(
            thread_id, "items:", sum(len(turn.items) for turn in turns)
        ),
    )


def _first_page(
    thread_id: str, turns: tuple[Turn, ...], asked: ThreadResumeInitialTurnsPageParams
) -> TurnsPage:
    request = PageRequest(
        thread_id=thread_id,
        kind="turns",
        direction=asked.sort_direction or "desc",
        limit=asked.limit,
    )
    found = page(turns, request)
    view = asked.items_view or "summary"
    return TurnsPage(
        data=tuple(turn_view(turn, view) for turn in found.data),
        next_cursor=found.next_cursor,
        backwards_cursor=found.backwards_cursor,
    )
