"""Edits of conditions as a whole: other grouping, bounds on both sides, choices between values."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .ops_conditions import condition_atoms
from .ops_values import COMPARISONS
from .sites import Proposal, Site, is_numeric

WORDS: dict[type[ast.boolop], str] = {ast.And: "and", ast.Or: "or"}
LOOSE = (ast.BoolOp, ast.IfExp, ast.Lambda, ast.NamedExpr, ast.Yield, ast.YieldFrom)
UPPER = (ast.Lt, ast.LtE)
LOWER = (ast.Gt, ast.GtE)


def regrouped(site: Site) -> Iterator[Proposal]:
    """`a or b and c` as `a and (b or c)` and as `(a or b) and c`, and so on."""
    node = site.node
    if not isinstance(node, ast.BoolOp):
        return
    word = WORDS[type(node.op)]
    for number, value in enumerate(node.values):
        if not isinstance(value, ast.BoolOp):
            continue
        inner = WORDS[type(value.op)]
        own = f"({f' {word} '.join(_operand(site, part) for part in value.values)})"
        parts = [_operand(site, part) for part in node.values]
        parts[number] = own
        yield site.replace(f" {inner} ".join(parts), "boolean operator", 1.6)
        if len(node.values) == 2:
            yield from _rotated(site, node, value, number)


def _rotated(site: Site, node: ast.BoolOp, value: ast.BoolOp, number: int) -> Iterator[Proposal]:
    """`a or (b and c)` as `(a or b) and c`; `(a and b) or c` as `a and (b or c)`."""
    word, inner = WORDS[type(node.op)], WORDS[type(value.op)]
    other = _operand(site, node.values[1 - number])
    first, last = _operand(site, value.values[0]), _operand(site, value.values[-1])
    middle = [_operand(site, part) for part in value.values[1:-1]]
    if number == 1:
        parts = [f"({other} {word} {first})", *middle, last]
    else:
        parts = [first, *middle, f"({last} {word} {other})"]
    yield site.replace(f" {inner} ".join(parts), "grouping", 1.8)


def _operand(site: Site, node: ast.expr) -> str:
    """In parentheses where `and` or `or` would take it apart."""
    loose = isinstance(node, LOOSE)
    return f"({site.src(node)})" if loose else site.src(node)


def _joined(site: Site) -> bool:
    """A comparison needs no parentheses here."""
    return isinstance(site.parent, (ast.BoolOp, ast.UnaryOp))


def bounded(site: Site) -> Iterator[Proposal]:
    """`x < n` as `0 <= x < n`, `x >= 0` as `0 <= x < n`; a part of a chain less."""
    node = site.node
    if not isinstance(node, ast.Compare):
        return
    if len(node.ops) > 1:
        yield from _shorter(site, node)
        return
    left, right = node.left, node.comparators[0]
    if not (is_numeric(site.types(left)) and is_numeric(site.types(right))):
        return
    symbol = COMPARISONS[type(node.ops[0])][0]
    if isinstance(node.ops[0], UPPER):
        for low, prior in (("0 <=", 2.2), ("0 <", 2.4), ("1 <=", 2.6)):
            text = f"{low} {site.src(left)} {symbol} {site.src(right)}"
            yield site.replace(text, "bound", prior, tight=_joined(site))
    elif isinstance(node.ops[0], LOWER) and isinstance(right, ast.Constant):
        turned = {">=": "<=", ">": "<"}[symbol]
        for name in _sizes(site):
            text = f"{site.src(right)} {turned} {site.src(left)} < {name}"
            yield site.replace(text, "bound", 2.6, tight=_joined(site))


def _shorter(site: Site, node: ast.Compare) -> Iterator[Proposal]:
    parts = [node.left, *node.comparators]
    symbols = [COMPARISONS[type(op)][0] for op in node.ops]
    first = f"{site.src(parts[0])} {symbols[0]} {site.src(parts[1])}"
    last = f"{site.src(parts[-2])} {symbols[-1]} {site.src(parts[-1])}"
    yield site.replace(first, "dropped condition", 2.2)
    yield site.replace(last, "dropped condition", 2.2)


def _sizes(site: Site) -> Iterator[str]:
    """Lengths and numbers that the function reads."""
    for text, types, node in site.scope.donors:
        if is_numeric(types) and isinstance(node, (ast.Call, ast.Attribute)):
            yield text


def strengthened(site: Site) -> Iterator[Proposal]:
    """`a or b` as `a or (b and c)`, `a and b` as `a and (b or c)`."""
    node, parent = site.node, site.parent
    if not isinstance(node, ast.expr) or not isinstance(parent, ast.BoolOp):
        return
    word = "and" if isinstance(parent.op, ast.Or) else "or"
    if isinstance(node, ast.BoolOp):
        return
    for atom, price in condition_atoms(site):
        yield site.replace(
            f"({site.src(node)} {word} {atom})", "added condition", 2.7 + price, True
        )


OPERATORS = (regrouped, bounded, strengthened)
