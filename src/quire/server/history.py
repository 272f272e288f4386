"""What happened in a thread, for clients: its turns with their items, out of its log."""

from __future__ import annotations

from quire.core.errors import UsageError
from quire.protocol.rpc.turn import Turn
from quire.server.errors import InvalidRequest
from quire.server.hubs import Hubs
from quire.server.library import ThreadLibrary
from quire.server.turn_views import turns_of
from quire.server.views import Actions


def not_loaded(thread_id: str) -> InvalidRequest:
    """It is neither loaded nor stored, in the words of Codex 0.169."""
    return InvalidRequest(f"thread not loaded: {thread_id}")


class Histories:
    """The turns of stored threads."""

    def __init__(self, hubs: Hubs, library: ThreadLibrary, actions: Actions) -> None:
        self._hubs = hubs
        self._library = library
        self._actions = actions

    def turns(self, thread_id: str) -> tuple[Turn, ...]:
        """All turns with all their items. Raises `InvalidRequest` for a thread that keeps no
        log or is not there, and `RolloutError`."""
        hub = self._hubs.get(thread_id)
        running = None
        if hub is not None:
            running = hub.loaded.thread.state.turn_id
            if hub.loaded.opened.info.path is None:
                raise InvalidRequest("ephemeral threads do not support includeTurns")
            if not hub.preview and running is None and not hub.resumed:
                return ()  # Nothing happened yet: there is no file.
        try:
            records = self._library.records(thread_id)
        except UsageError:
            raise not_loaded(thread_id) from None
        return turns_of(records, running=running, actions=self._actions)
