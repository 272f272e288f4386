"""The app-server, composed: every namespace of calls over the threads of one process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from msgspec import Struct

from quire import __version__
from quire.app import App
from quire.app.calls import command_actions, compose
from quire.protocol.rpc.method import Notification
from quire.protocol.rpc.version import PROTOCOL_VERSION
from quire.server.approver import ClientApprover
from quire.server.channel import Channel
from quire.server.connection import Connection, Greeter, system_name
from quire.server.events import Translator
from quire.server.hub import ThreadHub
from quire.server.hubs import Hubs
from quire.server.threads import Threads
from quire.server.transport.listen import Address, listen


class AppServer:
    """Serves any number of clients over the same threads."""

    def __init__(self, app: App) -> None:
        self._app = app
        approver = ClientApprover(self._find, command_actions)
        self.hubs = Hubs(Threads(app.opener(approver)), self._translator)
        self._clients: set[Connection] = set()
        self._routes = compose(app, self.hubs, self._tell)
        self._greeter = Greeter(
            protocol_version=PROTOCOL_VERSION,
            system=system_name(),
            program=f"quire/{__version__}",
            home=app.setup.home,
        )

    async def serve(self, channel: Channel) -> None:
        """Serve one client until it is gone. Its threads stay loaded."""
        connection = Connection(channel, self._routes, self._greeter)
        self._clients.add(connection)
        try:
            await connection.serve()
        finally:
            self._clients.discard(connection)

    async def aclose(self) -> None:
        """End all turns and commands, close all logs."""
        await self.hubs.aclose()
        await self._app.aclose()

    def _tell(self, kind: Notification, params: Struct) -> None:
        for client in self._clients:
            client.notify(kind, params)

    def _find(self, thread_id: str) -> ThreadHub:
        return self.hubs.find(thread_id)

    def _translator(self, thread_id: str) -> Translator:
        return Translator(thread_id, _now_ms, command_actions)


def _now_ms() -> int:
    return int(time.time() * 1000)


async def run_server(
    app: App,
    addresses: Sequence[Address],
    stop: asyncio.Event,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Serve at `addresses` until `stop` is set, or the client on standard input is gone. Then all
    turns and commands end. Raises `UsageError` when an address cannot be used."""
    server = AppServer(app)
    try:
        await listen(addresses, server.serve, stop, ready)
    finally:
        await server.aclose()
