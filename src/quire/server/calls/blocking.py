"""Work that blocks, away from the event loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import TypeVar

from quire.server.errors import InternalError, InvalidRequest

_Result = TypeVar("_Result")


class Blocking:
    """Runs at most `limit` blocking functions at a time, in threads."""

    def __init__(self, limit: int) -> None:
        self._gate = asyncio.Semaphore(limit)

    async def run(self, function: Callable[[], _Result]) -> _Result:
        """What `function` returns. Errors of the operating system become `InternalError`s in the
        words of Codex 0.169. When cancelled it returns at once; the function goes on."""
        async with self._gate:
            try:
                return await asyncio.to_thread(function)
            except OSError as exc:
                raise os_fault(exc) from None


def os_fault(exc: OSError) -> InternalError:
    """`No such file or directory (os error 2)`."""
    if exc.errno is None:
        return InternalError(str(exc) or type(exc).__name__)
    return InternalError(f"{os.strerror(exc.errno)} (os error {exc.errno})")


def absolute(path: str) -> str:
    """`path` without `.`, `..` and double slashes. Raises `InvalidRequest` when it is not
    absolute or no path at all."""
    if not path.startswith("/"):
        raise InvalidRequest("Invalid request: AbsolutePathBuf deserialized without a base path")
    if "\0" in path:
        raise InvalidRequest("file name contained an unexpected NUL byte")
    return os.path.normpath("/" + path.lstrip("/"))


def shown(path: str) -> str:
    """A path that JSON can hold: what is not UTF-8 in it is replaced."""
    return os.fsencode(path).decode("utf-8", "replace")
