"""The two tools: their parameters and what they give back."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from mcp_types import CallToolResult, TextContent, Tool, ToolAnnotations
from msgspec import Struct

from quire.protocol.rpc.values import SandboxMode

START, REPLY = "quire", "quire-reply"


class StartArguments(Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """What is absent comes from the configuration; `config` holds overrides by dotted key."""

    prompt: str
    cwd: str | None = None
    sandbox: SandboxMode | None = None
    approval_policy: str | None = None
    model: str | None = None
    config: dict[str, object] = {}
    base_instructions: str | None = None
    developer_instructions: str | None = None


class ReplyArguments(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    thread_id: str
    prompt: str


_Arguments = TypeVar("_Arguments", bound=Struct)


class BadArguments(Exception):
    """What is wrong with a call, for the model that made it."""


def arguments(kind: type[_Arguments], given: object) -> _Arguments:
    """Raises `BadArguments`."""
    try:
        return msgspec.convert(given or {}, type=kind)
    except msgspec.ValidationError as exc:
        raise BadArguments(f"the arguments do not fit: {exc}") from None


def _text(description: str) -> dict[str, object]:
    return {"type": "string", "description": description}


_OUTPUT: dict[str, object] = {
    "type": "object",
    "properties": {
        "threadId": _text("The thread, for quire-reply"),
        "content": _text("The last message of the turn, or what went wrong"),
    },
    "required": ["threadId", "content"],
}

TOOLS = [
    Tool(
        name=START,
        title="Quire",
        description="Give a coding agent a task. It works in a folder with commands and patches, "
        "inside a sandbox, and answers when it is done.",
        input_schema={
            "type": "object",
            "properties": {
                "prompt": _text("The task"),
                "cwd": _text("The folder to work in; the server's own without it"),
                "sandbox": {
                    "type": "string",
                    "enum": ["read-only", "workspace-write", "danger-full-access"],
                    "description": "What commands may touch",
                },
                "approval-policy": {
                    "type": "string",
                    "enum": ["on-request", "never"],
                    "description": "Whether the agent may ask a person to allow more",
                },
                "model": _text("The model to use"),
                "config": {
                    "type": "object",
                    "description": "Settings by dotted key, above those of config.toml",
                },
                "base-instructions": _text("Instead of the agent's own instructions"),
                "developer-instructions": _text("Added to its instructions"),
            },
            "required": ["prompt"],
            "additionalProperties": False,
        },
        output_schema=_OUTPUT,
        annotations=ToolAnnotations(read_only_hint=False, open_world_hint=True),
    ),
    Tool(
        name=REPLY,
        title="Quire, go on",
        description="Go on with a thread that the quire tool began.",
        input_schema={
            "type": "object",
            "properties": {
                "threadId": _text("The thread"),
                "prompt": _text("What to do next"),
            },
            "required": ["threadId", "prompt"],
            "additionalProperties": False,
        },
        output_schema=_OUTPUT,
        annotations=ToolAnnotations(read_only_hint=False, open_world_hint=True),
    ),
]


def result(thread_id: str, text: str, *, failed: bool = False) -> CallToolResult:
    """The same as text and as structured content; without a thread, as text alone."""
    content = {"threadId": thread_id, "content": text} if thread_id else None
    return CallToolResult(
        content=[TextContent(type="text", text=text)], structured_content=content, is_error=failed
    )
