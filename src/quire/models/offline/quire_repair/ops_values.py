"""Edits of values: comparisons, arithmetic, conditions, constants."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from .ops_conditions import condition_atoms
from .sites import UNSURE, Proposal, Site, base_type, is_numeric, may_be_number

COMPARISONS: dict[type[ast.cmpop], tuple[str, tuple[tuple[str, float], ...]]] = {
    ast.Lt: ("<", (("<=", 1.0), (">", 1.5), (">=", 1.6), ("!=", 2.2), ("==", 2.4))),
    ast.LtE: ("<=", (("<", 1.0), (">=", 1.5), (">", 1.6), ("==", 2.2))),
    ast.Gt: (">", ((">=", 1.0), ("<", 1.5), ("<=", 1.6), ("!=", 2.2), ("==", 2.4))),
    ast.GtE: (">=", ((">", 1.0), ("<=", 1.5), ("<", 1.6), ("==", 2.2))),
    ast.Eq: ("==", (("!=", 1.3), ("<=", 1.8), (">=", 1.8), ("<", 2.3), (">", 2.3), ("in", 2.6))),
    ast.NotEq: ("!=", (("==", 1.3), ("<", 1.8), (">", 1.8), ("<=", 2.3), (">=", 2.3))),
    ast.Is: ("is", (("is not", 1.3), ("==", 1.5))),
    ast.IsNot: ("is not", (("is", 1.3), ("!=", 1.5))),
    ast.In: ("in", (("not in", 1.3), ("==", 2.6))),
    ast.NotIn: ("not in", (("in", 1.3),)),
}
ARITHMETIC: dict[type[ast.operator], tuple[str, tuple[tuple[str, float], ...]]] = {
    ast.Add: ("+", (("-", 1.2), ("*", 1.6), ("//", 2.4), ("%", 2.4))),
    ast.Sub: ("-", (("+", 1.2), ("*", 2.0), ("//", 2.3), ("%", 2.0))),
    ast.Mult: ("*", (("+", 1.6), ("**", 1.6), ("/", 1.6), ("//", 1.7), ("-", 2.2))),
    ast.Div: ("/", (("//", 1.1), ("*", 1.5), ("-", 2.2), ("%", 2.2))),
    ast.FloorDiv: ("//", (("/", 1.1), ("%", 1.3), ("*", 1.8), ("-", 2.2))),
    ast.Mod: ("%", (("//", 1.3), ("/", 2.2), ("*", 2.4), ("-", 2.2))),
    ast.Pow: ("**", (("*", 1.5), ("+", 2.4))),
    ast.LShift: ("<<", ((">>", 1.2),)),
    ast.RShift: (">>", (("<<", 1.2),)),
    ast.BitAnd: ("&", (("|", 1.3), ("^", 1.6), ("-", 2.2))),
    ast.BitOr: ("|", (("&", 1.3), ("^", 1.6), ("+", 2.4), ("-", 2.4))),
    ast.BitXor: ("^", (("&", 1.5), ("|", 1.5), ("**", 1.6))),
}
COMMUTING = (ast.Add, ast.Mult, ast.BitAnd, ast.BitOr, ast.BitXor)
FAR = 0.25
"""What it costs more to take in what the statement does not mention."""

ODD = 0.9
"""What it costs more to order what is no number."""

BITWISE = (ast.BitAnd, ast.BitOr, ast.BitXor, ast.LShift, ast.RShift)
INEQUALITIES = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)


def between(site: Site, left: ast.expr, right: ast.expr, symbol: str) -> tuple[int, int] | None:
    """Where an operator stands between its operands."""
    start, end = site.source.span(left)[1], site.source.span(right)[0]
    pattern = r"\s+".join(re.escape(word) for word in symbol.split())
    if symbol[0].isalpha():
        pattern = rf"\b{pattern}\b"
    found = re.compile(pattern).search(site.source.text, start, end)
    return found.span() if found else None


def compare(site: Site) -> Iterator[Proposal]:
    """Other comparison operators; one more or one less on a side."""
    node = site.node
    if not isinstance(node, ast.Compare):
        return
    left = node.left
    for number, operator in enumerate(node.ops):
        right = node.comparators[number]
        symbol, others = COMPARISONS[type(operator)]
        place = between(site, left, right, symbol)
        ordered = is_numeric(site.types(left)) and is_numeric(site.types(right))
        if place is not None:
            for other, prior in others:
                odd = isinstance(operator, (ast.Eq, ast.NotEq)) and other[0] in "<>"
                prior += ODD if odd and not ordered else 0.0
                yield Proposal(*place, other, "comparison", prior)
        if isinstance(operator, (*INEQUALITIES, ast.Eq, ast.NotEq)):
            for side in (right, left):
                if is_numeric(site.types(side)) and not isinstance(side, ast.Constant):
                    end = site.source.span(side)[1]
                    prior = 2.3 if _ends_in_number(side) else 1.6
                    for text in (" - 1", " + 1"):
                        yield Proposal(end, end, text, "off by one", prior)
        left = right


def arithmetic(site: Site) -> Iterator[Proposal]:
    """Other operators, a dropped operand, swapped operands, other grouping."""
    node = site.node
    if not isinstance(node, ast.BinOp) or type(node.op) not in ARITHMETIC:
        return
    symbol, others = ARITHMETIC[type(node.op)]
    place = between(site, node.left, node.right, symbol)
    if place is None:
        return
    textual = any(base_type(t) in ("str", "list", "tuple", "bytes") for t in site.types())
    for other, prior in others:
        if not (textual and other in ("//", "/", "-", "%", "**")):
            prior += 0.8 if _does_nothing(other, node.right) else 0.0
            yield Proposal(*place, other, "arithmetic operator", prior)
    for operand in (node.left, node.right):
        tight = site.is_free or site.atom(operand) == site.src(operand)
        text = site.src(operand) if tight else site.atom(operand)
        yield site.replace(text, "dropped operand", 1.7, tight=True)
    if isinstance(node.op, (ast.BitXor, ast.BitAnd, ast.BitOr, ast.Sub)) and not textual:
        text = f"{site.atom(node.left)} & ~{site.atom(node.right)}"
        yield site.replace(text, "arithmetic operator", 2.0)
    yield from _exchanged(site, node)
    yield from _exchanged_operators(site, node)
    if not isinstance(node.op, COMMUTING) or textual:
        swapped = f"{site.atom(node.right)} {symbol} {site.atom(node.left)}"
        yield site.replace(swapped, "swapped operands", 1.7)
    yield from _regrouped(site, node, symbol)


def _exchanged(site: Site, node: ast.BinOp) -> Iterator[Proposal]:
    """Two names or numbers of a whole expression in each other's place."""
    if isinstance(site.parent, ast.BinOp):
        return
    leaves = [n for n in ast.walk(node) if isinstance(n, (ast.Name, ast.Constant))]
    spans = sorted((site.source.span(leaf) for leaf in leaves), key=lambda span: span[0])[:8]
    text = site.source.text
    for number, (a, b) in enumerate(spans):
        for c, d in spans[number + 1 :]:
            if text[a:b] != text[c:d]:
                yield Proposal(a, d, text[c:d] + text[b:c] + text[a:b], "swapped operands", 1.9)


def _exchanged_operators(site: Site, node: ast.BinOp) -> Iterator[Proposal]:
    """`a + b * c` as `a * b + c`."""
    for inner in (node.left, node.right):
        if isinstance(inner, ast.BinOp) and type(inner.op) in ARITHMETIC:
            outer_symbol, symbol = ARITHMETIC[type(node.op)][0], ARITHMETIC[type(inner.op)][0]
            outer = between(site, node.left, node.right, outer_symbol)
            place = between(site, inner.left, inner.right, symbol)
            if outer and place and symbol != outer_symbol:
                (a, b), (c, d) = sorted([outer, place])
                text = site.source.text
                moved = text[c:d] + text[b:c] + text[a:b]
                yield Proposal(a, d, moved, "swapped operators", 1.9)


def _does_nothing(symbol: str, right: ast.expr) -> bool:
    """`x * 1`, `x + 0`: dropping the operand says it better."""
    if not isinstance(right, ast.Constant) or right.value not in (0, 1):
        return False
    return symbol in (("+", "-", "|", "^") if right.value == 0 else ("*", "/", "//", "**"))


def _regrouped(site: Site, node: ast.BinOp, symbol: str) -> Iterator[Proposal]:
    """`a + b * c` as `(a + b) * c`, and back."""
    for inner, first in ((node.left, True), (node.right, False)):
        if not isinstance(inner, ast.BinOp) or type(inner.op) not in ARITHMETIC:
            continue
        inside = ARITHMETIC[type(inner.op)][0]
        a, b = site.atom(inner.left), site.atom(inner.right)
        if first:
            text = f"{a} {inside} ({b} {symbol} {site.atom(node.right)})"
        else:
            text = f"({site.atom(node.left)} {symbol} {a}) {inside} {b}"
        yield site.replace(text, "grouping", 1.9)


def boolean(site: Site) -> Iterator[Proposal]:
    """`and` for `or`, a dropped or negated operand."""
    node = site.node
    if not isinstance(node, ast.BoolOp):
        return
    symbol, other = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
    for number in range(len(node.values) - 1):
        place = between(site, node.values[number], node.values[number + 1], symbol)
        if place is not None and (len(node.values) == 2 or number == 0):
            if len(node.values) == 2:
                yield Proposal(*place, other, "boolean operator", 1.2)
            else:
                text = f" {other} ".join(site.atom(value) for value in node.values)
                yield site.replace(text, "boolean operator", 1.4)
    for number, value in enumerate(node.values):
        rest = [site.src(v) for n, v in enumerate(node.values) if n != number]
        yield site.replace(f" {symbol} ".join(rest), "dropped condition", 1.7)
        start, end = site.source.span(value)
        yield Proposal(start, end, f"not ({site.src(value)})", "negated condition", 1.9)


def unary(site: Site) -> Iterator[Proposal]:
    """A dropped `not` or minus."""
    node = site.node
    if isinstance(node, ast.UnaryOp):
        prior = 1.3 if isinstance(node.op, ast.Not) else 1.5
        yield site.replace(site.atom(node.operand), "dropped negation", prior, tight=True)


def constant(site: Site) -> Iterator[Proposal]:
    """Numbers near by, other literals of the function and of the failing tests."""
    node = site.node
    if not isinstance(node, ast.Constant) or isinstance(site.parent, (ast.Expr, ast.JoinedStr)):
        return
    value = node.value
    if isinstance(value, bool):
        yield site.replace(str(not value), "truth value", 1.3, tight=True)
        if isinstance(site.parent, (ast.Return, ast.Assign)):
            for atom, price in condition_atoms(site):
                yield site.replace(atom, "condition", 2.5 + price)
    elif isinstance(value, int):
        yield from _integer(site, value)
    elif isinstance(value, float):
        for other in (value * 10, value / 10, -value, value + 1, value - 1, value * 2, value / 2):
            yield site.replace(repr(round(other, 12)), "number", 2.0)
        for number in (*site.scope.ints, *site.scope.known.mined.ints):
            yield site.replace(repr(number), "number", 2.6)
        for name in site.names()[:10]:
            if site.scope.may_be_numeric(name):
                yield site.replace(name, "name for a number", 2.4, tight=True)
    elif isinstance(value, str):
        yield from _string(site, value)
    elif value is None:
        for text, prior in (("0", 2.2), ("[]", 2.2), ("''", 2.4), ("{}", 2.5), ("False", 2.3)):
            yield site.replace(text, "other value for None", prior)
        yield from (site.replace(n, "other value for None", 2.2) for n in site.names()[:8])


def _integer(site: Site, value: int) -> Iterator[Proposal]:
    prices: dict[int, float] = {value + 1: 1.3, value - 1: 1.3}
    neutral = _neutral(site)
    if neutral is not None and neutral != value:
        prices[neutral] = 2.2
    for other, prior in ((0, 1.6), (1, 1.6), (-1, 1.9), (2, 2.0), (-value, 2.2)):
        prices.setdefault(other, prior)
    for other in (value + 2, value - 2, *range(11)):
        prices.setdefault(other, 2.7)
    if value > 9:
        for other in (value * 10, value // 10, value * 2, value // 2):
            prices.setdefault(other, 2.4)
    for other in site.scope.ints:
        prices.setdefault(other, 2.0)
    for other in site.scope.known.mined.ints:
        prices.setdefault(other, 2.5)
    prices.pop(value, None)
    for other, prior in prices.items():
        tight = other >= 0 or site.is_free
        yield site.replace(str(other), "number", prior, tight=tight)
    for name in site.names()[:10]:
        if site.scope.may_be_numeric(name):
            yield site.replace(name, "name for a number", 2.4, tight=True)
    for attribute in site.scope.attributes if "self" in site.scope.params else ():
        yield site.replace(f"self.{attribute}", "name for a number", 2.5, tight=True)
    for other in site.scope.constants:
        yield site.replace(other, "name for a number", 2.5, tight=True)
    for text, types, _ in site.scope.donors:
        if is_numeric(types):
            yield site.replace(text, "expression", 2.6)


def _neutral(site: Site) -> int | None:
    """The number that would make an operation do nothing: dropping the operand says it better."""
    parent = site.parent
    if isinstance(parent, ast.Slice) and site.node is parent.lower:
        return 0
    if not isinstance(parent, ast.BinOp):
        return None
    if site.node is parent.left and not isinstance(parent.op, (ast.Add, ast.Mult)):
        return None
    if isinstance(parent.op, (ast.Add, ast.Sub)):
        return 0
    return 1 if isinstance(parent.op, (ast.Mult, ast.Div, ast.FloorDiv, ast.Pow)) else None


def _string(site: Site, value: str) -> Iterator[Proposal]:
    prices: dict[str, float] = {}
    for other in site.scope.strings:
        prices.setdefault(other, 2.0)
    for other in site.scope.known.mined.strings:
        prices.setdefault(other, 2.6)
    variants = [value.lower(), value.upper(), value.strip(), value + " ", " " + value, value[:-1]]
    for other in (*variants, value[1:], "", " ", value + "\n", value.swapcase()):
        prices.setdefault(other, 2.4)
    prices.pop(value, None)
    for name in site.names()[:10]:
        types = site.scope.name_types(name)
        if "str" in types or (not types and site.scope.uses.get(name) == 0):
            yield site.replace(name, "name for a text", 2.4, tight=True)
    for other, prior in prices.items():
        yield site.replace(quoted(site, other), "text", prior, tight=True)


def quoted(site: Site, value: str) -> str:
    """A string literal in the quotes the site's own literal has."""
    text = repr(value)
    own = site.src(site.node) if isinstance(site.node, ast.expr) else ""
    if own.startswith('"') and '"' not in value and text.startswith("'"):
        text = '"' + text[1:-1].replace("\\'", "'") + '"'
    return text


def plus_minus(site: Site) -> Iterator[Proposal]:
    """One more or less, or another number of the function added, subtracted, multiplied."""
    node = site.node
    if not isinstance(node, ast.expr) or isinstance(node, ast.Constant) or not _is_place(site):
        return
    types = site.types()
    if not may_be_number(types) or types == ("bool",):
        return
    loose = isinstance(node, (ast.IfExp, ast.BoolOp, ast.Compare, ast.Lambda))
    own = f"({site.src(node)})" if loose else site.src(node)
    near = 1.5 if isinstance(node, (ast.Name, ast.Call, ast.BinOp, ast.Subscript)) else 1.8
    near += 0.2 if isinstance(site.parent, ast.BinOp) else 0.0
    near += 0.7 if _ends_in_number(node) else 0.0
    if not types:
        for text in (f"{own} + 1", f"{own} - 1"):
            yield site.replace(text, "off by one", near + UNSURE)
        return
    for text in (f"{own} + 1", f"{own} - 1"):
        yield site.replace(text, "off by one", near)
    tight = site.atom(node) if isinstance(node, ast.BinOp) else own
    beside = site.src(site.statement).split("\n")[0]
    for name in _numbers(site)[:10]:
        far = 0.0 if name in beside else FAR
        for symbol in ("+", "-"):
            yield site.replace(f"{own} {symbol} {name}", "missing term", 2.4 + far)
        for symbol in ("*", "//", "/", "%"):
            yield site.replace(f"{tight} {symbol} {name}", "missing factor", 2.6 + far)
        for word in ("max", "min"):
            yield site.replace(f"{word}({own}, {name})", "bound", 2.6 + far, tight=True)
    bits = isinstance(node, ast.BinOp) and isinstance(node.op, BITWISE)
    yield site.replace(f"-{site.atom(node)}", "sign", 2.6 if bits else 2.0)


def _ends_in_number(node: ast.expr) -> bool:
    """`n + 1`: changing the number says more than adding another one."""
    return (
        isinstance(node, ast.BinOp)
        and isinstance(node.op, (ast.Add, ast.Sub))
        and isinstance(node.right, ast.Constant)
    )


def _is_place(site: Site) -> bool:
    """Whole values, not their parts: what is returned, assigned, passed, indexed, compared."""
    kinds = (ast.Return, ast.Assign, ast.AugAssign, ast.Call, ast.Subscript, ast.Slice)
    loads = not isinstance(site.node, (ast.Name, ast.Attribute, ast.Subscript)) or isinstance(
        site.node.ctx, ast.Load
    )
    inside = (*kinds, ast.Tuple, ast.List, ast.keyword, ast.IfExp, ast.Yield, ast.AnnAssign)
    if isinstance(site.parent, ast.BinOp):
        return loads and isinstance(site.node, (ast.Name, ast.Call))
    if isinstance(site.parent, ast.Call) and site.node is site.parent.func:
        return False
    if isinstance(site.parent, ast.Subscript) and site.node is site.parent.value:
        return False
    return loads and isinstance(site.parent, inside)


def _numbers(site: Site) -> list[str]:
    """Numeric names and small numeric expressions that can be read here."""
    own = site.src(site.node) if isinstance(site.node, ast.expr) else ""
    names = [n for n in site.names() if is_numeric(site.scope.name_types(n))]
    donors = [text for text, types, node in site.scope.donors if _is_simple(node, types)]
    donors += [f"len({n})" for n in site.names() if _is_sized(site.scope.name_types(n))][:5]
    return [text for text in dict.fromkeys([*names, *donors]) if text != own]


def _is_sized(types: tuple[str, ...]) -> bool:
    return any(base_type(t) in ("str", "list", "tuple", "dict", "set") for t in types)


def _is_simple(node: ast.expr, types: tuple[str, ...]) -> bool:
    return isinstance(node, (ast.Call, ast.Attribute, ast.Subscript)) and is_numeric(types)


OPERATORS = (compare, arithmetic, boolean, unary, constant, plus_minus)
