"""The turns of a thread, out of its records, as clients page through them (Codex 0.169)."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from quire.protocol.records import ItemCompleted, Record, TurnCompleted, TurnStarted
from quire.protocol.revert import surviving
from quire.protocol.rpc.items import AgentMessageThreadItem, ThreadItem, UserMessageThreadItem
from quire.protocol.rpc.thread_history import ThreadItemEntry
from quire.protocol.rpc.turn import Turn, TurnItemsView
from quire.protocol.thread import TurnStatus
from quire.server.views import Actions, error_view, item_view, no_actions


def started_turn(turn_id: str, started_at: int | None = None) -> Turn:
    """A turn that begins: the answer of `turn/start` (which does not know when), and what
    `turn/started` tells. `started_at` in seconds since the epoch."""
    return Turn(
        id=turn_id,
        root_turn_id=turn_id,
        items_view="notLoaded",
        status="inProgress",
        started_at=started_at,
    )


def ended_turn(turn: Turn, end: TurnCompleted) -> Turn:
    """The turn with how it ended."""
    return replace(
        turn,
        status=end.status,
        error=error_view(end.error) if end.error is not None else None,
        started_at=turn.started_at or end.started_at or None,
        completed_at=end.completed_at or None,
        duration_ms=end.duration_ms,
    )


def turns_of(
    records: Iterable[Record], *, running: str | None = None, actions: Actions = no_actions
) -> tuple[Turn, ...]:
    """All turns that still count, with all their items, oldest first. A turn without an end is
    `interrupted`, unless it is `running`."""
    turns: dict[str, Turn] = {}
    items: dict[str, list[ThreadItem]] = {}
    for record in surviving(records):
        match record:
            case TurnStarted(turn_id, started_at):
                turns[turn_id] = started_turn(turn_id, started_at)
            case ItemCompleted(turn_id, item, started, completed):
                view = item_view(
                    item, started_at_ms=started, completed_at_ms=completed, actions=actions
                )
                if view is not None:
                    items.setdefault(turn_id, []).append(view)
                    turns.setdefault(turn_id, started_turn(turn_id))
            case TurnCompleted():
                begun = turns.get(record.turn_id) or started_turn(record.turn_id)
                turns[record.turn_id] = ended_turn(begun, record)
            case _:
                pass
    return tuple(
        replace(
            turn,
            items=tuple(items.get(turn.id, ())),
            items_view="full",
            status=_status_now(turn, running),
        )
        for turn in turns.values()
    )


def _status_now(turn: Turn, running: str | None) -> TurnStatus:
    if turn.status == "inProgress" and turn.id != running:
        return "interrupted"
    return turn.status


def turn_view(turn: Turn, view: TurnItemsView) -> Turn:
    """A turn of `turns_of` with as much of its items as `view` says. A `summary` is the person's
    first message and the model's last."""
    match view:
        case "full":
            return turn
        case "notLoaded":
            return replace(turn, items=(), items_view=view)
        case "summary":
            return replace(turn, items=_summary(turn.items), items_view=view)


def _summary(items: tuple[ThreadItem, ...]) -> tuple[ThreadItem, ...]:
    asked = [item for item in items if isinstance(item, UserMessageThreadItem)][:1]
    said = [item for item in items if isinstance(item, AgentMessageThreadItem)][-1:]
    return (*asked, *said)


def entries_of(turns: Iterable[Turn]) -> tuple[ThreadItemEntry, ...]:
    """The items of full turns, oldest first, as `thread/items/list` shows them."""
    return tuple(
        ThreadItemEntry(
            turn_id=turn.id,
            item=item,
            started_at_ms=item.started_at_ms,
            completed_at_ms=item.completed_at_ms,
        )
        for turn in turns
        for item in turn.items
    )
