"""WebSocket clients: one message per text frame (Codex 0.169, app-server).

The protocol itself is the state machine of the `websockets` library; it works on bytes, so that a
WebSocket is one more framing over the same transports, and a unix socket can take both framings.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable

from websockets.datastructures import Headers
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import SEND_EOF, State
from websockets.server import ServerProtocol

from quire.server.channel import MAX_FRAME
from quire.server.transport.auth import Auth, fault_of
from quire.server.transport.streams import CLOSE_SECONDS, FrameChannel

HANDSHAKE_SECONDS = 10.0
"""How long a client may take to ask for a WebSocket."""
PING_SECONDS = 30.0
"""A quiet client is pinged, lest a proxy between takes the connection for dead."""
FRAGMENT = 8 * 1024 * 1024
"""Longer messages go out in parts: widespread clients take no frame above 16 MiB."""
_PROBES = ("/readyz", "/healthz")
_LONGEST_FRAME = "X-Codex-WebSocket-Max-Unfragmented-Message-Bytes"
_PLAIN = "text/plain; charset=utf-8"


class Door:
    """What a client must show before its WebSocket opens. Browsers send an `Origin` and are
    refused wherever they could reach us; a socket that is `private` they cannot."""

    def __init__(self, auth: Auth | None = None, *, private: bool = False) -> None:
        self._auth = auth
        self._private = private

    def answer(self, protocol: ServerProtocol, request: Request) -> Response:
        """101 when it opens; statuses and texts are those of Codex 0.169."""
        headers = request.headers
        if not self._private and headers.get_all("Origin"):
            return _response(403, "Forbidden")
        if request.path.partition("?")[0] in _PROBES:
            if request.method in ("GET", "HEAD"):
                return _response(200, "OK")
            return _response(405, "Method Not Allowed", allow="GET,HEAD")
        fault = _handshake_fault(headers)
        if fault is not None:
            return _response(400, "Bad Request", fault)
        if self._auth is not None:
            given = headers.get_all("Authorization")
            fault = fault_of(self._auth, given[0] if given else None)
            if fault is not None:
                return _response(401, "Unauthorized", fault)
        accepted = protocol.accept(request)
        if accepted.status_code != 101:
            return _response(400, "Bad Request", bytes(accepted.body).decode().strip())
        if self._private:
            accepted.headers[_LONGEST_FRAME] = str(MAX_FRAME)
        return accepted


class WebSocketChannel(FrameChannel):
    """A client that speaks WebSocket. `opened` is called when the handshake is done, which may
    take `patience` seconds; from then on it is pinged after `quiet` seconds of silence."""

    def __init__(
        self,
        door: Door,
        opened: Callable[[WebSocketChannel], None],
        *,
        patience: float = HANDSHAKE_SECONDS,
        quiet: float = PING_SECONDS,
    ) -> None:
        super().__init__()
        self._patience, self._quiet = patience, quiet
        self._ws = ServerProtocol(max_size=MAX_FRAME)
        self._door = door
        self._opened = opened
        self._message: bytearray | None = None  # A text message of which fragments came.
        self._heard = self.loop.time()
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        _notice_dead_peers(transport)
        self._timer = self.loop.call_later(self._patience, self._give_up)

    def data_received(self, data: bytes) -> None:
        self._heard = self.loop.time()
        self._ws.receive_data(data)
        frames: list[bytes] = []
        events = self._ws.events_received()
        for event in events:
            if isinstance(event, Request):
                if len(events) > 1 or self._ws.eof_sent:
                    self._give_up()  # It sends frames before its WebSocket is open.
                    return
                self._shake_hands(event)
            elif isinstance(event, Frame):
                self._take(event, frames)
        if frames:
            self.received(frames)
        self._write_pending()

    def eof_received(self) -> bool:
        """Without a closing handshake there is nothing more to say either way."""
        super().eof_received()
        self._ws.receive_eof()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def encode(self, frames: list[bytes]) -> bytes:
        if self._ws.state is not State.OPEN:
            return b""
        for frame in frames:
            if len(frame) <= FRAGMENT:
                self._ws.send_text(frame)
            else:
                self._send_in_parts(frame)
        return b"".join(self._ws.data_to_send())

    def say_goodbye(self, transport: asyncio.Transport) -> None:
        if self._ws.state is State.OPEN:
            self._ws.send_close(CloseCode.NORMAL_CLOSURE)
            transport.write(b"".join(self._ws.data_to_send()))
            self.hold_reading(False)  # The client's own closing frame is still to come.
        else:
            transport.close()

    def _send_in_parts(self, frame: bytes) -> None:
        self._ws.send_text(frame[:FRAGMENT], fin=False)
        for start in range(FRAGMENT, len(frame), FRAGMENT):
            part = frame[start : start + FRAGMENT]
            self._ws.send_continuation(part, fin=start + FRAGMENT >= len(frame))

    # --- what the client says --------------------------------------------------------------

    def _shake_hands(self, request: Request) -> None:
        response = self._door.answer(self._ws, request)
        self._ws.send_response(response)
        if response.status_code == 101:
            self._watch()
            self._opened(self)

    def _take(self, frame: Frame, frames: list[bytes]) -> None:
        match frame.opcode:
            case Opcode.TEXT:
                self._message = bytearray(frame.data)
            case Opcode.CONT if self._message is not None:
                self._message += frame.data
            case Opcode.PING if self.stalled:
                # Its pongs pile up before a client that does not read: let it read first.
                self.hold_reading(True)
                return
            case _:
                return  # Binary messages mean nothing here; pings are answered already.
        if not frame.fin:
            return
        message, self._message = bytes(self._message), None
        if not _is_utf8(message):
            self._ws.fail(CloseCode.INVALID_DATA, "a text message is not UTF-8")
        elif message and not message.isspace():
            frames.append(message)

    def _write_pending(self) -> None:
        pending = self._ws.data_to_send()
        if not pending:
            return
        data = b"".join(pending)  # `SEND_EOF` is the empty string.
        if data:
            self.write(data)
        if SEND_EOF in pending:
            self.end()
            self.hold_reading(False)
            self._hang_up()

    def _hang_up(self) -> None:
        """Nothing more comes from us; wait a little for the client to hang up as well, since
        closing over unread input would tear what it has not read yet."""
        if self._transport is None or self.lost.is_set():
            return
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._set_timer(CLOSE_SECONDS, self._give_up)

    # --- time ------------------------------------------------------------------------------

    def _watch(self) -> None:
        if self._ws.state is not State.OPEN:
            return
        silence = self.loop.time() - self._heard
        if silence >= self._quiet and not self.stalled:
            self._ws.send_ping(b"")
            self._write_pending()
        self._set_timer(self._quiet, self._watch)

    def _set_timer(self, seconds: float, callback: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(seconds, callback)

    def _give_up(self) -> None:
        if self._transport is not None:
            self._transport.abort()


def _handshake_fault(headers: Headers) -> str | None:
    connection = ",".join(headers.get_all("Connection")).lower()
    if "upgrade" not in (word.strip() for word in connection.split(",")):
        return "Connection header did not include 'upgrade'"
    if headers.get_all("Sec-WebSocket-Version") != ["13"]:
        return "`Sec-WebSocket-Version` header did not include '13'"
    return None


def _response(status: int, reason: str, body: str = "", *, allow: str = "") -> Response:
    headers = Headers()
    if body:
        headers["Content-Type"] = _PLAIN
    if allow:
        headers["Allow"] = allow
    headers["Content-Length"] = str(len(body.encode()))
    headers["Connection"] = "close"
    return Response(status, reason, headers, body.encode())


def _is_utf8(message: bytes) -> bool:
    if message.isascii():
        return True
    try:
        message.decode()
    except UnicodeDecodeError:
        return False
    return True


def _notice_dead_peers(transport: asyncio.BaseTransport) -> None:
    """Have the kernel find out that a client's machine is gone: unlike a deadline for pongs, that
    spares a client which is only stopped."""
    opened = transport.get_extra_info("socket")
    if opened is None or opened.family == socket.AF_UNIX:
        return
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sys.platform == "linux":
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4)
