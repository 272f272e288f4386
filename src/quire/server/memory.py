"""The in-memory transport: a client and the server in one process, the same types, no JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quire.core.errors import UsageError
from quire.core.thread import Subscription
from quire.protocol.local import (
    ThreadForkParams,
    ThreadInfo,
    ThreadResumeParams,
    ThreadStartParams,
    TurnStartParams,
    TurnStartResponse,
)
from quire.server.threads import Threads

if TYPE_CHECKING:
    from quire.protocol.review import ReviewTarget
    from quire.server.reviews import Reviews


class MemoryTransport:
    """Implements `quire.client.client.Transport` over `Threads`. Without `reviews` none can be
    started."""

    def __init__(self, threads: Threads, reviews: Reviews | None = None) -> None:
        self._threads = threads
        self._reviews = reviews

    async def thread_start(self, params: ThreadStartParams) -> ThreadInfo:
        return self._threads.start(params)

    async def thread_resume(self, params: ThreadResumeParams) -> ThreadInfo:
        return self._threads.resume(params)

    async def thread_fork(self, params: ThreadForkParams) -> ThreadInfo:
        return self._threads.fork(params)

    async def turn_start(self, params: TurnStartParams) -> TurnStartResponse:
        return await self._threads.start_turn(params)

    async def review_start(self, thread_id: str, target: ReviewTarget) -> TurnStartResponse:
        if self._reviews is None:
            raise UsageError("this server does not review")
        started = await self._reviews.start(self._threads.find(thread_id), target)
        return TurnStartResponse(turn_id=started.turn_id)

    async def turn_interrupt(self, thread_id: str) -> None:
        await self._threads.interrupt(thread_id)

    async def thread_close(self, thread_id: str) -> None:
        await self._threads.close(thread_id)

    def events(self, thread_id: str, *, deltas: bool) -> Subscription:
        return self._threads.subscribe(thread_id, deltas=deltas)

    async def aclose(self) -> None:
        await self._threads.aclose()
