"""One turn, as an iterator over its events, and what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import Self

from msgspec import Struct
from msgspec.structs import replace

from quire.client.errors import ClientError, TurnFailed
from quire.client.events import (
    ErrorOccurred,
    ItemCompleted,
    QuestionDeclined,
    ThreadEvent,
    TokenUsageUpdated,
    TurnCompleted,
    TurnDiffUpdated,
    turn_of,
)
from quire.client.feed import Feed
from quire.client.link import Link
from quire.protocol.rpc.faults import ThreadTokenUsage, TurnError
from quire.protocol.rpc.items import (
    AgentMessageThreadItem,
    ExitedReviewModeThreadItem,
    ThreadItem,
)
from quire.protocol.rpc.turn import Turn, TurnInterruptParams, TurnInterruptResponse
from quire.protocol.thread import TurnStatus


class TurnResult(Struct, frozen=True, kw_only=True):
    """What came of a turn. `text` is its last message (of a review: the review), "" without one;
    `items` are those that were completed, in their order; `diff` is all it changed, as one git
    diff; `usage` None when the provider told none; `declined` what was asked and had no callback
    to answer it."""

    turn_id: str
    status: TurnStatus
    text: str
    items: tuple[ThreadItem, ...]
    usage: ThreadTokenUsage | None = None
    error: TurnError | None = None
    diff: str = ""
    declined: tuple[QuestionDeclined, ...] = ()


class TurnRun:
    """A turn that starts when it is iterated, once:

        async for event in thread.run("…"): ...

    The last event is `TurnCompleted`. Leaving the loop before it (`break`, an error, a
    cancellation) interrupts the turn. To wait until it has ended, hold on to the run:

        async with thread.run("…") as run:
            async for event in run: ...
    """

    def __init__(self, link: Link, thread_id: str, begin: Callable[[], Awaitable[Turn]]) -> None:
        self._link = link
        self._thread_id = thread_id
        self._begin = begin
        self._events: AsyncGenerator[ThreadEvent] | None = None
        self._items: list[ThreadItem] = []
        self._declined: list[QuestionDeclined] = []
        self._usage: ThreadTokenUsage | None = None
        self._error: TurnError | None = None
        self._diff = ""
        self._turn: Turn | None = None

    @property
    def turn_id(self) -> str | None:
        """None before it started."""
        return None if self._turn is None else self._turn.id

    def __aiter__(self) -> AsyncGenerator[ThreadEvent]:
        """Raises `ClientError` when it was iterated already, `CallRefused` when the turn cannot
        start, `ConnectionLost`, `EventsNotRead`, and what a callback raised."""
        if self._turn is not None:
            raise ClientError("a run is iterated once; start another with thread.run()")
        # Kept only between `async with`: a loop that is left must leave nobody that holds it.
        return self._run() if self._events is None else self._events

    async def __aenter__(self) -> Self:
        self._events = self._run()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._events is not None:
            await self._events.aclose()

    async def result(self) -> TurnResult:
        """Run to the end. Raises `TurnFailed` for a turn that failed, and what iterating raises.
        A cancellation interrupts the turn."""
        if self._turn is None:
            async for _ in self:
                pass
        result = self.outcome
        if result.status == "failed":
            raise TurnFailed(result)
        return result

    @property
    def outcome(self) -> TurnResult:
        """What came of it so far. Raises `ClientError` before it started."""
        if self._turn is None:
            raise ClientError("the turn has not started: iterate the run first")
        return TurnResult(
            turn_id=self._turn.id,
            status=self._turn.status,
            text=_final_text(self._items),
            items=tuple(self._items),
            usage=self._usage,
            error=self._turn.error or self._error,
            diff=self._diff,
            declined=tuple(self._declined),
        )

    async def _run(self) -> AsyncGenerator[ThreadEvent]:
        feed = self._link.feed(self._thread_id)
        try:
            await self._start()
            while self._turn is None or self._turn.status == "inProgress":
                event = await feed.next()
                if turn_of(event) in (None, self.turn_id):
                    self._note(event)
                    yield event
        finally:
            await self._leave(feed)

    async def _start(self) -> None:
        """A cancellation waits for the answer: without it the turn could not be interrupted."""
        starting = asyncio.ensure_future(self._begin())
        try:
            self._turn = await asyncio.shield(starting)
        except asyncio.CancelledError:
            with suppress(ClientError):
                self._turn = await starting
            raise

    def _note(self, event: ThreadEvent) -> None:
        match event:
            case ItemCompleted(item=item):
                self._items.append(item)
            case TokenUsageUpdated(token_usage=usage):
                self._usage = usage
            case TurnDiffUpdated(diff=diff):
                self._diff = diff
            case ErrorOccurred(error=error, will_retry=False):
                self._error = error
            case QuestionDeclined():
                self._declined.append(event)
            case TurnCompleted(turn=turn):
                self._turn = turn
            case _:
                pass

    async def _leave(self, feed: Feed) -> None:
        self._link.drop(self._thread_id, feed)
        if self._turn is None or self._turn.status != "inProgress":
            return
        params = TurnInterruptParams(thread_id=self._thread_id, turn_id=self._turn.id)
        with suppress(ClientError):  # It ended by itself, or the server is gone.
            await self._link.call("turn/interrupt", params, TurnInterruptResponse)
            self._turn = replace(self._turn, status="interrupted")


def _final_text(items: list[ThreadItem]) -> str:
    for item in reversed(items):
        match item:
            case ExitedReviewModeThreadItem(review=text) | AgentMessageThreadItem(text=text):
                return text
            case _:
                pass
    return ""
