"""What a running search tells: one line about once a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

EVERY = 1.0


class Progress:
    """Counts over all runs of a search. Lines look like
    `  3.0 s: 1204 of 5310 tried; best so far mends 2 of 3; 57 s left`, and are read by the offline
    model (`progress_in`)."""

    def __init__(self, report: Callable[[str], None], started: float, seconds: float) -> None:
        self._report = report
        self._started = started
        self._end = started + seconds
        self._told = time.monotonic()
        self.candidates = 0
        self.tried = 0
        self._failing: frozenset[int] = frozenset()
        self._reached: dict[frozenset[int], int] = {}
        self._now = 0

    def begin(self, failing: Iterable[int]) -> None:
        """A run over these failing tests begins. What earlier runs over the same ones reached
        still counts."""
        self._reached[self._failing] = self._best()
        self._failing, self._now = frozenset(failing), 0

    def reaches(self, mended: int, all_pass: bool = False) -> None:
        """The best candidate of this run mends so many of its failing tests and breaks none;
        with `all_pass`, all. Less than before where results turned out to be wrong."""
        self._now = len(self._failing) + 1 if all_pass else mended

    def _best(self) -> int:
        """Of all runs over the same tests; one more than there are tests when all pass."""
        return max(self._now, self._reached.get(self._failing, 0))

    def _told_best(self) -> str:
        best, every = self._best(), len(self._failing)
        if best > every:
            return "best so far passes all"
        return f"best so far mends {best} of {every}" if best else ""

    def tick(self) -> None:
        """Tell, when it is time."""
        now = time.monotonic()
        if now - self._told < EVERY:
            return
        self._told = now
        parts = [f"{self.tried} of {self.candidates} tried", self._told_best()]
        parts.append(f"{max(self._end - now, 0.0):.0f} s left")
        self._report(f"  {now - self._started:.1f} s: {'; '.join(part for part in parts if part)}")
