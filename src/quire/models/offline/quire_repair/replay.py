"""How candidates behave beyond the tests: recorded calls, and small changes of them, replayed."""

from __future__ import annotations

import copy
import itertools
import sys
import time
from collections.abc import Iterator
from types import CodeType, FrameType, FunctionType
from typing import Any, NamedTuple

from .baseline import ENDED, Fact
from .cases import Case
from .children import Emit, values_of
from .limits import PASS, TIMEOUT, attempt
from .live import Live, State
from .properties import broken_round_trips, violates
from .sources import Edit, Source, Unit

RECORDED = 24
REPLAYED = 160
MOST_CROSSED = 4
CALL_SECONDS = 0.03
VERSION_SECONDS = 0.4
"""CPU seconds for one call, and for all calls of one version of the program."""

CALL_WAITING = 0.1
VERSION_WAITING = 0.5
"""Seconds without using the processor, likewise."""

QUIET_SECONDS = 6.0
ALL_SECONDS = 10.0

CRASH = "!"
UNKNOWN = "!not tried"
LEAVES = " and leaves "
"""Between what a call gives and what it has made of its arguments, where it changed them."""

"""Begins the digest of a call that raised; a call that does not end is `!timeout`."""


class Call(NamedTuple):
    """A call of a unit: positional values by parameter, in order."""

    path: str
    unit: int
    values: tuple[Any, ...]


class Behaviour(NamedTuple):
    """What a version of the program gives for each call, as text; and how calls are written.
    `broken` says for each candidate how far it breaks what annotations and names promise: the
    share of its calls that give another type, and of round trips that do not come back."""

    shown: tuple[str, ...]
    original: tuple[str, ...]
    candidates: tuple[tuple[str, ...], ...]
    broken: tuple[float, ...]


class Replay:
    """Records and replays in a child; made in the parent."""

    def __init__(self, sources: dict[str, Source], live: Live) -> None:
        self._sources = sources
        self._live = live

    def behaviours(
        self, cases: list[Case], facts: dict[int, Fact], work: list[list[Edit]], seconds: float
    ) -> Behaviour | None:
        """Replay the functions that the candidates change, for at most so long. None when nothing
        could be recorded. All edits lie in live functions."""
        units = list(dict.fromkeys((e.path, e.unit) for edits in work for e in edits))
        some = [i for i in facts if facts[i].error != ENDED]
        order = sorted(some, key=lambda i: (facts[i].status == TIMEOUT, facts[i].cpu, i))

        def task(emit: Emit) -> None:
            targets = [(self._sources[p], self._sources[p].units[u]) for p, u in units]
            calls = self._record([cases[i] for i in order], targets)
            calls += list(itertools.islice(_changed(calls), REPLAYED))
            state = State(self._sources)
            emit([self._shown(call) for call in calls])
            for edits in [[], *work]:
                emit(self._played(calls, edits, state))

        values = list(values_of(task, QUIET_SECONDS, min(seconds, ALL_SECONDS)))
        if len(values) < 3 or not values[0]:
            return None
        rows = [tuple(row) for _, row in values[2:]]
        broken = [share for share, _ in values[2:]]
        missing = len(work) - len(rows)
        rows += [("",) * len(values[0])] * missing
        broken += [0.0] * missing
        return Behaviour(tuple(values[0]), tuple(values[1][1]), tuple(rows), tuple(broken))

    def _record(self, cases: list[Case], targets: list[tuple[Source, Unit]]) -> list[Call]:
        """The distinct calls that the tests make."""
        places: dict[CodeType, tuple[str, int]] = {}
        for source, unit in targets:
            for function in self._live.functions_of(source.path, unit.index):
                places[function.__code__] = (source.path, unit.index)
        calls: dict[tuple[str, int, str], Call] = {}
        counts: dict[tuple[str, int], int] = {}

        def on_event(frame: FrameType, event: str, _arg: object) -> None:
            place = places.get(frame.f_code) if event == "call" else None
            if place is None or counts.get(place, 0) >= RECORDED:
                return
            sys.setprofile(None)
            try:
                values = _arguments(frame)
                if values is not None:
                    key = (*place, digest(values))
                    if key not in calls:
                        counts[place] = counts.get(place, 0) + 1
                        calls[key] = Call(*place, values)
            finally:
                sys.setprofile(on_event)

        for case in cases:

            def watched(case: Case = case) -> None:
                sys.setprofile(on_event)
                try:
                    case.run()
                finally:
                    sys.setprofile(None)

            attempt(watched, 0.3, 0.3)
            sys.setprofile(None)
        return list(calls.values())

    def _shown(self, call: Call) -> str:
        unit = self._sources[call.path].units[call.unit]
        inner = ", ".join(digest(value) for value in call.values)
        return f"{unit.name}({inner})"

    def _played(
        self, calls: list[Call], edits: list[Edit], state: State
    ) -> tuple[float, list[str]]:
        """What this version gives for each call, and how far it breaks promises."""
        live = self._live
        try:
            for path, unit in dict.fromkeys((e.path, e.unit) for e in edits):
                source = self._sources[path]
                mine = [e for e in edits if (e.path, e.unit) == (path, unit)]
                live.swap(source, source.units[unit], mine)
            found: list[str] = []
            odd: list[bool] = []
            started, began = time.process_time(), time.monotonic()
            for call in calls:
                used = time.process_time() - started
                waited = time.monotonic() - began - used
                if used > VERSION_SECONDS or waited > max(VERSION_WAITING, 3 * used):
                    found.append(UNKNOWN)
                    continue
                function = live.functions_of(call.path, call.unit)[0]
                found.append(_outcome(function, call.values, odd))
                state.restore()
            return round(sum(odd) / max(len(odd), 1) + self._undone(calls), 3), found
        finally:
            live.restore()

    def _undone(self, calls: list[Call]) -> float:
        """The worst share of broken round trips of a function."""
        values: dict[tuple[str, int], list[tuple[Any, ...]]] = {}
        for call in calls:
            values.setdefault(call[:2], []).append(call.values)
        shares = [
            broken_round_trips(self._live.functions_of(*place)[0], some)
            for place, some in values.items()
        ]
        return max(shares, default=0.0)


def _arguments(frame: FrameType) -> tuple[Any, ...] | None:
    """Copies of the positional arguments; None where they cannot be copied or called again."""
    code = frame.f_code
    if code.co_kwonlyargcount or code.co_flags & 0x0C:
        return None
    values: list[Any] = [frame.f_locals.get(n) for n in code.co_varnames[: code.co_argcount]]
    copied: list[Any] = []
    outcome = attempt(lambda: copied.extend(copy.deepcopy(values)), 0.05)
    return tuple(copied) if outcome.status == PASS else None


def _outcome(function: FunctionType, values: tuple[Any, ...], odd: list[bool]) -> str:
    """The digest of what a call gives and does to its arguments. Whether a result is of a type
    that was not promised goes into `odd`."""
    texts: list[str] = []

    def run() -> None:
        arguments = copy.deepcopy(values)
        before = digest(arguments)
        given = function(*arguments)
        odd.append(violates(function, given))
        result = _drained(given)
        after = digest(arguments)
        texts.append(digest(result) + ("" if before == after else LEAVES + after))

    outcome = attempt(run, CALL_SECONDS, CALL_WAITING)
    if outcome.status == TIMEOUT:
        return CRASH + "timeout"
    if outcome.error is not None or not texts:
        return CRASH + type(outcome.error).__name__
    return texts[0]


def _drained(result: Any) -> Any:
    """What an iterator gives, up to a bound; other results as they are."""
    if not hasattr(result, "__next__"):
        return result
    items: list[Any] = list(itertools.islice(result, 50))
    return items


def digest(value: Any, depth: int = 4) -> str:
    """A value as text, without addresses: equal text for equal values."""
    if depth == 0:
        return "..."
    kind = _kind(value)
    if kind in (int, float, bool, str, bytes, type(None), complex):
        return repr(value)[:200]
    if kind in (list, tuple):
        inner = ", ".join(digest(item, depth - 1) for item in value[:40])
        marks = "[]" if kind is list else "()"
        return f"{marks[0]}{inner}{marks[1]}"
    if kind in (set, frozenset):
        return "{" + ", ".join(sorted(digest(item, depth - 1) for item in value)[:40]) + "}"
    if issubclass(kind, dict):
        items: list[tuple[Any, Any]] = list(value.items())[:40]
        inner = ", ".join(f"{digest(k, depth - 1)}: {digest(v, depth - 1)}" for k, v in items)
        return "{" + inner + "}"
    if "__dict__" in dir(value) and value.__dict__:
        held: dict[str, Any] = value.__dict__
        inner = ", ".join(f"{k}={digest(v, depth - 1)}" for k, v in sorted(held.items()))
        return f"{kind.__name__}({inner})"
    texts: list[str] = []
    attempt(lambda: texts.append(repr(value)), 0.02)
    return texts[0][:200] if texts and " at 0x" not in texts[0] else kind.__name__


def _kind(value: object) -> type[Any]:
    return type(value)


def _changed(calls: list[Call]) -> Iterator[Call]:
    """Calls with one argument changed a little: in turn over calls, so that all are varied."""
    streams = [itertools.chain(_crossed(call, calls), _variants(call)) for call in calls]
    while streams:
        for stream in list(streams):
            call = next(stream, None)
            if call is None:
                streams.remove(stream)
            else:
                yield call


def _crossed(call: Call, calls: list[Call]) -> Iterator[Call]:
    """With one argument of other calls of the same function."""
    others = [c for c in calls if c[:2] == call[:2] and c is not call][-MOST_CROSSED:]
    for number, value in enumerate(call.values):
        own = digest(value)
        for other in others:
            if digest(other.values[number]) != own:
                values = (*call.values[:number], other.values[number], *call.values[number + 1 :])
                yield call._replace(values=values)


def _variants(call: Call) -> Iterator[Call]:
    for number, value in enumerate(call.values):
        for other in _near(value):
            values = (*call.values[:number], other, *call.values[number + 1 :])
            yield call._replace(values=values)


def _near(value: Any) -> Iterator[Any]:
    kind = _kind(value)
    if kind is bool:
        yield not value
    elif kind is int or kind is float:
        yield from (value + 1, value - 1, value * 2 + 1, kind(0), -value)
    elif kind in (str, list, tuple):
        if len(value) > 0:
            yield from (value[:-1], value[1:], value + value[:1], value[::-1], value[:1], kind())
        if kind is str:
            yield from (value.upper(), f" {value}", value + "0")
        elif len(value) > 0:
            for other in itertools.islice(_near(value[0]), 2):
                yield kind([other, *value[1:]])
    elif kind is dict and value:
        yield dict(itertools.islice(value.items(), 1, None))
