"""A case that returns early, put before any statement; a value chosen by a condition."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .ops_conditions import condition_atoms
from .sites import Proposal, Site, alike, is_numeric

MOST_ATOMS = 24
MOST_VALUES = 8
LATER = 3.0


def early_return(site: Site) -> Iterator[Proposal]:
    """`if CONDITION: return VALUE` before a statement that is not the first: conditions over the
    names that the statement reads, values that are at hand."""
    node = site.node
    if not isinstance(node, (ast.Return, ast.If, ast.Assign, ast.AugAssign, ast.Expr, ast.For)):
        return
    if site.scope.unit is None or _is_text(node):
        return
    source = site.source
    start = source.line_start(node.lineno)
    if source.text[start : site.span()[0]].strip():
        return
    indent = source.indent_of(node.lineno)
    values = list(_values(site))[:MOST_VALUES]
    for atom, price in _atoms(site, node):
        for value in values:
            text = f"{indent}if {atom}:\n{indent}{source.step}return {value}\n"
            yield Proposal(start, start, text, "early return", LATER + price)


def chosen(site: Site) -> Iterator[Proposal]:
    """`return A` as `return A if CONDITION else B`."""
    node = site.node
    if not isinstance(node, ast.expr) or not isinstance(site.parent, (ast.Return, ast.Assign)):
        return
    if isinstance(node, (ast.Constant, ast.IfExp, ast.Name)) or node is not site.parent.value:
        return
    types = site.types()
    plain = {"str": "''", "int": "0", "float": "0.0", "list": "[]", "NoneType": "None"}
    values = [plain[t] for t in plain if t in {name.split("[")[0] for name in types}]
    values += [n for n in site.names()[:8] if alike(types, site.scope.name_types(n))]
    for atom, price in _atoms(site, node):
        for value in values[:4]:
            text = f"{site.src(node)} if {atom} else {value}"
            yield site.replace(text, "chosen value", LATER + 0.1 + price)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _atoms(site: Site, node: ast.AST) -> list[tuple[str, float]]:
    """Conditions about what the node reads, the plainest first."""
    read = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    found: list[tuple[str, float]] = []
    for atom, price in condition_atoms(site):
        if any(name in read for name in _names(atom)):
            found.append((atom, price))
    return sorted(found, key=lambda item: item[1])[:MOST_ATOMS]


def _names(text: str) -> set[str]:
    try:
        tree = ast.parse(text, mode="eval")
    except SyntaxError:
        return set()
    return {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}


def _values(site: Site) -> Iterator[str]:
    """What could be returned: what the function returns elsewhere, its names of such a type."""
    returns = [n for n in ast.walk(site.scope.node) if isinstance(n, ast.Return) and n.value]
    types = {t for n in returns for t in site.types(n.value)}
    found: dict[str, None] = {}
    for name in site.names():
        own = site.scope.name_types(name)
        if own and name not in ("self", "cls") and alike(tuple(types), own):
            found[name] = None
    for node in returns:
        text = site.src(node.value) if node.value is not None else ""
        if len(text) <= 30 and "\n" not in text:
            found[text] = None
    if is_numeric(tuple(types)):
        found["0"] = None
    if "bool" in types:
        found.update({"True": None, "False": None})
    yield from found


def wrapped(site: Site) -> Iterator[Proposal]:
    """`STATEMENT` as `if CONDITION: STATEMENT`."""
    node = site.node
    if not isinstance(node, (ast.Assign, ast.AugAssign, ast.Expr, ast.Raise)) or _is_text(node):
        return
    source = site.source
    start, end = source.line_start(node.lineno), source.line_start((node.end_lineno or 0) + 1)
    if source.text[start : site.span()[0]].strip() or source.text[end - 1 : end] != "\n":
        return
    indent = source.indent_of(node.lineno)
    if any(_spans_lines(part) for part in ast.walk(node)):
        return
    lines = source.text[start:end].split("\n")[:-1]
    if any(line.strip() and not line.startswith(indent) for line in lines):
        return
    own = "".join(f"{source.step}{line}\n" if line.strip() else "\n" for line in lines)
    for atom, price in [*_absent(site, node), *_atoms(site, node)]:
        yield Proposal(start, end, f"{indent}if {atom}:\n{own}", "missing condition", 2.9 + price)


def _spans_lines(node: ast.AST) -> bool:
    """A text whose inner lines must not be moved."""
    is_text = isinstance(node, (ast.Constant, ast.JoinedStr))
    return is_text and node.lineno != node.end_lineno


def _absent(site: Site, node: ast.stmt) -> Iterator[tuple[str, float]]:
    """`d[k] = v` only where there is none yet."""
    target = node.targets[0] if isinstance(node, ast.Assign) else None
    if isinstance(target, ast.Subscript) and not isinstance(target.slice, ast.Slice):
        yield f"{site.src(target.slice)} not in {site.src(target.value)}", -0.6
        yield f"{site.src(target.slice)} in {site.src(target.value)}", -0.2


OPERATORS = (early_return, chosen, wrapped)
