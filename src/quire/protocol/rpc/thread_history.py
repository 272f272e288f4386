"""`thread/*` calls about what happened in a thread: pages, search, revert (Codex 0.169)."""

from __future__ import annotations

from typing import Literal

from msgspec import Raw, Struct

from quire.protocol.rpc.items import ThreadItem
from quire.protocol.rpc.method import Method, Notification
from quire.protocol.rpc.thread import Thread, ThreadSourceKind, TurnsPage
from quire.protocol.rpc.turn import TurnItemsView
from quire.protocol.rpc.values import Limit, SortDirection


class ThreadTurnsListParams(Struct, frozen=True, kw_only=True, rename="camel"):
    thread_id: str
    cursor: str | None = None
    limit: Limit | None = None
    sort_direction: SortDirection | None = None
    items_view: TurnItemsView | None = None


class ThreadTurnsListResponse(TurnsPage, frozen=True, kw_only=True, rename="camel"):
    """`next_cursor` goes on in the same direction, `backwards_cursor` back from the first turn
    of this page; each is null where nothing lies."""


class ItemThreadItemsListAnchor(
    Struct, frozen=True, kw_only=True, rename="camel", tag="item", tag_field="type"
):
    """Begin at this item."""

    item_id: str


class ThreadItemOutputDeferral(Struct, frozen=True, kw_only=True, rename="camel"):
    """Whose output is left out of a page, to be read one by one."""

    command_execution: bool = False
    mcp_tool_call: bool = False


class ThreadItemsListParams(Struct, frozen=True, kw_only=True, rename="camel"):
    thread_id: str
    turn_id: str | None = None
    cursor: str | ItemThreadItemsListAnchor | None = None
    limit: Limit | None = None
    sort_direction: SortDirection | None = None
    defer_output: ThreadItemOutputDeferral | None = None


class ThreadItemEntry(Struct, frozen=True, kw_only=True, rename="camel"):
    turn_id: str
    item: ThreadItem
    started_at_ms: int | None = None
    completed_at_ms: int | None = None


class ThreadItemsListResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    data: tuple[ThreadItemEntry, ...]
    next_cursor: str | None = None
    backwards_cursor: str | None = None


class ThreadInjectItemsParams(Struct, frozen=True, kw_only=True, rename="camel"):
    """Items of the Responses API, put into the conversation as they are."""

    thread_id: str
    items: tuple[Raw, ...]


class ThreadInjectItemsResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    pass


class ThreadRevertParams(Struct, frozen=True, kw_only=True, rename="camel"):
    """Forget `before_turn_id` and what came after it. Files stay as they are."""

    thread_id: str
    before_turn_id: str


class ThreadRevertResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    thread: Thread
    turns_backwards_cursor: str | None = None
    items_backwards_cursor: str | None = None


class ThreadSearchParams(Struct, frozen=True, kw_only=True, rename="camel"):
    search_term: str
    cursor: str | None = None
    limit: Limit | None = None
    sort_key: Literal["created_at", "updated_at", "recency_at"] | None = None
    sort_direction: SortDirection | None = None
    source_kinds: tuple[ThreadSourceKind, ...] | None = None
    archived: bool | None = None


class ThreadSearchResult(Struct, frozen=True, kw_only=True, rename="camel"):
    """`snippet` shows where the term stands."""

    thread: Thread
    snippet: str


class ThreadSearchResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    data: tuple[ThreadSearchResult, ...]
    next_cursor: str | None = None
    backwards_cursor: str | None = None


class ThreadSearchTextRange(Struct, frozen=True, kw_only=True, rename="camel"):
    """Offsets in UTF-16 code units; `end` is behind the last one."""

    start: int
    end: int


class ThreadSearchOccurrence(Struct, frozen=True, kw_only=True, rename="camel"):
    """`turn_cursor` makes `thread/turns/list` begin at the turn."""

    turn_id: str
    item_id: str
    snippet: str
    snippet_match_range: ThreadSearchTextRange
    turn_cursor: str


class ThreadSearchOccurrencesParams(Struct, frozen=True, kw_only=True, rename="camel"):
    thread_id: str
    search_term: str
    cursor: str | None = None
    limit: int | None = None


class ThreadSearchOccurrencesResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    """Oldest first."""

    data: tuple[ThreadSearchOccurrence, ...]
    next_cursor: str | None = None


class ThreadRevertedNotification(Struct, frozen=True, kw_only=True, rename="camel"):
    thread_id: str


THREAD_REVERTED = Notification("thread/reverted", ThreadRevertedNotification)

METHODS = (
    Method("thread/turns/list", ThreadTurnsListParams, ThreadTurnsListResponse),
    Method("thread/items/list", ThreadItemsListParams, ThreadItemsListResponse),
    Method("thread/inject_items", ThreadInjectItemsParams, ThreadInjectItemsResponse),
    Method("thread/revert", ThreadRevertParams, ThreadRevertResponse),
    Method("thread/search", ThreadSearchParams, ThreadSearchResponse, experimental=True),
    Method(
        "thread/searchOccurrences",
        ThreadSearchOccurrencesParams,
        ThreadSearchOccurrencesResponse,
        experimental=True,
    ),
)
NOTIFICATIONS = (THREAD_REVERTED,)
