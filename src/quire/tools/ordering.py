"""Which calls of one thread may run beside each other."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from quire.core.ports import Action, Invocation, ToolContext, ToolResult


class FairLock:
    """Held by many together, or by one alone; given out in the order in which it was asked for."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[bool, asyncio.Future[None]]] = deque()
        self._holders = 0
        self._alone = False

    @asynccontextmanager
    async def held(self, *, alone: bool) -> AsyncGenerator[None]:
        """Wait for it and hold it. May be cancelled while it waits."""
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((alone, mine))
        self._give()
        try:
            await mine
            yield
        finally:
            if not mine.cancelled():
                self._holders -= 1
                self._alone = self._alone and not alone
            self._give()

    def _give(self) -> None:
        while self._waiting:
            alone, next_one = self._waiting[0]
            if next_one.cancelled():
                self._waiting.popleft()
                continue
            if self._alone or (alone and self._holders):
                return
            self._waiting.popleft()
            self._holders += 1
            self._alone = alone
            next_one.set_result(None)


class Ordered:
    """An invocation that takes its turn: beside others, or alone."""

    def __init__(self, invocation: Invocation, lock: FairLock, *, alone: bool) -> None:
        self._invocation = invocation
        self._lock = lock
        self._alone = alone

    @property
    def action(self) -> Action:
        return self._invocation.action

    async def run(self, ctx: ToolContext) -> ToolResult:
        async with self._lock.held(alone=self._alone):
            return await self._invocation.run(ctx)

    def proposed(self, ctx: ToolContext) -> None:
        self._invocation.proposed(ctx)

    def declined(self, ctx: ToolContext, reason: str) -> None:
        self._invocation.declined(ctx, reason)
