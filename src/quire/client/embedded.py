"""The server in this process. The only module of the client that knows more than the protocol:
it composes the application, and is imported when it is needed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

from msgspec import Struct

from quire.app.embedding import open_server
from quire.client.channel import Channel, memory_channels
from quire.client.errors import CannotConnect
from quire.core.errors import QuireError


class Place(Struct, frozen=True, kw_only=True):
    """`home` is `$QUIRE_HOME` of `env` when it is None; `config` holds overrides by dotted key."""

    home: str | None
    cwd: str
    env: Mapping[str, str]
    config: Mapping[str, object]


@asynccontextmanager
async def serve(place: Place) -> AsyncGenerator[Channel]:
    """A server, from the moment it can be called; at the end its turns and commands end too.
    Raises `CannotConnect` when what is configured cannot be used."""
    try:
        server = open_server(place.home, place.cwd, place.env, place.config)
    except QuireError as exc:
        raise CannotConnect(str(exc)) from None
    ours, theirs = memory_channels()
    serving = asyncio.create_task(server.serve(theirs))
    try:
        yield ours
    finally:
        await ours.aclose()
        await serving
        await server.aclose()
