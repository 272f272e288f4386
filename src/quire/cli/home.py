"""Where Quire keeps its files."""

from __future__ import annotations

import os

from quire.core.errors import UsageError


def quire_home() -> str:
    """`$QUIRE_HOME`, or `~/.quire`. Raises `UsageError` when it names no folder."""
    home = os.path.abspath(os.path.expanduser(os.environ.get("QUIRE_HOME") or "~/.quire"))
    if os.path.exists(home) and not os.path.isdir(home):
        raise UsageError(f"QUIRE_HOME: {home} is not a folder")
    return home
