"""What failing assertions compare: the text that came and the text that was expected."""

from __future__ import annotations

import ast
from types import FrameType, TracebackType
from typing import Any

from .baseline import Fact
from .cases import Case
from .children import Emit, values_of
from .limits import FAIL, attempt
from .sources import Source, read_source

MOST_CASES = 12
LONGEST = 400
SECONDS = 0.3

Pair = tuple[str, str]


def witnesses(root: str, cases: list[Case], facts: dict[int, Fact]) -> tuple[Pair, ...]:
    """(actual, expected) texts of failing assertions; both orders, since tests are written both
    ways. Each case runs once more, in a child."""
    failing = [i for i in sorted(facts) if facts[i].status == FAIL][:MOST_CASES]
    sources = {facts[i].file: read_source(root, facts[i].file) for i in failing if facts[i].file}

    def task(emit: Emit) -> None:
        for index in failing:
            outcome = attempt(cases[index].run, SECONDS)
            pair = _compared(outcome.trace, sources.get(facts[index].file))
            if pair is not None:
                emit(list(pair))

    found: dict[Pair, None] = {}
    for one, two in values_of(task, 3.0, 5.0):
        found[one, two] = None
        found[two, one] = None
    return tuple(found)


def _compared(trace: TracebackType | None, test: Source | None) -> Pair | None:
    """The two texts of an `assertEqual`, or of the `==` in the failing `assert` of the test."""
    while trace is not None:
        frame = trace.tb_frame
        values = frame.f_locals
        if frame.f_code.co_name == "assertEqual" and "first" in values and "second" in values:
            return _texts(values["first"], values["second"])
        if test is not None and frame.f_code.co_filename == test.absolute:
            pair = _asserted(frame, trace.tb_lineno, test)
            if pair is not None:
                return pair
        trace = trace.tb_next
    return None


def _asserted(frame: FrameType, line: int, test: Source) -> Pair | None:
    for node in ast.walk(test.tree):
        if not isinstance(node, ast.Assert) or not isinstance(node.test, ast.Compare):
            continue
        compare = node.test
        inside = node.lineno <= line <= (node.end_lineno or node.lineno)
        if inside and len(compare.ops) == 1 and isinstance(compare.ops[0], ast.Eq):
            return _texts(
                _evaluated(frame, test.segment(compare.left)),
                _evaluated(frame, test.segment(compare.comparators[0])),
            )
    return None


def _evaluated(frame: FrameType, text: str) -> Any:
    """The value of an expression of the test, computed once more where it stood."""
    values: list[Any] = []
    attempt(lambda: values.append(eval(f"({text})", frame.f_globals, frame.f_locals)), SECONDS)
    return values[0] if values else None


def _texts(one: Any, two: Any) -> Pair | None:
    """Two different texts, also the first differing ones of two lists."""
    if isinstance(one, str) and isinstance(two, str):
        short = len(one) <= LONGEST and len(two) <= LONGEST
        return (one, two) if short and one != two else None
    sequences = all(type(value) in (list, tuple) for value in (one, two))
    if sequences and len(one) == len(two):
        pairs = ((one[n], two[n]) for n in range(len(one)))
        return next((p for p in (_texts(a, b) for a, b in pairs if a != b) if p), None)
    return None
