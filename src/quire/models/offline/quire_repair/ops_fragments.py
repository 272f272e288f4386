"""Edits that take from the rest of the code base: calls of its functions, and expressions,
conditions, statements and guards of other functions, their variables renamed where need be."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import NamedTuple

from .fragments import KEPT, Fragment, global_names, words_of
from .ops_flow import LOOPS
from .places import begins_line, ends_line, first_line, first_statement, place
from .sites import ATOMS, COMPREHENSIONS, Proposal, Scope, Site, Types, alike, base_type, is_target

NOT_WRAPPED = (
    *(ast.Constant, ast.Starred, ast.Slice, ast.Yield, ast.YieldFrom, ast.FormattedValue),
    *(ast.Tuple, ast.Await, ast.JoinedStr),
)
MOST_EXPRESSIONS = 200
MOST_LINES = 10
PER_SITE = 8
OTHER_FILE = 0.2
RENAMED = 0.2
UNKNOWN = 0.4
"""What it costs more when the types are not known."""

MOST_RENAMED = 2


class Borrowed(NamedTuple):
    """A fragment as it can stand in a function, and what that costs more."""

    text: str
    types: Types
    words: frozenset[str]
    kind: type[ast.AST]
    price: float


class Shelf(NamedTuple):
    """What fits into one function."""

    expressions: tuple[Borrowed, ...]
    statements: tuple[Borrowed, ...]
    guards: tuple[Borrowed, ...]


def helper(site: Site) -> Iterator[Proposal]:
    """A value given to a function of the project that takes its type: `f(x)` for `x`; another
    function for the one that is called."""
    node = site.node
    if not isinstance(node, ast.expr) or is_target(node):
        return
    helpers = site.scope.helpers
    if isinstance(node, ast.Call):
        yield from _called(site, node)
    parent = site.parent
    if isinstance(node, NOT_WRAPPED) or isinstance(parent, (ast.Expr, ast.Attribute)):
        return
    if isinstance(parent, ast.Call) and node is parent.func:
        return
    if isinstance(parent, ast.Subscript) and node is parent.value:
        return
    unit, types = site.scope.unit, site.types()
    around = site.src(parent.func) if isinstance(parent, ast.Call) else ""
    for one in helpers:
        if one.least > 1 or one.most < 1 or one.head == around:
            continue
        if unit is not None and not unit.classes and one.head == unit.name:
            continue
        fits, gives = alike(one.takes, types), alike(one.gives, types)
        if fits is False or (gives is False and not isinstance(parent, ast.Return)):
            continue
        prior = 2.4 if fits and gives else 2.4 + UNKNOWN
        yield site.replace(f"{one.head}({site.src(node)})", "function", prior, tight=True)


def _called(site: Site, node: ast.Call) -> Iterator[Proposal]:
    """Another function that takes as many values: of another module, as this one can call it."""
    if node.keywords or any(isinstance(a, ast.Starred) for a in node.args):
        return
    start, end = site.source.span(node.func)
    own = site.src(node.func)
    for one in site.scope.helpers:
        if not one.own and one.head != own and one.least <= len(node.args) <= one.most:
            near = SequenceMatcher(None, own, one.head).ratio()
            yield Proposal(start, end, one.head, "function", 2.5 - 0.6 * near)


def method(site: Site) -> Iterator[Proposal]:
    """Another method of the class of the object that it is called on."""
    node = site.node
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return
    owner = node.func.value
    if node.keywords or (isinstance(owner, ast.Name) and owner.id in ("self", "cls")):
        return
    end = site.source.span(node.func)[1]
    own = node.func.attr
    for kind in site.types(owner):
        for name, least, most in site.scope.known.fragments.methods.get(base_type(kind), ()):
            if name != own and least <= len(node.args) <= most:
                near = SequenceMatcher(None, own, name).ratio()
                yield Proposal(end - len(own), end, name, "method", 2.3 - 0.6 * near)


def expression(site: Site) -> Iterator[Proposal]:
    """An expression of another function, of the same type and with names in common."""
    node = site.node
    if not isinstance(node, ast.expr) or is_target(node) or isinstance(node, COMPREHENSIONS):
        return
    if isinstance(node, (ast.Starred, ast.Slice, ast.JoinedStr, ast.FormattedValue, ast.Lambda)):
        return
    if isinstance(site.parent, ast.Call) and node is site.parent.func:
        return
    own, types, words = site.src(node), site.types(), words_of(site.node)
    some: list[tuple[float, str, type[ast.AST]]] = []
    for one in shelf(site.scope).expressions:
        same = alike(types, one.types)
        if same is False or one.text == own:
            continue
        shared = len(words & one.words) / max(len(words | one.words), 1)
        unlike = 0.4 * (1.0 - shared)
        if same is None:
            if not shared or not isinstance(node, one.kind):
                continue
            unlike += UNKNOWN
        some.append((one.price + unlike, one.text, one.kind))
    some.sort(key=lambda item: item[:2])
    for price, text, kind in some[:PER_SITE]:
        tight = issubclass(kind, ATOMS)
        yield site.replace(text, "borrowed expression", 2.4 + price, tight=tight)
    if _is_condition(site):
        for price, text, kind in some[:PER_SITE]:
            if kind is ast.Compare or types == ("bool",):
                for symbol in ("and", "or"):
                    weaker = isinstance(node, (ast.BoolOp, ast.IfExp, ast.Lambda))
                    left = f"({own})" if weaker else own
                    yield site.replace(f"{left} {symbol} {text}", "added condition", 2.8 + price)


def _is_condition(site: Site) -> bool:
    parent = site.parent
    return isinstance(parent, (ast.If, ast.While)) and site.node is parent.test


def statement(site: Site) -> Iterator[Proposal]:
    """A statement, or a guard, of another function: before or after this one."""
    node = site.node
    if not isinstance(node, ast.stmt) or site.scope.unit is None:
        return
    block, number = place(site)
    found = shelf(site.scope)
    start = site.source.line_start(first_line(node))
    end = site.source.line_start((node.end_lineno or node.lineno) + 1)
    indent = site.source.indent_of(node.lineno)
    if not begins_line(site, node) or site.source.text.startswith("elif", site.span()[0]):
        return
    if number == first_statement(block):
        for one in found.statements:
            yield Proposal(start, start, f"{indent}{one.text}\n", "borrowed statement", one.price)
        if site.parent is site.scope.node or isinstance(site.parent, LOOPS):
            for one in found.guards:
                text = _indented(one.text, indent)
                yield Proposal(start, start, text, "borrowed guard", one.price)
    leaves = isinstance(node, (ast.Return, ast.Raise, ast.Break, ast.Continue))
    if not leaves and ends_line(site, node) and site.source.text[end - 1 : end] == "\n":
        for one in found.statements:
            yield Proposal(end, end, f"{indent}{one.text}\n", "borrowed statement", one.price)


def _indented(text: str, indent: str) -> str:
    """The lines of a statement, of which the first has lost its indentation."""
    first, *rest = text.split("\n")
    inner = min((len(line) - len(line.lstrip()) for line in rest if line.strip()), default=0)
    step = "    "
    return "".join([f"{indent}{first}\n", *(f"{indent}{step}{line[inner:]}\n" for line in rest)])


def shelf(scope: Scope) -> Shelf:
    """Kept with the scope."""
    kept = scope.shelf
    if not isinstance(kept, Shelf):
        kept = scope.shelf = _shelf(scope)
    return kept


def _shelf(scope: Scope) -> Shelf:
    fragments = scope.known.fragments
    reader = _Fitting(scope)
    return Shelf(
        reader.some(fragments.expressions, MOST_EXPRESSIONS, 0.0),
        reader.some(fragments.statements, MOST_LINES, 3.0),
        reader.some(fragments.guards, MOST_LINES, 2.6),
    )


class _Fitting:
    """Chooses what fits into one function: the fragments of functions most like it first."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._globals = global_names(scope.source.tree) | KEPT
        unit = scope.unit
        self._own = (scope.source.path, unit.index if unit is not None else -1)
        every = scope.known.fragments.words
        mine = every.get(self._own, frozenset())
        self._near = {
            home: len(mine & words) / max(len(mine | words), 1) for home, words in every.items()
        }
        self._text = scope.source.text[unit.start : unit.end] if unit is not None else ""

    def some(
        self, fragments: tuple[Fragment, ...], most: int, price: float
    ) -> tuple[Borrowed, ...]:
        ranked = sorted(
            (f for f in fragments if (f.path, f.unit) != self._own),
            key=lambda f: -self._near.get((f.path, f.unit), 0.0),
        )
        found: dict[str, Borrowed] = {}
        for one in ranked:
            if len(found) >= most:
                break
            for text, more in self._fitted(one):
                if text not in self._text:
                    far = OTHER_FILE if one.path != self._scope.source.path else 0.0
                    made = Borrowed(text, one.types, one.words, type(one.node), price + more + far)
                    found.setdefault(text, made)
        return tuple(found.values())

    def _fitted(self, one: Fragment) -> Iterator[tuple[str, float]]:
        """The fragment as it stands, or with one variable renamed, where all it reads is there."""
        scope = self._scope
        known = {*scope.attributes, *scope.methods}
        if not one.shared <= self._globals:
            return
        if not one.parts <= known or (one.parts and "self" not in scope.params):
            return
        missing: list[str] = []
        for name, (types, _) in one.slots.items():
            if name in ("self", "cls") and name in scope.params:
                continue
            if name in scope.locals:
                if alike(types, scope.name_types(name)) is False:
                    return
            elif name not in self._globals:
                missing.append(name)
        local = any(name in scope.locals for name in one.slots)
        if not missing:
            if local or one.parts or not one.slots:
                yield one.text, 0.0
            return
        if len(missing) > 1 or missing[0] in one.targets:
            return
        types, places = one.slots[missing[0]]
        fitting = [n for n in scope.locals if places and self._fits(n, types, one)]
        for name in fitting[:MOST_RENAMED]:
            text = one.text
            for start, end in sorted(places, reverse=True):
                text = text[:start] + name + text[end:]
            yield text, RENAMED

    def _fits(self, name: str, types: Types, one: Fragment) -> bool:
        if name in ("self", "cls") or name in one.slots:
            return False
        return alike(types, self._scope.name_types(name)) is True


OPERATORS = (helper, method, expression, statement)
