"""The app-server, composed: every namespace of calls over the threads of one process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from quire import __version__
from quire.app import App
from quire.app.approvals import Approvals
from quire.app.calls import compose
from quire.app.choice import choose_model, offline_choice
from quire.app.setup import Setup
from quire.config.command_actions import command_actions
from quire.config.errors import ConfigError
from quire.config.load import ConfigSources, empty_config, load
from quire.core.errors import UsageError
from quire.protocol.rpc.method import Notification
from quire.protocol.rpc.server import CONFIG_WARNING, ConfigWarningNotification
from quire.server.approver import ClientApprover
from quire.server.channel import Channel
from quire.server.connection import Connection
from quire.server.events import Translator
from quire.server.greeting import Greeter
from quire.server.hub import ThreadHub
from quire.server.hubs import UNLOAD_SECONDS, Hubs
from quire.server.threads import Threads
from quire.server.transport.listen import Address, listen


class AppServer:
    """Serves any number of clients over the same threads."""

    def __init__(self, app: App, warnings: tuple[str, ...] = ()) -> None:
        """`warnings` are told to every client that connects."""
        self._app = app
        self._warnings = warnings
        delay = app.profile.config.thread_unload_delay_secs
        person = ClientApprover(self._find, command_actions)
        self._approvals = Approvals(person, lambda thread_id: self._find(thread_id).loaded)
        self.hubs = Hubs(
            Threads(app.opener(self._approvals)),
            self._translator,
            UNLOAD_SECONDS if delay is None else delay,
        )
        self._clients: set[Connection] = set()
        self._routes = compose(app, self.hubs, self)
        self._greeter = Greeter(program=f"quire/{__version__}", home=app.setup.home)

    async def serve(self, channel: Channel) -> None:
        """Serve one client until it is gone. Its threads stay loaded."""
        connection = Connection(channel, self._routes, self._greeter, self._welcome)
        self._clients.add(connection)
        try:
            await connection.serve()
        finally:
            self._clients.discard(connection)

    async def aclose(self) -> None:
        """End all turns and commands, close all logs."""
        try:
            await self.hubs.aclose()
        finally:
            await self._app.aclose()

    def in_flight(self) -> int:
        """Calls of all clients that are under way."""
        return sum(client.in_flight for client in self._clients)

    def overrule(self, thread_id: str, review_id: str) -> str | None:
        """Allow once what the automatic reviewer denied; what the model is told of it."""
        return self._approvals.overrule(thread_id, review_id)

    def _welcome(self, client: Connection) -> None:
        for text in self._warnings:
            client.notify(CONFIG_WARNING, ConfigWarningNotification(summary=text))

    def tell(self, kind: Notification, params: Struct) -> None:
        """Tell every client, whatever it watches."""
        for client in self._clients:
            client.notify(kind, params)

    def _find(self, thread_id: str) -> ThreadHub:
        return self.hubs.find(thread_id)

    def _translator(self, thread_id: str) -> Translator:
        return Translator(thread_id, _now_ms, command_actions)


def _now_ms() -> int:
    return int(time.time() * 1000)


class ServerPlace(Struct, frozen=True, kw_only=True):
    """Where a server runs: `sources` say where its configuration is; `source` is what the logs of
    its threads call it."""

    env: Mapping[str, str]
    sources: ConfigSources
    source: str = "vscode"


def make_server(place: ServerPlace) -> AppServer:
    """A server whose configuration may be broken: clients are told so, and a thread can be
    started once it is mended (Codex 0.169)."""
    sources = place.sources
    warnings: tuple[str, ...] = ()
    try:
        loaded = load(sources)
        warnings = loaded.warnings
    except ConfigError as exc:
        warnings = (f"Invalid configuration; using defaults. {exc}",)
        loaded = empty_config(sources)
    setup = Setup(
        home=sources.home,
        cwd=sources.cwd,
        env=place.env,
        loaded=loaded,
        source=place.source,
        interactive=True,
    )
    try:
        choice = choose_model(loaded.config, place.env, sources.home)
    except UsageError as exc:
        warnings = (*warnings, str(exc))
        choice = offline_choice()
    return AppServer(App(setup, choice), warnings)


async def run_server(
    place: ServerPlace,
    addresses: Sequence[Address],
    stop: asyncio.Event,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Serve at `addresses` until `stop` is set, or the client on standard input is gone. Then all
    turns and commands end. Raises `UsageError` when an address cannot be used."""
    server = make_server(place)
    try:
        await listen(addresses, server.serve, stop, ready)
    finally:
        await server.aclose()
