"""Import asyncio without `ssl`, for commands that talk to plain http endpoints only.

asyncio imports `ssl` at its first import if it can, and works without it if it cannot; `ssl` and
the libraries behind it are 6 of the 60 ms that a command takes to its first request. `prepare`
must be called before anything imports asyncio. What needs TLS later in such a process calls
`ensure_tls` first; the model transport does.
"""

from __future__ import annotations

import sys


def prepare(tls: bool) -> None:
    """Import asyncio, with `ssl` if `tls`. Does nothing when asyncio is there already. Not
    thread-safe: called once, at start."""
    if "asyncio" in sys.modules:
        return
    hide = not tls and "ssl" not in sys.modules
    if hide:
        # None in sys.modules is Python's own way to make an import fail.
        sys.modules["ssl"] = None  # type: ignore[assignment]  # the stub does not know of None
    try:
        __import__("asyncio")
    finally:
        if hide:
            del sys.modules["ssl"]


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
