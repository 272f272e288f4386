"""What a thread's model may be granted beyond its sandbox, wired to this machine (row A13)."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from quire.core.errors import ToolError
from quire.core.permits import Permits, Places
from quire.core.ports import Approver

if TYPE_CHECKING:
    from quire.config.requirements import Requirements

TOOL = "request_permissions_tool"
COMMANDS = "exec_permission_approvals"


def offered(features: Mapping[str, bool]) -> bool:
    """Whether the model can ask for more at all."""
    return features.get(TOOL, False) or features.get(COMMANDS, False)


def permits_for(
    home: str,
    approver: Approver | None,
    root: Callable[[str], str],
    required: Requirements | None = None,
) -> Permits:
    """`home` is Quire's own folder; `root` gives the real path that a place had when it was first
    named; `required` is what the administrator demands."""
    places = Places(pin=lambda path: _pinned(path, root), held=(_real(home),))
    if required is None:
        return Permits(approver, places)
    return Permits(approver, places, required.limited)


def _pinned(path: str, root: Callable[[str], str]) -> str:
    if not os.path.isabs(path):
        raise ToolError(f"{path} is not absolute")
    real = _real(path)
    known = root(real)
    if known != real:
        raise ToolError(f"{path} was {known} and now leads to {real}; restart if that is intended")
    return real


def _real(path: str) -> str:
    try:
        return os.path.realpath(path)
    except (OSError, ValueError) as exc:
        raise ToolError(f"{path}: {exc}") from None
