"""`request_permissions`: the model asks for more than the sandbox gives (Codex 0.169, row A13)."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from quire.core.errors import ToolError
from quire.core.ports import (
    Granted,
    Invocation,
    NoAction,
    PermissionRequest,
    Permitter,
    ToolContext,
    ToolResult,
)
from quire.protocol.items import FunctionCall, ToolCall
from quire.protocol.policy import TurnContext
from quire.tools.asked_permissions import SCHEMA, AskedPermissions
from quire.tools.base import decode_arguments, load_description
from quire.tools.spec import function_spec

ENVIRONMENT = "local"
NOTHING = "request_permissions requires at least one permission"
_PARAMETERS = b"""{"type":"object","properties":{\
"permissions":%s,\
"reason":{"type":"string","description":"One sentence for the person who decides."}},\
"required":["permissions"],"additionalProperties":false}"""


class Arguments(Struct, frozen=True):
    permissions: AskedPermissions
    reason: str | None = None
    environment_id: str | None = None


class _Files(Struct, frozen=True, omit_defaults=True):
    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()


class _Network(Struct, frozen=True):
    enabled: bool


class _Permissions(Struct, frozen=True):
    network: _Network | None
    file_system: _Files | None


class _Output(Struct, frozen=True):
    permissions: _Permissions
    scope: Literal["turn", "session"]
    strict_auto_review: bool | UnsetType = UNSET


class RequestPermissions:
    """The tool."""

    name = "request_permissions"
    parallel = True

    def __init__(self, permits: Permitter) -> None:
        self._permits = permits

    def spec(self) -> bytes:
        return function_spec(self.name, load_description(self.name), _PARAMETERS % SCHEMA)

    def prepare(self, call: ToolCall, ctx: TurnContext) -> Invocation:
        if not isinstance(call, FunctionCall):
            raise ToolError(f"unsupported custom tool call: {self.name}")
        arguments = decode_arguments(Arguments, call.arguments)
        environment = arguments.environment_id
        if environment is not None and environment != ENVIRONMENT:
            raise ToolError(f"unknown turn environment id `{environment}`")
        wanted = arguments.permissions.resolved(ctx.cwd)
        if wanted is None:
            raise ToolError(NOTHING)
        request = PermissionRequest(
            item_id=call.call_id, permissions=wanted, reason=arguments.reason
        )
        return Requesting(self._permits, request)


class Requesting:
    """A validated request. Nothing of it is shown but the question."""

    action = NoAction()

    def __init__(self, permits: Permitter, request: PermissionRequest) -> None:
        self._permits = permits
        self._request = request

    async def run(self, ctx: ToolContext) -> ToolResult:
        return ToolResult(_told(await self._permits.permit(self._request, ctx)))

    def proposed(self, ctx: ToolContext) -> None:
        """The question itself is what people see."""

    def declined(self, ctx: ToolContext, reason: str) -> None:
        """Nothing to show."""


def _told(granted: Granted) -> str:
    """The answer for the model, as Codex 0.169 writes it; a refusal grants nothing."""
    given = granted.permissions
    files = given.read or given.write
    output = _Output(
        permissions=_Permissions(
            network=_Network(True) if given.network else None,
            file_system=_Files(given.read, given.write) if files else None,
        ),
        scope="session" if granted.for_session else "turn",
        strict_auto_review=True if granted.strict_review else UNSET,
    )
    return msgspec.json.encode(output).decode()
