"""A `ModelRequest` as an HTTP request: body and headers of `POST /responses`.

Format: OpenAI Responses API as Codex 0.169 uses it (field order included, so that proxies and
caches that compare bytes see the same prefix). History is sent as the bytes it is stored in.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from quire.core.errors import UsageError
from quire.core.ports import ModelRequest
from quire.models.auth import Key
from quire.models.head import Headers
from quire.models.provider import ProviderConfig
from quire.protocol.items import Encoded
from quire.protocol.policy import TurnContext

COMPATIBLE_VERSION = "0.169.0"  # the Codex whose requests these are
_BLOCK = 256 * 1024
_encode = msgspec.json.Encoder().encode


class RequestBody:
    """The JSON body: a head, the items as they are, a tail. Joined block by block, so that a
    long history is never copied as a whole."""

    def __init__(self, head: bytes, items: Sequence[Encoded], tail: bytes) -> None:
        self._head = head
        self._items = items
        self._tail = tail
        commas = max(0, len(items) - 1)
        self.length = len(head) + sum(map(len, items)) + commas + len(tail)

    def blocks(self) -> Iterator[bytes]:
        """The body in pieces of at most a few hundred kilobytes."""
        parts: list[Encoded] = [self._head]
        size = len(self._head)
        for index, item in enumerate(self._items):
            if index:
                parts.append(b",")
            if size + len(item) > _BLOCK:
                yield b"".join(parts)
                parts.clear()
                size = 0
            if len(item) > _BLOCK:
                view = memoryview(item)
                for at in range(0, len(item), _BLOCK):
                    yield bytes(view[at : at + _BLOCK])
            else:
                parts.append(item)
                size += len(item) + 1
        parts.append(self._tail)
        yield b"".join(parts)


def request_body(request: ModelRequest, client_metadata: Mapping[str, str]) -> RequestBody:
    """The body of a request. Everything but `input` stays the same within a turn."""
    context = request.context
    head = b'{"model":' + _encode(context.model) + b',"stream":true,"input":['
    tail = [b"]"]
    if request.tools not in (b"", b"[]"):
        tail.append(b',"tools":' + request.tools)
    tail.append(b',"tool_choice":"auto","parallel_tool_calls":')
    tail.append(_encode(context.parallel_tool_calls))
    if reasoning := _reasoning(context):
        tail.append(b',"reasoning":' + _encode(reasoning))
    tail.append(b',"store":false,"include":["reasoning.encrypted_content"],"prompt_cache_key":')
    tail.append(_encode(request.thread_id))
    if text := _text(context):
        tail.append(b',"text":' + text)
    if context.service_tier:
        tier = "priority" if context.service_tier == "fast" else context.service_tier
        tail.append(b',"service_tier":' + _encode(tier))
    tail.append(b',"client_metadata":' + _encode(client_metadata) + b"}")
    return RequestBody(head, request.items, b"".join(tail))


def _reasoning(context: TurnContext) -> dict[str, str]:
    reasoning: dict[str, str] = {}
    if context.effort:
        reasoning["effort"] = context.effort
    if context.summary and context.summary != "none":
        reasoning["summary"] = context.summary
    return reasoning


def _text(context: TurnContext) -> bytes | None:
    parts: list[bytes] = []
    if context.verbosity:
        parts.append(b'"verbosity":' + _encode(context.verbosity))
    if context.output_schema is not None:
        schema = context.output_schema.encode()
        parts.append(
            b'"format":{"type":"json_schema","strict":true,"name":"codex_output_schema","schema":'
            + schema
            + b"}"
        )
    return b"{" + b",".join(parts) + b"}" if parts else None


def turn_metadata(request: ModelRequest, thread_source: str) -> dict[str, str]:
    """`client_metadata`: which thread and turn this is, and under which policy. Of the peer's
    members those that identify the installation and the workspace are left out."""
    thread = request.thread_id
    window = f"{thread}:0"
    about: dict[str, str | int] = {
        "session_id": thread,
        "thread_id": thread,
        "turn_id": request.turn_id,
        "window_id": window,
        "window_number": 0,
        "request_kind": "turn",
        "root_turn_id": request.turn_id,
        "thread_source": thread_source,
        "sandbox_mode": request.context.sandbox.mode,
    }
    return {
        "thread_id": thread,
        "session_id": thread,
        "root_turn_id": request.turn_id,
        "turn_id": request.turn_id,
        "x-codex-turn-metadata": _encode(about).decode(),
        "x-codex-window-id": window,
    }


def provider_headers(provider: ProviderConfig, env: Mapping[str, str]) -> dict[str, str]:
    """The headers that the config adds, by lower-case name. Raises `UsageError` for what cannot
    stand in a header."""
    found = dict(provider.http_headers)
    for name, variable in provider.env_http_headers.items():
        if value := env.get(variable, "").strip():
            found[name] = value
    for name, value in found.items():
        token = name.replace("-", "").replace("_", "")
        if not (token.isascii() and token.isalnum()) or _plain(value) != value:
            raise UsageError(f"http_headers of provider {provider.id}: cannot send {name!r}")
    return {name.lower(): value for name, value in found.items()}


def request_headers(
    own: Mapping[str, str], key: Key | None, env: Mapping[str, str], metadata: Mapping[str, str]
) -> Headers:
    """All headers but `host` and `content-length`. `own` are the provider's (see
    `provider_headers`); they replace ours."""
    thread = metadata["thread_id"]
    originator = env.get("CODEX_INTERNAL_ORIGINATOR_OVERRIDE") or "codex_exec"
    headers = {
        "x-codex-window-id": metadata["x-codex-window-id"],
        "x-codex-turn-metadata": metadata["x-codex-turn-metadata"],
        "x-client-request-id": thread,
        "session-id": thread,
        "thread-id": thread,
        "accept": "text/event-stream",
        "content-type": "application/json",
    }
    if key is not None:
        headers["authorization"] = f"Bearer {key.reveal()}"
    headers["originator"] = originator
    headers["user-agent"] = user_agent(originator, env)
    headers.update(own)
    return [(name.encode(), _plain(value).encode("latin-1")) for name, value in headers.items()]


def _plain(value: str) -> str:
    """`value` as it can stand in a header: one line of Latin-1."""
    value = value.encode("latin-1", "replace").decode("latin-1")
    return "".join(c if c.isprintable() else " " for c in value).strip()


def user_agent(originator: str, env: Mapping[str, str]) -> str:
    """`codex_exec/0.169.0 (Debian 12; x86_64) xterm (quire/0.1.0)`."""
    from quire import __version__

    machine = os.uname()
    system = _os_release() or f"{machine.sysname} {machine.release}"
    term = env.get("TERM_PROGRAM") or env.get("TERM") or "unknown"
    return (
        f"{originator}/{COMPATIBLE_VERSION} ({system}; {machine.machine}) {term} "
        f"(quire/{__version__})"
    )


def _os_release() -> str:
    """Name and version of a Linux distribution, or an empty string."""
    found: dict[str, str] = {}
    try:
        with open("/etc/os-release", encoding="utf-8", errors="replace") as file:
            for line in file:
                name, _, value = line.strip().partition("=")
                found[name] = value.strip("\"'")
    except OSError:
        return ""
    name = found.get("NAME", "").split(" ")[0]
    return f"{name} {found.get('VERSION_ID', '')}".strip()
