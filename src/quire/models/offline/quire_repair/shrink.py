"""The smallest input for which a test fails in the same way."""

from __future__ import annotations

import ast
import copy
import inspect
import itertools
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from .baseline import Fact
from .cases import Case, function_of
from .children import Emit, values_of
from .limits import FAIL, attempt
from .replay import digest
from .report import innermost
from .sources import FunctionNode, read_source

PLAIN = (int, float, bool, str, bytes, list, tuple, dict, set, frozenset, type(None))
MOST_TRIES = 400
LONG = 200
ASSERTS = ("approx", "assert_", "raises", "len", "list", "tuple", "set", "sorted", "str", "repr")

Values = dict[str, Any]


class Asked(NamedTuple):
    """The failing tests of one cause; `files` maps real paths to those of the project."""

    root: str
    cases: list[Case]
    group: list[int]
    facts: dict[int, Fact]
    files: dict[str, str]


def smallest(asked: Asked, seconds: float) -> dict[str, Any] | None:
    """`input`, `how`, and where it was shrunk `start` and `tried`. `how` is `hypothesis` (found
    and made small by it), `shrunk`, or `given`: the smallest of the given sets, where smaller ones
    would have no expected value. None for tests without inputs."""
    first = asked.cases[asked.group[0]]
    if _is_property(first):
        return _of_hypothesis(first, seconds)
    inputs = [(i, values) for i in asked.group if (values := _inputs(asked.cases[i]))]
    if not inputs:
        return None
    index, values = min(inputs, key=lambda item: (_size(item[1]), item[0]))
    if not all(_is_plain(value) for value in values.values()):
        return None
    given = {"input": _shown(values), "how": "given"}
    if not _may_shrink(asked, index, tuple(values)):
        return given
    return _shrunk(asked, index, values, seconds)


def _inputs(case: Case) -> Values:
    """The parameters of a parametrised test that needs nothing else; empty for others."""
    values = vars(case).get("_values")
    return dict(values) if values and "_function" in vars(case) else {}


def _is_plain(value: Any, depth: int = 4) -> bool:
    if type(value) not in PLAIN or depth == 0:
        return False
    return all(_is_plain(item, depth - 1) for item in _inside(value))


def _inside(value: Any) -> list[Any]:
    """What a container holds, keys and values alike; nothing for others."""
    kind = _kind(value)
    if kind is dict:
        return [*value, *value.values()]
    return [*value] if kind in (list, tuple, set, frozenset) else []


def _kind(value: object) -> type[Any]:
    return type(value)


def _size(value: Any) -> int:
    if _kind(value) in (str, bytes):
        return 1 + len(value)
    if _kind(value) in (dict, list, tuple, set, frozenset):
        return 1 + sum(_size(item) for item in _inside(value))
    return len(str(value))


def _shown(values: Values) -> str:
    return ", ".join(f"{name}={digest(value)}" for name, value in values.items())[:LONG]


# --- whether a smaller input means anything ----------------------------------------------------


def _may_shrink(asked: Asked, index: int, names: tuple[str, ...]) -> bool:
    """A crash in the project's code may be shrunk unless it is a deliberate `raise`; a failing
    comparison only where both sides follow from the parameters."""
    fact = asked.facts[index]
    path, line = innermost(fact.frames, asked.files)
    source = read_source(asked.root, path) if path else None
    if source is None or not 0 < line <= len(source.lines):
        return False
    if path != fact.file:
        text = source.lines[line - 1].strip()
        return "Assertion" not in fact.error and not text.startswith(("raise", "assert"))
    for node in ast.walk(source.tree):
        inside = isinstance(node, FunctionNode) and _holds(node, line)
        if isinstance(node, FunctionNode) and inside:
            return _is_relation(node, line, frozenset(names))
    return False


def _holds(node: ast.AST, line: int) -> bool:
    start, end = vars(node).get("lineno", 0), vars(node).get("end_lineno", 0)
    return bool(start <= line <= end)


def _is_relation(test: ast.AST, line: int, names: frozenset[str]) -> bool:
    """Every side of the comparison at the line depends on parameters, and each parameter goes into
    a call: none of them is merely what is expected."""
    derived = _derived(test, names)
    called = _called_with(test)
    for node in ast.walk(test):
        if not isinstance(node, ast.Assert) or not _holds(node, line):
            continue
        if not isinstance(node.test, ast.Compare):
            return False
        sides = [node.test.left, *node.test.comparators]
        used = [_names(side) for side in sides]
        return all(some & derived for some in used) and names <= called
    return False


def _derived(test: ast.AST, names: frozenset[str]) -> set[str]:
    """The parameters, and the variables that are computed from them."""
    known = set(names)
    for node in ast.walk(test):
        if isinstance(node, ast.Assign) and _names(node.value) & known:
            for target in node.targets:
                known |= _names(target)
    return known


def _called_with(test: ast.AST) -> set[str]:
    """Names that go into a call of something that is not merely a comparison's dress."""
    found: set[str] = set()
    for node in ast.walk(test):
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        name = function.id if isinstance(function, ast.Name) else ""
        if isinstance(function, ast.Attribute):
            name = function.attr
        if not name.startswith(ASSERTS):
            for argument in [*node.args, *(keyword.value for keyword in node.keywords)]:
                found |= _names(argument)
    return found


def _names(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


# --- shrinking ---------------------------------------------------------------------------------


def _shrunk(asked: Asked, index: int, values: Values, seconds: float) -> dict[str, Any]:
    """Take any smaller variant that fails by the same error at the same place, again and again.
    Each step is told at once, so that a test which ends the process loses nothing."""
    case, fact = asked.cases[index], asked.facts[index]
    place = (fact.error, *innermost(fact.frames, asked.files))
    limit = min(0.05 + 10 * fact.cpu, 1.0)

    def task(emit: Emit) -> None:
        best, tried = values, 0
        deadline = time.monotonic() + seconds * 0.8
        again = True
        while again:
            again = False
            for other in _smaller(best):
                if tried >= MOST_TRIES or time.monotonic() > deadline:
                    return
                tried += 1
                if _fails_so(asked, case, other, place, limit):
                    best, again = other, True
                    emit([_shown(best), tried])
                    break
            else:
                emit([_shown(best), tried])

    shown, tried = _shown(values), 0
    for one, count in values_of(task, max(seconds, 0.5), max(seconds, 0.5)):
        shown, tried = one, count
    return {"input": shown, "how": "shrunk", "start": _shown(values), "tried": tried}


def _fails_so(
    asked: Asked, case: Case, values: Values, place: tuple[str, str, int], limit: float
) -> bool:
    from .baseline import fact_of

    saved = vars(case)["_values"]
    vars(case)["_values"] = copy.deepcopy(values)
    try:
        outcome = attempt(case.run, limit)
    finally:
        vars(case)["_values"] = saved
    if outcome.status != FAIL:
        return False
    fact = Fact(*fact_of(asked.root, case, outcome))
    return (fact.error, *innermost(fact.frames, asked.files)) == place


def _smaller(values: Values) -> Iterator[Values]:
    """Variants with one value made smaller, the biggest steps first."""
    for name, value in values.items():
        for other in _less(value):
            yield {**values, name: other}


def _less(value: Any) -> Iterator[Any]:
    """Smaller values of the same type; each has a smaller size or is nearer to zero."""
    kind = _kind(value)
    if kind is int or kind is float:
        yield from (n for n in _nearer(value, kind) if abs(n) < abs(value) or n == -value > 0)
    elif kind in (str, bytes, list, tuple):
        yield from _parts(value)
        if kind is str:
            yield from (value[:n] + "a" + value[n + 1 :] for n, c in enumerate(value) if c > "a")
        elif kind in (list, tuple):
            for number, item in enumerate(value):
                for less in itertools.islice(_less(item), 12):
                    yield kind([*value[:number], less, *value[number + 1 :]])
    elif kind is dict:
        for key in value:
            yield {k: v for k, v in value.items() if k != key}
        for key, held in value.items():
            for less in itertools.islice(_less(held), 6):
                yield {**value, key: less}
    elif kind in (set, frozenset):
        for item in sorted(value, key=digest):
            yield kind(value - {item})


def _nearer(value: Any, kind: Callable[[Any], Any]) -> Iterator[Any]:
    step = 1 if value > 0 else -1
    if value != value or value in (float("inf"), float("-inf")):
        return
    yield from (kind(0), kind(step), kind(int(value / 2)), kind(int(value)), value - step)
    if value < 0:
        yield -value


def _parts(value: Any) -> Iterator[Any]:
    """Without ever shorter pieces."""
    size = len(value)
    if size:
        yield value[:0]
    piece = size // 2
    while piece >= 1:
        for start in range(0, size, piece):
            yield value[:start] + value[start + piece :]
        piece //= 2


# --- hypothesis --------------------------------------------------------------------------------


def _property(case: Case) -> Any:
    """The handle that hypothesis leaves on a test; None where there is none."""
    function = function_of(case)
    handle = vars(function).get("hypothesis") if inspect.isfunction(function) else None
    return handle if hasattr(handle, "inner_test") else None


def _is_property(case: Case) -> bool:
    return _property(case) is not None


def _of_hypothesis(case: Case, seconds: float) -> dict[str, Any] | None:
    """Hypothesis runs the smallest failing example last: the last one that failed is it."""
    handle = _property(case)
    inner = handle.inner_test

    def task(emit: Emit) -> None:
        found: list[Values] = []

        def watched(*arguments: Any, **values: Any) -> Any:
            kept, done = copy.deepcopy(values), False
            try:
                result = inner(*arguments, **values)
                done = True
                return result
            finally:
                raised = sys.exc_info()[0]
                if (
                    not done
                    and raised is not None
                    and not raised.__module__.startswith("hypothesis")
                ):
                    found.append(kept)

        watched.__name__ = inner.__name__
        handle.inner_test = watched
        attempt(case.run, max(seconds * 0.8, 0.5), 1.0)
        if found:
            emit({"input": _shown(found[-1]), "how": "hypothesis"})

    return next(values_of(task, max(seconds, 1.0), max(seconds, 1.0)), None)
