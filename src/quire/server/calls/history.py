"""`thread/*`: pages of what happened, items put in, turns taken back, threads searched."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from quire.protocol.items import CALL_KINDS, OUTPUT_KINDS, HistoryItem, history_item
from quire.protocol.records import ItemAdded
from quire.protocol.rpc.thread_history import (
    THREAD_REVERTED,
    ItemThreadItemsListAnchor,
    ThreadInjectItemsParams,
    ThreadInjectItemsResponse,
    ThreadItemEntry,
    ThreadItemsListParams,
    ThreadItemsListResponse,
    ThreadRevertedNotification,
    ThreadRevertParams,
    ThreadRevertResponse,
    ThreadSearchParams,
    ThreadSearchResponse,
    ThreadSearchResult,
    ThreadTurnsListParams,
    ThreadTurnsListResponse,
)
from quire.protocol.stored import INTERACTIVE_SOURCES, ListQuery
from quire.server.calls.blocking import Blocking
from quire.server.errors import INVALID_PARAMS, InvalidRequest
from quire.server.history import Histories
from quire.server.hubs import Hubs
from quire.server.library import ThreadLibrary
from quire.server.paging import (
    DEFAULT_PAGE,
    PageRequest,
    last_cursor,
    named_place,
    newest_page,
    page,
    page_limit,
)
from quire.server.routes import Caller, Routes, route
from quire.server.thread_views import loaded_view, stored_view
from quire.server.turn_views import entries_of, turn_view


class HistoryCalls:
    """Answers about the turns and items of threads."""

    def __init__(self, hubs: Hubs, library: ThreadLibrary, histories: Histories) -> None:
        self._hubs = hubs
        self._library = library
        self._histories = histories
        self._blocking = Blocking(1)

    def routes(self) -> Routes:
        return {
            "thread/turns/list": route(ThreadTurnsListParams, self.list_turns),
            "thread/items/list": route(ThreadItemsListParams, self.list_items),
            "thread/inject_items": route(ThreadInjectItemsParams, self.inject),
            "thread/revert": route(ThreadRevertParams, self.revert),
            "thread/search": route(ThreadSearchParams, self.search),
        }

    async def list_turns(
        self, params: ThreadTurnsListParams, caller: Caller
    ) -> ThreadTurnsListResponse:
        """Newest first unless asked otherwise."""
        asked = PageRequest(
            thread_id=params.thread_id,
            kind="turns",
            direction=params.sort_direction or "desc",
            cursor=params.cursor,
            limit=params.limit,
        )
        if asked.direction == "desc" and asked.cursor is None:
            newest = await self._histories.fetch(params.thread_id, page_limit(asked) + 1)
            found = newest_page(newest, asked)
        else:
            turns = await self._histories.fetch(params.thread_id)
            found = page(turns, named_place(turns, asked))
        view = params.items_view or "summary"
        return ThreadTurnsListResponse(
            data=tuple(turn_view(turn, view) for turn in found.data),
            next_cursor=found.next_cursor,
            backwards_cursor=found.backwards_cursor,
        )

    async def list_items(
        self, params: ThreadItemsListParams, caller: Caller
    ) -> ThreadItemsListResponse:
        """Oldest first unless asked otherwise. An item as a cursor begins right after it."""
        entries = entries_of(await self._histories.fetch(params.thread_id))
        if params.turn_id is not None:
            entries = tuple(entry for entry in entries if entry.turn_id == params.turn_id)
        after, cursor = None, params.cursor
        if isinstance(cursor, ItemThreadItemsListAnchor):
            after, cursor = _anchor(entries, cursor.item_id, params.turn_id), None
        asked = PageRequest(
            thread_id=params.thread_id,
            kind=f"items:{params.turn_id or ''}",
            direction=params.sort_direction or "asc",
            cursor=cursor,
            limit=params.limit,
        )
        found = page(entries, asked, after=after)
        return ThreadItemsListResponse(
            data=found.data,
            next_cursor=found.next_cursor,
            backwards_cursor=found.backwards_cursor,
        )

    async def inject(
        self, params: ThreadInjectItemsParams, caller: Caller
    ) -> ThreadInjectItemsResponse:
        """Put items of the Responses API into the conversation. They must leave it legal: a call
        without its output, or an output without its call, is refused."""
        hub = self._hubs.find(params.thread_id)
        thread = hub.loaded.thread
        if thread.state.turn_id is not None:
            raise InvalidRequest("items cannot be injected while a turn runs")
        try:
            items = [history_item(bytes(item)) for item in params.items]
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise InvalidRequest(f"Invalid request: {exc}") from None
        _refuse_illegal(items)
        for item in items:
            thread.record(ItemAdded(item, "note"))
        return ThreadInjectItemsResponse()

    async def revert(self, params: ThreadRevertParams, caller: Caller) -> ThreadRevertResponse:
        """Take back a turn and all later ones. Files stay as they are. Raises `InvalidRequest`
        while a turn runs and for a turn that is not there."""
        hub = self._hubs.find(params.thread_id)
        if hub.loaded.opened.info.path is None:
            raise InvalidRequest("ephemeral threads do not support thread/revert")
        hub.loaded.thread.revert(params.before_turn_id, self._library.records(params.thread_id))
        told = ThreadRevertedNotification(thread_id=params.thread_id)
        caller.after_reply(lambda: hub.tell(THREAD_REVERTED, told))
        turns = self._histories.turns(params.thread_id)
        items = any(turn.items for turn in turns)
        return ThreadRevertResponse(
            thread=loaded_view(hub, turns=turns),
            turns_backwards_cursor=last_cursor(params.thread_id, "turns") if turns else None,
            items_backwards_cursor=last_cursor(params.thread_id, "items:") if items else None,
        )

    async def search(self, params: ThreadSearchParams, caller: Caller) -> ThreadSearchResponse:
        """Threads in whose messages the term stands, upper and lower case alike."""
        query = ListQuery(
            archived=params.archived or False,
            source_kinds=params.source_kinds or INTERACTIVE_SOURCES,
            sort_key="created_at" if params.sort_key == "created_at" else "updated_at",
            descending=params.sort_direction != "asc",
            cursor=params.cursor,
            limit=DEFAULT_PAGE if params.limit is None else params.limit,
        )
        found = await self._blocking.run(lambda: self._library.search(params.search_term, query))
        return ThreadSearchResponse(
            data=tuple(
                ThreadSearchResult(thread=stored_view(hit.thread), snippet=hit.snippet)
                for hit in found.hits
            ),
            next_cursor=found.next_cursor,
            backwards_cursor=found.backwards_cursor,
        )


def _anchor(entries: Sequence[ThreadItemEntry], item_id: str, turn_id: str | None) -> int:
    """Where an item stands. Raises `InvalidRequest` in the words of Codex 0.169."""
    if turn_id is None:
        raise InvalidRequest("turnId is required when cursor is an item anchor", INVALID_PARAMS)
    for number, entry in enumerate(entries):
        if entry.item.id == item_id:
            return number
    raise InvalidRequest(
        "cursor.itemId does not identify an item in the requested history scope", INVALID_PARAMS
    )


def _refuse_illegal(items: list[HistoryItem]) -> None:
    """Raises `InvalidRequest` for items after which no model would go on."""
    open_calls: dict[str, bool] = {}
    for item in items:
        kind, call_id = item.head.type, item.head.call_id
        custom = kind.startswith("custom_")
        if kind in CALL_KINDS:
            if not call_id:
                raise InvalidRequest(f"a {kind} without a call_id has no output")
            open_calls[call_id] = custom
        elif kind in OUTPUT_KINDS and open_calls.pop(call_id or "", None) is not custom:
            raise InvalidRequest(f"the output {call_id} answers no call")
    if open_calls:
        raise InvalidRequest(f"the call {next(iter(open_calls))} has no output")
