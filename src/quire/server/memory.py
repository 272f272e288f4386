"""The in-memory transport: a client and the server in one process, the same types, no JSON."""

from __future__ import annotations

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


class MemoryTransport:
    """Implements `quire.client.client.Transport` over `Threads`."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads

    async def thread_start(self, params: ThreadStartParams) -> ThreadInfo:
        return self._threads.start(params)

    async def thread_resume(self, params: ThreadResumeParams) -> ThreadInfo:
        return self._threads.resume(params)

    async def thread_fork(self, params: ThreadForkParams) -> ThreadInfo:
        return self._threads.fork(params)

    async def turn_start(self, params: TurnStartParams) -> TurnStartResponse:
        return await self._threads.start_turn(params)

    async def turn_interrupt(self, thread_id: str) -> None:
        await self._threads.interrupt(thread_id)

    async def thread_close(self, thread_id: str) -> None:
        await self._threads.close(thread_id)

    def events(self, thread_id: str, *, deltas: bool) -> Subscription:
        return self._threads.subscribe(thread_id, deltas=deltas)

    async def aclose(self) -> None:
        await self._threads.aclose()
