"""What the tests do before anything is changed: outcomes, lines, types."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, NamedTuple

from .cases import Case
from .children import Emit, each_value, values_of
from .limits import FAIL, TIMEOUT, Outcome, attempt, wall_limit
from .live import Live
from .loading import words_of
from .probe import Key, Probe
from .sources import Source, Unit
from .trace import Line, Tracer

FIRST_LIMIT = 0.6
NEXT_LIMIT = 0.25
LATER_LIMIT = 0.08
"""CPU seconds of a case before it counts as endless: the first such case gets more, and the third
and later ones less."""

FIRST_WAIT = 3.0
NEXT_WAIT = 0.4
LATER_WAIT = 0.15
"""Seconds without using the processor, likewise."""

CONFIRM_LIMIT = 1.5
LONG_LIMIT = 10.0
BLOCKS = "it cannot be stopped"
ENDED = "ProcessEnded"
ENDS = "it ends the process that runs the tests"
MOST_TRACED_TIMEOUTS = 8


class Fact(NamedTuple):
    """One case as it runs now. `frames` are (absolute path, line) below the root."""

    id: str
    file: str
    status: str
    cpu: float
    wall: float
    error: str
    message: str
    frames: tuple[tuple[str, int], ...]


class _Patience:
    """How much time a case gets; less and less while cases run out of it."""

    def __init__(self, seconds: float) -> None:
        """For cases that may take so long together."""
        self.waits = [min(FIRST_WAIT, 0.2 * seconds), NEXT_WAIT, LATER_WAIT]
        self.limits = [min(FIRST_LIMIT, 0.2 * seconds), NEXT_LIMIT, LATER_LIMIT]
        self.waited = 0
        self.used = 0

    def next(self) -> tuple[float, float]:
        """CPU seconds, and seconds without using the processor."""
        return min(self.limits[: self.used + 1]), min(self.waits[: self.waited + 1])

    def late(self, cpu: float) -> None:
        """A case ran out of time."""
        if cpu >= self.next()[0] / 2:
            self.used += 1
        else:
            self.waited += 1


def run_cases(root: str, cases: list[Case], order: list[int], seconds: float) -> dict[int, Fact]:
    """Run cases in one process, in order, as far as the time allows. A case that cannot be stopped
    or ends the process costs one; the next one goes on."""
    facts: dict[int, Fact] = {}
    deadline = time.monotonic() + seconds
    left, patience = list(order), _Patience(seconds)
    while left and time.monotonic() < deadline:

        def take(value: Any) -> None:
            fact = Fact(*value)
            facts[left.pop(0)] = fact
            if fact.status == TIMEOUT:
                patience.late(fact.cpu)

        def task(emit: Emit) -> None:
            for index in list(left):
                outcome = attempt(cases[index].run, *patience.next())
                emit(fact_of(root, cases[index], outcome))
                if outcome.status == TIMEOUT:
                    patience.late(outcome.cpu)

        before = len(left)
        quiet = wall_limit(*patience.next()) + 1.0 - FIRST_LIMIT
        by_itself = each_value(task, take, quiet, deadline - time.monotonic())
        if left and (by_itself or time.monotonic() < deadline or len(left) == before):
            case, waited = cases[left[0]], patience.next()[1]
            end = (ENDED, ENDS) if by_itself else ("", BLOCKS)
            facts[left.pop(0)] = Fact(case.id, case.file, TIMEOUT, 0.0, waited, *end, ())
    return facts


def confirm_timeouts(root: str, cases: list[Case], facts: dict[int, Fact], seconds: float) -> None:
    """Tell the slow from the endless: one gets more time, and if it ends the others do too."""
    timeouts = [i for i in sorted(facts) if facts[i].status == TIMEOUT and not facts[i].message]
    busy = [index for index in timeouts if facts[index].cpu >= LATER_LIMIT / 2]
    idle = [i for i in timeouts if i not in busy and facts[i].wall < 0.2 * seconds]
    deadline = time.monotonic() + seconds
    for late in (busy, idle):
        limit = min(CONFIRM_LIMIT, 0.6 * seconds)
        for index in late:

            def task(emit: Emit, index: int = index, limit: float = limit) -> None:
                emit(fact_of(root, cases[index], attempt(cases[index].run, limit, limit)))

            left = deadline - time.monotonic()
            again = next(values_of(task, _quiet(limit), min(_quiet(limit), left)), None)
            if again is None or again[2] == TIMEOUT:
                break
            facts[index] = Fact(*again)
            limit = LONG_LIMIT


def _quiet(limit: float) -> float:
    """Seconds of silence before a process that runs cases with this CPU limit is killed."""
    return wall_limit(limit, max(limit, 0.8)) + 1.0


def repeats(cases: list[Case], orders: list[list[int]], seconds: float) -> bool:
    """False when running the cases in these orders, one after the other in one process, gives a
    case another outcome or ends the process. As far as the time allows."""
    seen: dict[int, str] = {}
    total = sum(len(order) for order in orders)
    deadline = time.monotonic() + seconds

    def task(emit: Emit) -> None:
        for order in orders:
            for index in order:
                emit([index, attempt(cases[index].run, FIRST_LIMIT).status])

    for index, status in values_of(task, _quiet(FIRST_LIMIT), seconds):
        total -= 1
        if seen.setdefault(index, status) != status:
            return False
    return total == 0 or time.monotonic() > deadline - 0.1


def coverage(
    cases: list[Case], facts: dict[int, Fact], files: dict[str, str], seconds: float
) -> tuple[dict[int, set[Line]], list[str]]:
    """Lines of the project that each case runs; failing cases first, others while time lasts.
    Also the names of the project's modules that only the running tests load."""
    covered: dict[int, set[Line]] = {}
    modules: list[str] = []
    deadline = time.monotonic() + seconds
    left = _traced(facts)
    before = set(sys.modules)

    def take(value: Any) -> None:
        index, lines, loaded = value
        left.remove(index)
        covered[index] = {(path, line) for path, line in lines}
        modules.extend(name for name in loaded if name not in modules)

    def task(emit: Emit) -> None:
        tracer = Tracer(files)
        for index in list(left):
            limit, waiting = 0.3 + 60 * facts[index].cpu, 0.4 + 4 * facts[index].wall
            if facts[index].status == TIMEOUT:
                limit = waiting = 0.1
            lines, _ = tracer.run(cases[index].run, min(limit, 4.0), min(waiting, 4.0))
            emit([index, sorted(lines), sorted(set(sys.modules) - before)])

    while left and time.monotonic() < deadline:
        each_value(task, take, _quiet(4.0), deadline - time.monotonic())
        del left[:1]
    return covered, modules


def _traced(facts: dict[int, Fact]) -> list[int]:
    """Failing cases first, those that do not end after them; none that ends the process."""
    by_cost = sorted(facts, key=lambda i: (facts[i].cpu, i))
    some = [index for index in by_cost if facts[index].error != ENDED]
    late = [index for index in some if facts[index].status == TIMEOUT][:MOST_TRACED_TIMEOUTS]
    failed = [index for index in some if facts[index].status == FAIL]
    files = {facts[index].file for index in (*failed, *late)}
    others = [index for index in some if facts[index].status not in (FAIL, TIMEOUT)]
    return [*failed, *late, *sorted(others, key=lambda index: facts[index].file not in files)]


def load(modules: list[str], files: dict[str, str]) -> None:
    """Import those of the modules that are the project's: their functions can be swapped then."""
    for name in modules:
        attempt(lambda name=name: _load_own(name, files), 2.0)


def _load_own(name: str, files: dict[str, str]) -> None:
    spec = importlib.util.find_spec(name)
    if spec is not None and spec.origin and os.path.realpath(spec.origin) in files:
        importlib.import_module(name)


def types(
    cases: list[Case],
    facts: dict[int, Fact],
    targets: list[tuple[Source, Unit]],
    live: Live,
) -> dict[Key, tuple[str, ...]]:
    """Types of the expressions of some functions: failing cases first, while time lasts."""
    endless = {i for i in facts if facts[i].status == TIMEOUT}
    order = _traced(facts)

    def task(emit: Emit) -> None:
        probe = Probe()
        probe.install()
        for source, unit in targets:
            code = probe.instrumented(source, unit)
            if code is not None:
                live.install(source.path, unit.index, code)
        started = time.monotonic()
        for index in order:
            limit = 0.05 if index in endless else 0.3
            attempt(cases[index].run, limit, limit)
            if time.monotonic() - started > 1.5:
                break
        emit([(list(key), names) for key, names in probe.result().items()])

    found: Any = next(values_of(task, 6.0, 6.0), ())
    return {(key[0], key[1], key[2]): tuple(names) for key, names in found}


def fact_of(root: str, case: Case, outcome: Outcome) -> list[Any]:
    """The values of a `Fact`, as plain ones that go through a pipe."""
    error = type(outcome.error).__name__ if outcome.error is not None else ""
    message = _text(outcome.error) if outcome.error is not None else ""
    frames = list(_frames(root, outcome.trace)) if outcome.status in (FAIL, TIMEOUT) else []
    times = (outcome.cpu, outcome.wall)
    return [case.id, case.file, outcome.status, *times, error, message, tuple(frames)]


def _text(error: BaseException) -> str:
    """An exception's own words; its `__str__` is the project's code and may fail."""
    words: list[str] = []
    attempt(lambda: words.append(words_of(error)), 0.2)
    return words[0][:600] if words else ""


def _frames(root: str, trace: TracebackType | None) -> Iterator[tuple[str, int]]:
    prefix = os.path.join(os.path.realpath(root), "")
    while trace is not None:
        name = os.path.realpath(trace.tb_frame.f_code.co_filename)
        # There is no line number where a signal struck between lines.
        if name.startswith(prefix) and trace.tb_lineno:
            yield name, trace.tb_lineno
        trace = trace.tb_next
