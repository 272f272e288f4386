"""What can be read from objects of the project's classes."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator

from .sources import FunctionNode, Source
from .trace import Line

MOST_HOLDERS = 60


def readable(sources: Iterable[Source]) -> dict[str, tuple[str, ...]]:
    """The attributes and properties of the classes of some modules, by class, in the order in
    which they stand."""
    found: dict[str, dict[str, None]] = {}
    for source in sources:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.ClassDef):
                names = found.setdefault(node.name, {})
                names.update((name, None) for inner in node.body for name in _readable(inner))
    return {name: tuple(names) for name, names in found.items()}


def names_read(
    sources: Iterable[Source], lines: dict[Line, float]
) -> tuple[tuple[str, float], ...]:
    """The names and attributes that suspicious lines read, with the highest suspicion of each."""
    found: dict[str, float] = {}
    for source in sources:
        for node in ast.walk(source.tree):
            if isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Load):
                name = node.id if isinstance(node, ast.Name) else node.attr
                score = lines.get((source.path, node.lineno), 0.0)
                if score > found.get(name, 0.0):
                    found[name] = score
    return tuple(sorted(found.items()))


def holders(
    paths: list[str], read: Callable[[str], Source | None], names: set[str]
) -> list[Source]:
    """The modules that give these names their values; none in a project of many modules."""
    sources = [read(path) for path in paths] if len(paths) <= MOST_HOLDERS else []
    return [source for source in sources if source is not None and _assigns(source, names)]


def _assigns(source: Source, names: set[str]) -> bool:
    for node in source.tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
        if any(isinstance(t, ast.Name) and t.id in names for t in targets):
            return True
    return False


def _readable(node: ast.stmt) -> Iterator[str]:
    """Of one statement of a class: a field, a property, what a method sets on `self`."""
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        yield node.target.id
    elif isinstance(node, FunctionNode):
        if any(isinstance(d, ast.Name) and d.id == "property" for d in node.decorator_list):
            yield node.name
        stored = (n for n in ast.walk(node) if isinstance(n, ast.Attribute))
        stored = (n for n in stored if isinstance(n.ctx, ast.Store))
        owned = ((n.value, n.attr) for n in stored)
        yield from (a for value, a in owned if isinstance(value, ast.Name) and value.id == "self")
