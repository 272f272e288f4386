"""A channel whose client has the answer to `initialize` already."""

from __future__ import annotations

from quire.server.channel import Channel


class Greeted:
    """Implements `Channel` over another one: the first message to send is left out. It is the
    answer to the first one received, which was sent before the server was there."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._first = True

    @property
    def half_open(self) -> bool:
        return self._channel.half_open

    async def receive(self) -> bytes | None:
        return await self._channel.receive()

    async def send(self, frame: bytes) -> None:
        if self._first:
            self._first = False
            return
        await self._channel.send(frame)

    async def aclose(self) -> None:
        await self._channel.aclose()
