"""Where the history of a copied thread ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from quire.core.errors import UsageError
from quire.protocol.local import ThreadForkParams
from quire.protocol.records import Record, TurnStarted
from quire.protocol.revert import surviving


def first_left_out(read: Callable[[], Iterable[Record]], params: ThreadForkParams) -> str | None:
    """The turn of the origin from which on nothing is copied; None when all is. `read` gives its
    log, which is only read for a turn. Raises `UsageError` for a turn that does not count, in the
    words of Codex 0.169."""
    last, before = params.last_turn_id, params.before_turn_id
    if last is not None and before is not None:
        raise UsageError("`beforeTurnId` cannot be combined with `lastTurnId`")
    named = before or last
    if named is None:
        return None
    turns = [each.turn_id for each in surviving(read()) if isinstance(each, TurnStarted)]
    if named not in turns:
        raise UsageError(f"turn not found: {named}")
    if before is not None:
        return before
    later = turns[turns.index(named) + 1 :]
    return later[0] if later else None
