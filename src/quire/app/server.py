"""The app-server, composed: every namespace of calls over the threads of one process."""

from __future__ import annotations

import time
from collections.abc import Mapping

from msgspec import Struct

from quire import __version__
from quire.app import App
from quire.protocol.rpc.items import CommandAction
from quire.protocol.rpc.method import Notification
from quire.server.approver import ClientApprover
from quire.server.calls.history import HistoryCalls
from quire.server.calls.stored_threads import StoredThreadCalls
from quire.server.calls.threads import ThreadCalls
from quire.server.calls.turns import TurnCalls
from quire.server.channel import Channel
from quire.server.connection import Connection, Greeter, system_name
from quire.server.events import Translator
from quire.server.history import Histories
from quire.server.hub import ThreadHub
from quire.server.hubs import Hubs
from quire.server.routes import Handler
from quire.server.threads import Threads

PROTOCOL_VERSION = "0.169.0"
"""The version of Codex whose protocol this is: clients refuse servers that are too old."""


class AppServer:
    """Serves any number of clients over the same threads."""

    def __init__(self, app: App) -> None:
        self._app = app
        approver = ClientApprover(self._find, _actions)
        self.hubs = Hubs(Threads(app.opener(approver)), self._translator)
        self._clients: set[Connection] = set()
        self._routes = self._compose()
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

    def _compose(self) -> Mapping[str, Handler]:
        from quire.rollout.library import Library

        library = Library(self._app.setup.home)
        histories = Histories(self.hubs, library, _actions)
        calls = (
            ThreadCalls(self.hubs, library, histories),
            StoredThreadCalls(self.hubs, library, histories, self._tell),
            HistoryCalls(self.hubs, histories),
            TurnCalls(self.hubs),
        )
        return {name: handler for each in calls for name, handler in each.routes().items()}

    def _tell(self, kind: Notification, params: Struct) -> None:
        for client in self._clients:
            client.notify(kind, params)

    def _find(self, thread_id: str) -> ThreadHub:
        return self.hubs.find(thread_id)

    def _translator(self, thread_id: str) -> Translator:
        return Translator(thread_id, _now_ms, _actions)


def _now_ms() -> int:
    return int(time.time() * 1000)


def _actions(script: str) -> tuple[CommandAction, ...]:
    """What a command reads, lists and searches."""
    return ()
