"""A tool set whose tools are functions of a test."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from quire.core.errors import ToolError
from quire.core.ports import Action, Invocation, NoAction, ToolContext, ToolResult
from quire.protocol.items import CustomToolCall, ToolCall
from quire.protocol.policy import TurnContext

Answer = str | ToolResult | ToolError
Behaviour = Answer | Callable[[str], Awaitable[Answer]]
"""What a tool does: answer the same always, or compute an answer from a call's text (the
arguments of a function, the input of a freeform tool). A `ToolError` is raised."""


class ScriptedInvocation:
    """One call of a scripted tool."""

    def __init__(self, tools: ScriptedTools, call: ToolCall, behaviour: Behaviour) -> None:
        self.action: Action = tools.actions.get(call.name, NoAction())
        self._tools = tools
        self._call = call
        self._behaviour = behaviour

    async def run(self, ctx: ToolContext) -> ToolResult:
        call_id = self._call.call_id
        self._tools.started.append(call_id)
        self._tools.modes.append(ctx.turn.sandbox.mode)
        try:
            await asyncio.sleep(0)
            answer = self._behaviour
            if callable(answer):
                answer = await answer(_text(self._call))
        except asyncio.CancelledError:
            self._tools.cancelled.append(call_id)
            raise
        self._tools.ended.append(call_id)
        if isinstance(answer, ToolError):
            raise answer
        return ToolResult(answer) if isinstance(answer, str) else answer

    def proposed(self, ctx: ToolContext) -> None:
        self._tools.proposed.append(self._call.call_id)

    def declined(self, ctx: ToolContext, reason: str) -> None:
        self._tools.declined.append((self._call.call_id, reason))


class ScriptedTools:
    """Tools by name. An unknown name is refused as the real tool set does, by `ToolError`.

    `actions` says what the gate is told of a tool (nothing by default). The lists hold call ids
    in the order in which it happened: `started`, `ended`, `cancelled`, `proposed`, `declined`
    (with the reason). `modes` are the sandbox modes that the started ones ran under."""

    def __init__(
        self,
        tools: Mapping[str, Behaviour] | None = None,
        actions: Mapping[str, Action] | None = None,
        specs: bytes = b"[]",
    ) -> None:
        self.specs = specs
        self.actions = dict(actions or {})
        self.started: list[str] = []
        self.ended: list[str] = []
        self.cancelled: list[str] = []
        self.proposed: list[str] = []
        self.modes: list[str] = []
        self.declined: list[tuple[str, str]] = []
        self.closed = False
        self._tools = dict(tools or {})

    def prepare(self, call: ToolCall, ctx: TurnContext) -> Invocation:
        if call.name not in self._tools:
            raise ToolError(f"unsupported call: {call.name}")
        return ScriptedInvocation(self, call, self._tools[call.name])

    async def aclose(self) -> None:
        self.closed = True


def _text(call: ToolCall) -> str:
    return call.input if isinstance(call, CustomToolCall) else call.arguments
