"""The threads that are loaded in this process, and the calls that concern them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct
from msgspec.structs import replace

from quire.core.errors import UsageError
from quire.core.thread import Subscription, Thread
from quire.protocol.items import InputImage
from quire.protocol.local import (
    ThreadForkParams,
    ThreadInfo,
    ThreadResumeParams,
    ThreadStartParams,
    TurnChanges,
    TurnStartParams,
    TurnStartResponse,
)
from quire.protocol.ops import ContextSources, Interrupt, Shutdown, Steer, UserInput, UserTurn
from quire.protocol.policy import TurnContext
from quire.protocol.records import SessionMeta
from quire.server.inputs import user_input

if TYPE_CHECKING:
    from quire.server.terminals import ThreadTerminals


class Opened(Struct, frozen=True, kw_only=True):
    """A thread that was just opened. Its turns start from `context`; `revise` gives the settings
    after changes, `sources` what a turn under given settings is told besides the conversation,
    `reviewer` a thread for a reviewer, by the settings of the thread and what the reviewer is told
    (`server.reviews`; raises `UsageError` when there is no model for it), `judge` likewise one for
    who decides about an action in the person's place (`server.auto_review`), `terminals` its
    commands. It keeps the base instructions that it began with, whatever version of Quire goes on
    with it."""

    thread: Thread
    info: ThreadInfo
    context: TurnContext
    meta: SessionMeta
    base_instructions: str
    sources: Callable[[TurnContext], ContextSources]
    revise: Callable[[TurnContext, TurnChanges], TurnContext]
    reviewer: Callable[[TurnContext, str], Opened]
    judge: Callable[[TurnContext, str], Opened]
    terminals: Callable[[], ThreadTerminals]
    instruction_sources: tuple[str, ...] = ()


class ThreadOpener(Protocol):
    """Makes threads out of the configuration: the composition root."""

    def start(self, params: ThreadStartParams) -> Opened: ...

    def resume(self, params: ThreadResumeParams) -> Opened:
        """Raises `UsageError` for an unknown id, `RolloutError` for an unusable log."""
        ...

    def fork(self, params: ThreadForkParams) -> Opened: ...

    def read_image(self, path: str) -> InputImage:
        """A local image for the model. Raises `OSError` when it cannot be read, `ToolError` when
        it is no image."""
        ...

    def new_id(self) -> str: ...


class Loaded:
    """A loaded thread and the settings of its next turn."""

    def __init__(self, opened: Opened) -> None:
        self.opened = opened
        self.thread = opened.thread
        self.context = opened.context

    @property
    def id(self) -> str:
        return self.opened.info.id

    def revise(self, changes: TurnChanges) -> None:
        """Change the settings of the next turn and those after it. Raises `UsageError`."""
        self.context = self.opened.revise(self.context, changes)


class Threads:
    """Loaded threads by id."""

    def __init__(self, opener: ThreadOpener) -> None:
        self._opener = opener
        self._open: dict[str, Loaded] = {}

    @property
    def loaded(self) -> tuple[Loaded, ...]:
        return tuple(self._open.values())

    def start(self, params: ThreadStartParams) -> ThreadInfo:
        return self._keep(self._opener.start(params))

    def resume(self, params: ThreadResumeParams) -> ThreadInfo:
        """A thread that is loaded already is answered as it is."""
        if params.thread_id in self._open:
            return self._open[params.thread_id].opened.info
        return self._keep(self._opener.resume(params))

    def fork(self, params: ThreadForkParams) -> ThreadInfo:
        return self._keep(self._opener.fork(params))

    async def start_turn(self, params: TurnStartParams) -> TurnStartResponse:
        """Raises `UsageError` while a turn runs, and for settings that cannot be used; those of
        the thread are as they were then."""
        loaded = self.find(params.thread_id)
        if loaded.thread.state.turn_id is not None:
            raise UsageError("a turn is already running in this thread")
        settings = loaded.context
        if params.changes is not None:
            settings = loaded.opened.revise(settings, params.changes)
        turn_id = self._opener.new_id()
        context = replace(settings, output_schema=params.output_schema)
        words = self._words(params, context)
        sources = replace(
            loaded.opened.sources(context), base_instructions=loaded.opened.base_instructions
        )
        before, loaded.context = loaded.context, settings
        try:
            await loaded.thread.submit(UserTurn(turn_id, words, context, sources))
        except UsageError:
            loaded.context = before
            raise
        return TurnStartResponse(turn_id=turn_id)

    async def steer(self, turn_id: str, params: TurnStartParams) -> None:
        """Say `params.input` to the turn. Raises `UsageError` when it is not running."""
        loaded = self.find(params.thread_id)
        await loaded.thread.submit(Steer(turn_id, self._words(params, loaded.context)))

    async def interrupt(self, thread_id: str) -> None:
        await self.find(thread_id).thread.submit(Interrupt())

    async def close(self, thread_id: str) -> None:
        loaded = self.find(thread_id)
        del self._open[thread_id]
        await loaded.thread.submit(Shutdown())

    async def aclose(self) -> None:
        """Close all."""
        for thread_id in tuple(self._open):
            await self.close(thread_id)

    def subscribe(self, thread_id: str, *, deltas: bool) -> Subscription:
        return self.find(thread_id).thread.subscribe(deltas=deltas)

    def find(self, thread_id: str) -> Loaded:
        """Raises `UsageError` when it is not loaded."""
        try:
            return self._open[thread_id]
        except KeyError:
            raise UsageError(f"no thread {thread_id} is loaded; start or resume it first") from None

    def _keep(self, opened: Opened) -> ThreadInfo:
        self._open[opened.info.id] = Loaded(opened)
        return opened.info

    def _words(self, params: TurnStartParams, context: TurnContext) -> UserInput:
        words = user_input(params.input, context.cwd, self._opener.read_image)
        return replace(words, client_id=params.client_id) if params.client_id else words
