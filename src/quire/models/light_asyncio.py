"""Import asyncio without what a command over plain http does not use of it.

asyncio imports `ssl` at its first import if it can, and works without it if it cannot; `ssl` and
the libraries behind it are 6 of the 60 ms that a command takes to its first request. It imports
`inspect` (5 ms) for rare questions only, so `inspect` may come when one is asked.

`prepare` must be called before anything imports asyncio. What needs TLS later in such a process
calls `ensure_tls` first; the model transport does.
"""

from __future__ import annotations

import sys
from types import ModuleType


class _Later(ModuleType):
    """Stands in for a module and imports it when something of it is first asked for."""

    def __getattr__(self, name: str) -> object:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(__import__(self.__name__), name)


def prepare(tls: bool) -> None:
    """Import asyncio, with `ssl` if `tls`. Does nothing when asyncio is there already. Not
    thread-safe: called once, at start."""
    if "asyncio" in sys.modules:
        return
    hide = not tls and "ssl" not in sys.modules
    if hide:
        # None in sys.modules is Python's own way to make an import fail.
        sys.modules["ssl"] = None  # type: ignore[assignment]  # the stub does not know of None
    later = _Later("inspect")
    sys.modules.setdefault("inspect", later)
    try:
        __import__("asyncio")
    finally:
        if hide:
            del sys.modules["ssl"]
        if sys.modules.get("inspect") is later:
            del sys.modules["inspect"]


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
