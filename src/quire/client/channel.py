"""How frames come and go, seen from the client: one JSON message each."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

MAX_FRAME = 64 * 1024 * 1024
"""Bytes of one message."""
_READ_AHEAD = 1024 * 1024


class Channel(Protocol):
    """The client's end of a transport. One reader and one writer use it at a time."""

    async def receive(self) -> bytes | None:
        """The next message without its line end; None when the server is gone. Never raises but
        for cancellation, which loses nothing."""
        ...

    async def send(self, frame: bytes) -> None:
        """Send one message (without a line end). Waits while the server does not read. Raises
        `ConnectionError` when it is gone."""
        ...

    async def aclose(self) -> None:
        """Close it. Idempotent, never raises."""
        ...


def memory_channels() -> tuple[_End, _End]:
    """Two ends in one process: what one sends the other receives."""
    there, back = _Pipe(), _Pipe()
    return _End(there, back), _End(back, there)


class _Pipe:
    """Frames in one direction. Who sends waits while much lies there."""

    def __init__(self) -> None:
        self._frames: deque[bytes] = deque()
        self._bytes = 0
        self._closed = False
        self._changed = asyncio.Condition()

    async def put(self, frame: bytes) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._closed or self._bytes < _READ_AHEAD)
            if self._closed:
                raise ConnectionResetError("the other end is closed")
            self._frames.append(frame)
            self._bytes += len(frame)
            self._changed.notify_all()

    async def get(self) -> bytes | None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._closed or bool(self._frames))
            if not self._frames:
                return None
            frame = self._frames.popleft()
            self._bytes -= len(frame)
            self._changed.notify_all()
            return frame

    async def close(self) -> None:
        async with self._changed:
            self._closed = True
            self._changed.notify_all()


class _End:
    def __init__(self, outgoing: _Pipe, incoming: _Pipe) -> None:
        self._outgoing = outgoing
        self._incoming = incoming

    @property
    def half_open(self) -> bool:
        """Never: both directions close together."""
        return False

    async def receive(self) -> bytes | None:
        return await self._incoming.get()

    async def send(self, frame: bytes) -> None:
        await self._outgoing.put(frame)

    async def aclose(self) -> None:
        await self._outgoing.close()
        await self._incoming.close()
