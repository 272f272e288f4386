"""What happened in a thread, for clients: its turns with their items, out of its log."""

from __future__ import annotations

from quire.protocol.rpc.turn import Turn
from quire.server.errors import InvalidRequest
from quire.server.hubs import Hubs
from quire.server.library import ThreadLibrary
from quire.server.turn_views import turns_of
from quire.server.views import Actions


class Histories:
    """The turns of stored threads."""

    def __init__(self, hubs: Hubs, library: ThreadLibrary, actions: Actions) -> None:
        self._hubs = hubs
        self._library = library
        self._actions = actions

    def turns(self, thread_id: str) -> tuple[Turn, ...]:
        """All turns with all their items. Raises `InvalidRequest` for a thread that keeps no
        log, `UsageError` and `RolloutError`."""
        hub = self._hubs.get(thread_id)
        running = None
        if hub is not None:
            running = hub.loaded.thread.state.turn_id
            if hub.loaded.opened.info.path is None:
                raise InvalidRequest("ephemeral threads do not support includeTurns")
            if not hub.preview and running is None and not hub.resumed:
                return ()  # Nothing happened yet: there is no file.
        records = self._library.records(thread_id)
        return turns_of(records, running=running, actions=self._actions)
