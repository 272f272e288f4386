"""Which functions of a test lead to what its failing line sees: data flow, backwards."""

from __future__ import annotations

import ast

from .sources import FunctionNode, Source, blocks

DIRECT = 1.0
FADING = 0.6
"""What one more step back through a variable is worth."""


def leading_to(test: Source, line: int) -> dict[str, float]:
    """The names of functions and methods that are called for the statement of a test at a line:
    1 for those called there, less for those whose results or effects reach it by variables. Empty
    where the line is in no function."""
    function = _around(test, line)
    if function is None:
        return {}
    before = [s for s in _flat(function.body) if s.lineno <= line]
    if not before:
        return {}
    found: dict[str, float] = {}
    needed: dict[str, float] = {}
    _take(before[-1], DIRECT, found, needed)
    for statement in reversed(before[:-1]):
        weight = max((needed.get(name, 0.0) for name in _changed(statement)), default=0.0)
        if weight > 0.0:
            _take(statement, weight * FADING, found, needed)
    return found


def _around(test: Source, line: int) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    inside = [
        node
        for node in ast.walk(test.tree)
        if isinstance(node, FunctionNode) and node.lineno <= line <= (node.end_lineno or 0)
    ]
    return max(inside, key=lambda node: node.lineno, default=None)


def _flat(block: list[ast.stmt]) -> list[ast.stmt]:
    """All statements, those that hold others before what they hold."""
    found: list[ast.stmt] = []
    for statement in block:
        found.append(statement)
        for inner in blocks(statement):
            found += _flat(inner)
    return found


def _take(
    statement: ast.stmt, weight: float, found: dict[str, float], needed: dict[str, float]
) -> None:
    """The calls of a statement, and the variables that it reads."""
    held = {id(inner) for block in blocks(statement) for one in block for inner in ast.walk(one)}
    for node in ast.walk(statement):
        if id(node) in held:
            continue
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            name = node.func.id if isinstance(node.func, ast.Name) else name
            found[name] = max(found.get(name, 0.0), weight)
        elif isinstance(node, ast.Attribute):
            found[node.attr] = max(found.get(node.attr, 0.0), weight)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            needed[node.id] = max(needed.get(node.id, 0.0), weight)


def _changed(statement: ast.stmt) -> set[str]:
    """Variables that a statement assigns, and those whose methods it calls for their effect."""
    found = {
        node.id
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    if isinstance(statement, ast.Expr):
        found |= {n.id for n in ast.walk(statement.value) if isinstance(n, ast.Name)}
    return found
