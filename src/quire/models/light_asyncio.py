"""Import asyncio without what a command over plain http does not use of it.

asyncio imports `ssl` at its first import if it can, and works without it if it cannot; `ssl` and
the libraries behind it are 6 of the 60 ms that a command takes to its first request. It imports
`inspect` (5 ms) for rare questions only, `logging` (3 ms), `traceback` and `linecache` (2 ms) for
what goes wrong, and `subprocess` (2 ms) for processes that it does not start here, so all of them
may come when they are asked.

`prepare` must be called before anything imports asyncio. What needs TLS later in such a process
calls `ensure_tls` first; the model transport does.
"""

from __future__ import annotations

import sys
from types import ModuleType


class _Logger:
    """Stands in for a logger: what is asked of it is asked of the real one."""

    def __init__(self, name: str) -> None:
        self._name = name

    def debug(self, message: str, *args: object) -> None:
        """Where nobody loaded logging, nobody asked for debug messages."""
        if "logging" in sys.modules:
            import logging

            logging.getLogger(self._name).debug(message, *args)

    def __getattr__(self, attribute: str) -> object:
        import logging

        return getattr(logging.getLogger(self._name), attribute)


class _Later(ModuleType):
    """Stands in for a module and imports it when something of it is first asked for."""

    def __getattr__(self, name: str) -> object:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(__import__(self.__name__), name)


class _LaterLogging(_Later):
    """`logging`, of which asyncio wants two loggers and a number at once, and the rest when
    something is wrong."""

    DEBUG = 10

    def getLogger(self, name: str) -> _Logger:
        return _Logger(name)


class _LaterSubprocess(_Later):
    """`subprocess`, whose three numbers asyncio has in its signatures."""

    PIPE, STDOUT, DEVNULL = -1, -2, -3


def prepare(tls: bool) -> None:
    """Import asyncio, with `ssl` if `tls`. Does nothing when asyncio is there already. Not
    thread-safe: called once, at start."""
    if "asyncio" in sys.modules:
        return
    hide = not tls and "ssl" not in sys.modules
    if hide:
        # None in sys.modules is Python's own way to make an import fail.
        sys.modules["ssl"] = None  # type: ignore[assignment]  # the stub does not know of None
    later = (
        _Later("inspect"),
        _Later("traceback"),
        _Later("linecache"),
        _LaterLogging("logging"),
        _LaterSubprocess("subprocess"),
    )
    for module in later:
        sys.modules.setdefault(module.__name__, module)
    try:
        __import__("asyncio")
    finally:
        if hide:
            del sys.modules["ssl"]
        for module in later:
            if sys.modules.get(module.__name__) is module:
                del sys.modules[module.__name__]


def ensure_tls() -> None:
    """Give an asyncio that was imported without `ssl` what it would have had. Idempotent."""
    from asyncio import base_events, selector_events, sslproto

    if sslproto.__dict__["ssl"] is not None:
        return
    import importlib
    import ssl

    importlib.reload(sslproto)  # its class bodies refer to ssl
    base_events.__dict__["ssl"] = ssl
    selector_events.__dict__["ssl"] = ssl
