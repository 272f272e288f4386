"""One TCP connection as seen by the HTTP transport: a raw asyncio protocol.

Bytes wait here until they are read, at most about a megabyte of them; then the peer has to wait.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable

_HIGH_WATER = 1024 * 1024


class IdleTimeout(Exception):
    """Nothing came, or nothing could be sent, for too long."""


class Wire(asyncio.Protocol):
    """Reads and writes of one connection. One reader and one writer at a time, in one task."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._arrived: list[bytes] = []
        self._size = 0
        self._reading_paused = False
        self._writing_paused = False
        self._waiter: asyncio.Future[None] | None = None
        self._sink: Callable[[bytes], None] | None = None
        self.error: OSError | None = None
        self.received = 0  # bytes, since the connection was made
        self.ended = False  # no byte will come any more

    # --- called by asyncio ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if sys.platform == "linux" and (sock := transport.get_extra_info("socket")) is not None:
            # A peer that vanished (sleep, lost NAT entry) is found within a minute.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        if self._sink is not None:
            self._sink(data)
            return
        self._arrived.append(data)
        self._size += len(data)
        if self._size > _HIGH_WATER and not self._reading_paused and self._transport:
            self._transport.pause_reading()
            self._reading_paused = True
        self._wake()

    def eof_received(self) -> bool:
        self.ended = True
        self._wake()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = True
        if self.error is None and exc is not None:
            self.error = exc if isinstance(exc, OSError) else OSError(str(exc))
        self._writing_paused = False
        self._wake()

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        self._wake()

    # --- called by the transport ---

    @property
    def transport(self) -> asyncio.Transport | None:
        return self._transport

    @property
    def has_input(self) -> bool:
        """True when bytes wait or none will ever come."""
        return bool(self._arrived) or self.ended

    def take(self) -> bytes:
        """All bytes that wait, without waiting."""
        arrived = self._arrived
        data = arrived[0] if len(arrived) == 1 else b"".join(arrived)
        arrived.clear()
        self._size = 0
        if self._reading_paused and self._transport:
            self._reading_paused = False
            self._transport.resume_reading()
        return data

    async def read(self, timeout: float) -> bytes:
        """The next bytes; empty at the end. Raises `IdleTimeout` after `timeout` seconds without
        any, and `OSError` when the connection broke. Cancelling it loses nothing."""
        while not self._arrived:
            if self.ended:
                if self.error is not None:
                    raise self.error
                return b""
            await self._wait(timeout)
        return self.take()

    def write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    async def drained(self, timeout: float) -> None:
        """Wait until more can be written, or something arrived. Raises `IdleTimeout`."""
        while self._writing_paused and not self.has_input:
            await self._wait(timeout)

    def discard_into(self, sink: Callable[[bytes], None]) -> None:
        """Hand what waits and all that comes to `sink` from now on."""
        self._sink = sink
        if self._arrived:
            sink(self.take())

    def keep(self) -> None:
        """Stop handing bytes to a sink: they wait to be read again."""
        self._sink = None

    def close(self) -> None:
        """Drop the connection at once; what was written and not yet sent is lost. Idempotent."""
        self.ended = True
        if self._transport is not None:
            self._transport.abort()

    async def _wait(self, timeout: float) -> None:
        loop = asyncio.get_running_loop()
        waiter = self._waiter = loop.create_future()
        alarm = loop.call_later(timeout, _expire, waiter)
        try:
            await waiter
        finally:
            alarm.cancel()
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _expire(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(IdleTimeout())
