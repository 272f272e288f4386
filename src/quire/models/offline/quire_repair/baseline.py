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
from .children import Emit, values_of
from .limits import FAIL, PASS, TIMEOUT, Outcome, attempt, wall_limit
from .live import Live
from .probe import Key, Probe
from .sources import Source, Unit
from .trace import Line, Tracer

FIRST_LIMIT = 0.6
NEXT_LIMIT = 0.25
"""CPU seconds of a case before it counts as endless: the first such case gets more."""

CONFIRM_LIMIT = 1.5
LONG_LIMIT = 10.0
BLOCKS = "it blocks or crashes"


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


def run_cases(
    root: str, cases: list[Case], order: list[int], seconds: float
) -> tuple[dict[int, Fact], bool]:
    """Run cases in one process, in order. A case that blocks or crashes costs the process; the
    next one goes on. Also says whether one process sufficed."""
    facts: dict[int, Fact] = {}
    deadline = time.monotonic() + seconds
    left, limit, whole = list(order), FIRST_LIMIT, True
    while left and time.monotonic() < deadline:
        batch = list(left)

        def task(emit: Emit, batch: list[int] = batch, limit: float = limit) -> None:
            for index in batch:
                outcome = attempt(cases[index].run, limit)
                emit(_fact(root, cases[index], outcome))
                if outcome.status == TIMEOUT:
                    limit = min(limit, NEXT_LIMIT)

        for value in values_of(task, _quiet(limit), deadline - time.monotonic()):
            facts[left.pop(0)] = Fact(*value)
        if left:
            whole = False
            index = left.pop(0)
            case = cases[index]
            facts[index] = Fact(case.id, case.file, TIMEOUT, 0.0, limit, "", BLOCKS, ())
    return facts, whole


def confirm_timeouts(root: str, cases: list[Case], facts: dict[int, Fact], seconds: float) -> None:
    """Tell the slow from the endless: one gets more time, and if it ends the others do too. Those
    that wait for something (they use no CPU time) are left alone."""
    timeouts = [index for index in sorted(facts) if facts[index].status == TIMEOUT]
    late = [index for index in timeouts if facts[index].cpu >= NEXT_LIMIT / 2]
    limit, deadline = CONFIRM_LIMIT, time.monotonic() + seconds
    for index in late:
        if time.monotonic() > deadline:
            return

        def task(emit: Emit, index: int = index, limit: float = limit) -> None:
            emit(_fact(root, cases[index], attempt(cases[index].run, limit)))

        again = next(values_of(task, _quiet(limit), _quiet(limit)), None)
        if again is None or again[2] == TIMEOUT:
            return
        facts[index] = Fact(*again)
        limit = LONG_LIMIT


def _quiet(limit: float) -> float:
    """Seconds of silence before a process that runs cases with this CPU limit is killed."""
    return wall_limit(limit) + 1.0


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
    order = sorted(facts, key=lambda i: (facts[i].status == PASS, facts[i].cpu, i))
    covered: dict[int, set[Line]] = {}
    modules: list[str] = []

    def task(emit: Emit) -> None:
        tracer = Tracer(files)
        before = set(sys.modules)
        for index in order:
            limit = 0.15 if facts[index].status == TIMEOUT else 0.3 + 60 * facts[index].cpu
            lines, _ = tracer.run(cases[index].run, min(limit, 4.0))
            emit([index, sorted(lines), sorted(set(sys.modules) - before)])

    for index, lines, loaded in values_of(task, _quiet(4.0), seconds):
        covered[index] = {(path, line) for path, line in lines}
        modules = loaded
    return covered, modules


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
    order = sorted(facts, key=lambda i: (facts[i].status == PASS, facts[i].cpu, i))

    def task(emit: Emit) -> None:
        probe = Probe()
        probe.install()
        for source, unit in targets:
            code = probe.instrumented(source, unit)
            if code is not None:
                live.install(source.path, unit.index, code)
        started = time.monotonic()
        for index in order:
            attempt(cases[index].run, 0.3 if index not in endless else 0.05)
            if time.monotonic() - started > 1.5:
                break
        emit([(list(key), names) for key, names in probe.result().items()])

    found: Any = next(values_of(task, 6.0, 6.0), ())
    return {(key[0], key[1], key[2]): tuple(names) for key, names in found}


def _fact(root: str, case: Case, outcome: Outcome) -> list[Any]:
    error = type(outcome.error).__name__ if outcome.error is not None else ""
    message = _text(outcome.error) if outcome.error is not None else ""
    frames = list(_frames(root, outcome.trace)) if outcome.status in (FAIL, TIMEOUT) else []
    times = (outcome.cpu, outcome.wall)
    return [case.id, case.file, outcome.status, *times, error, message, tuple(frames)]


def _text(error: BaseException) -> str:
    """An exception's own words; its `__str__` is the project's code and may fail."""
    words: list[str] = []
    attempt(lambda: words.append(str(error)), 0.2)
    return words[0][:600] if words else ""


def _frames(root: str, trace: TracebackType | None) -> Iterator[tuple[str, int]]:
    prefix = os.path.join(os.path.realpath(root), "")
    while trace is not None:
        name = os.path.realpath(trace.tb_frame.f_code.co_filename)
        # There is no line number where a signal struck between lines.
        if name.startswith(prefix) and trace.tb_lineno:
            yield name, trace.tb_lineno
        trace = trace.tb_next
