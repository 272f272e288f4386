"""Edits that call other functions of the project: their parameters are filled by names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from .sites import Proposal, Site, base_type, has_slices, is_target
from .sources import FunctionNode

COLLECTIONS = ("list", "tuple", "set", "frozenset", "dict", "deque", "generator", "str", "range")
MOST_CALLABLES = 16
USUAL = {
    "copy": ("deepcopy", "copy"),
    "math": ("floor", "ceil", "sqrt", "fabs"),
    "html": ("escape", "unescape"),
}
"""Functions of modules that are imported whole."""

NEVER = 1000
NOT_WRAPPED = (
    *(ast.Constant, ast.Starred, ast.Slice, ast.Yield, ast.YieldFrom, ast.FormattedValue),
)
MAKERS = ("set", "list", "dict", "tuple", "frozenset", "deque", "Counter", "OrderedDict")


class Callable(NamedTuple):
    """What can be called here: `head` is how, `params` what it takes, without `self`."""

    head: str
    params: tuple[str, ...]
    least: int


def other_call(site: Site) -> Iterator[Proposal]:
    """Another function or method of the project, its parameters filled by the names they have."""
    node = site.node
    if not isinstance(node, ast.Call) or node.keywords:
        return
    if any(isinstance(a, ast.Starred) for a in node.args):
        return
    own = site.src(node.func)
    if own not in {c.head for c in callables(site)}:
        return
    given = [site.src(a) for a in node.args]
    for other in callables(site):
        if other.head == own:
            continue
        filled = _filled(site, other, given)
        if filled is not None and filled != given:
            text = f"{other.head}({', '.join(filled)})"
            yield site.replace(text, "function", 2.5, tight=True)


def called_elsewhere(site: Site) -> Iterator[Proposal]:
    """A function of another module that this module calls somewhere with as many values."""
    node = site.node
    if not isinstance(node, ast.Call) or node.keywords or not node.args:
        return
    own = site.src(node.func)
    for head in _heads(site, len(node.args)):
        if head != own:
            start, end = site.source.span(node.func)
            yield Proposal(start, end, head, "function", 2.6)


def _heads(site: Site, count: int) -> list[str]:
    """`module.function`, as it is called in this file with so many values."""
    modules = {
        alias.asname or alias.name
        for node in site.source.tree.body
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    found: dict[str, None] = {}
    for node in ast.walk(site.source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            if isinstance(owner, ast.Name) and owner.id in modules and len(node.args) == count:
                found[f"{owner.id}.{node.func.attr}"] = None
    return list(found)


def by_name(site: Site) -> Iterator[Proposal]:
    """Arguments put where the function has parameters of their names."""
    node = site.node
    if not isinstance(node, ast.Call) or node.keywords:
        return
    own, given = site.src(node.func), [site.src(a) for a in node.args]
    for one in callables(site):
        if one.head == own or (own == "cls" and one.head == _own_class(site)):
            filled = _filled(site, one, given)
            if filled is not None and filled != given:
                yield site.replace(f"{own}({', '.join(filled)})", "argument", 2.0, tight=True)


def made_of(site: Site) -> Iterator[Proposal]:
    """`set()` or `[]` filled with what another name holds."""
    node = site.node
    empty: str | None = None
    if isinstance(node, ast.Call) and not node.args and not node.keywords:
        word = node.func.id if isinstance(node.func, ast.Name) else ""
        empty = word if word in MAKERS else None
    elif isinstance(node, ast.List) and not node.elts and isinstance(node.ctx, ast.Load):
        empty = "list"
        for name in site.names()[:8]:
            if name not in ("self", "cls"):
                yield site.replace(f"[{name}]", "initial value", 2.4, tight=True)
    elif isinstance(node, ast.Dict) and not node.keys:
        empty = "dict"
    if empty is None:
        return
    for name in site.names():
        kinds = {base_type(t) for t in site.scope.name_types(name)}
        if not kinds.isdisjoint(COLLECTIONS):
            yield site.replace(f"{empty}({name})", "initial value", 2.3, tight=True)


def called_too(site: Site) -> Iterator[Proposal]:
    """A call of a method of the class that is missing before or after a statement."""
    node = site.node
    if not isinstance(node, (ast.Assign, ast.AugAssign, ast.Expr, ast.For, ast.If, ast.Return)):
        return
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    source = site.source
    start = site.span()[0]
    if source.text[source.line_start(node.lineno) : start].strip():
        return
    if source.text.startswith("elif", start):
        return
    indent = source.indent_of(node.lineno)
    places = [(source.line_start(node.lineno), 3.0)]
    if not isinstance(node, ast.Return):
        places.append((source.line_start((node.end_lineno or node.lineno) + 1), 3.1))
    for one in callables(site):
        if not one.head.startswith("self."):
            continue
        filled = _filled(site, one, [])
        if filled is None or len(filled) > 2:
            continue
        text = f"{indent}{one.head}({', '.join(filled)})\n"
        for at, prior in places:
            if at == 0 or source.text[at - 1] == "\n":
                yield Proposal(at, at, text, "missing call", prior)


def recursion(site: Site) -> Iterator[Proposal]:
    """The function itself, or a method of the same name, called for a part: `x` as `f(x)`, as
    `x.f()`; `yield x` as `yield from x.f()`."""
    node, unit = site.node, site.scope.unit
    if unit is None or not isinstance(node, (ast.Name, ast.Subscript, ast.Attribute, ast.Call)):
        return
    if (
        is_target(node)
        or isinstance(site.parent, (ast.Attribute, ast.Subscript))
        or unit.name.startswith("__")
    ):
        return
    calls = _own_calls(site)
    parent = site.parent
    for text in calls:
        yield site.replace(text, "recursion", 2.6, tight=True)
        if isinstance(parent, ast.Yield) and isinstance(parent.value, type(node)):
            start, end = site.source.span(parent)
            yield Proposal(start, end, f"yield from {text}", "recursion", 2.5)


def _own_calls(site: Site) -> list[str]:
    unit = site.scope.unit
    if unit is None or not isinstance(site.node, ast.expr):
        return []
    own = [p for p in site.scope.params if p not in ("self", "cls")]
    given = ", ".join([site.src(site.node), *own[1:]])
    wait = "await " if isinstance(unit.node, ast.AsyncFunctionDef) else ""
    if not unit.classes:
        return [f"{wait}{unit.name}({given})"] if own else []
    found = [f"{wait}{site.atom(site.node)}.{unit.name}({', '.join(own)})"]
    if own and "self" in site.scope.params:
        found.append(f"{wait}self.{unit.name}({given})")
    return found


def imported(site: Site) -> Iterator[Proposal]:
    """Functions that the module imports and nowhere uses."""
    node = site.node
    if not isinstance(node, ast.expr) or isinstance(node, NOT_WRAPPED):
        return
    if is_target(node) or has_slices(node):
        return
    if site.scope.unused_imports is None:
        site.scope.unused_imports = _unused_imports(site)
    for head in site.scope.unused_imports:
        yield site.replace(f"{head}({site.src(node)})", "function", 2.2, tight=True)
        if isinstance(node, ast.Call):
            inner = ", ".join(site.src(a) for a in (*node.args, *node.keywords))
            yield site.replace(f"{head}({inner})", "function", 2.0, tight=True)


def _unused_imports(site: Site) -> list[str]:
    """What can be called with one value, of imported names that the module never reads."""
    used = {n.id for n in ast.walk(site.source.tree) if isinstance(n, ast.Name)}
    used |= set(_exported(site.source.tree))
    found: list[str] = []
    for node in site.source.tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                name = alias.asname or alias.name
                if name in used or (isinstance(node, ast.ImportFrom) and node.module is None):
                    continue
                whole = isinstance(node, ast.Import)
                found += [f"{name}.{f}" for f in USUAL.get(name, ())] if whole else [name]
    return [name for name in found if name not in ("*", "annotations")][:6]


def _exported(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if any(isinstance(t, ast.Name) and t.id == "__all__" for t in targets):
            yield from (str(c.value) for c in ast.walk(node) if isinstance(c, ast.Constant))


def callables(site: Site) -> list[Callable]:
    """Functions of the module and, in a method, of its class; kept with the scope."""
    known = site.scope.callables
    if known is None:
        known = site.scope.callables = _callables(site)
    return known


def _callables(site: Site) -> list[Callable]:
    found: list[Callable] = []
    unit = site.scope.unit
    owner = unit.classes[-1] if unit is not None and unit.classes else None
    for node in site.source.tree.body:
        if isinstance(node, FunctionNode):
            found.append(_callable(node, node.name, 0))
        elif isinstance(node, ast.ClassDef):
            methods = [m for m in node.body if isinstance(m, FunctionNode)]
            found += [_callable(m, node.name, 1) for m in methods if m.name == "__init__"]
            if node.name == owner and "self" in site.scope.params:
                plain = (m for m in methods if not m.decorator_list)
                plain = (m for m in plain if not m.name.startswith("__"))
                found += [_callable(m, f"self.{m.name}", 1) for m in plain]
    own = unit.name if unit is not None else ""
    return [c for c in found if c.head.removeprefix("self.") != own][:MOST_CALLABLES]


def _callable(node: ast.FunctionDef | ast.AsyncFunctionDef, head: str, skip: int) -> Callable:
    """Only what can be given by position. One that wants more by keyword takes nothing here."""
    wanted = any(default is None for default in node.args.kw_defaults)
    names = tuple(a.arg for a in (*node.args.posonlyargs, *node.args.args))[skip:]
    least = max(len(names) - len(node.args.defaults), 0)
    return Callable(head, names, NEVER if wanted else least)


def _filled(site: Site, other: Callable, given: list[str]) -> list[str] | None:
    """The arguments: names that are spelt like the parameters, attributes, else those given."""
    if other.least == NEVER:
        return None
    names, attributes = site.names(), site.scope.attributes
    filled: list[str] = []
    for number, param in enumerate(other.params):
        if param in names:
            filled.append(param)
        elif number < len(given):
            filled.append(given[number])
        elif param in attributes and "self" in site.scope.params:
            filled.append(f"self.{param}")
        elif number >= other.least:
            break
        else:
            return None
    return filled


def _own_class(site: Site) -> str:
    unit = site.scope.unit
    return unit.classes[-1] if unit is not None and unit.classes else ""


OPERATORS = (other_call, called_elsewhere, by_name, made_of, called_too, recursion, imported)
