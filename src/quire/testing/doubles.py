"""Doubles of the small ports: time, ids and the log."""

from __future__ import annotations

from quire.core.errors import RolloutError
from quire.protocol.records import Record

START = 1_700_000_000.0
"""The moment a `FixedClock` shows at first: 2023-11-14T22:13:20Z."""


class FixedClock:
    """A clock that stands still until a test moves it."""

    def __init__(self, now: float = START) -> None:
        self._now = now
        self._passed = 0.0

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._now

    def monotonic(self) -> float:
        """Seconds advanced since this clock was made."""
        return self._passed

    def advance(self, seconds: float) -> None:
        """Let time pass; never backwards."""
        if seconds < 0:
            raise ValueError("a clock does not go back")
        self._now += seconds
        self._passed += seconds


class CountingIds:
    """Ids that count up: `00000000-0000-7000-8000-000000000001` and so on, UUIDv7 in form.

    `space` (0 to 65535) keeps two sources of one test apart."""

    def __init__(self, space: int = 0) -> None:
        self._space = space
        self._last = 0

    def new(self) -> str:
        self._last += 1
        return f"00000000-{self._space:04x}-7000-8000-{self._last:012x}"


class MemoryRollout:
    """A log in memory: `records` holds what was appended.

    `fail_at` n makes the n-th append (counted from 1) and all later ones raise `RolloutError`,
    as a full disk does; nothing is stored then."""

    def __init__(self, fail_at: int | None = None) -> None:
        self.records: list[Record] = []
        self.closed = False
        self._fail_at = fail_at
        self._appends = 0

    def append(self, record: Record) -> None:
        if self.closed:
            raise AssertionError("append to a rollout that was closed")
        self._appends += 1
        if self._fail_at is not None and self._appends >= self._fail_at:
            raise RolloutError(
                f"cannot write the session log: no space left (append {self._appends})"
            )
        self.records.append(record)

    def close(self) -> None:
        self.closed = True
