"""What waits to be sent to one client.

Answers, questions and the ends of things are never lost; deltas are left out while the client is
behind. A client that stops reading cannot make the server grow without bound: when more waits
than it may, the connection is given up.
"""

from __future__ import annotations

import asyncio
from collections import deque

MAX_WAITING_DELTAS = 1024
"""Frames that may wait before deltas are left out."""
MAX_WAITING_BYTES = 64 * 1024 * 1024


class Outbox:
    """Frames in their order."""

    def __init__(self) -> None:
        self._frames: deque[bytes] = deque()
        self._bytes = 0
        self._wake = asyncio.Event()
        self._closed = False
        self._overflowed = asyncio.Event()

    def put(self, frame: bytes, *, lossy: bool = False) -> None:
        """Never waits. A lossy frame is dropped when many wait."""
        if self._closed or (lossy and len(self._frames) >= MAX_WAITING_DELTAS):
            return
        if self._bytes + len(frame) > MAX_WAITING_BYTES and self._frames:
            self._overflowed.set()
            self.close()
            self._frames.clear()
            return
        self._frames.append(frame)
        self._bytes += len(frame)
        self._wake.set()

    async def next(self) -> bytes | None:
        """The next frame; None when it was closed and nothing waits. One reader."""
        while not self._frames:
            if self._closed:
                return None
            self._wake.clear()
            await self._wake.wait()
        frame = self._frames.popleft()
        self._bytes -= len(frame)
        return frame

    async def overflow(self) -> None:
        """Return once more waited than may."""
        await self._overflowed.wait()

    def close(self) -> None:
        """No more frames: what waits is still sent."""
        self._closed = True
        self._wake.set()
