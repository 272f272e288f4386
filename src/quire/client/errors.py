"""The errors of the client, as one tree.

    ClientError
    ├── CannotConnect     no server could be started or reached
    ├── ConnectionLost    the server is gone, or the client was closed
    ├── CallRefused       the server answered a call with an error
    ├── TurnFailed        a turn ended as failed; its result so far is there
    └── EventsNotRead     more events waited than may be kept

An error that a callback of yours raises comes out of the run it happened in, as it is.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from quire.client.run import TurnResult


class ClientError(Exception):
    """Root of all errors of `quire.client`. `str()` is one line for people."""


class CannotConnect(ClientError):
    """No server could be started or reached."""


class ConnectionLost(ClientError):
    """The server is gone, or the client was closed. Turns of a server in this process ended with
    it; elsewhere they may still run."""


class CallRefused(ClientError):
    """The server answered a call with an error. `code` is JSON-RPC's: -32600 for a request that
    cannot be met, -32603 for a fault of the server."""

    def __init__(self, method: str, code: int, message: str) -> None:
        super().__init__(message)
        self.method = method
        self.code = code


class TurnFailed(ClientError):
    """A turn ended as failed. `result` has what there is of it."""

    def __init__(self, result: TurnResult) -> None:
        super().__init__(result.error.message if result.error else "the turn failed")
        self.result = result


class EventsNotRead(ClientError):
    """More events of a thread waited than may be kept: they are read too slowly, or not at all."""
