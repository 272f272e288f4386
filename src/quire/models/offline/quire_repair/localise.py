"""Where the fault may lie: a suspicion between 0 and 1 for each line that a failing test runs."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable

from .baseline import Fact
from .limits import PASS
from .trace import Line

TARANTULA, DSTAR = 0.15, 0.15
"""How far the other formulas move what Ochiai says."""

CRASH_SITE = 0.85
"""Floor for the project's innermost line in the traceback of an error that is no assertion."""

HALF_WAY = 0.5
"""Floor for the other lines of such a traceback."""


def ochiai(facts: dict[int, Fact], covered: dict[int, set[Line]]) -> dict[Line, float]:
    """Failing runs of a line over the root of (all failing runs times all runs of the line)."""
    return _spectrum(facts, covered, _ochiai)


def spectra(facts: dict[int, Fact], covered: dict[int, set[Line]]) -> dict[Line, float]:
    """What several formulas say of each line, on the average, Ochiai counting most. Where they
    differ, Tarantula looks for lines that few passing tests run, D* for those that most failing
    tests run (Wong et al., A Survey on Software Fault Localization, 2016)."""
    scores = ochiai(facts, covered)
    for formula, weight in ((_tarantula, TARANTULA), (_dstar, DSTAR)):
        for line, score in _spectrum(facts, covered, formula).items():
            scores[line] += weight * (score - scores[line])
    return scores


Formula = Callable[[int, int, int, int], float]
"""From failing and passing runs of a line, and all failing and passing runs, between 0 and 1."""


def _spectrum(
    facts: dict[int, Fact], covered: dict[int, set[Line]], formula: Formula
) -> dict[Line, float]:
    failing = [i for i in covered if facts[i].status != PASS]
    passing = [i for i in covered if facts[i].status == PASS]
    failed = _counts(covered[i] for i in failing)
    passed = _counts(covered[i] for i in passing)
    return {
        line: formula(count, passed.get(line, 0), len(failing), len(passing))
        for line, count in failed.items()
    }


def _ochiai(failed: int, passed: int, failing: int, _passing: int) -> float:
    return failed / math.sqrt(failing * (failed + passed))


def _tarantula(failed: int, passed: int, failing: int, passing: int) -> float:
    bad, good = failed / failing, passed / passing if passing else 0.0
    return bad / (bad + good)


def _dstar(failed: int, passed: int, failing: int, _passing: int) -> float:
    """With exponent 2, brought between 0 and 1: 1 where no passing and every failing test goes."""
    strength = failed**2 / (passed + failing - failed) if passed + failing - failed else math.inf
    return 1.0 if strength == math.inf else strength / (1.0 + strength)


def suspicion(
    facts: dict[int, Fact], covered: dict[int, set[Line]], files: dict[str, str]
) -> dict[Line, float]:
    """The spectra, raised where a traceback points. `files` maps real paths to relative ones."""
    scores = spectra(facts, covered)
    for index in sorted(covered):
        fact = facts[index]
        if fact.status == PASS or "Assertion" in fact.error or fact.error == "Failed":
            continue
        places = [(files[p], n) for p, n in fact.frames if p in files]
        for depth, place in enumerate(reversed(places)):
            floor = HALF_WAY if depth else CRASH_SITE
            scores[place] = max(scores.get(place, 0.0), floor)
    return scores


def crash_lines(facts: Iterable[Fact], files: dict[str, str]) -> frozenset[Line]:
    """The innermost lines of the project at which failing tests ended by an error and not by a
    wrong value."""
    ended = [fact for fact in facts if "Assertion" not in fact.error]
    places = [[(files[p], n) for p, n in fact.frames if p in files] for fact in ended]
    return frozenset(some[-1] for some in places if some)


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
