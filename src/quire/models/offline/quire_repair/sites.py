"""Where an edit can stand: a node of the syntax tree, and what is known around it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

from .fragments import NOTHING, Fragments
from .helpers import Helper
from .mining import Mined
from .probe import Key, Types, shape
from .sources import FunctionNode, Source, Unit, blocks
from .trace import Line

Expressions = (ast.expr, ast.keyword)

ATOMS = (
    *(ast.Name, ast.Constant, ast.Attribute, ast.Call, ast.Subscript, ast.List, ast.Dict),
    *(ast.Set, ast.ListComp, ast.SetComp, ast.DictComp, ast.JoinedStr),
)
NUMBERS = frozenset(["int", "float", "bool", "Decimal", "Fraction", "complex"])
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
UNSURE = 0.6
"""What an edit costs more when the types that it needs were never seen."""

DONOR_SIZE = 40
"""Longest expression, in characters, that is tried elsewhere."""


class Proposal(NamedTuple):
    """A splice before its cost is known. `prior` runs from 1.0 (likely) to 3.5."""

    start: int
    end: int
    text: str
    kind: str
    prior: float


class Knowledge(NamedTuple):
    """What was learnt before the search."""

    lines: dict[Line, float]
    types: dict[Key, Types]
    mined: Mined
    witnesses: tuple[tuple[str, str], ...]
    crashes: bool
    classes: dict[str, tuple[str, ...]]
    """What can be read without arguments from objects of the project's classes."""

    read: tuple[tuple[str, float], ...] = ()
    """Names and attributes that suspicious lines of all modules read, with their suspicion."""

    fragments: Fragments = NOTHING
    helpers: tuple[tuple[str, tuple[Helper, ...]], ...] = ()
    """With the path of the module that can call them."""

    crashed: frozenset[Line] = frozenset()
    """Where failing tests ended by an error of the code itself."""


class Scope:
    """Names and expressions of one function, and of its class and module; without a unit, of the
    code that runs when the module is imported."""

    def __init__(self, source: Source, unit: Unit | None, known: Knowledge) -> None:
        self.source = source
        self.unit = unit
        self.known = known
        self.node = unit.node if unit is not None else source.tree
        self.params = [a.arg for a in parameters(unit.node)] if unit is not None else []
        self.own = [name for name in self.params if name not in ("self", "cls")]
        stored = _stored(self.node) if unit is not None else ()
        self.locals = list(dict.fromkeys([*self.params, *stored]))
        self.functions, self.classes, self.constants = _module_names(source.tree)
        self.attributes, self.methods = _class_names(source.tree, unit)
        self._name_types: dict[str, set[str]] = {}
        self.callables: list[Any] | None = None
        self.unused_imports: list[str] | None = None
        """Kept by the operators that need them."""

        self.helpers = dict(known.helpers).get(source.path, ())
        self.shelf: object = None
        self.uses = self._uses()
        self._read: set[str] | None = None
        self.donors = self._donors()
        self.ints = [n for n in _constants(self.node, int) if isinstance(n, int)]
        self.strings = [s for s in _constants(self.node, str) if isinstance(s, str)]

    def is_never_read(self, attribute: str) -> bool:
        """The file sets this attribute and never reads it."""
        if self._read is None:
            nodes = (n for n in ast.walk(self.source.tree) if isinstance(n, ast.Attribute))
            self._read = {n.attr for n in nodes if not isinstance(n.ctx, ast.Store)}
        return attribute not in self._read

    def types(self, node: ast.AST) -> Types:
        """Type names seen for an expression; empty when it never ran or was not watched."""
        if isinstance(node, ast.Constant):
            return (type(node.value).__name__,)
        if isinstance(node, ast.expr):
            found = self.known.types.get((self.source.path, *self.source.span(node)), ())
            return found or shape(node)
        return ()

    def may_be_numeric(self, name: str) -> bool:
        """Numbers were seen, or nothing was because nothing reads the variable."""
        types = self.name_types(name)
        return is_numeric(types) or (not types and self.uses.get(name) == 0)

    def name_types(self, name: str) -> Types:
        return tuple(sorted(self._name_types.get(name, ())))

    def _uses(self) -> dict[str, int]:
        """How often each variable of the function is read. Those that nobody expects to be read
        are left out."""
        if self.unit is None:
            return {}
        shared = {
            name
            for node in ast.walk(self.node)
            if isinstance(node, (ast.Global, ast.Nonlocal))
            for name in node.names
        }
        names = [n for n in self.locals if n not in ("self", "cls") and not n.startswith("_")]
        found = dict.fromkeys([n for n in names if n not in shared], 0)
        for node in ast.walk(self.node):
            if isinstance(node, ast.Name) and node.id in found:
                found[node.id] += not isinstance(node.ctx, ast.Store)
        return found

    def _donors(self) -> list[tuple[str, Types, ast.expr]]:
        """Small expressions of the function with their types, and the types of its names."""
        found: dict[str, tuple[str, Types, ast.expr]] = {}
        for node in ast.walk(self.node):
            if not isinstance(node, ast.expr):
                continue
            if isinstance(node, ast.Name):
                self._name_types.setdefault(node.id, set()).update(self.types(node))
                continue
            text = self.source.segment(node)
            if len(text) <= DONOR_SIZE and "\n" not in text and _is_donor(node):
                found.setdefault(text, (text, self.types(node), node))
        return list(found.values())


class Site:
    """One node of a function, with its parents."""

    def __init__(
        self, scope: Scope, node: ast.AST, parents: tuple[ast.AST, ...], statement: ast.stmt
    ) -> None:
        self.scope = scope
        self.source = scope.source
        self.node = node
        self.parents = parents
        self.statement = statement

    @property
    def parent(self) -> ast.AST:
        return self.parents[-1]

    def src(self, node: ast.expr | ast.stmt | ast.keyword) -> str:
        return self.source.segment(node)

    def atom(self, node: ast.expr) -> str:
        """The node's text, in parentheses unless it binds tightest."""
        text = self.src(node)
        return text if isinstance(node, ATOMS) else f"({text})"

    @property
    def is_free(self) -> bool:
        """True where any expression may stand without parentheses."""
        parent, node = self.parent, self.node
        if isinstance(parent, (ast.Return, ast.Assign, ast.AugAssign, ast.keyword, ast.Expr)):
            return True
        if isinstance(parent, (ast.If, ast.While)):
            return node is parent.test
        if isinstance(parent, ast.Call):
            return node is not parent.func and len(parent.args) + len(parent.keywords) > 0
        if isinstance(parent, ast.Subscript):
            return node is parent.slice
        if isinstance(parent, (ast.For, ast.AsyncFor)):
            return node is parent.iter
        if is_guard(node, parent):
            return True
        return isinstance(parent, (ast.List, ast.Tuple, ast.Slice))

    def replace(self, text: str, kind: str, prior: float, tight: bool = False) -> Proposal:
        """Put `text` in the node's place; `tight` text needs no parentheses anywhere."""
        start, end = self.span()
        return Proposal(start, end, self.fit(text, tight), kind, prior)

    def fit(self, text: str, tight: bool = False) -> str:
        return text if tight or self.is_free else f"({text})"

    def span(self) -> tuple[int, int]:
        node = self.node
        if not isinstance(node, (ast.expr, ast.stmt, ast.keyword)):
            raise TypeError(f"{type(node).__name__} has no place in the text")
        return self.source.span(node)

    def types(self, node: ast.AST | None = None) -> Types:
        return self.scope.types(self.node if node is None else node)

    def names(self) -> list[str]:
        """Variables that can be read here: the function's, and those of comprehensions around."""
        inner: list[str] = []
        for parent in self.parents:
            if isinstance(parent, (*COMPREHENSIONS,)):
                for generator in parent.generators:
                    inner += [n.id for n in ast.walk(generator.target) if isinstance(n, ast.Name)]
            if isinstance(parent, ast.Lambda):
                inner += [a.arg for a in parameters(parent)]
        return list(dict.fromkeys([*inner, *self.scope.locals]))

    def line(self) -> int:
        return self.source.line_of(self.span()[0])

    @property
    def has_crashed(self) -> bool:
        """Here a failing test ended by an error: the types that were seen may be what is wrong."""
        return (self.source.path, self.line()) in self.scope.known.crashed


def parameters(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> list[ast.arg]:
    every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return [*every, *(a for a in (node.args.vararg, node.args.kwarg) if a is not None)]


def sites_of(scope: Scope) -> Iterator[tuple[Site, float]]:
    """Every node of a function that a failing test runs, with its suspicion. Annotations and
    defaults are left out."""
    for block in blocks(scope.node):
        for statement in block:
            yield from _statement_sites(scope, statement, (scope.node,))


def import_sites(scope: Scope) -> Iterator[tuple[Site, float]]:
    """What runs when the module is imported: assignments of the module and its classes, and the
    defaults of functions. Suspicion comes from the functions that read the names."""
    used = _scores_of_names(scope)
    for node in ast.walk(scope.node):
        if isinstance(node, FunctionNode):
            lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
            score = max(scope.known.lines.get((scope.source.path, n), 0.0) for n in lines)
            defaults = [d for d in (*node.args.defaults, *node.args.kw_defaults) if d is not None]
            for default in defaults if score > 0.0 else ():
                yield from _with_score(scope, default, (node.args,), node, score)
        elif isinstance(node, (ast.Module, ast.ClassDef)):
            for statement in node.body:
                if isinstance(statement, (ast.Assign, ast.AnnAssign, ast.Expr)):
                    score = max((used.get(n, 0.0) for n in _targets(statement)), default=0.0)
                    score = max(score, _score(scope, statement))
                    if score > 0.0 and statement.value is not None:
                        yield from _with_score(
                            scope, statement.value, (node, statement), statement, score
                        )


def _scores_of_names(scope: Scope) -> dict[str, float]:
    """The highest suspicion of the lines that read a name or an attribute of that name."""
    found: dict[str, float] = {}
    for node in ast.walk(scope.source.tree):
        if isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Load):
            name = node.id if isinstance(node, ast.Name) else node.attr
            found[name] = max(found.get(name, 0.0), _score(scope, node))
    for name, score in scope.known.read:
        found[name] = max(found.get(name, 0.0), score)
    # Constants that are made of others, which stand before them.
    for statement in reversed(scope.source.tree.body):
        score = max((found.get(name, 0.0) for name in _targets(statement)), default=0.0)
        for node in ast.walk(statement) if score else ():
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                found[node.id] = max(found.get(node.id, 0.0), score)
    return found


def _targets(statement: ast.stmt) -> list[str]:
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    if isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    return [t.id for t in targets if isinstance(t, ast.Name)]


def _with_score(
    scope: Scope, node: ast.AST, parents: tuple[ast.AST, ...], statement: ast.stmt, score: float
) -> Iterator[tuple[Site, float]]:
    if isinstance(node, Expressions):
        yield Site(scope, node, parents, statement), score
    if isinstance(node, (ast.JoinedStr, ast.Lambda)):
        return
    for child in ast.iter_child_nodes(node):
        yield from _with_score(scope, child, (*parents, node), statement, score)


def _statement_sites(
    scope: Scope, statement: ast.stmt, parents: tuple[ast.AST, ...]
) -> Iterator[tuple[Site, float]]:
    score = _header_score(scope, statement)
    inner = (*parents, statement)
    if score > 0.0:
        yield Site(scope, statement, parents, statement), score
        for child in _expressions(statement):
            yield from _expression_sites(scope, child, inner, statement)
        for case, guard in guards(statement):
            yield from _expression_sites(scope, guard, (*inner, case), statement)
    for block in blocks(statement):
        for child in block:
            yield from _statement_sites(scope, child, inner)


def _expression_sites(
    scope: Scope, node: ast.AST, parents: tuple[ast.AST, ...], statement: ast.stmt
) -> Iterator[tuple[Site, float]]:
    if isinstance(node, Expressions):
        score = _score(scope, node) or _header_score(scope, statement)
        yield Site(scope, node, parents, statement), score
    for child in ast.iter_child_nodes(node):
        if isinstance(node, ast.FormattedValue) and not _stands_there(scope.source, child):
            continue
        if not isinstance(child, ast.arguments):
            yield from _expression_sites(scope, child, (*parents, node), statement)


def _stands_there(source: Source, node: ast.AST) -> bool:
    """The positions inside f-strings are right. In older Pythons they are not always."""
    if not isinstance(node, ast.expr) or isinstance(node, ast.JoinedStr):
        return False
    try:
        found = ast.parse(source.segment(node), mode="eval").body
    except (SyntaxError, ValueError, IndexError):
        return False
    return ast.dump(found) == ast.dump(node)


def guards(statement: ast.AST) -> Iterator[tuple[ast.AST, ast.expr]]:
    """The cases of a `match` that have a condition, each with it."""
    if sys.version_info >= (3, 10) and isinstance(statement, ast.Match):
        yield from ((case, case.guard) for case in statement.cases if case.guard is not None)


def is_guard(node: ast.AST, parent: ast.AST) -> bool:
    """It is the condition of a case."""
    if sys.version_info >= (3, 10) and isinstance(parent, ast.match_case):
        return node is parent.guard
    return False


def _captured(pattern: ast.AST) -> str | None:
    """The name that a pattern gives to what it matches, itself."""
    if sys.version_info >= (3, 10) and isinstance(pattern, (ast.MatchAs, ast.MatchStar)):
        return pattern.name
    if sys.version_info >= (3, 10) and isinstance(pattern, ast.MatchMapping):
        return pattern.rest
    return None


def _expressions(statement: ast.stmt) -> Iterator[ast.AST]:
    """The parts of a statement that are neither statements, annotations nor cases."""
    skipped: list[ast.AST | None] = []
    if isinstance(statement, ast.AnnAssign):
        skipped = [statement.annotation]
    if isinstance(statement, (*FunctionNode, ast.ClassDef)):
        return
    for child in ast.iter_child_nodes(statement):
        if child in skipped or isinstance(child, (ast.stmt, ast.excepthandler)):
            continue
        if not type(child).__name__.startswith("match"):
            yield child


def _score(scope: Scope, node: ast.expr | ast.stmt | ast.keyword) -> float:
    lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
    return max((scope.known.lines.get((scope.source.path, n), 0.0) for n in lines), default=0.0)


def _header_score(scope: Scope, statement: ast.stmt) -> float:
    """The suspicion of a statement's own lines, without those of the blocks inside."""
    first, last = statement.lineno, statement.end_lineno or statement.lineno
    inside = [block[0].lineno for block in blocks(statement) if block]
    if inside and min(inside) > first:
        last = min(inside) - 1
    found = scope.known.lines
    scores = (found.get((scope.source.path, n), 0.0) for n in range(first, last + 1))
    return max(scores, default=0.0)


def _stored(unit: ast.AST) -> Iterator[str]:
    """Names that a function assigns, in order, without those of functions inside."""
    for child in ast.iter_child_nodes(unit):
        if isinstance(child, (*FunctionNode, ast.Lambda, *COMPREHENSIONS)):
            continue
        if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
            yield child.id
        elif isinstance(child, ast.ExceptHandler) and child.name:
            yield child.name
        captured = _captured(child)
        if captured:
            yield captured
        yield from _stored(child)


def _module_names(tree: ast.Module) -> tuple[list[str], list[str], list[str]]:
    """Functions, classes and assigned names of a module."""
    functions = [n.name for n in tree.body if isinstance(n, FunctionNode)]
    classes = [n.name for n in tree.body if isinstance(n, ast.ClassDef)]
    constants: list[str] = []
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign) and node.value is not None:
            targets = [node.target]
        constants += [t.id for t in targets if isinstance(t, ast.Name)]
    return functions, classes, constants


def _class_names(tree: ast.Module, unit: Unit | None) -> tuple[list[str], list[str]]:
    """Attributes and methods of the class that a method belongs to."""
    attributes: dict[str, None] = {}
    methods: dict[str, None] = {}
    name = unit.classes[-1] if unit is not None and unit.classes else None
    for node in ast.walk(tree):
        if not isinstance(node, ast.ClassDef) or node.name != name:
            continue
        for inner in ast.walk(node):
            if isinstance(inner, FunctionNode):
                methods[inner.name] = None
            elif isinstance(inner, ast.Attribute) and isinstance(inner.value, ast.Name):
                if inner.value.id == "self":
                    attributes[inner.attr] = None
            elif isinstance(inner, ast.AnnAssign) and isinstance(inner.target, ast.Name):
                attributes[inner.target.id] = None
    return [a for a in attributes if a not in methods], list(methods)


def _constants(unit: ast.AST, kind: type) -> list[object]:
    nodes = (n for n in ast.walk(unit) if isinstance(n, ast.Constant))
    return list(dict.fromkeys(n.value for n in nodes if type(n.value) is kind))


def _is_donor(node: ast.expr) -> bool:
    """Reads something and is more than a name or a literal."""
    if isinstance(node, (ast.Attribute, ast.Subscript)):
        return isinstance(node.ctx, ast.Load)
    return isinstance(node, (ast.Call, ast.BinOp, ast.Compare, ast.UnaryOp, ast.BoolOp))


def is_target(node: ast.expr) -> bool:
    """It is assigned to or deleted, not read."""
    kinds = (ast.Name, ast.Attribute, ast.Subscript, ast.Tuple, ast.List, ast.Starred)
    return isinstance(node, kinds) and not isinstance(node.ctx, ast.Load)


def has_slices(node: ast.expr) -> bool:
    """`::2, 1` of `a[::2, 1]`: it stands in brackets only."""
    return isinstance(node, ast.Tuple) and any(isinstance(e, ast.Slice) for e in node.elts)


def base_type(name: str) -> str:
    """`list` of `list[int]`."""
    return name.split("[", 1)[0]


def alike(a: Types, b: Types) -> bool | None:
    """Whether two sets of types meet; numbers count as one kind. None when one is unknown."""
    left = {_kind(t) for t in a if t != "NoneType"}
    right = {_kind(t) for t in b if t != "NoneType"}
    if not left or not right:
        return None
    return not left.isdisjoint(right)


def is_numeric(types: Types) -> bool:
    return bool(types) and all(t in NUMBERS for t in types)


def may_be_number(types: Types) -> bool:
    """True for numbers, and for what was never seen."""
    return not types or is_numeric(types)


def may_be(types: Types, *names: str) -> bool:
    """True when one of the types is among `names`, or nothing is known."""
    return not types or any(base_type(t) in names for t in types)


def _kind(name: str) -> str:
    return "number" if name in NUMBERS and name != "bool" else base_type(name)
