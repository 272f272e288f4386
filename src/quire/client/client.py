"""Typed calls and an event stream over a transport. Front ends use this and nothing below it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

from quire.protocol.events import Event
from quire.protocol.local import (
    InputPart,
    ThreadForkParams,
    ThreadInfo,
    ThreadResumeParams,
    ThreadStartParams,
    TurnStartParams,
    TurnStartResponse,
)

if TYPE_CHECKING:
    from quire.protocol.review import ReviewTarget


class EventStream(Protocol):
    """Events of one thread from the moment it was opened."""

    async def next(self) -> Event | None:
        """The next event; None when the thread was closed."""
        ...

    def close(self) -> None: ...


class Transport(Protocol):
    """How calls reach a server. Errors are raised as `QuireError`s."""

    async def thread_start(self, params: ThreadStartParams) -> ThreadInfo: ...
    async def thread_resume(self, params: ThreadResumeParams) -> ThreadInfo: ...
    async def thread_fork(self, params: ThreadForkParams) -> ThreadInfo: ...
    async def turn_start(self, params: TurnStartParams) -> TurnStartResponse: ...
    async def review_start(self, thread_id: str, target: ReviewTarget) -> TurnStartResponse: ...
    async def turn_interrupt(self, thread_id: str) -> None: ...
    async def thread_close(self, thread_id: str) -> None: ...
    def events(self, thread_id: str, *, deltas: bool) -> EventStream: ...
    async def aclose(self) -> None: ...


class Client:
    """A connection to a server."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def start_thread(self, *, ephemeral: bool = False) -> ThreadClient:
        params = ThreadStartParams(ephemeral=ephemeral)
        return ThreadClient(self._transport, await self._transport.thread_start(params))

    async def resume_thread(self, thread_id: str) -> ThreadClient:
        """Raises `UsageError` when there is no such thread."""
        params = ThreadResumeParams(thread_id=thread_id)
        return ThreadClient(self._transport, await self._transport.thread_resume(params))

    async def fork_thread(self, thread_id: str, *, ephemeral: bool = False) -> ThreadClient:
        """Raises `UsageError` when there is no such thread."""
        params = ThreadForkParams(thread_id=thread_id, ephemeral=ephemeral)
        return ThreadClient(self._transport, await self._transport.thread_fork(params))

    async def aclose(self) -> None:
        """Close all threads and the connection."""
        await self._transport.aclose()


class ThreadClient:
    """One thread, from a client's side."""

    def __init__(self, transport: Transport, info: ThreadInfo) -> None:
        self._transport = transport
        self.info = info

    @asynccontextmanager
    async def events(self, *, deltas: bool = True) -> AsyncGenerator[AsyncIterator[Event], None]:
        """The thread's events from now on."""
        stream = self._transport.events(self.info.id, deltas=deltas)
        try:
            yield _iterate(stream)
        finally:
            stream.close()

    async def start_turn(
        self, parts: tuple[InputPart, ...], *, output_schema: str | None = None
    ) -> str:
        """Start a turn; its id. Raises `UsageError` when one is running."""
        params = TurnStartParams(thread_id=self.info.id, input=parts, output_schema=output_schema)
        return (await self._transport.turn_start(params)).turn_id

    async def start_review(self, target: ReviewTarget) -> str:
        """Start a review as a turn of this thread; its id. It ends with an `ExitedReviewItem` and
        a message. Raises `UsageError` when a turn is running, or the model cannot review."""
        return (await self._transport.review_start(self.info.id, target)).turn_id

    async def interrupt(self) -> None:
        """Stop the running turn; returns when it has ended."""
        await self._transport.turn_interrupt(self.info.id)

    async def close(self) -> None:
        """Unload the thread: its turn and its commands end, its log is closed."""
        await self._transport.thread_close(self.info.id)


async def _iterate(stream: EventStream) -> AsyncIterator[Event]:
    while (event := await stream.next()) is not None:
        yield event
