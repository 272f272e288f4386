"""What a namespace keeps for each client, until the client is gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from quire.server.errors import InvalidRequest
from quire.server.routes import Caller, Client

_State = TypeVar("_State")


class PerClient(Generic[_State]):
    """`make` makes the state of a client that has none; `end` is called with it once the client
    is gone."""

    def __init__(self, make: Callable[[], _State], end: Callable[[_State], None]) -> None:
        self._make = make
        self._end = end
        self._states: dict[Client, _State] = {}

    def of(self, caller: Caller) -> _State:
        """Raises `InvalidRequest` when it is gone meanwhile: nothing would end the state."""
        client = caller.client
        if client.gone:
            raise InvalidRequest("the client is gone")
        if client not in self._states:
            self._states[client] = self._make()
            client.on_close(lambda: self._close(client))
        return self._states[client]

    def _close(self, client: Client) -> None:
        state = self._states.pop(client, None)
        if state is not None:
            self._end(state)
