"""A scripted server for transports: it answers each message with the same message."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from quire.server.channel import Channel
from quire.server.transport.addresses import Address
from quire.server.transport.listen import listen


async def echo(channel: Channel) -> None:
    """Answer until the client is gone; `crash` raises, `close` closes."""
    while (frame := await channel.receive()) is not None:
        if frame == b'"crash"':
            raise ValueError("as told")
        if frame == b'"close"':
            return
        await channel.send(frame)


@contextlib.asynccontextmanager
async def listening(*addresses: Address) -> AsyncIterator[asyncio.Task[None]]:
    """An echo server at `addresses`, from the moment it is ready."""
    stop, ready = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(listen(addresses, echo, stop, ready.set))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        waiting.cancel()
        task.result()
    try:
        yield task
    finally:
        stop.set()
        await task
