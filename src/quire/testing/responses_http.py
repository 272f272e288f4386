"""The HTTP side of a scripted model server: one connection, strict about what clients send."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import h11
import msgspec
from msgspec import Raw, Struct

_READ = 1 << 18
_LARGE = 1 << 20


class Received(Struct, kw_only=True):
    """One request, and what became of it. Also one line of the server's log.

    Times are seconds since the epoch: `t` its head was read, `tb` its body was read, `done` the
    last byte of the answer was handed to the kernel (None while it is under way, or when the
    client left before). `connection` counts from 1. For a request to the model: `turn` is the
    number of the turn or of the `#play` step, `final` tells that it holds no call, and
    `last_output` is the length in characters of the newest tool output in the request. `cut`
    tells that the answer was broken off as scripted. The log holds no credentials, and bodies
    only when asked to."""

    number: int
    connection: int
    method: str
    path: str
    headers: dict[str, str]
    t: float
    tb: float
    size: int
    body: Raw = Raw(b"null")
    status: int | None = None
    turn: int | None = None
    final: bool | None = None
    last_output: int | None = None
    cut: bool = False
    done: float | None = None
    mark: object = None

    def json(self) -> Any:
        """The body, decoded. Untyped on purpose: tests index into it freely."""
        return msgspec.json.decode(self.body)


class HttpConnection:
    """Reads requests and writes answers on one connection of the server."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
    ) -> None:
        self.number = number
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
        self._whole_body_read = False

    async def next_request(self) -> tuple[Received, bytes] | None:
        """The next request and its body; None when the client is gone. Raises
        `h11.RemoteProtocolError` when it does not speak HTTP/1.1 as it should."""
        if self._http.our_state is h11.DONE and not self._next_cycle():
            return None
        if self._http.our_state is not h11.IDLE:
            return None
        head = await self._next_event()
        if not isinstance(head, h11.Request):
            return None
        began = time.time()
        body = await self._body(head)
        if body is None:
            return None
        received = Received(
            number=0,
            connection=self.number,
            method=head.method.decode("ascii"),
            path=head.target.decode("ascii"),
            headers={name.decode(): value.decode("latin-1") for name, value in head.headers},
            t=began,
            tb=time.time(),
            size=len(body),
        )
        return received, body

    def _next_cycle(self) -> bool:
        """Make ready for another request on this connection; False when there can be none."""
        if self._whole_body_read:
            self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
            return True
        if self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        return True

    async def _body(self, head: h11.Request) -> bytes | None:
        """The body of a request; None when the client left before its end."""
        headers = dict(head.headers)
        length = int(headers.get(b"content-length", b"0"))
        self._whole_body_read = length >= _LARGE and b"expect" not in headers
        if self._whole_body_read:
            # Past h11, which takes longer over many megabytes than a client over sending them.
            early = self._http.trailing_data[0]
            try:
                return early + await self._reader.readexactly(length - len(early))
            except asyncio.IncompleteReadError:
                return None
        body = bytearray()
        while isinstance(event := await self._next_event(), h11.Data):
            body += event.data
        return bytes(body) if isinstance(event, h11.EndOfMessage) else None

    async def send_document(
        self, status: int, document: object, headers: Mapping[str, str] | None = None
    ) -> None:
        """Answer with a JSON document, or with plain text when it is a string."""
        text = isinstance(document, str)
        body = document.encode() if isinstance(document, str) else msgspec.json.encode(document)
        head = {
            "content-type": "text/plain" if text else "application/json",
            "content-length": str(len(body)),
            **(headers or {}),
        }
        self._write(h11.Response(status_code=status, headers=list(head.items())))
        self._write(h11.Data(data=body))
        self._write(h11.EndOfMessage())
        await self._writer.drain()

    def start_stream(self, headers: Mapping[str, str]) -> None:
        """Begin an event stream in chunked coding."""
        head = {
            "content-type": "text/event-stream",
            "cache-control": "no-cache",
            "transfer-encoding": "chunked",
            **headers,
        }
        self._write(h11.Response(status_code=200, headers=list(head.items())))

    async def send_chunks(self, chunks: bytes) -> None:
        """Write body bytes that `chunk` has framed already. This goes past h11, which would
        spend more on each small frame than everything else here."""
        self._writer.write(chunks)
        await self._writer.drain()

    async def end_stream(self, last: bytes = b"") -> None:
        """Write the last chunks and the end in one go: a client that stops reading after the
        last event then still finds the connection fit to be used again."""
        self._writer.write(last + (self._http.send(h11.EndOfMessage()) or b""))
        await self._writer.drain()

    async def send_wire(self, data: bytes) -> None:
        """Write bytes as they are and close."""
        self._writer.write(data)
        await self._writer.drain()
        self.close()

    async def until_client_leaves(self) -> None:
        """Say nothing until the client closes its side."""
        while await self._reader.read(_READ):
            pass

    def close(self) -> None:
        """Close once what was written is sent."""
        self._writer.close()

    def abort(self) -> None:
        """Close now."""
        self._writer.transport.abort()

    async def _next_event(self) -> object:
        while True:
            event = self._http.next_event()
            if event is not h11.NEED_DATA:
                return event
            if self._http.they_are_waiting_for_100_continue:
                self._write(h11.InformationalResponse(status_code=100, headers=[]))
            self._http.receive_data(await self._reader.read(_READ))

    def _write(self, event: h11.Event) -> None:
        data = self._http.send(event)
        if data:
            self._writer.write(data)


def chunk(frame: bytes) -> bytes:
    """One chunk of chunked transfer coding."""
    return b"%x\r\n%b\r\n" % (len(frame), frame)
