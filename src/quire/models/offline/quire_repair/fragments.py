"""Expressions, statements and guards of other functions and modules: what a repair may take from
the rest of the code base."""

from __future__ import annotations

import ast
import builtins
import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .probe import Key, Types, shape
from .sources import FunctionNode, Source, Unit, read_source

LONGEST = 60
"""Of a fragment, in characters."""

MOST_LINES = 3
MOST_FRAGMENTS = 4000
MOST_TEXT = 250_000
"""Characters of modules, beside those that failing tests run, that are read for fragments."""

KEPT = frozenset(dir(builtins))
PLAIN = frozenset(
    ["int", "float", "complex", "bool", "str", "bytes", "list", "tuple", "dict", "set", "frozenset"]
)
JUMPS = (ast.Return, ast.Raise, ast.Continue, ast.Break)


class Fragment(NamedTuple):
    """`slots` are the variables that it reads, by name: types seen, and where they stand in
    `text`; no places where it reads them inside of f-strings, whose positions are not always
    known. `parts` are the attributes of `self` it needs, `targets` the names that it sets,
    `shared` the names of its module. `words` are all names in it."""

    path: str
    unit: int
    text: str
    node: ast.expr | ast.stmt
    types: Types
    slots: dict[str, tuple[Types, tuple[tuple[int, int], ...]]]
    parts: frozenset[str]
    targets: frozenset[str]
    shared: frozenset[str]
    words: frozenset[str]


class Fragments(NamedTuple):
    """`words` are those of each function, `methods` by class: name, least and most values by
    position."""

    expressions: tuple[Fragment, ...]
    statements: tuple[Fragment, ...]
    guards: tuple[Fragment, ...]
    words: dict[tuple[str, int], frozenset[str]]
    methods: dict[str, tuple[tuple[str, int, int], ...]]


NOTHING = Fragments((), (), (), {}, {})


def neighbours(root: str, own: list[Source], paths: Iterable[str]) -> list[Source]:
    """Other modules of the project, those in the same folders first, as many as may be read."""
    folders = {source.path.rpartition("/")[0] for source in own}
    known = {source.path for source in own}
    found: list[Source] = []
    left = MOST_TEXT
    for path in sorted(paths, key=lambda p: (p.rpartition("/")[0] not in folders, p)):
        try:
            left -= os.path.getsize(os.path.join(root, path)) if path not in known else 0
        except OSError:
            continue
        if left < 0:
            break
        source = read_source(root, path) if path not in known else None
        found += [source] if source is not None else []
    return found


def gather(sources: Iterable[Source], types: dict[Key, Types]) -> Fragments:
    """From modules, the most important first. `types` are those that expressions were seen to
    have."""
    expressions: list[Fragment] = []
    statements: list[Fragment] = []
    guards: list[Fragment] = []
    words: dict[tuple[str, int], frozenset[str]] = {}
    methods: dict[str, dict[str, tuple[str, int, int]]] = {}
    for source in sources:
        _take_methods(source, methods)
        for unit in source.units:
            if len(expressions) > MOST_FRAGMENTS:
                break
            words[source.path, unit.index] = words_of(unit.node)
            reader = _Reader(source, unit, types)
            expressions += reader.expressions()
            statements += reader.statements()
            guards += reader.guards()
    return Fragments(
        tuple(expressions),
        tuple(statements),
        tuple(guards),
        words,
        {name: tuple(found.values()) for name, found in methods.items()},
    )


class _Reader:
    """The fragments of one function."""

    def __init__(self, source: Source, unit: Unit, types: dict[Key, Types]) -> None:
        self._source = source
        self._unit = unit
        self._types = types
        self._names = names_seen(source, unit, types)
        self._globals = global_names(source.tree)

    def expressions(self) -> Iterator[Fragment]:
        """Each text once."""
        met: set[str] = set()
        for statement in self._unit.node.body:
            for node in ast.walk(statement):
                if isinstance(node, ast.expr) and _is_worth(node) and _is_short(node, 1):
                    text = self._source.segment(node)
                    if text not in met and len(text) <= LONGEST:
                        met.add(text)
                        types = self._types.get((self._source.path, *self._source.span(node)), ())
                        yield from self._fragment(node, types or shape(node))

    def statements(self) -> Iterator[Fragment]:
        """Simple ones."""
        for node in ast.walk(self._unit.node):
            if not isinstance(node, (ast.Assign, ast.AugAssign, ast.Expr)):
                continue
            is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            if _is_short(node, 1) and not is_text:
                yield from self._fragment(node, ())

    def guards(self) -> Iterator[Fragment]:
        """`if` with one statement that leaves."""
        for node in ast.walk(self._unit.node):
            if (
                isinstance(node, ast.If)
                and not node.orelse
                and len(node.body) == 1
                and isinstance(node.body[0], JUMPS)
                and _is_short(node, MOST_LINES)
            ):
                yield from self._fragment(node, ())

    def _fragment(self, node: ast.expr | ast.stmt, types: Types) -> Iterator[Fragment]:
        """None of what reads what it binds itself: variables of comprehensions and lambdas."""
        source = self._source
        start, end = source.span(node)
        if source.text.startswith("elif", start):
            return
        slots: dict[str, list[tuple[int, int]]] = {}
        parts: set[str] = set()
        targets: set[str] = set()
        shared: set[str] = set()
        woven: set[str] = set()
        for inner in ast.walk(node):
            if isinstance(inner, (ast.comprehension, ast.Lambda, ast.NamedExpr)):
                return
            if isinstance(inner, ast.JoinedStr):
                woven |= words_of(inner)
            if isinstance(inner, (ast.Yield, ast.YieldFrom, ast.Await)):
                return
            if isinstance(inner, ast.Name):
                low, high = source.span(inner)
                if inner.id in self._globals:
                    shared.add(inner.id)
                elif inner.id not in KEPT:
                    slots.setdefault(inner.id, []).append((low - start, high - start))
                if not isinstance(inner.ctx, ast.Load):
                    targets.add(inner.id)
            elif isinstance(inner, ast.Attribute) and is_of_self(inner):
                parts.add(inner.attr)
        yield Fragment(
            source.path,
            self._unit.index,
            source.text[start:end],
            node,
            types,
            {
                name: (self._names.get(name, ()), () if name in woven else tuple(places))
                for name, places in slots.items()
            },
            frozenset(parts),
            frozenset(targets),
            frozenset(shared),
            words_of(node),
        )


def names_seen(source: Source, unit: Unit, types: dict[Key, Types]) -> dict[str, Types]:
    """The types of a function's variables: seen, or else as annotated."""
    found: dict[str, set[str]] = {}
    for node in ast.walk(unit.node):
        if isinstance(node, ast.Name):
            found.setdefault(node.id, set()).update(
                types.get((source.path, *source.span(node)), ())
            )
    arguments = unit.node.args
    for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
        if not found.get(one.arg):
            found[one.arg] = set(annotated(one.annotation))
    return {name: tuple(sorted(kinds)) for name, kinds in found.items()}


def annotated(node: ast.expr | None) -> Types:
    """The builtin type that an annotation names; nothing for others (`Any`, `Optional`):
    no value has such a type."""
    if isinstance(node, ast.Subscript):
        node = node.value
    name = node.id if isinstance(node, ast.Name) else ""
    return (name,) if name in PLAIN else ()


def _is_worth(node: ast.expr) -> bool:
    """Reads something and is more than a name or a literal."""
    if isinstance(node, (ast.Attribute, ast.Subscript)):
        whole = isinstance(node, ast.Attribute) or not isinstance(node.slice, ast.Slice)
        return whole and isinstance(node.ctx, ast.Load)
    return isinstance(node, (ast.Call, ast.BinOp, ast.Compare, ast.BoolOp))


def _is_short(node: ast.expr | ast.stmt, lines: int) -> bool:
    return (node.end_lineno or node.lineno) - node.lineno < lines


def words_of(node: ast.AST) -> frozenset[str]:
    """All names and attributes in it."""
    found: set[str] = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name):
            found.add(inner.id)
        elif isinstance(inner, ast.Attribute):
            found.add(inner.attr)
    return frozenset(found)


def global_names(tree: ast.Module) -> frozenset[str]:
    """What a module gives names to at its top: functions, classes, constants, imports."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, (*FunctionNode, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}
    return frozenset(found)


def _take_methods(source: Source, found: dict[str, dict[str, tuple[str, int, int]]]) -> None:
    classes = [node for node in ast.walk(source.tree) if isinstance(node, ast.ClassDef)]
    for node in classes:
        own = found.setdefault(node.name, {})
        plain = (m for m in node.body if isinstance(m, FunctionNode) and not m.decorator_list)
        for inner in plain:
            count = len(inner.args.posonlyargs) + len(inner.args.args) - 1
            wanted = any(default is None for default in inner.args.kw_defaults)
            if not inner.name.startswith("__") and not wanted and count >= 0:
                least = max(count - len(inner.args.defaults), 0)
                own[inner.name] = (inner.name, least, count)


def is_of_self(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
