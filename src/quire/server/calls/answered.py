"""Faults of files and settings as answers."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from quire.core.errors import UsageError
from quire.server.errors import InternalError


@contextmanager
def usage_errors_answered() -> Generator[None]:
    """What an adapter cannot read or write (`UsageError`, one line) becomes an `InternalError`."""
    try:
        yield
    except UsageError as exc:
        raise InternalError(str(exc)) from None
