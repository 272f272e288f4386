"""Errors of calls, with the codes that Codex 0.169 answers."""

from __future__ import annotations

from msgspec import Struct

from quire.core.errors import QuireError

INVALID_REQUEST = -32600
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
OVERLOADED = -32001


class RpcError(QuireError):
    """A call that is answered with an error: `code`, one line for people, and `data` for
    programs where Codex 0.169 sends some."""

    def __init__(
        self, message: str, code: int = INVALID_REQUEST, data: Struct | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.data = data


class InvalidRequest(RpcError):
    """The call is wrong: unknown, malformed, or not possible now."""


class InternalError(RpcError):
    """The call is right and could not be carried out (a missing file, a full disk)."""

    def __init__(self, message: str) -> None:
        super().__init__(message, INTERNAL_ERROR)
