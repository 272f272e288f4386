"""A server that sends exactly the bytes it is told to, and remembers what it was sent.

Each request takes the next answer; the last one repeats. An answer is bytes, or steps:
bytes to send, a number of seconds to wait, `CLOSE` (orderly), `RESET` or `HOLD` (say nothing more).
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from quire.core.ports import (
    Completed,
    ItemDone,
    ModelEvent,
    ModelRequest,
    Retrying,
    StreamBroken,
    SummaryDelta,
    TextDelta,
)
from quire.models.auth import Key
from quire.models.provider import ProviderConfig
from quire.models.responses import ResponsesModel
from quire.models.retry import Timing
from quire.protocol.items import Encoded, InputText, Message, encode_item
from quire.protocol.policy import TurnContext

CLOSE: Final = "close"
RESET: Final = "reset"
HOLD: Final = "hold"
Step = bytes | float | str
Answer = bytes | Sequence[Step]


class Sent(NamedTuple):
    """One request as it arrived."""

    line: str
    headers: dict[str, str]
    body: bytes
    connection: int


class RawServer:
    """`async with RawServer(answer, ...) as server`: then `server.url`."""

    def __init__(self, *answers: Answer, tls: ssl.SSLContext | None = None) -> None:
        self._answers = list(answers)
        self._tls = tls
        self._served = 0
        self.requests: list[Sent] = []
        self.connections = 0
        self.port = 0
        self.max_body: int | None = None  # answer once so many bytes of the body are read

    @property
    def url(self) -> str:
        scheme = "https" if self._tls else "http"
        return f"{scheme}://127.0.0.1:{self.port}/v1"

    async def __aenter__(self) -> RawServer:
        self._server = await asyncio.start_server(
            self._handle, "127.0.0.1", self.port, ssl=self._tls
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await task

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        connection = self.connections
        try:
            while True:
                self.requests.append(await self._request(reader, connection))
                answer = self._answers[min(self._served, len(self._answers) - 1)]
                self._served += 1
                if not await _send(writer, answer):
                    writer.close()
                    return
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            writer.close()
        except asyncio.CancelledError:
            writer.transport.abort()  # the test is over

    async def _request(self, reader: asyncio.StreamReader, connection: int) -> Sent:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *rest = head.rstrip("\r\n").split("\r\n")
        headers = {name.lower(): value for name, value in (h.split(": ", 1) for h in rest)}
        length = int(headers.get("content-length", "0"))
        body = await reader.readexactly(min(length, self.max_body or length))
        return Sent(line, headers, body, connection)


async def _send(writer: asyncio.StreamWriter, answer: Answer) -> bool:
    """False when the connection is to be closed."""
    for step in [answer] if isinstance(answer, bytes) else answer:
        if isinstance(step, bytes):
            writer.write(step)
            await writer.drain()
        elif isinstance(step, float | int):
            await asyncio.sleep(step)
        elif step == HOLD:
            await asyncio.sleep(60)
        else:
            if step == RESET:
                writer.transport.abort()
            return False
    return True


# --- answers --------------------------------------------------------------------------------


def event(kind: str, **members: object) -> bytes:
    data = msgspec.json.encode({"type": kind, **members})
    return b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"


def message(text: str = "hello", item_id: str = "m1") -> dict[str, object]:
    content = [{"type": "output_text", "text": text}]
    return {"type": "message", "id": item_id, "role": "assistant", "content": content}


CREATED = event("response.created", response={"id": "r0"})
DELTA = event("response.output_text.delta", item_id="m1", delta="hel")
ITEM = event("response.output_item.done", item=message())
CALL = event(
    "response.output_item.done",
    item={"type": "function_call", "id": "f1", "call_id": "c1", "name": "t", "arguments": "{}"},
)
USAGE = {
    "input_tokens": 10,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3},
    "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 15,
}
COMPLETED = event("response.completed", response={"id": "r0", "usage": USAGE})
FRAMES = (CREATED, DELTA, ITEM, CALL, COMPLETED)
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
CHUNKED_HEAD = STREAM_HEAD + b"transfer-encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def streamed(*events: bytes) -> bytes:
    """A whole answer with a chunk for each event."""
    return CHUNKED_HEAD + b"".join(map(chunk, events)) + b"0\r\n\r\n"


def cut(*events: bytes) -> Answer:
    """The same, closed before its end."""
    return (CHUNKED_HEAD + b"".join(map(chunk, events)), CLOSE)


def failed(code: str | None, text: str) -> bytes:
    error = {"code": code, "message": text}
    return event("response.failed", response={"id": "r0", "status": "failed", "error": error})


def status(line: str, body: object = None, *headers: str) -> bytes:
    """An answer that is no stream: `status("429 Too Many Requests", {...}, "retry-after: 2")`."""
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    lines = [f"HTTP/1.1 {line}", f"content-length: {len(data)}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + data


OK = streamed(CREATED, ITEM, COMPLETED)


# --- the client side ------------------------------------------------------------------------


class Waits:
    """Sleeps that take no time and are remembered; the clock goes on by them."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.now = 0.0

    async def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 3))
        self.now += seconds
        await asyncio.sleep(0)

    @property
    def timing(self) -> Timing:
        return Timing(monotonic=lambda: self.now, random=lambda: 0.5, sleep=self.sleep)


SECRET = "sk-secret-0123456789"


def provider(url: str, **settings: Any) -> ProviderConfig:
    return msgspec.convert({"id": "mock", "base_url": url, **settings}, ProviderConfig)


def model_at(
    url: str, waits: Waits | None = None, env: dict[str, str] | None = None, **settings: Any
) -> ResponsesModel:
    timing = waits.timing if waits else None
    key = Key(SECRET, "MOCK_KEY")
    return ResponsesModel(provider(url, **settings), key, env=env or {}, timing=timing)


def request(
    attempt: int = 0, items: Sequence[Encoded] | None = None, **context: Any
) -> ModelRequest:
    if items is None:
        items = [encode_item(Message("user", (InputText("hi"),))).raw]
    settings = {"cwd": "/w", "model": "gpt-5.5", "model_provider": "mock", **context}
    return ModelRequest(
        thread_id="thread-1",
        turn_id="turn-1",
        items=items,
        tools=b'[{"type":"function","name":"t"}]',
        context=msgspec.convert(settings, TurnContext),
        attempt=attempt,
    )


async def collect(model: ResponsesModel, asked: ModelRequest | None = None) -> list[ModelEvent]:
    return [event async for event in model.stream(asked or request())]


def words(events: Sequence[ModelEvent]) -> list[str]:
    """Events as short words, for comparison."""
    return [_word(event) for event in events]


def _word(event: ModelEvent) -> str:
    match event:
        case TextDelta(_, delta):
            return f"text {delta}"
        case SummaryDelta(_, delta):
            return f"summary {delta}"
        case ItemDone(item):
            return f"item {item.head.type}"
        case Retrying(text):
            return text
        case StreamBroken():
            return "broken"
        case Completed(response_id):
            return f"completed {response_id}"
