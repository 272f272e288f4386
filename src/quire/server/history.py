"""What happened in a thread, for clients: its turns with their items, out of its log."""

from __future__ import annotations

from collections.abc import Callable

from quire.core.errors import UsageError
from quire.protocol.rpc.turn import Turn
from quire.server.calls.blocking import Blocking
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
        self._blocking = Blocking(2)

    def turns(self, thread_id: str, newest: int | None = None) -> tuple[Turn, ...]:
        """All turns, or the last so many, with all their items, as they are at this moment.
        Raises `InvalidRequest` for a thread that keeps no log or is not there, and
        `RolloutError`."""
        read = self._reader(thread_id, newest)
        return read()

    async def fetch(self, thread_id: str, newest: int | None = None) -> tuple[Turn, ...]:
        """`turns`, or the last so many, read beside the event loop."""
        return await self._blocking.run(self._reader(thread_id, newest))

    def _reader(self, thread_id: str, newest: int | None) -> Callable[[], tuple[Turn, ...]]:
        hub = self._hubs.get(thread_id)
        running = None
        if hub is not None:
            state = hub.loaded.thread.state
            running = state.turn_id
            if hub.loaded.opened.info.path is None:
                raise InvalidRequest("ephemeral threads do not support includeTurns")
            if running is None and not hub.resumed and not len(state.prompt):
                return tuple  # Nothing happened yet: there is no file.

        def read() -> tuple[Turn, ...]:
            try:
                records = self._library.turn_records(thread_id, newest)
            except UsageError:
                raise not_loaded(thread_id) from None
            return turns_of(records, running=running, actions=self._actions)

        return read
