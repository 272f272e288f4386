"""Where the fault may lie: a suspicion between 0 and 1 for each line that a failing test runs."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable

from .baseline import Fact
from .limits import PASS
from .trace import Line

CRASH_SITE = 0.85
"""Floor for the project's innermost line in the traceback of an error that is no assertion."""

HALF_WAY = 0.5
"""Floor for the other lines of such a traceback."""


def ochiai(facts: dict[int, Fact], covered: dict[int, set[Line]]) -> dict[Line, float]:
    """Failing runs of a line over the root of (all failing runs times all runs of the line)."""
    failing = [i for i in covered if facts[i].status != PASS]
    passing = [i for i in covered if facts[i].status == PASS]
    failed = _counts(covered[i] for i in failing)
    passed = _counts(covered[i] for i in passing)
    return {
        line: count / math.sqrt(len(failing) * (count + passed.get(line, 0)))
        for line, count in failed.items()
    }


def suspicion(
    facts: dict[int, Fact], covered: dict[int, set[Line]], files: dict[str, str]
) -> dict[Line, float]:
    """Ochiai, raised where a traceback points. `files` maps real paths to relative ones."""
    scores = ochiai(facts, covered)
    for index in sorted(covered):
        fact = facts[index]
        if fact.status == PASS or "Assertion" in fact.error or fact.error == "Failed":
            continue
        places = [(files[p], n) for p, n in fact.frames if p in files]
        for depth, place in enumerate(reversed(places)):
            floor = HALF_WAY if depth else CRASH_SITE
            scores[place] = max(scores.get(place, 0.0), floor)
    return scores


def import_suspicion(frames: Iterable[tuple[str, int]], files: dict[str, str]) -> dict[Line, float]:
    """For errors while a module is imported: the lines of the traceback, the innermost first."""
    places = [(files[real], n) for p, n in frames if (real := os.path.realpath(p)) in files]
    scores: dict[Line, float] = {}
    for depth, place in enumerate(reversed(places)):
        scores[place] = max(scores.get(place, 0.0), 1.0 / (1 + depth))
    return scores


def _counts(sets: Iterable[set[Line]]) -> dict[Line, int]:
    counts: dict[Line, int] = {}
    for lines in sets:
        for line in lines:
            counts[line] = counts.get(line, 0) + 1
    return counts
