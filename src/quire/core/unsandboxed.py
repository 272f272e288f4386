"""The context of a call that may run outside the sandbox: a person or a rule said so."""

from __future__ import annotations

from msgspec.structs import replace

from quire.core.ports import ToolContext
from quire.protocol.events import LiveEvent
from quire.protocol.policy import SandboxPolicy, TurnContext
from quire.protocol.thread import ThreadItem


class Unsandboxed:
    """A `ToolContext` like another one, under full access. It holds for one call."""

    def __init__(self, ctx: ToolContext) -> None:
        self._ctx = ctx
        self._turn = replace(ctx.turn, sandbox=SandboxPolicy(mode="danger-full-access"))

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
