"""The events of one thread that wait to be read, in bounded memory."""

from __future__ import annotations

import asyncio
from collections import deque

from quire.client.errors import EventsNotRead
from quire.client.events import QuestionDeclined, ThreadEvent, Told

MAX_WAITING_DELTAS = 1024
"""Events that may wait before deltas are left out."""
MAX_WAITING_BYTES = 32 * 1024 * 1024


class Feed:
    """Events in their order. Deltas are left out while many wait; other events never are: when
    they take more than `MAX_WAITING_BYTES`, the feed ends with `EventsNotRead`."""

    def __init__(self) -> None:
        self._waiting: deque[Told | QuestionDeclined] = deque()
        self._bytes = 0
        self._wake = asyncio.Event()
        self._end: BaseException | None = None

    def put(self, event: Told | QuestionDeclined) -> None:
        """Never waits."""
        if self._end is not None:
            return
        if isinstance(event, Told):
            size = memoryview(event.params).nbytes
            if event.lossy and len(self._waiting) >= MAX_WAITING_DELTAS:
                return
            if self._bytes + size > MAX_WAITING_BYTES and self._waiting:
                self.fail(EventsNotRead("events were not read, and too many wait"))
                return
            self._bytes += size
        self._waiting.append(event)
        self._wake.set()

    def fail(self, error: BaseException) -> None:
        """What waits may still be read; then `error` is raised."""
        if self._end is None:
            self._end = error
        self._wake.set()

    async def next(self) -> ThreadEvent:
        """Raises what the feed ended with."""
        while True:
            while not self._waiting:
                if self._end is not None:
                    raise self._end
                self._wake.clear()
                await self._wake.wait()
            event = self._waiting.popleft()
            if isinstance(event, QuestionDeclined):
                return event
            self._bytes -= memoryview(event.params).nbytes
            decoded = event.decode()
            if decoded is not None:
                return decoded
