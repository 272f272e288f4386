"""Which types the expressions of a function have when the tests run it."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from types import CodeType
from typing import Any

from .sources import Edit, Source, Unit

NAME = "__quire_probe__"
ENOUGH = 40
"""How many values of one expression are looked at."""

PROBED = (
    ast.Name,
    ast.Attribute,
    ast.Subscript,
    ast.Call,
    ast.BinOp,
    ast.BoolOp,
    ast.Compare,
    ast.UnaryOp,
    ast.IfExp,
)
UNREAD = ("args", "returns", "annotation", "decorator_list", "type_params")
Key = tuple[str, int, int]
"""(path, start, end) of an expression."""

Types = tuple[str, ...]
"""Names of types."""


class Probe:
    """Records type names per expression."""

    def __init__(self) -> None:
        self._keys: list[Key] = []
        self._counts: list[int] = []
        self._types: list[set[str]] = []

    def install(self) -> None:
        """Make the recorder reachable from instrumented code."""
        setattr(builtins, NAME, self.record)

    def record(self, number: int, value: Any) -> Any:
        """What instrumented code calls: gives the value back."""
        if self._counts[number] < ENOUGH:
            self._counts[number] += 1
            self._types[number].add(describe(value))
        return value

    def result(self) -> dict[Key, list[str]]:
        return {key: sorted(self._types[n]) for n, key in enumerate(self._keys) if self._types[n]}

    def instrumented(self, source: Source, unit: Unit) -> CodeType | None:
        """The unit's code with every expression reporting to this probe."""
        inserts: list[tuple[int, int, str]] = []
        for node in loads(unit.node):
            start, end = source.span(node)
            self._keys.append((source.path, start, end))
            self._counts.append(0)
            self._types.append(set())
            # At one place: ends before starts, inner ends first, outer starts first.
            inserts.append((start, end, f"{NAME}({len(self._keys) - 1}, "))
            inserts.append((end, start - end, ")"))
        inserts.sort(key=lambda i: (i[0], i[1] > 0, -i[1]))
        pieces: list[str] = []
        position = unit.start
        for place, _, text in inserts:
            pieces += [source.text[position:place], text]
            position = place
        pieces.append(source.text[position : unit.end])
        whole = Edit(source.path, unit.index, unit.start, unit.end, "".join(pieces), "probe", 0.0)
        return source.compile_unit(unit, [whole])


def loads(unit: ast.AST) -> Iterator[ast.expr]:
    """The expressions of a function that are read; without called names, defaults, annotations,
    decorators, patterns and what stands inside f-strings."""
    for name, value in ast.iter_fields(unit):
        if name in UNREAD and not isinstance(unit, ast.Call):
            continue
        values: list[Any] = [value]
        if isinstance(value, list):
            values = [*value]
        for child in values:
            if not isinstance(child, ast.AST) or isinstance(child, ast.JoinedStr):
                continue
            if type(child).__name__.startswith("Match") and not isinstance(child, ast.stmt):
                continue
            called = name == "func" and isinstance(child, ast.Name)
            if isinstance(child, PROBED) and not called and _is_load(child):
                yield child
            yield from loads(child)


def _is_load(node: ast.expr) -> bool:
    if isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)):
        return isinstance(node.ctx, ast.Load)
    return True


def describe(value: Any) -> str:
    """A type's name, with that of the first element for sequences: `list[int]`."""
    name = type(value).__name__
    if type(value) in (list, tuple) and value:
        return f"{name}[{type(value[0]).__name__}]"
    return name


def shape(node: ast.expr) -> Types:
    """A type that shows without running."""
    shapes: list[tuple[type[ast.expr] | tuple[type[ast.expr], ...], str]] = [
        ((ast.List, ast.ListComp), "list"),
        ((ast.Dict, ast.DictComp), "dict"),
        ((ast.Set, ast.SetComp), "set"),
        (ast.Tuple, "tuple"),
        (ast.JoinedStr, "str"),
        (ast.Compare, "bool"),
    ]
    return next(((name,) for kinds, name in shapes if isinstance(node, kinds)), ())
