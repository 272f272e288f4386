"""Which records of a log still count after turns were reverted. Pure.

A log is never cut: a revert is one more record, and a reader leaves out what it took back. What
came before the first reverted turn stays, byte for byte: the history, the context that the model
was told of, the base instructions. What came after the revert follows it.
"""

from __future__ import annotations

from collections.abc import Iterable

from quire.protocol.records import ItemAdded, Record, TurnsReverted, TurnStarted


class Surviving:
    """Collects records in order; `records` are those that still count."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self._turns: list[tuple[str, int]] = []
        self._spoken: list[int] = []
        """Of each message of a person: where its turn begins."""

    def add(self, record: Record) -> bool:
        """Take the next record of the log. True when it took earlier ones back."""
        if isinstance(record, TurnsReverted):
            return self._cut(self._start(record))
        if isinstance(record, TurnStarted):
            self._turns.append((record.turn_id, len(self.records)))
        elif isinstance(record, ItemAdded) and record.origin == "user" and self._turns:
            self._spoken.append(self._turns[-1][1])
        self.records.append(record)
        return False

    def before(self, turn_id: str) -> TurnsReverted | None:
        """The record that takes back turn `turn_id` and all later ones; None when no such turn
        counts."""
        start = self._start(TurnsReverted(turn_id))
        if start is None:
            return None
        return TurnsReverted(turn_id, sum(spoken >= start for spoken in self._spoken))

    def _start(self, record: TurnsReverted) -> int | None:
        """Where in `records` begins what it takes back."""
        if record.before_turn_id is not None:
            for turn_id, start in reversed(self._turns):
                if turn_id == record.before_turn_id:
                    return start
            return None
        if record.messages <= 0 or not self._spoken:
            return None
        return self._spoken[max(0, len(self._spoken) - record.messages)]

    def _cut(self, start: int | None) -> bool:
        if start is None:
            return False
        del self.records[start:]
        while self._turns and self._turns[-1][1] >= start:
            self._turns.pop()
        while self._spoken and self._spoken[-1] >= start:
            self._spoken.pop()
        return True


def surviving(records: Iterable[Record]) -> list[Record]:
    """The records that still count, without the reverts themselves."""
    kept = Surviving()
    for record in records:
        kept.add(record)
    return kept.records
