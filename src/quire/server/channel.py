"""How frames come and go: one JSON message each, over whatever transport."""

from __future__ import annotations

from typing import Protocol

MAX_FRAME = 64 * 1024 * 1024
"""Bytes of one message; a longer one is refused and the client told so."""


class Channel(Protocol):
    """One client's end of a transport. One reader and one writer use it at a time."""

    @property
    def half_open(self) -> bool:
        """True when the client says no more but may still read."""
        ...

    async def receive(self) -> bytes | None:
        """The next message without its line end; None when the client is gone (a transport
        error counts as that). Never raises but for cancellation, which loses nothing. A frame
        longer than `MAX_FRAME` is skipped where the transport allows it."""
        ...

    async def send(self, frame: bytes) -> None:
        """Send one message (without a line end). Waits while the client does not read; the wait
        may be cancelled, after which the channel can only be closed. Raises `ConnectionError`
        when the client is gone."""
        ...

    async def aclose(self) -> None:
        """Close it. Idempotent, never raises."""
        ...
