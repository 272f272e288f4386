"""The threads that are loaded in this process, and the calls that concern them."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from quire.core.errors import UsageError
from quire.core.thread import Subscription, Thread
from quire.protocol.items import InputImage
from quire.protocol.ops import ContextSources, Interrupt, Shutdown, UserTurn
from quire.protocol.policy import TurnContext
from quire.protocol.local import (
    ThreadForkParams,
    ThreadInfo,
    ThreadResumeParams,
    ThreadStartParams,
    TurnStartParams,
    TurnStartResponse,
)
from quire.server.inputs import user_input


class Opened(Struct, frozen=True):
    """A thread that was just opened, with the settings its turns start from. It keeps the base
    instructions that it began with, whatever version of Quire goes on with it."""

    thread: Thread
    info: ThreadInfo
    context: TurnContext
    base_instructions: str


class ThreadOpener(Protocol):
    """Makes threads out of the configuration: the composition root."""

    def start(self, params: ThreadStartParams) -> Opened: ...

    def resume(self, params: ThreadResumeParams) -> Opened:
        """Raises `UsageError` for an unknown id, `RolloutError` for an unusable log."""
        ...

    def fork(self, params: ThreadForkParams) -> Opened: ...

    def sources(self) -> ContextSources:
        """What a turn that starts now is told besides the conversation."""
        ...

    def read_image(self, path: str) -> InputImage:
        """A local image for the model. Raises `OSError` when it cannot be read, `ToolError` when
        it is no image."""
        ...

    def new_id(self) -> str: ...


class Threads:
    """Loaded threads by id."""

    def __init__(self, opener: ThreadOpener) -> None:
        self._opener = opener
        self._open: dict[str, Opened] = {}

    def start(self, params: ThreadStartParams) -> ThreadInfo:
        return self._loaded(self._opener.start(params))

    def resume(self, params: ThreadResumeParams) -> ThreadInfo:
        """A thread that is loaded already is answered as it is."""
        if params.thread_id in self._open:
            return self._open[params.thread_id].info
        return self._loaded(self._opener.resume(params))

    def fork(self, params: ThreadForkParams) -> ThreadInfo:
        return self._loaded(self._opener.fork(params))

    async def start_turn(self, params: TurnStartParams) -> TurnStartResponse:
        opened = self._find(params.thread_id)
        turn_id = self._opener.new_id()
        context = replace(opened.context, output_schema=params.output_schema)
        words = user_input(params.input, context.cwd, self._opener.read_image)
        sources = replace(self._opener.sources(), base_instructions=opened.base_instructions)
        op = UserTurn(turn_id, words, context, sources)
        await opened.thread.submit(op)
        return TurnStartResponse(turn_id=turn_id)

    async def interrupt(self, thread_id: str) -> None:
        await self._find(thread_id).thread.submit(Interrupt())

    async def close(self, thread_id: str) -> None:
        opened = self._find(thread_id)
        del self._open[thread_id]
        await opened.thread.submit(Shutdown())

    async def aclose(self) -> None:
        """Close all."""
        for thread_id in tuple(self._open):
            await self.close(thread_id)

    def subscribe(self, thread_id: str, *, deltas: bool) -> Subscription:
        return self._find(thread_id).thread.subscribe(deltas=deltas)

    def _loaded(self, opened: Opened) -> ThreadInfo:
        self._open[opened.info.id] = opened
        return opened.info

    def _find(self, thread_id: str) -> Opened:
        try:
            return self._open[thread_id]
        except KeyError:
            raise UsageError(f"no thread {thread_id} is loaded; start or resume it first") from None
