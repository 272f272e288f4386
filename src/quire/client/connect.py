"""Servers elsewhere: a process of ours, a unix socket, a WebSocket."""

from __future__ import annotations

import asyncio
import shlex
from contextlib import suppress

from quire.client.channel import MAX_FRAME, Channel
from quire.client.errors import CannotConnect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

_END_SECONDS = 10.0
"""How long a server may take to end after its input did."""


async def connect(address: str, token: str | None = None) -> Channel:
    """A channel to `stdio:COMMAND`, `unix:///PATH`, `ws://…` or `wss://…`. Raises
    `CannotConnect`."""
    scheme, _, rest = address.partition(":")
    try:
        match scheme:
            case "stdio":
                return await _start(rest)
            case "unix":
                return await _unix(rest.removeprefix("//"))
            case "ws" | "wss":
                return await _websocket(address, token)
            case _:
                pass
    except OSError as exc:
        raise CannotConnect(f"{address}: {exc.strerror or exc}") from None
    raise CannotConnect(
        f"connect: {address!r} is no address; use stdio:COMMAND, unix:///PATH or ws://HOST:PORT"
    )


async def _start(command: str) -> Channel:
    words = shlex.split(command)
    if not words:
        raise CannotConnect("connect: stdio: needs a command, such as stdio:quire")
    if len(words) == 1:
        words.append("app-server")
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*words, stdin=pipe, stdout=pipe, limit=MAX_FRAME)
    assert process.stdin is not None and process.stdout is not None
    return _ProcessChannel(process, process.stdout, process.stdin)


class _ProcessChannel:
    """A server that we started: one message a line. Its standard error is ours."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer

    async def receive(self) -> bytes | None:
        try:
            return await self._reader.readline() or None
        except (OSError, ValueError):  # ValueError: a line longer than the limit.
            return None

    async def send(self, frame: bytes) -> None:
        self._writer.write(frame + b"\n")
        await self._writer.drain()

    async def aclose(self) -> None:
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()
        for end in (self._process.terminate, self._process.kill):
            with suppress(TimeoutError):
                async with asyncio.timeout(_END_SECONDS):
                    await self._process.wait()
                    return
            with suppress(ProcessLookupError):
                end()
        await self._process.wait()


async def _unix(path: str) -> Channel:
    from websockets.asyncio.client import unix_connect
    from websockets.exceptions import WebSocketException

    try:
        socket = await unix_connect(path, "ws://localhost/", max_size=MAX_FRAME, compression=None)
    except WebSocketException as exc:
        raise CannotConnect(f"unix://{path}: {exc}") from None
    return _SocketChannel(socket)


async def _websocket(address: str, token: str | None) -> Channel:
    from websockets.asyncio.client import connect as open_socket
    from websockets.exceptions import WebSocketException

    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    try:
        socket = await open_socket(
            address,
            additional_headers=headers,
            max_size=MAX_FRAME,
            compression=None,
            proxy=None,
        )
    except (WebSocketException, ValueError) as exc:
        raise CannotConnect(f"{address}: {exc}") from None
    return _SocketChannel(socket)


class _SocketChannel:
    """A WebSocket: one message a text frame."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    async def receive(self) -> bytes | None:
        from websockets.exceptions import ConnectionClosed

        try:
            return await self._socket.recv(decode=False)
        except ConnectionClosed:
            return None

    async def send(self, frame: bytes) -> None:
        from websockets.exceptions import ConnectionClosed

        try:
            await self._socket.send(frame, text=True)
        except ConnectionClosed:
            raise ConnectionResetError("the server is gone") from None

    async def aclose(self) -> None:
        await self._socket.close()
