"""The tools of one thread, by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from quire.core.errors import ToolError
from quire.core.ports import Invocation
from quire.protocol.items import FunctionCall, ToolCall
from quire.protocol.policy import TurnContext
from quire.tools.base import Tool
from quire.tools.ordering import FairLock, Ordered

OWN_NAMESPACE = "functions"
"""By this name some models call what stands in no namespace."""


class Resource(Protocol):
    async def aclose(self) -> None:
        """End it. Never raises."""
        ...


class Registry:
    """The `ToolSet` of a thread. The specs are encoded once and never change."""

    def __init__(self, tools: Sequence[Tool], resources: Sequence[Resource] = ()) -> None:
        """`resources` are what the tools share; they end with the thread, in this order."""
        self._tools = {tool.name: tool for tool in tools}
        self._resources = resources
        self._specs = b"[" + b",".join(tool.spec() for tool in tools) + b"]"
        self._lock = FairLock()

    @property
    def specs(self) -> bytes:
        return self._specs

    def prepare(self, call: ToolCall, ctx: TurnContext) -> Invocation:
        """Raises `ToolError` in Codex 0.169's words for a tool that was not offered (row L3)."""
        name = call.name
        if call.namespace and call.namespace != OWN_NAMESPACE:
            name = call.namespace + name
        tool = self._tools.get(call.name) if name == call.name else None
        if tool is None:
            kind = "call" if isinstance(call, FunctionCall) else "custom tool call"
            raise ToolError(f"unsupported {kind}: {name}")
        return Ordered(tool.prepare(call, ctx), self._lock, alone=not tool.parallel)

    async def aclose(self) -> None:
        for resource in self._resources:
            await resource.aclose()
