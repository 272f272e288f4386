"""HTTP/1.1 for a model's stream: one kept connection, streamed both ways.

Made for one thing: POST a large body, read a long answer as it comes. Requests come one at a
time. Errors are a small tree; what to do about them is decided by `retry`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Protocol

from msgspec import Struct

from quire.models.connect import Connector, Link, TransportError
from quire.models.framing import Body, FramingError, body_of
from quire.models.head import Head, HeadError, Headers, HeadReader, request_head
from quire.models.url import Url
from quire.models.wire import IdleTimeout, Wire

MAX_IDLE = 60.0
_MAX_LEFTOVER = 64 * 1024  # what may follow the last event before a kept connection is dropped


class StreamCut(TransportError):
    """The connection ended, stalled or spoke nonsense after the request was begun."""


class Silence(StreamCut):
    """Nothing came, or nothing could be sent, for longer than the request allows."""


class Content(Protocol):
    """A request body: its exact length, and its bytes in blocks that can be produced again."""

    @property
    def length(self) -> int: ...

    def blocks(self) -> Iterator[bytes]: ...


class Request(Struct, frozen=True):
    """`headers` are without `host` and `content-length`. `timeout` is the longest silence
    accepted, in seconds."""

    url: Url
    headers: Headers
    content: Content
    timeout: float

    def __repr__(self) -> str:
        """Without headers: one of them is a key."""
        return f"Request({self.url})"


class Response:
    """An answer whose body is still coming."""

    def __init__(self, head: Head, early: bytes, wire: Wire) -> None:
        """`early` are the body's bytes that came together with the head."""
        self.head = head
        self._early = early
        self._wire = wire
        self._body: Body = body_of(head)
        self.keep_alive = head.keep_alive
        self.released = False

    @property
    def status(self) -> int:
        return self.head.status

    def header(self, name: str) -> str:
        """The value of a header (lower-case name), or an empty string."""
        return self.head.get(name.encode()).decode("latin-1")

    async def read(self, timeout: float) -> bytes:
        """The next piece of the body; empty at its end. Raises `StreamCut`."""
        while not self._body.done:
            data = self._early
            self._early = b""
            if not data:
                data = await _read(self._wire, timeout)
                if not data:
                    if self._body.at_eof():
                        return b""
                    raise StreamCut("connection closed before the answer was complete")
            payload = self._feed(data)
            if payload:
                return payload
        return b""

    async def read_all(self, limit: int, timeout: float) -> bytes:
        """The body up to `limit` bytes; what is beyond is dropped with the connection."""
        parts: list[bytes] = []
        size = 0
        while size < limit and (piece := await self.read(timeout)):
            parts.append(piece)
            size += len(piece)
        return b"".join(parts)[:limit]

    def release(self) -> None:
        """Done with the body. The end that is still to come is read past, so that the connection
        can be used again; a connection with more to come than that is dropped."""
        self.released = True
        if not self.keep_alive:
            self._wire.close()
            return
        left = _MAX_LEFTOVER

        def sink(data: bytes) -> None:
            nonlocal left
            left -= len(data)
            try:
                self._body.feed(data)
            except FramingError:
                left = -1
            if left < 0:
                self._wire.close()
            elif self._body.done:
                self._wire.keep()

        if self._early and not self._body.done:
            sink(self._early)
            self._early = b""
        if not self._body.done:
            self._wire.discard_into(sink)

    @property
    def reusable(self) -> bool:
        """True when the body was read to its end, nothing came after it, and the connection
        stays open."""
        clean = self._body.done and not self._body.surplus and not self._early
        return self.keep_alive and clean and not self._wire.has_input

    def _feed(self, data: bytes) -> bytes:
        try:
            return self._body.feed(data)
        except FramingError as exc:
            raise StreamCut(f"malformed answer: {exc}") from None


class HttpClient:
    """Sends requests over one connection that is kept between them."""

    def __init__(
        self, env: Mapping[str, str], ca_certificate: str | None = None, max_idle: float = MAX_IDLE
    ) -> None:
        """`env` gives proxies and authorities; `ca_certificate` is a PEM file beside them. A
        connection is not used again after `max_idle` seconds of rest."""
        self._connector = Connector(env, ca_certificate)
        self._link: Link | None = None
        self._endpoint: tuple[str, str, int] | None = None
        self._last: Response | None = None
        self._max_idle = max_idle
        self._used = (0.0, 0.0)

    async def post(self, request: Request) -> Response:
        """Send a request and read the head of its answer. A kept connection that turns out to be
        closed is replaced silently. Raises `TransportError`, and `UsageError` for proxy or
        certificate settings. Cancelling it drops the connection."""
        url = request.url
        endpoint = (url.scheme, url.host, url.port)
        link = self._link
        if link and endpoint == self._endpoint and self._rested():
            before = link.wire.received
            try:
                return await self._exchange(link, request)
            except Silence:
                raise
            except StreamCut:
                if link.wire.received > before:
                    raise
        self.close()
        self._link = link = await self._connector.open(url)
        self._endpoint = endpoint
        return await self._exchange(link, request)

    def finish(self) -> None:
        """Done with the last answer: drop the connection, unless the answer was released."""
        self._used = (time.monotonic(), time.time())
        if self._last is None or not self._last.released:
            self.close()

    def close(self) -> None:
        """Drop the connection. Idempotent."""
        if self._link is not None:
            self._link.wire.close()
        self._link = self._last = None

    def _rested(self) -> bool:
        """True when the kept connection can be used again. One that slept for long may be dead
        without a sign; of the two clocks one goes on while the machine sleeps."""
        if self._last is None or not self._last.reusable:
            return False
        rest = max(time.monotonic() - self._used[0], time.time() - self._used[1])
        return rest <= self._max_idle

    async def _exchange(self, link: Link, request: Request) -> Response:
        wire = link.wire
        self._last = None
        target = request.url.absolute if link.absolute else request.url.target
        headers = [
            (b"host", request.url.netloc.encode()),
            *request.headers,
            *link.headers,
            (b"content-length", str(request.content.length).encode()),
        ]
        head = request_head(b"POST", target, headers)
        try:
            whole = await _send(wire, head, request)
            response = await _answer(wire, request.timeout)
        except BaseException:
            wire.close()
            raise
        response.keep_alive = response.keep_alive and whole
        self._last = response
        return response


async def _send(wire: Wire, head: bytes, request: Request) -> bool:
    """Send head and body; False if an answer came (or the connection ended) before the end."""
    try:
        for block in request.content.blocks():
            wire.write(head + block if head else block)
            head = b""
            await wire.drained(request.timeout)
            if wire.has_input:
                return False
    except IdleTimeout:
        raise Silence("timeout while sending the request") from None
    return True


async def _answer(wire: Wire, timeout: float) -> Response:
    """Read up to the head of the final answer."""
    reader = HeadReader()
    try:
        while True:
            data = await _read(wire, timeout)
            if not data:
                raise StreamCut("connection closed before an answer came")
            head = reader.feed(data)
            if head is not None:
                return Response(head, reader.rest, wire)
    except HeadError as exc:
        raise StreamCut(f"malformed answer: {exc}") from None


async def _read(wire: Wire, timeout: float) -> bytes:
    try:
        return await wire.read(timeout)
    except IdleTimeout:
        raise Silence(f"nothing came for {timeout:g} s") from None
    except OSError as exc:
        raise StreamCut(exc.strerror or str(exc)) from None
