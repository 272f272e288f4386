"""`mcpServer/elicitation/request`: a question of an MCP server to a person (Codex 0.169)."""

from __future__ import annotations

from typing import Literal

from msgspec import Raw, Struct, field

from quire.protocol.rpc.method import ServerRequest
from quire.protocol.rpc.values import json_null


class FormElicitationParams(
    Struct, frozen=True, kw_only=True, rename="camel", tag="form", tag_field="mode"
):
    """`requested_schema` is MCP's restricted JSON Schema of a flat object."""

    thread_id: str
    turn_id: str | None = None
    server_name: str
    meta: Raw = field(name="_meta", default_factory=json_null)
    message: str
    requested_schema: Raw


class UrlElicitationParams(
    Struct, frozen=True, kw_only=True, rename="camel", tag="url", tag_field="mode"
):
    thread_id: str
    turn_id: str | None = None
    server_name: str
    meta: Raw = field(name="_meta", default_factory=json_null)
    message: str
    url: str
    elicitation_id: str


class McpServerElicitationRequestResponse(Struct, frozen=True, kw_only=True):
    """`content` holds the form's answers when the action is `accept`."""

    action: Literal["accept", "decline", "cancel"]
    content: Raw = field(default_factory=json_null)
    meta: Raw = field(name="_meta", default_factory=json_null)


McpServerElicitationRequestParams = FormElicitationParams | UrlElicitationParams

FORM_ELICITATION = ServerRequest(
    "mcpServer/elicitation/request",
    FormElicitationParams,
    McpServerElicitationRequestResponse,
)
URL_ELICITATION = ServerRequest(
    "mcpServer/elicitation/request",
    UrlElicitationParams,
    McpServerElicitationRequestResponse,
)

REQUESTS = (FORM_ELICITATION, URL_ELICITATION)
