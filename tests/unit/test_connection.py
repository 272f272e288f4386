"""What is done after an answer, and when a client is gone."""

from __future__ import annotations

import asyncio
import json

import pytest
from msgspec import Raw

from quire.protocol.rpc.method import Empty
from quire.server.connection import Connection
from quire.server.greeting import Greeter
from quire.server.routes import Caller

INITIALIZE = {"clientInfo": {"name": "t", "title": None, "version": "1"}}


class Script:
    """A channel whose client says `frames` and goes."""

    half_open = True

    def __init__(self, *frames: dict[str, object]) -> None:
        self._frames = [json.dumps(frame).encode() for frame in frames]
        self.sent: list[bytes] = []
        self.closed = False

    async def receive(self) -> bytes | None:
        return self._frames.pop(0) if self._frames else None

    async def send(self, frame: bytes) -> None:
        self.sent.append(frame)

    async def aclose(self) -> None:
        self.closed = True


def test_one_fault_keeps_nothing_else_from_happening() -> None:
    happened: list[str] = []

    def wrong() -> None:
        raise ValueError("a bug")

    async def handler(_: Raw, caller: Caller) -> Empty:
        for later in (caller.after_reply, caller.on_close):
            later(wrong)
            later(lambda: happened.append("done"))
        return Empty()

    channel = Script(
        {"id": 1, "method": "initialize", "params": INITIALIZE}, {"id": 2, "method": "go"}
    )
    connection = Connection(channel, {"go": handler}, Greeter(program="p", home="/h"))
    with pytest.raises(ValueError, match="a bug"):
        asyncio.run(connection.serve())
    assert happened == ["done", "done"]
    assert channel.closed and len(channel.sent) == 2
