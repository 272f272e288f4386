"""Threads that work for another one, and end with what they were opened for."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from quire.core.errors import ModelError
from quire.protocol.ops import Shutdown
from quire.protocol.records import TurnCompleted
from quire.protocol.thread import ErrorInfo
from quire.server.threads import Opened


def last_words(end: TurnCompleted) -> str:
    """What the agent said last. Raises `ModelError` when its turn did not complete."""
    if end.status == "completed":
        return end.last_agent_message or ""
    error = end.error or ErrorInfo("the reviewer was stopped")
    raise ModelError(error.message, error.code, error.http_status)


async def close(opened: Opened) -> None:
    """End its turn, its commands and the thread, however often this is cancelled."""
    closing = asyncio.create_task(opened.thread.submit(Shutdown()))
    while not closing.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([closing])
    closing.result()
