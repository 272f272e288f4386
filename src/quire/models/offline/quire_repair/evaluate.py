"""Try one candidate against the tests, inside a process that has them loaded."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from types import CodeType
from typing import NamedTuple

from .baseline import Fact
from .cases import Case, UnittestCase
from .constants import Constants
from .limits import FAIL, PASS, SKIP, TIMEOUT, Outcome, attempt, wall_limit
from .live import Live, State
from .sources import Edit, Source

WRONG, RIGHT, LATE, INVALID, SAME, STUCK, PARTLY = range(7)
"""Fails a test; passes all; ran out of time; no code; seen before; blocks or kills its process;
mends some tests and breaks none."""

LOOKED_AT = 8
"""Failing cases that are run although one before them still fails; more where half are mended."""

QUICK = 0.015
QUICKEST = 0.004
USUAL = 20
LATER = 3
LIMITS = (QUICK, 0.3, 2.0, 8.0)
"""CPU seconds for a case at each level. At level 0 it is at most `QUICK`: `USUAL` times what the
tests of the project take, but at least `QUICKEST`; cases after the first get `LATER` times as much.
Cases get `FACTOR` times what they take now where that is more."""

WAITINGS = (0.2, 0.8, 2.0, 4.0)
"""Seconds without using the processor, likewise."""

FACTOR = 8.0
AGAIN = 0.06, 0.4
PROMISING = 0.2, 0.5
UNPROMISING = 0.05, 0.2
"""CPU seconds and waiting for a case that ran out of time at level 0, once more; the share of a
worker's time for that, and what there is of it from the start: where the edit has mended a failing
case, and where not."""


class Verdict(NamedTuple):
    """`fixed` are the failing cases that pass now; `cpu` is that of all cases run."""

    status: int
    fixed: tuple[int, ...]
    cpu: float


class Goal(NamedTuple):
    """Cases by index, in the order in which they are tried. An edit that does not mend the first
    failing one is done with; with `parts`, it is tried with some others."""

    failing: tuple[int, ...]
    passing: tuple[int, ...]
    parts: bool = False


class _Patience:
    """How much time a worker may give to what runs out of it."""

    def __init__(self) -> None:
        self.spent = 0.0

    def allows(self, promising: bool) -> bool:
        """More for what has mended a test already."""
        share, least = PROMISING if promising else UNPROMISING
        return self.spent < least + share * time.process_time()


class Evaluator:
    """Lives in a worker. The failing cases come first; the one that rejected last goes ahead."""

    def __init__(
        self,
        cases: list[Case],
        facts: dict[int, Fact],
        sources: dict[str, Source],
        live: Live,
        matters: dict[tuple[str, int], frozenset[int]],
    ) -> None:
        """`matters` tells which cases run a function; the others cannot notice its edits."""
        self._matters = matters
        self._cases = cases
        self._facts = facts
        self._sources = sources
        self._live = live
        self._seen: set[tuple[str, int, object]] = set()
        self._units: set[tuple[str, int]] = set()
        self._state: State | None = None
        self._constants = Constants(sources)
        roots = {source.root for source in sources.values()}
        files = {case.file for case in cases if case.file}
        self._tests = [os.path.join(root, *file.split("/")) for root in roots for file in files]
        ended = sorted(f.cpu for f in facts.values() if f.status != TIMEOUT)
        usual = ended[len(ended) // 2] if ended else QUICK
        self._quick = min(QUICK, max(QUICKEST, USUAL * usual))
        self._patience = _Patience()
        self.beat: Callable[[], object] = time.monotonic

    def prepare(self) -> None:
        """Once, in the worker: remember the state that each candidate starts from. What modules of
        tests set up once in a process belongs to it."""
        for case in self._cases:
            if isinstance(case, UnittestCase):
                attempt(case.set_up_module, LIMITS[-1], WAITINGS[-1])
        self._state = State(self._sources, self._tests)

    def try_edits(self, edits: list[Edit], goal: Goal, level: int) -> Verdict:
        """Swap, run, restore. All edits lie in functions that are live here. `level` is one of
        `LIMITS`."""
        try:
            for path, unit in dict.fromkeys((e.path, e.unit) for e in edits):
                source = self._sources[path]
                if unit < 0:
                    mine = [e for e in edits if e.path == path and e.unit < 0]
                    if not self._constants.swap(path, mine):
                        return Verdict(INVALID, (), 0.0)
                    continue
                mine = [e for e in edits if (e.path, e.unit) == (path, unit)]
                code = self._live.swap(source, source.units[unit], mine)
                if code is None:
                    return Verdict(INVALID, (), 0.0)
                if len(edits) == 1 and self._is_known(path, unit, code):
                    return Verdict(SAME, (), 0.0)
            return self._run(goal, self._noticing(edits, goal), level)
        finally:
            self._live.restore()
            self._constants.restore()
            if self._state is not None:
                self._state.restore()

    def is_clean(self, passing: tuple[int, ...], failing: tuple[int, ...]) -> bool:
        """The unchanged code passes and fails as before: no candidate left anything behind."""
        return all(self._attempt(i, 1).status in (PASS, SKIP) for i in passing) and all(
            self._fails_as_before(i) for i in failing if self._facts[i].status == FAIL
        )

    def _fails_as_before(self, index: int) -> bool:
        error = self._attempt(index, 1).error
        return error is not None and type(error).__name__ == self._facts[index].error

    def _is_known(self, path: str, unit: int, code: CodeType) -> bool:
        if (path, unit) not in self._units:
            self._units.add((path, unit))
            source = self._sources[path]
            original = source.compile_unit(source.units[unit], [])
            if original is not None:
                self._seen.add((path, unit, fingerprint(original)))
        key = (path, unit, fingerprint(code))
        known = key in self._seen
        self._seen.add(key)
        return known

    def _noticing(self, edits: list[Edit], goal: Goal) -> list[int]:
        """The passing cases that run what is edited."""
        known = [self._matters.get((edit.path, edit.unit)) for edit in edits]
        users = frozenset[int]().union(*(some for some in known if some is not None))
        return [i for i in goal.passing if None in known or i in users]

    def _run(self, goal: Goal, passing: list[int], level: int) -> Verdict:
        fixed: list[int] = []
        cpu, fails = 0.0, False
        for number, index in enumerate(goal.failing):
            self.beat()
            outcome = self._attempt(index, level, level == 0 and number == 0)
            if outcome.status == TIMEOUT and level == 0:
                outcome = self._once_more(index, bool(fixed)) or outcome
            cpu += outcome.cpu
            if outcome.status == PASS or (outcome.status == SKIP and number):
                fixed.append(index)
            elif outcome.status == TIMEOUT:
                return Verdict(LATE, tuple(fixed), cpu)
            else:
                fails = True
            looked = number + 1
            few = looked >= LOOKED_AT and 2 * len(fixed) < looked
            if fails and (few or not (fixed or goal.parts)):
                break
        if fails and not fixed:
            return Verdict(WRONG, tuple(fixed), cpu)
        for index in passing:
            self.beat()
            outcome = self._attempt(index, level)
            if outcome.status == TIMEOUT and level == 0:
                outcome = self._once_more(index, bool(fixed)) or outcome
            cpu += outcome.cpu
            if outcome.status not in (PASS, SKIP):
                status = LATE if outcome.status == TIMEOUT else WRONG
                return Verdict(status, tuple(fixed), cpu)
        return Verdict(PARTLY if fails else RIGHT, tuple(fixed), cpu)

    def _once_more(self, index: int, promising: bool) -> Outcome | None:
        """With more time, at once, as long as that costs little: a test that fails early now may
        take long when it passes, and any test may be slow once."""
        if not self._patience.allows(promising):
            return None
        if self._state is not None:
            self._state.restore()
        self._live.clear_caches()
        outcome = attempt(self._cases[index].run, *AGAIN)
        self._patience.spent += outcome.wall
        return outcome

    def _attempt(self, index: int, level: int, first: bool = False) -> Outcome:
        seconds, waiting = self._limits(index, level, first)
        return attempt(self._cases[index].run, seconds, waiting)

    def _limits(self, index: int, level: int, first: bool) -> tuple[float, float]:
        fact = self._facts[index]
        usual = (self._quick if first else LATER * self._quick) if level == 0 else LIMITS[level]
        seconds, waiting = usual, WAITINGS[level]
        if fact.status == TIMEOUT:
            return seconds, waiting
        return max(seconds, FACTOR * fact.cpu), max(waiting, FACTOR * (fact.wall - fact.cpu))

    def patience(self, level: int) -> float:
        """The most wall time that one case may take at a level."""
        limits = (self._limits(index, level, False) for index in self._facts)
        return max((wall_limit(*limit) for limit in limits), default=0.0)


def fingerprint(code: CodeType) -> tuple[object, ...]:
    """Equal for code that does the same step by step, wherever it stands."""
    constants = tuple(
        fingerprint(c) if isinstance(c, CodeType) else (type(c).__name__, repr(c))
        for c in code.co_consts
    )
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    return (code.co_code, constants, names, code.co_flags, code.co_argcount)
