"""What a transport calls when a client is there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol
from weakref import WeakSet

from quire.server.channel import Channel

Serve = Callable[[Channel], Awaitable[None]]
"""Serves one client until it is gone or the call is cancelled."""

Started = Callable[[Channel], None]
"""Takes over a client that can talk now. Never waits."""


class Arrival(Protocol):
    """A connection whose client cannot talk yet."""

    async def aclose(self) -> None: ...


Arrivals = WeakSet[Arrival]
"""Who came and is still there; those who talk by now may be among them."""
