"""What a namespace keeps for each client, until the client is gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from quire.server.routes import Caller

_State = TypeVar("_State")


class PerClient(Generic[_State]):
    """`make` makes the state of a client that has none; `end` is called with it once the client
    is gone."""

    def __init__(self, make: Callable[[], _State], end: Callable[[_State], None]) -> None:
        self._make = make
        self._end = end
        self._states: dict[Caller, _State] = {}

    def of(self, caller: Caller) -> _State:
        if caller not in self._states:
            self._states[caller] = self._make()
            caller.on_close(lambda: self._close(caller))
        return self._states[caller]

    def _close(self, caller: Caller) -> None:
        state = self._states.pop(caller, None)
        if state is not None:
            self._end(state)
