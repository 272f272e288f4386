"""What a running search tells: one line about once a second."""

from __future__ import annotations

import time
from collections.abc import Callable

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
        self.best = ""

    def mends(self, some: int, failing: int) -> None:
        """A candidate mends so many of the failing tests of this run."""
        self.best = f"best so far mends {some} of {failing}"

    def passes(self) -> None:
        """A candidate mends them all and breaks none."""
        self.best = "best so far passes all"

    def tick(self) -> None:
        """Tell, when it is time."""
        now = time.monotonic()
        if now - self._told < EVERY:
            return
        self._told = now
        parts = [f"{self.tried} of {self.candidates} tried", self.best]
        parts.append(f"{max(self._end - now, 0.0):.0f} s left")
        self._report(f"  {now - self._started:.1f} s: {'; '.join(part for part in parts if part)}")
