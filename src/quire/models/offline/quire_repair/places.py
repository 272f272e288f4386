"""Where statements stand: in which block, on which lines, alone on them or not."""

from __future__ import annotations

import ast

from .sites import Proposal, Site
from .sources import blocks


def place(site: Site) -> tuple[list[ast.stmt], int]:
    """The block a statement stands in and its number there."""
    for block in blocks(site.parent):
        for number, statement in enumerate(block):
            if statement is site.node:
                return block, number
    return [site.statement], 0


def whole_lines(site: Site, node: ast.stmt) -> tuple[int, int]:
    """The lines of a statement that has them for itself; an empty span for others."""
    first = first_line(node)
    start = site.source.line_start(first)
    end = site.source.line_start((node.end_lineno or node.lineno) + 1)
    text = site.source.text[start:end]
    shares = ";" in text.split("\n")[-2:][0] if text else True
    before = site.source.text[start : site.source.offset(node.lineno, node.col_offset)]
    return (start, start) if shares or (before.strip() and first == node.lineno) else (start, end)


def first_line(node: ast.stmt) -> int:
    """With decorators."""
    decorated = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
    decorators = node.decorator_list if decorated else []
    return min([node.lineno, *(d.lineno for d in decorators)])


def first_statement(block: list[ast.stmt]) -> int:
    """After the docstring."""
    first = block[0]
    is_text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return 1 if is_text and len(block) > 1 else 0


def begins_line(site: Site, node: ast.stmt) -> bool:
    """Nothing stands before it on its line: its block is not that of a one-line function."""
    line = first_line(node)
    start = site.source.line_start(line)
    return line != node.lineno or not site.source.text[start : site.source.span(node)[0]].strip()


def ends_line(site: Site, node: ast.stmt) -> bool:
    """Nothing but a comment follows on its line."""
    end = site.source.span(node)[1]
    rest = site.source.text[end : site.source.line_start(site.source.line_of(end) + 1)]
    return rest.strip(" \t\f;\n")[:1] in ("", "#")


def insertion(at: int, text: str, kind: str, prior: float) -> Proposal:
    return Proposal(at, at, text, kind, prior)
