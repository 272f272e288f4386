"""Conditions: negated, made constant, joined with others; and those that could be missing."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .sites import Proposal, Site, base_type, is_guard, is_numeric

HOLDERS = ("list", "dict", "set", "frozenset", "deque", "defaultdict", "Counter", "OrderedDict")
USUAL_BOUNDS = (
    ("== 0", 0.3),
    ("> 0", 0.3),
    ("< 1", 0.5),
    ("== 1", 0.5),
    ("< 2", 0.5),
    ("> 1", 0.5),
)
PLAIN_TYPES = ("int", "float", "str", "bytes", "list", "tuple", "dict", "set")
NAME_CONDITIONS = (
    ("{}", ("str", "list", "dict", "set", "tuple", "deque", "bool"), 0.1),
    ("not {}", ("str", "list", "dict", "set", "tuple", "deque", "bool"), 0.1),
    ("{} is None", ("NoneType",), 0.0),
    ("{} is not None", ("NoneType",), 0.0),
    ("{} > 0", ("int", "float"), 0.2),
    ("{} < 0", ("int", "float"), 0.2),
    ("{} == 0", ("int", "float"), 0.2),
    ("{} != 0", ("int", "float"), 0.2),
    ("{} >= 0", ("int", "float"), 0.3),
    ("{} == 1", ("int",), 0.4),
    ("{} % 2 == 0", ("int",), 1.0),
    ("{} % 2 == 1", ("int",), 1.0),
    ("len({}) > 1", ("str", "list", "tuple"), 0.5),
)


def condition(site: Site) -> Iterator[Proposal]:
    """A condition negated, made constant, or joined with another condition."""
    node, parent = site.node, site.parent
    if not isinstance(node, ast.expr):
        return
    is_test = (
        isinstance(parent, (ast.If, ast.While, ast.IfExp, ast.Assert)) and node is parent.test
    ) or (isinstance(parent, ast.comprehension) and node in parent.ifs)
    is_test = is_test or is_guard(node, parent)
    if isinstance(parent, ast.Return) and site.types() == ("bool",):
        yield site.replace(f"not {site.atom(node)}", "negated condition", 1.6)
        is_test = True
    if not is_test:
        return
    if not isinstance(node, ast.UnaryOp):
        yield site.replace(f"not {site.atom(node)}", "negated condition", 1.5)
    for text, prior in (("True", 2.6), ("False", 2.4)):
        yield site.replace(text, "constant condition", prior, tight=True)
    loose = isinstance(node, (ast.IfExp, ast.Lambda, ast.NamedExpr))
    own = f"({site.src(node)})" if loose else site.src(node)
    if isinstance(node, ast.Constant):
        for atom, price in condition_atoms(site):
            yield site.replace(atom, "condition", 2.2 + price)
        return
    for atom, price in condition_atoms(site):
        for symbol in ("and", "or"):
            weaker = isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or)
            left = f"({own})" if weaker and symbol == "and" else own
            yield site.replace(f"{left} {symbol} {atom}", "added condition", 2.6 + price)
            if "None" in atom or site.scope.known.crashes:
                text = f"{atom} {symbol} {left}"
                yield site.replace(text, "added condition", 2.7 + price)


def condition_atoms(site: Site) -> Iterator[tuple[str, float]]:
    """Conditions that could be missing, from the function's own names and expressions, with what
    they cost more than the plainest."""
    mentioned = {n.id for n in ast.walk(site.statement) if isinstance(n, ast.Name)}
    for text, types, node in site.scope.donors:
        if types == ("bool",) and not isinstance(node, ast.UnaryOp):
            yield text, 0.0
            yield f"not {text}" if isinstance(node, (ast.Call, ast.Name)) else f"not ({text})", 0.2
    names = [n for n in site.names() if n not in ("self", "cls")]
    ended = _ended_loop_names(site)
    for name in names[:12]:
        far = 0.0 if name in mentioned else 0.3
        far += 0.4 if name in ended else 0.0
        types = site.scope.name_types(name)
        for text, kinds, price in NAME_CONDITIONS:
            if types and any(base_type(t) in kinds for t in types):
                yield text.format(name), far + price
    for attribute in site.scope.attributes if "self" in site.scope.params else ():
        price = 0.1 if site.scope.is_never_read(attribute) else 0.5
        yield f"self.{attribute}", price
        yield f"not self.{attribute}", price + 0.1
    yield from _parts(site, names)
    yield from _sibling_conditions(site)
    yield from _memberships(site, names)
    yield from _kinds(site, names)
    numeric = [n for n in names if is_numeric(site.scope.name_types(n))]
    for one in numeric[:5]:
        for two in numeric[:5]:
            if one < two:
                for symbol in ("<", "<=", ">", ">=", "==", "!="):
                    yield f"{one} {symbol} {two}", 0.4


def _parts(site: Site, names: list[str]) -> Iterator[tuple[str, float]]:
    """Attributes of what the names hold, and numeric attributes beside usual numbers."""
    mentioned = {n.id for n in ast.walk(site.statement) if isinstance(n, ast.Name)}
    for name in sorted(names, key=lambda name: name not in mentioned)[:5]:
        price = 0.4 if name in mentioned else 0.6
        for kind in site.scope.name_types(name):
            for attribute in site.scope.known.classes.get(base_type(kind), ())[:10]:
                yield f"{name}.{attribute}", price
                yield f"not {name}.{attribute}", price
    for text, types, node in site.scope.donors:
        if is_numeric(types) and isinstance(node, ast.Attribute):
            yield from ((f"{text} {rest}", price) for rest, price in USUAL_BOUNDS)


def _sibling_conditions(site: Site) -> Iterator[tuple[str, float]]:
    """A condition of the function about another value: `isinstance(a, dict)` about `b[k]`."""
    values = [
        text
        for text, types, node in site.scope.donors
        if isinstance(node, (ast.Subscript, ast.Attribute)) and types and "bool" not in types
    ]
    nodes = (n for n in ast.walk(site.scope.node) if isinstance(n, ast.Subscript))
    values += [site.src(n) for n in nodes if not isinstance(n.slice, ast.Slice)][:6]
    for text, types, node in site.scope.donors:
        if types != ("bool",) or isinstance(node, (ast.BoolOp, ast.UnaryOp)):
            continue
        names = [n for n in ast.walk(node) if isinstance(n, ast.Name) and n.id in site.names()]
        first = site.source.span(node)[0]
        for name in names[:2]:
            start, end = (place - first for place in site.source.span(name))
            for other in dict.fromkeys([*values, *site.names()]):
                if other not in (name.id, "self", "cls") and other not in text:
                    yield text[:start] + other + text[end:], 0.7


def _memberships(site: Site, names: list[str]) -> Iterator[tuple[str, float]]:
    """`a in b` for the collections that the statement names."""
    mentioned = {n.id for n in ast.walk(site.statement) if isinstance(n, ast.Name)}
    holders = [n for n in names if _may_hold(site.scope.name_types(n))]
    holders += [f"self.{a}" for a in site.scope.attributes if _reads(site.statement, a)]
    for holder in holders[:4]:
        for name in [n for n in names if n in mentioned and n != holder][:5]:
            if not _may_hold(site.scope.name_types(name)):
                yield f"{name} not in {holder}", 0.4
                yield f"{name} in {holder}", 0.5


def _kinds(site: Site, names: list[str]) -> Iterator[tuple[str, float]]:
    """What a name of several types is; which class a class is."""
    classes = [c for c in (*site.scope.classes, *site.scope.known.mined.exceptions) if c]
    for name in names[:8]:
        types = {base_type(t) for t in site.scope.name_types(name)} - {"NoneType"}
        if "type" in types or site.scope.name_types(name) == ("ABCMeta",):
            yield from ((f"issubclass({name}, {c})", 0.4) for c in classes[:6])
        elif len(types) > 1 or not types.isdisjoint(classes):
            for kind in sorted(types & {*PLAIN_TYPES, *classes}):
                yield f"isinstance({name}, {kind})", 0.5
                yield f"not isinstance({name}, {kind})", 0.5


def _may_hold(types: tuple[str, ...]) -> bool:
    return any(base_type(t) in HOLDERS for t in types)


def _reads(node: ast.AST, attribute: str) -> bool:
    found = (n for n in ast.walk(node) if isinstance(n, ast.Attribute))
    return any(n.attr == attribute for n in found)


def _ended_loop_names(site: Site) -> set[str]:
    """Targets of loops that the site does not stand in."""
    loops = [n for n in ast.walk(site.scope.node) if isinstance(n, ast.For)]
    ended = (n.target for n in loops if n not in site.parents)
    return {n.id for target in ended for n in ast.walk(target) if isinstance(n, ast.Name)}


OPERATORS = (condition,)
