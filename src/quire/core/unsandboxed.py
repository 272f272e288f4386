"""The context of a call that runs under other settings than its turn's: a person or a rule said
so."""

from __future__ import annotations

from msgspec.structs import replace

from quire.core.ports import ToolContext
from quire.protocol.events import LiveEvent
from quire.protocol.policy import SandboxPolicy, TurnContext
from quire.protocol.thread import ThreadItem


class UnderTurn:
    """A `ToolContext` like another one, under the settings `turn`. It holds for one call."""

    def __init__(self, ctx: ToolContext, turn: TurnContext) -> None:
        self._ctx = ctx
        self._turn = turn

    @property
    def turn(self) -> TurnContext:
        return self._turn

    @property
    def thread_id(self) -> str:
        return self._ctx.thread_id

    @property
    def turn_id(self) -> str:
        return self._ctx.turn_id

    def now_ms(self) -> int:
        return self._ctx.now_ms()

    def publish(self, event: LiveEvent) -> None:
        self._ctx.publish(event)

    def begin(self, item: ThreadItem) -> None:
        self._ctx.begin(item)

    def finish(self, item: ThreadItem) -> None:
        self._ctx.finish(item)


def unsandboxed(ctx: ToolContext) -> UnderTurn:
    """The same under full access."""
    sandbox = SandboxPolicy(mode="danger-full-access")
    return UnderTurn(ctx, replace(ctx.turn, sandbox=sandbox))
