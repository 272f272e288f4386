"""The namespaces of the app-server, each with what it needs of the rest."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from quire.app import App
from quire.protocol.records import TurnCompleted
from quire.protocol.rpc.items import CommandAction
from quire.protocol.rpc.method import Notification
from quire.rollout.paths import QUEUE
from quire.server.calls.threads import ThreadCalls
from quire.server.calls.turns import TurnCalls
from quire.server.hub import ThreadHub
from quire.server.hubs import Hubs
from quire.server.routes import LateRoutes, Routes

if TYPE_CHECKING:
    from quire.server.history import Histories
    from quire.server.library import ThreadLibrary
    from quire.server.queues import Queues


class Namespace(Protocol):
    def routes(self) -> Routes: ...


class Everyone(Protocol):
    """All clients of the server, and who decides for them."""

    def tell(self, kind: Notification, params: Struct) -> None: ...
    def in_flight(self) -> int: ...
    def overrule(self, thread_id: str, review_id: str) -> str | None: ...


class History:
    """What is stored of threads, as the server needs it; made when it is first asked for."""

    def __init__(self, home: str, hubs: Hubs) -> None:
        self._home = home
        self._hubs = hubs
        self._library: ThreadLibrary | None = None
        self._histories: Histories | None = None
        self._queues: Queues | None = None

    @property
    def library(self) -> ThreadLibrary:
        if self._library is None:
            from quire.rollout.library import Library

            self._library = Library(self._home)
        return self._library

    @property
    def histories(self) -> Histories:
        if self._histories is None:
            from quire.server.history import Histories

            self._histories = Histories(self._hubs, self.library, command_actions)
        return self._histories

    @property
    def queues(self) -> Queues:
        if self._queues is None:
            from quire.rollout.queue import MessageQueue
            from quire.server.queues import Queues

            self._queues = Queues(self._hubs, MessageQueue(self._home))
        return self._queues

    def turn_ended(self, hub: ThreadHub, end: TurnCompleted) -> None:
        """Start what waits for it."""
        if os.path.lexists(os.path.join(self._home, QUEUE, f"{hub.loaded.id}.json")):
            self.queues.turn_ended(hub, end)


def compose(app: App, hubs: Hubs, everyone: Everyone) -> Routes:
    """Every method of the server by name. Opening threads and running turns come first; the rest
    is loaded when a client asks for it."""
    stored = History(app.setup.home, hubs)
    hubs.on_turn_end(stored.turn_ended)
    first = (ThreadCalls(hubs, stored), TurnCalls(hubs))

    def late() -> Routes:
        from quire.app.late_calls import compose_late

        return compose_late(app, hubs, everyone, stored)

    return LateRoutes(by_name(first), late)


def by_name(calls: Iterable[Namespace]) -> Routes:
    return {name: handler for each in calls for name, handler in each.routes().items()}


def command_actions(script: str) -> tuple[CommandAction, ...]:
    """What a command reads, lists and searches."""
    from quire.config.command_actions import command_actions as actions_of

    return actions_of(script)
