"""What can be seen when a failing test runs once more: the sides of the comparison that fails, and
the calls of some functions with what they return."""

from __future__ import annotations

import ast
import sys
from collections import deque
from types import CodeType, FrameType, TracebackType
from typing import Any

from .cases import Case
from .children import Emit, values_of
from .limits import attempt
from .replay import digest
from .sources import Source, Unit, read_source

SECONDS = 3.0
MOST_CALLS = 5
MOST_SEEN = 2000
LONG = 160
OPERATORS = {
    "Eq": "==",
    "NotEq": "!=",
    "Lt": "<",
    "LtE": "<=",
    "Gt": ">",
    "GtE": ">=",
    "Is": "is",
    "IsNot": "is not",
    "In": "in",
    "NotIn": "not in",
}
COMPARING = {
    **{f"assert{kind}Equal": "==" for kind in ("", "List", "Dict", "Tuple", "Set", "Sequence")},
    "assertMultiLineEqual": "==",
    "assertCountEqual": "in any order ==",
    "assertAlmostEqual": "nearly ==",
    "assertNotEqual": "!=",
    "assertLess": "<",
    "assertLessEqual": "<=",
    "assertGreater": ">",
    "assertGreaterEqual": ">=",
    "assertIs": "is",
    "assertIsNot": "is not",
    "assertIn": "in",
    "assertNotIn": "not in",
}


def failing_view(
    root: str, case: Case, targets: list[tuple[Source, Unit]], seconds: float
) -> dict[str, Any]:
    """`sides`, `operator`, `actual` and `expected` of the failing comparison, and `calls` of the
    targets. The test runs in a child; what cannot be seen is left out."""
    test = read_source(root, case.file) if case.file else None

    def task(emit: Emit) -> None:
        watch = _Watch(targets)
        outcome = attempt(lambda: watch.run(case), SECONDS)
        emit({"calls": list(watch.calls)})
        emit(_compared(outcome.trace, test))

    found: dict[str, Any] = {}
    for value in values_of(task, 6.0, max(seconds, 1.0)):
        found.update(value)
    return found


class _Watch:
    """Notes the last calls of some functions, inner ones of a recursion left out: arguments as they
    came, and what was given back."""

    def __init__(self, targets: list[tuple[Source, Unit]]) -> None:
        self._places = {(source.absolute, unit.node.name): unit.name for source, unit in targets}
        self._open: dict[FrameType, dict[str, Any]] = {}
        self._count = 0
        self.calls: deque[dict[str, Any]] = deque(maxlen=MOST_CALLS)

    def run(self, case: Case) -> None:
        sys.settrace(self._on_call)
        try:
            case.run()
        finally:
            sys.settrace(None)

    def _on_call(self, frame: FrameType, _event: str, _arg: object) -> Any:
        code = frame.f_code
        name = self._places.get((code.co_filename, code.co_name))
        if name is None or self._count >= MOST_SEEN:
            return None
        if any(frame.f_code is code for frame in self._open):
            return None
        self._count += 1
        sys.settrace(None)
        seen = {"call": f"{name}({_arguments(code, frame)})"[:LONG], "gives": "no end"}
        self.calls.append(seen)
        sys.settrace(self._on_call)
        self._open[frame] = seen
        return self._on_event

    def _on_event(self, frame: FrameType, event: str, arg: Any) -> Any:
        seen = self._open.get(frame)
        if seen is None:
            return None
        if event == "exception":
            seen["gives"], seen["raised"] = arg[0].__name__, True
        elif event == "line":
            # It went on: what was raised was caught.
            seen.pop("raised", None)
        elif event == "return":
            del self._open[frame]
            if not seen.get("raised"):
                sys.settrace(None)
                seen["gives"] = digest(arg)[:LONG]
                sys.settrace(self._on_call)
        return self._on_event


def _arguments(code: CodeType, frame: FrameType) -> str:
    count = code.co_argcount + code.co_kwonlyargcount
    names = [name for name in code.co_varnames[:count] if name in frame.f_locals]
    shown = [name for name in names if name != "self"]
    return ", ".join(f"{name}={digest(frame.f_locals[name])}" for name in shown)


# --- the failing comparison --------------------------------------------------------------------


def _compared(trace: TracebackType | None, test: Source | None) -> dict[str, Any]:
    """From the innermost frame that tells it: an `assertEqual` of unittest, or an `assert`."""
    found: dict[str, Any] = {}
    while trace is not None:
        frame = trace.tb_frame
        values = frame.f_locals
        if frame.f_code.co_name.startswith("assert") and "first" in values and "second" in values:
            pair = (digest(values["first"]), digest(values["second"]))
            found.update(actual=pair[0][:LONG], expected=pair[1][:LONG])
        if test is not None and frame.f_code.co_filename == test.absolute:
            found = _asserted(frame, trace.tb_lineno, test) or found
        trace = trace.tb_next
    return found


def _asserted(frame: FrameType, line: int, test: Source) -> dict[str, Any]:
    """The comparison of the `assert` at a line, or the arguments of an `assertX(a, b)`; values
    are computed once more where they stood."""
    for node in ast.walk(test.tree):
        if not isinstance(node, (ast.Assert, ast.Expr)):
            continue
        if not node.lineno <= line <= (node.end_lineno or node.lineno):
            continue
        sides, operator = _sides(node)
        if not sides:
            continue
        texts = [" ".join(test.segment(side).split())[:LONG] for side in sides]
        found: dict[str, Any] = {"sides": texts, "operator": operator}
        segments = [test.segment(side) for side in sides]
        values = [_value(frame, text) for text in segments]
        again = [_value(frame, text) for text in segments]
        # What differs from time to time (`pop()`, `next()`) is not what the test compared.
        values = [one if one == again[n] else None for n, one in enumerate(values)]
        if values[0] is not None:
            found["actual"] = values[0]
        if len(values) > 1 and values[1] is not None:
            found["expected"] = values[1]
        return found
    return {}


def _sides(node: ast.Assert | ast.Expr) -> tuple[list[ast.expr], str]:
    if isinstance(node, ast.Assert):
        if isinstance(node.test, ast.Compare) and len(node.test.ops) == 1:
            operator = OPERATORS[type(node.test.ops[0]).__name__]
            return [node.test.left, node.test.comparators[0]], operator
        return [node.test], ""
    call = node.value
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
        name = call.func.attr
        operator = COMPARING.get(name)
        if operator is not None and len(call.args) >= 2:
            return list(call.args[:2]), operator
        if name in ("assertTrue", "assertFalse"):
            return list(call.args[:1]), "is false" if name == "assertFalse" else ""
    return [], ""


def _value(frame: FrameType, text: str) -> str | None:
    """None where it cannot be computed again."""
    texts: list[str] = []

    def compute() -> None:
        texts.append(digest(eval(f"({text})", frame.f_globals, frame.f_locals)))

    attempt(compute, 0.3)
    return texts[0][:LONG] if texts else None
