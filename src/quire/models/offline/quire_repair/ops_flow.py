"""Edits of statements: returns, assignments, order and nesting, guards, exceptions."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .ops_conditions import condition_atoms
from .places import (
    begins_line,
    ends_line,
    first_line,
    first_statement,
    insertion,
    place,
    whole_lines,
)
from .sites import Proposal, Site, alike, base_type, is_numeric
from .sources import blocks

JUMPS = (ast.Return, ast.Raise, ast.Break, ast.Continue)
UPDATES = ("+=", "-=", "%=", "//=", "*=")
TAKES_UP = {"list": ("append", "extend"), "set": ("add", "update"), "deque": ("append", "extend")}
LOOPS = (ast.For, ast.AsyncFor, ast.While)
INITIAL = ("0", "1", "-1", "[]", "{}", "''", "None", "set()", "True", "False", "float('inf')")
NUMERIC_UPDATES = (("+=", 1.2), ("-=", 1.2), ("=", 1.6), ("*=", 1.8), ("//=", 2.2))
BIT_UPDATES = (
    *(("&=", 1.3), ("|=", 1.3), ("^=", 1.4), ("=", 1.8)),
    *(("<<=", 2.4), (">>=", 2.4)),
)
AUGMENTED: dict[type[ast.operator], tuple[str, tuple[tuple[str, float], ...]]] = {
    ast.Add: ("+=", NUMERIC_UPDATES),
    ast.Sub: ("-=", NUMERIC_UPDATES),
    ast.Mult: ("*=", (*NUMERIC_UPDATES, ("**=", 1.8), ("/=", 1.8))),
    ast.FloorDiv: ("//=", (("/=", 1.2), ("%=", 1.4), ("-=", 1.8), ("*=", 1.8), ("=", 1.8))),
    ast.Div: ("/=", (("//=", 1.2), ("*=", 1.5), ("=", 1.8))),
    ast.Mod: ("%=", (("//=", 1.4), ("-=", 1.8), ("=", 1.8))),
    ast.BitAnd: ("&=", BIT_UPDATES),
    ast.BitOr: ("|=", BIT_UPDATES),
    ast.BitXor: ("^=", BIT_UPDATES),
    ast.LShift: ("<<=", ((">>=", 1.2), ("=", 1.8))),
    ast.RShift: (">>=", (("<<=", 1.2), ("=", 1.8))),
}


def returned(site: Site) -> Iterator[Proposal]:
    """A value that is computed and not returned; a return that should yield, and back."""
    node = site.node
    if isinstance(node, ast.Expr) and isinstance(node.value, (ast.Yield, ast.YieldFrom)):
        yield from _yielded(site, node.value)
    elif isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant):
        start = site.span()[0]
        yield Proposal(start, start, "return ", "missing return", 1.7)
        if isinstance(node.value, ast.Call):
            yield Proposal(start, start, "yield from ", "missing yield", 2.6)
    elif isinstance(node, ast.Return) and node.value is None:
        for text in site.scope.locals:
            if text != "self":
                yield site.replace(f"return {text}", "returned value", 2.0, tight=True)
    elif isinstance(node, ast.Return) and node.value is not None:
        for text in ("None", "True", "False", "[]", "[[]]", "0", "1", "''"):
            if text != site.src(node.value):
                start, end = site.source.span(node.value)
                yield Proposal(start, end, text, "returned value", 2.5)


def _yielded(site: Site, node: ast.Yield | ast.YieldFrom) -> Iterator[Proposal]:
    if node.value is None:
        return
    start, value = site.source.span(node)[0], site.source.span(node.value)[0]
    word = "yield " if isinstance(node, ast.YieldFrom) else "yield from "
    yield Proposal(start, value, word, "yield", 1.5)


def assigned(site: Site) -> Iterator[Proposal]:
    """`=` for `+=`, other augmented operators, other initial values, swapped tuples."""
    node = site.node
    if isinstance(node, ast.AugAssign):
        symbol, others = AUGMENTED.get(type(node.op), ("", ()))
        start = site.source.span(node.target)[1]
        end = site.source.span(node.value)[0]
        between = site.source.text[start:end]
        if symbol and symbol in between:
            at = start + between.index(symbol)
            for other, prior in others:
                if other != symbol:
                    yield Proposal(at, at + len(symbol), other, "assignment", prior)
            if symbol in ("^=", "|=", "-=", "&="):
                text = f"{site.src(node.target)} &= ~{site.atom(node.value)}"
                yield site.replace(text, "assignment", 1.6, tight=True)
    elif isinstance(node, ast.Assign) and len(node.targets) == 1:
        target, value = node.targets[0], node.value
        end, begin = site.source.span(target)[1], site.source.span(value)[0]
        at = site.source.text.find("=", end, begin)
        if at >= 0 and not isinstance(target, ast.Tuple):
            for other, prior in (("+=", 1.7), ("-=", 2.2)):
                yield Proposal(at, at + 1, other, "assignment", prior)
        start, stop = site.source.span(value)
        own = site.src(value)
        if isinstance(value, ast.Constant) or own in INITIAL:
            for text in (*INITIAL, *site.scope.own):
                if text != own:
                    yield Proposal(start, stop, text, "initial value", 2.2)
        if isinstance(target, ast.Subscript) and not isinstance(target.slice, ast.Slice):
            yield from _collected(site, target, value)
        for pair in (value, target):
            if isinstance(pair, ast.Tuple) and len(pair.elts) == 2:
                text = f"{site.src(pair.elts[1])}, {site.src(pair.elts[0])}"
                yield Proposal(*_tuple_span(site, pair), text, "swapped values", 1.8)


def _collected(site: Site, target: ast.Subscript, value: ast.expr) -> Iterator[Proposal]:
    """`d[k] = v` where the values of a key should be kept together or counted."""
    base, key, own = site.atom(target.value), site.src(target.slice), site.src(value)
    item = value.elts[0] if isinstance(value, ast.List) and len(value.elts) == 1 else value
    text = f"{base}.setdefault({key}, []).append({site.src(item)})"
    yield site.replace(text, "values of a key", 2.2, tight=True)
    if own != "1":
        text = f"{base}[{key}] = {base}.get({key}, 0) + {own}"
        yield site.replace(text, "sum of a key", 2.6, tight=True)
    text = f"{base}[{key}] = {base}.get({key}, 0) + 1"
    yield site.replace(text, "count of a key", 2.3, tight=True)
    yield site.replace(f"{base}.setdefault({key}, {own})", "first of a key", 2.4, tight=True)


def _tuple_span(site: Site, node: ast.Tuple) -> tuple[int, int]:
    return site.source.span(node.elts[0])[0], site.source.span(node.elts[-1])[1]


def jump(site: Site) -> Iterator[Proposal]:
    """`break` for `continue`, and other ways to leave a loop."""
    node = site.node
    if isinstance(node, ast.Break):
        yield from (site.replace(t, "jump", 1.6, True) for t in ("continue", "return", "pass"))
    elif isinstance(node, ast.Continue):
        yield from (site.replace(t, "jump", 1.6, True) for t in ("break", "pass"))
    elif isinstance(node, ast.Pass):
        yield from (site.replace(t, "jump", 2.2, True) for t in ("continue", "break", "return"))


def branch(site: Site) -> Iterator[Proposal]:
    """`while` for `if`, `if` for `elif`, and back."""
    node = site.node
    if not isinstance(node, (ast.If, ast.While)):
        return
    start = site.span()[0]
    word = "elif" if site.source.text.startswith("elif", start) else "if"
    if isinstance(node, ast.While):
        yield Proposal(start, start + 5, "if", "loop for a branch", 2.3)
        return
    if word == "elif":
        yield Proposal(start, start + 4, "if", "branch", 1.9)
        return
    if not node.orelse:
        yield Proposal(start, start + 2, "while", "loop for a branch", 2.0)
    block, number = place(site)
    if number > 0 and isinstance(block[number - 1], ast.If):
        yield Proposal(start, start + 2, "elif", "branch", 1.9)


def removed(site: Site) -> Iterator[Proposal]:
    """A statement less."""
    node = site.node
    if not isinstance(node, ast.stmt) or isinstance(node, (*LOOPS, ast.FunctionDef, ast.ClassDef)):
        return
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    block, _ = place(site)
    start, end = whole_lines(site, node)
    text = "" if len(block) > 1 else f"{site.source.indent_of(node.lineno)}pass\n"
    prior = 1.9 if isinstance(node, JUMPS) else 2.2
    if isinstance(node, ast.If):
        prior = 2.4
    if start < end and not site.source.text.startswith("elif", site.span()[0]):
        yield Proposal(start, end, text, "removed statement", prior)


def moved(site: Site) -> Iterator[Proposal]:
    """A statement before its neighbour, out of its block, or into the block before it."""
    node = site.node
    if not isinstance(node, ast.stmt):
        return
    block, number = place(site)
    start, end = whole_lines(site, node)
    if start == end:
        return
    own = site.source.text[start:end]
    if number + 1 < len(block):
        after_start, after_end = whole_lines(site, block[number + 1])
        if after_start == end and not isinstance(block[number + 1], ast.FunctionDef):
            text = site.source.text[after_start:after_end] + own
            yield Proposal(start, after_end, _ended(text), "order of statements", 2.1)
    parent = site.parent
    outer_line = parent.lineno if isinstance(parent, ast.stmt) else 0
    is_last = number == len(block) - 1
    if outer_line and parent is not site.scope.node and is_last and number > 0:
        _, outer_end = whole_lines(site, parent) if isinstance(parent, ast.stmt) else (0, 0)
        if outer_end == end:
            text = _indented(own, site.source.indent_of(outer_line))
            prior = 1.5 if isinstance(node, ast.Return) else 1.9
            yield Proposal(start, end, text, "nesting", prior)
    if number > 0:
        inner = [b for b in blocks(block[number - 1]) if b]
        if inner and inner[-1][-1].end_lineno == node.lineno - 1:
            indent = site.source.indent_of(inner[-1][0].lineno)
            yield Proposal(start, end, _indented(own, indent), "nesting", 1.9)


def _ended(text: str) -> str:
    return text if text.endswith("\n") else text + "\n"


def _indented(text: str, indent: str) -> str:
    """Lines moved so that the first has this indentation."""
    lines = text.split("\n")
    old = len(lines[0]) - len(lines[0].lstrip())
    moved = [indent + line[old:] if line.strip() else line for line in lines]
    return "\n".join(moved)


def inserted(site: Site) -> Iterator[Proposal]:
    """A missing return at the end, a missing step of a loop, a statement copied from near by."""
    node = site.node
    if not isinstance(node, ast.stmt):
        return
    block, number = place(site)
    line = (node.end_lineno or node.lineno) + 1
    end, indent = site.source.line_start(line), site.source.indent_of(node.lineno)
    is_elif = site.source.text.startswith("elif", site.span()[0])
    if number == first_statement(block) and begins_line(site, node) and not is_elif:
        yield from _statements(site, block, site.source.line_start(first_line(node)), indent)
    if site.source.text[end - 1 : end] != "\n" or not ends_line(site, node):
        return
    if not begins_line(site, block[0]):
        return
    last = number == len(block) - 1
    if last and site.parent is site.scope.node and not isinstance(node, JUMPS):
        for text in site.scope.locals:
            if text != "self":
                yield insertion(end, f"{indent}return {text}\n", "missing return", 1.8)
    if isinstance(site.parent, ast.While) and last:
        yield from _loop_steps(site, site.parent, end, indent)
    if isinstance(site.parent, (*LOOPS, ast.If)) and last and not isinstance(node, JUMPS):
        for text in _ways_out(site):
            yield insertion(end, f"{indent}{text}\n", "missing jump", 2.6)
    if not isinstance(node, JUMPS):
        yield from _statements(site, block, end, indent)


def _statements(site: Site, block: list[ast.stmt], at: int, indent: str) -> Iterator[Proposal]:
    for text in _updates(site, block):
        yield insertion(at, f"{indent}{text}\n", "missing update", 3.2)
    for name in [n for n in site.names()[:8] if is_numeric(site.scope.name_types(n))]:
        yield insertion(at, f"{indent}{name} = -{name}\n", "missing update", 2.9)
    for text, names in _copies(site):
        yield insertion(at, f"{indent}{text}\n", "missing statement", 2.9)
        for name in names:
            inner = f"{indent}if {name}:\n{indent}{site.source.step}{text}\n"
            yield insertion(at, inner, "missing statement", 3.3)


def _ways_out(site: Site) -> Iterator[str]:
    if any(isinstance(parent, LOOPS) for parent in site.parents):
        yield from ("break", "continue")
    returns = (n for n in ast.walk(site.scope.node) if isinstance(n, ast.Return))
    yield from dict.fromkeys(site.src(n) for n in returns if n.lineno == n.end_lineno)


def _loop_steps(site: Site, loop: ast.While, end: int, indent: str) -> Iterator[Proposal]:
    """Names of the condition that the body never changes come first."""
    names = [n.id for n in ast.walk(loop.test) if isinstance(n, ast.Name)]
    changed = {
        n.id
        for statement in loop.body
        for n in ast.walk(statement)
        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    }
    for name in dict.fromkeys(names):
        if is_numeric(site.scope.name_types(name)):
            prior = 1.7 if name not in changed else 2.5
            for text in (f"{name} += 1", f"{name} -= 1", f"{name} //= 2"):
                yield insertion(end, f"{indent}{text}\n", "missing step", prior)


def _updates(site: Site, block: list[ast.stmt]) -> Iterator[str]:
    """Variables of the block changed by others of it; collections that take up its values."""
    here = {n.id for s in block for n in ast.walk(s) if isinstance(n, ast.Name)}
    names = [name for name in site.names() if name not in ("self", "cls")]
    names = sorted(names, key=lambda name: name not in here)[:8]
    kinds = {name: site.scope.name_types(name) for name in names}
    numbers = [name for name in names if is_numeric(kinds[name])]
    for one in numbers:
        for other in (*numbers, "1"):
            if one != other:
                yield from (f"{one} {symbol} {other}" for symbol in UPDATES)
    for one in names:
        if kinds[one] == ("bool",):
            yield f"{one} = not {one}"
    for one in names:
        words = {method for t in kinds[one] for method in TAKES_UP.get(base_type(t), ())}
        for other in names:
            if one == other:
                continue
            if alike(kinds[one], kinds[other]) is not False:
                yield f"{one} = {other}"
            yield from (f"{one}.{word}({other})" for word in sorted(words))


def _copies(site: Site) -> Iterator[tuple[str, list[str]]]:
    """Simple one-line statements of the function or, in a method, of its class, each with the
    names of the function that it reads."""
    where: ast.AST = site.scope.node
    unit = site.scope.unit
    if unit is not None and unit.classes:
        for node in ast.walk(site.source.tree):
            if isinstance(node, ast.ClassDef) and node.name == unit.classes[-1]:
                where = node
    kinds = (ast.Assign, ast.AugAssign, ast.Expr)
    texts: dict[str, list[str]] = {}
    for node in ast.walk(where):
        if not isinstance(node, kinds) or node.lineno != node.end_lineno:
            continue
        if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            read = (n.id for n in ast.walk(node.value) if isinstance(n, ast.Name))
            names = [name for name in dict.fromkeys(read) if name in site.scope.locals]
            texts[site.src(node)] = [name for name in names if name not in ("self", "cls")]
    yield from list(texts.items())[:24]
    for name in site.scope.own if unit is not None and unit.name == "__init__" else ():
        yield f"self.{name} = {name}", []


def guard(site: Site) -> Iterator[Proposal]:
    """A special case that returns or raises early, before a statement."""
    node = site.node
    if not isinstance(node, ast.stmt) or site.scope.unit is None:
        return
    block, number = place(site)
    first = site.parent is site.scope.node and number == first_statement(block)
    in_loop = isinstance(site.parent, LOOPS) and number == 0
    if (not first and not in_loop) or not begins_line(site, node):
        return
    start = site.source.line_start(first_line(node))
    indent = site.source.indent_of(node.lineno)
    outcomes = [] if first else [("continue", 0.0), ("break", 0.2)]
    outcomes += _outcomes(site) if first or site.scope.known.crashes else []
    for atom, price in condition_atoms(site):
        for outcome, more in outcomes:
            text = f"{indent}if {atom}:\n{indent}{site.source.step}{outcome}\n"
            prior = 2.5 + price + more - (0.3 if site.scope.known.crashes else 0.0)
            yield insertion(start, text, "missing guard", prior)


def _outcomes(site: Site) -> Iterator[tuple[str, float]]:
    """What a guard may do, with its price: raise what the tests expect, return a plain value."""
    for name in site.scope.known.mined.exceptions:
        yield f'raise {name}("invalid value")', 0.0
    returns = [n for n in ast.walk(site.scope.node) if isinstance(n, ast.Return)]
    kinds = {base_type(t) for n in returns if n.value is not None for t in site.types(n.value)}
    plain = {"list": "[]", "str": "''", "int": "0", "float": "0.0", "dict": "{}", "bool": "False"}
    likely = [plain[k] for k in plain if k in kinds]
    likely += ["True"] if "bool" in kinds else []
    for text in likely:
        yield f"return {text}", 0.1
    for text in ("None", "0", "[]", "''", "False", *site.scope.own):
        if text not in likely:
            yield f"return {text}", 0.5
    for text in dict.fromkeys(site.src(n) for n in returns if n.lineno == n.end_lineno):
        yield text, 0.3


def exception(site: Site) -> Iterator[Proposal]:
    """Another exception raised or caught."""
    node = site.node
    if not isinstance(node, ast.Raise) or node.exc is None:
        return
    raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
    if not isinstance(raised, ast.Name):
        return
    start, end = site.source.span(raised)
    common = ("ValueError", "TypeError", "KeyError", "IndexError", "RuntimeError")
    for name in (*site.scope.known.mined.exceptions, *site.scope.classes, *common):
        if name != raised.id:
            prior = 1.6 if name in site.scope.known.mined.exceptions else 2.6
            yield Proposal(start, end, name, "exception", prior)


def caught(site: Site) -> Iterator[Proposal]:
    """Another exception in an `except` line."""
    node = site.node
    if not isinstance(node, ast.Try):
        return
    yield from _last_part(site, node)
    for handler in node.handlers:
        if isinstance(handler.type, ast.Name):
            start, end = site.source.span(handler.type)
            common = ("Exception", "ValueError", "KeyError", "IndexError", "TypeError")
            for name in (*common, "AttributeError", "ZeroDivisionError", *site.scope.classes):
                if name != handler.type.id:
                    yield Proposal(start, end, name, "caught exception", 1.9)
            text = f"({handler.type.id}, {{}})"
            for name in ("ValueError", "KeyError", "IndexError", "TypeError"):
                if name != handler.type.id:
                    yield Proposal(start, end, text.format(name), "caught exception", 2.4)


def _last_part(site: Site, node: ast.Try) -> Iterator[Proposal]:
    """`finally` for `else`, and back."""
    text = site.source.text
    for block, old, new in ((node.orelse, "else", "finally"), (node.finalbody, "finally", "else")):
        if not block or (node.orelse and node.finalbody) or (new == "else" and not node.handlers):
            continue
        at = text.rfind(old, site.span()[0], site.source.span(block[0])[0])
        if at >= 0:
            yield Proposal(at, at + len(old), new, "branch", 1.8)


OPERATORS = (
    *(returned, assigned, jump, branch, removed, moved, inserted, guard),
    *(exception, caught),
)
