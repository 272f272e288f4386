"""A thread, as a client uses it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Unpack

from quire.client.events import ThreadEvent
from quire.client.link import Link
from quire.client.options import Prompt, TurnOptions, turn_params, user_input
from quire.client.run import TurnResult, TurnRun
from quire.protocol.review import ReviewTarget
from quire.protocol.rpc.review import ReviewStartParams, ReviewStartResponse
from quire.protocol.rpc.thread import Thread as ThreadView
from quire.protocol.rpc.thread import (
    ThreadArchiveParams,
    ThreadArchiveResponse,
    ThreadReadParams,
    ThreadReadResponse,
    ThreadSetNameParams,
    ThreadSetNameResponse,
    ThreadStartResponse,
    ThreadUnsubscribeParams,
    ThreadUnsubscribeResponse,
)
from quire.protocol.rpc.turn import (
    Turn,
    TurnInterruptParams,
    TurnInterruptResponse,
    TurnStartResponse,
    TurnSteerParams,
    TurnSteerResponse,
)


class Thread:
    """A thread that this client watches. `info` has its settings as they were when it was opened:
    model, folder, sandbox, approval policy. Every call raises `ClientError`s."""

    def __init__(self, link: Link, info: ThreadStartResponse) -> None:
        self._link = link
        self.info = info
        self._running: str | None = None

    @property
    def id(self) -> str:
        return self.info.thread.id

    def run(self, prompt: Prompt, **options: Unpack[TurnOptions]) -> TurnRun:
        """One turn: iterate it for its events, or await its `result()`. It starts then."""
        params = turn_params(self.id, prompt, options)

        async def begin() -> Turn:
            turn = (await self._link.call("turn/start", params, TurnStartResponse)).turn
            self._running = turn.id
            return turn

        return TurnRun(self._link, self.id, begin)

    async def ask(self, prompt: Prompt, **options: Unpack[TurnOptions]) -> TurnResult:
        """One turn to its end. Raises `TurnFailed`, and what iterating a run raises."""
        return await self.run(prompt, **options).result()

    def review(self, target: ReviewTarget) -> TurnRun:
        """A review as a turn of this thread; the result's `text` is the review."""
        params = ReviewStartParams(thread_id=self.id, target=target)

        async def begin() -> Turn:
            turn = (await self._link.call("review/start", params, ReviewStartResponse)).turn
            self._running = turn.id
            return turn

        return TurnRun(self._link, self.id, begin)

    async def steer(self, prompt: Prompt) -> None:
        """Say something to the turn that runs. Raises `CallRefused` when none does."""
        params = TurnSteerParams(
            thread_id=self.id, expected_turn_id=self._running or "", input=user_input(prompt)
        )
        await self._link.call("turn/steer", params, TurnSteerResponse)

    async def interrupt(self) -> None:
        """Stop the turn that runs; returns when it has ended. Raises `CallRefused` when none
        does."""
        params = TurnInterruptParams(thread_id=self.id, turn_id="")
        await self._link.call("turn/interrupt", params, TurnInterruptResponse)

    async def events(self) -> AsyncGenerator[ThreadEvent]:
        """All that happens in the thread from now on, whoever started it. Raises
        `ConnectionLost` when the connection ends, and `EventsNotRead`."""
        feed = self._link.feed(self.id)
        try:
            while True:
                yield await feed.next()
        finally:
            self._link.drop(self.id, feed)

    async def read(self, *, turns: bool = True) -> ThreadView:
        """The thread as it is stored, with its turns and their items."""
        params = ThreadReadParams(thread_id=self.id, include_turns=turns)
        return (await self._link.call("thread/read", params, ThreadReadResponse)).thread

    async def rename(self, name: str) -> None:
        params = ThreadSetNameParams(thread_id=self.id, name=name)
        await self._link.call("thread/name/set", params, ThreadSetNameResponse)

    async def archive(self) -> None:
        """Put it aside: lists leave it out."""
        params = ThreadArchiveParams(thread_id=self.id)
        await self._link.call("thread/archive", params, ThreadArchiveResponse)

    async def close(self) -> None:
        """Stop watching it. It can be resumed at any time."""
        self._link.forget(self.id)
        params = ThreadUnsubscribeParams(thread_id=self.id)
        await self._link.call("thread/unsubscribe", params, ThreadUnsubscribeResponse)
