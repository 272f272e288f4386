"""Edits of what is read and called: names, attributes, arguments, indices, wrappers."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from difflib import SequenceMatcher

from .sites import (
    ATOMS,
    UNSURE,
    Proposal,
    Site,
    alike,
    base_type,
    has_slices,
    is_numeric,
    may_be,
    may_be_number,
)

SISTERS = (
    ("append", "extend", "insert", "appendleft", "add"),
    ("pop", "popleft"),
    ("add", "discard", "remove", "update"),
    ("lower", "upper", "title", "capitalize", "casefold", "swapcase"),
    ("strip", "lstrip", "rstrip"),
    ("removeprefix", "removesuffix"),
    ("startswith", "endswith"),
    ("find", "rfind", "index", "rindex"),
    ("split", "rsplit", "splitlines", "partition", "rpartition"),
    ("partition", "rpartition"),
    ("ljust", "rjust", "center", "zfill"),
    ("isdigit", "isalpha", "isalnum", "isnumeric", "isspace", "isdecimal"),
    ("isupper", "islower", "istitle"),
    ("keys", "values", "items"),
    ("union", "intersection", "difference", "symmetric_difference"),
    ("issubset", "issuperset", "isdisjoint"),
    ("floor", "ceil", "trunc"),
    ("days", "seconds", "total_seconds()"),
    ("year", "month", "day"),
    ("hour", "minute", "second"),
    ("weekday", "isoweekday"),
    ("heappush", "heappop", "heapify"),
    ("nlargest", "nsmallest"),
    ("bisect_left", "bisect_right"),
    ("match", "search", "fullmatch", "findall"),
    ("group", "groups"),
    ("permutations", "combinations", "product"),
    ("get", "pop", "setdefault"),
    ("sin", "cos", "tan"),
)
BUILTINS = (
    ("min", "max"),
    ("any", "all"),
    ("list", "tuple", "set", "sorted", "frozenset"),
    ("int", "float", "round", "str"),
    ("ord", "chr"),
    ("bin", "oct", "hex"),
    ("zip", "enumerate"),
    ("sorted", "reversed"),
    ("range", "enumerate"),
    ("isinstance", "issubclass"),
    ("bisect_left", "bisect_right", "bisect"),
    ("floor", "ceil"),
)
TEXT_WRAPS = ("{}.strip()", "{}.lower()", "{}.upper()", "{}[::-1]", "int({})", "len({})")
LIST_WRAPS = (
    *("list({})", "sorted({})", "len({})", "{}[::-1]", "set({})", "tuple({})", "sum({})"),
    *("max({})", "min({})", "{}[0]", "{}[-1]", "{}[1:]", "{}[:-1]", "list(reversed({}))"),
)
WRAPS: dict[str, tuple[str, ...]] = {
    "int": ("abs({})", "str({})", "float({})", "max({}, 0)", "range({})", "bool({})", "len({})"),
    "float": ("int({})", "round({})", "abs({})", "str({})", "round({}, 2)", "max({}, 0)"),
    "str": TEXT_WRAPS,
    "list": LIST_WRAPS,
    "tuple": LIST_WRAPS,
    "set": ("set({})", "len({})", "sorted({})", "list({})"),
    "dict": ("len({})", "list({})", "{}.values()", "{}.items()", "dict({})"),
    "bool": ("int({})",),
    "generator": ("list({})", "sum({})", "sorted({})", "set({})"),
    "map": ("list({})",),
    "filter": ("list({})",),
    "reversed": ("list({})",),
}
CALLED = frozenset(["function", "method", "builtin_function_or_method", "type", "partial"])
DISTANT = ("sum", "max", "len", "min")
"""Functions that take the same but give very different things."""

COPIED = 0.3
"""What a plain copy costs less than other conversions."""

STORED = 0.5
"""What it costs more to set another attribute than to read another."""

UNKNOWN_WRAPS = ("list({})", "str({})", "int({})", "len({})", "sorted({})", "abs({})")


def name(site: Site) -> Iterator[Proposal]:
    """Another variable of the same type, another function, a name spelt alike."""
    node = site.node
    if not isinstance(node, ast.Name):
        return
    called = isinstance(site.parent, ast.Call) and node is site.parent.func
    if called:
        yield from _called(site, node)
    elif isinstance(node.ctx, ast.Load):
        yield from _read(site, node)
    elif isinstance(node.ctx, ast.Store) and not isinstance(site.parent, ast.comprehension):
        for other in site.scope.locals:
            if other not in (node.id, "self", "cls"):
                yield site.replace(other, "target", 2.2, tight=True)


def _called(site: Site, node: ast.Name) -> Iterator[Proposal]:
    for family in BUILTINS:
        if node.id in family:
            for other in family:
                if other != node.id:
                    yield site.replace(other, "function", 1.5, tight=True)
    for other in site.names():
        kinds = {base_type(t) for t in site.scope.name_types(other)}
        called = not kinds.isdisjoint(CALLED) or (not kinds and other in site.scope.params)
        if other not in (node.id, "self", "cls") and (called or site.has_crashed):
            yield site.replace(other, "function", 1.8 if called else 2.2, tight=True)
    if node.id in DISTANT:
        for other in DISTANT:
            if other != node.id:
                yield site.replace(other, "function", 2.3, tight=True)
    for other in (*site.scope.functions, *site.scope.classes, *site.scope.constants):
        if other != node.id:
            near = SequenceMatcher(None, node.id, other).ratio()
            yield site.replace(other, "function", 2.4 - 0.6 * near, tight=True)


def _read(site: Site, node: ast.Name) -> Iterator[Proposal]:
    types = site.types()
    for other in site.names():
        if other == node.id or other in ("self", "cls"):
            continue
        same = alike(types, site.scope.name_types(other))
        if same is not False:
            known = same or site.scope.uses.get(other) == 0
            yield site.replace(other, "name", 1.5 if known else 2.1, tight=True)
        elif site.has_crashed:
            yield site.replace(other, "name", 1.8, tight=True)
    for other in (*site.scope.constants, *site.scope.functions, *site.scope.classes):
        near = SequenceMatcher(None, node.id, other).ratio()
        known = other in site.scope.constants
        if other != node.id and (near > 0.5 or known or node.id in site.scope.constants):
            yield site.replace(other, "name", 2.6 - 0.6 * near, tight=True)
    for other in site.scope.attributes if "self" in site.scope.params else ():
        near = SequenceMatcher(None, node.id, other).ratio()
        yield site.replace(f"self.{other}", "name", 2.6 - 0.8 * near, tight=True)
    yield from _donated(site, types)


def _donated(site: Site, types: tuple[str, ...]) -> Iterator[Proposal]:
    """An expression of the same type from elsewhere in the function."""
    own = site.src(site.node) if isinstance(site.node, ast.expr) else ""
    for text, other, node in site.scope.donors:
        if text != own and alike(types, other) and not _inside(site, node):
            yield site.replace(text, "expression", 2.5, tight=isinstance(node, ATOMS))


def _inside(site: Site, donor: ast.expr) -> bool:
    return donor is site.node or donor in site.parents


def attribute(site: Site) -> Iterator[Proposal]:
    """Another attribute or method; a related method of the standard types."""
    node = site.node
    if not isinstance(node, ast.Attribute):
        return
    end = site.span()[1]
    start = end - len(node.attr)
    for family in SISTERS:
        if node.attr in family:
            for other in family:
                if other != node.attr:
                    yield Proposal(start, end, other, "method", 1.6)
    if not isinstance(node.value, ast.Name) or node.value.id not in ("self", "cls"):
        yield from _other_attributes(site, node, start, end)
        return
    called = isinstance(site.parent, ast.Call) and node is site.parent.func
    for other in site.scope.methods if called else site.scope.attributes:
        if other != node.attr and not other.startswith("__"):
            yield Proposal(start, end, other, "attribute", 1.7)
    if isinstance(node.ctx, ast.Load) and not called:
        for local in site.scope.own:
            same = alike(site.types(), site.scope.name_types(local))
            if same is not False:
                yield site.replace(local, "name", 2.2 if same else 2.6, tight=True)
        yield from _donated(site, site.types())


def _other_attributes(site: Site, node: ast.Attribute, start: int, end: int) -> Iterator[Proposal]:
    """Attributes that the module reads from other objects."""
    seen: dict[str, None] = {}
    for other in ast.walk(site.source.tree):
        if isinstance(other, ast.Attribute) and other.attr != node.attr:
            seen[other.attr] = None
    for attr in (*seen, *site.scope.attributes):
        near = SequenceMatcher(None, node.attr, attr).ratio()
        if attr != node.attr:
            stored = 0.0 if isinstance(node.ctx, ast.Load) else STORED
            yield Proposal(start, end, attr, "attribute", 2.6 - 0.6 * near + stored)


def call(site: Site) -> Iterator[Proposal]:
    """Swapped or dropped arguments, a call removed, more arguments for well-known functions."""
    node = site.node
    if not isinstance(node, ast.Call):
        return
    args = node.args
    for number in range(len(args) - 1):
        one, two = args[number], args[number + 1]
        start, end = site.source.span(one)[0], site.source.span(two)[1]
        middle = site.source.text[site.source.span(one)[1] : site.source.span(two)[0]]
        text = site.src(two) + middle + site.src(one)
        same = alike(site.types(one), site.types(two))
        yield Proposal(start, end, text, "swapped arguments", 1.5 if same is not False else 2.0)
    for number in range(len(args) if len(args) + len(node.keywords) > 1 else 0):
        rest = [site.src(a) for n, a in enumerate(args) if n != number]
        rest += [site.src(k) for k in node.keywords]
        text = f"{site.src(node.func)}({', '.join(rest)})"
        yield site.replace(text, "dropped argument", 2.3, tight=True)
    if len(args) == 1 and not node.keywords and not isinstance(args[0], ast.Starred):
        yield site.replace(site.src(args[0]), "dropped call", 2.0)
    if isinstance(node.func, ast.Attribute) and len(args) <= 1:
        yield site.replace(site.atom(node.func.value), "dropped call", 2.2, tight=True)
    yield from _more_arguments(site, node)


def _more_arguments(site: Site, node: ast.Call) -> Iterator[Proposal]:
    function = node.func
    word = function.id if isinstance(function, ast.Name) else ""
    word = function.attr if isinstance(function, ast.Attribute) else word
    end = site.span()[1] - 1
    comma = ", " if node.args or node.keywords else ""
    keywords = {k.arg for k in node.keywords}
    if word in ("sorted", "sort", "min", "max"):
        if word.startswith("sort") and "reverse" not in keywords:
            yield Proposal(end, end, f"{comma}reverse=True", "sort order", 1.9)
        for key in ("len", "str.lower", "abs", "lambda x: x[0]", "lambda x: x[1]", "lambda x: -x"):
            if "key" not in keywords:
                yield Proposal(end, end, f"{comma}key={key}", "sort key", 2.8)
    if word == "range":
        yield from _range(site, node)
    if word == "round" and len(node.args) == 1:
        yield Proposal(end, end, ", 2", "precision", 2.4)
    if word == "pop" and not node.args:
        yield from (Proposal(end, end, text, "index", 1.7) for text in ("0", "-1"))
    if word in ("split", "rsplit") and len(node.args) == 1:
        yield Proposal(end, end, ", 1", "argument", 2.0)
    if word in ("enumerate", "sum") and len(node.args) == 1:
        yield Proposal(end, end, ", 1", "argument", 1.9)
    if word == "get" and len(node.args) == 1:
        for text in (", 0", ", []", ", ''", ", {}", ", False"):
            yield Proposal(end, end, text, "default", 2.1)
    own = word in site.scope.functions or word in site.scope.methods
    for other in site.names()[:8]:
        if other not in ("self", "cls") and (own or site.scope.uses.get(other) == 0):
            yield Proposal(end, end, f"{comma}{other}", "missing argument", 2.5)


def moved(text: str, by: int) -> str:
    """A number so much more, worked out where it is a literal."""
    if text.isdigit():
        return str(int(text) + by)
    return f"{text} + {by}" if by > 0 else f"{text} - {-by}"


def _range(site: Site, node: ast.Call) -> Iterator[Proposal]:
    args = [site.src(a) for a in node.args]
    texts: list[tuple[str, float]] = []
    if len(args) == 1:
        texts += [(f"1, {args[0]}", 1.6), (f"1, {moved(args[0], 1)}", 1.6), (f"2, {args[0]}", 2.2)]
        texts += [(f"{moved(args[0], -1)}, -1, -1", 1.9), (f"{args[0]}, 0, -1", 2.2)]
        texts += [(f"0, {args[0]}, 2", 2.4)]
    elif len(args) == 2:
        texts += [(f"{moved(args[0], 1)}, {args[1]}", 1.5), (f"{args[0]}, {args[1]}, 2", 2.4)]
        texts += [(f"{moved(args[1], -1)}, {moved(args[0], -1)}, -1", 2.2), (args[1], 1.8)]
        texts += [
            (f"{args[0]}, {args[1]}, -1", 1.8),
            (f"{moved(args[0], 1)}, {moved(args[1], 1)}", 1.9),
        ]
    elif len(args) == 3:
        texts += [
            (f"{args[0]}, {args[1]}", 2.0),
            (f"{args[0]}, {moved(args[1], -1)}, {args[2]}", 1.5),
        ]
        texts += [(f"{args[0]}, {args[1]}, -{args[2]}", 1.9)]
        texts += [(f"{moved(args[0], -1)}, {args[1]}, {args[2]}", 1.5)]
    for text, prior in texts:
        yield site.replace(f"{site.src(node.func)}({text})", "range", prior, tight=True)


def pair(site: Site) -> Iterator[Proposal]:
    """The two values of a tuple the other way round."""
    node = site.node
    if isinstance(node, ast.Tuple) and len(node.elts) == 2:
        one, two = node.elts
        start, end = site.source.span(one)[0], site.source.span(two)[1]
        middle = site.source.text[site.source.span(one)[1] : site.source.span(two)[0]]
        if "(" not in middle and ")" not in middle:
            yield Proposal(start, end, site.src(two) + middle + site.src(one), "swapped pair", 1.7)


def subscript(site: Site) -> Iterator[Proposal]:
    """Other indices and slice bounds; `d.get(k)` for `d[k]`; swapped double indices."""
    node = site.node
    if not isinstance(node, ast.Subscript):
        return
    base, index = site.atom(node.value), node.slice
    load = isinstance(node.ctx, ast.Load)
    if has_slices(index):
        return
    if isinstance(index, ast.Slice):
        yield from _slices(site, base, index)
        return
    key = site.src(index)
    is_map = any(base_type(t) in ("dict", "defaultdict", "Counter") for t in site.types(node.value))
    if is_map and load:
        for default, prior in (("0", 2.2), ("[]", 2.4), ("''", 2.5), ("None", 2.3)):
            text = f"{base}.get({key}, {default})"
            yield site.replace(text, "missing key", prior, tight=True)
    if not is_map:
        if may_be_number(site.types(index)) and not isinstance(index, ast.Constant):
            unsure = 0.0 if site.types(index) else UNSURE
            for text, prior in ((f"{key} - 1", 1.4), (f"{key} + 1", 1.4), (f"-{key}", 2.2)):
                yield site.replace(f"{base}[{text}]", "index", prior + unsure, tight=True)
        elif key in ("0", "-1"):
            other = "-1" if key == "0" else "0"
            yield site.replace(f"{base}[{other}]", "index", 1.4, tight=True)
        if load and may_be(site.types(node.value), "list", "str", "tuple"):
            for text in (f"{key}:", f":{key}", f":{key} + 1", f"{key} + 1:"):
                yield site.replace(f"{base}[{text}]", "slice", 2.4, tight=True)
    if load:
        yield site.replace(base, "dropped index", 2.0, tight=True)
    if isinstance(node.value, ast.Subscript) and not isinstance(node.value.slice, ast.Slice):
        inner = site.atom(node.value.value)
        text = f"{inner}[{key}][{site.src(node.value.slice)}]"
        yield site.replace(text, "swapped indices", 1.7, tight=True)


def _slices(site: Site, base: str, index: ast.Slice) -> Iterator[Proposal]:
    low = site.src(index.lower) if index.lower is not None else ""
    high = site.src(index.upper) if index.upper is not None else ""
    step = f":{site.src(index.step)}" if index.step is not None else ""
    texts: dict[str, float] = {}
    if low:
        texts.update(
            {
                f"{moved(low, 1)}:{high}": 1.4,
                f"{moved(low, -1)}:{high}": 1.4,
                f":{high}": 1.8 if high else 2.0,
            }
        )
    else:
        texts.update({f"1:{high}": 1.6})
    if high:
        texts.update(
            {f"{low}:{moved(high, 1)}": 1.4, f"{low}:{moved(high, -1)}": 1.4, f"{low}:": 1.8}
        )
        texts[f"{low}:-{high}"] = 2.3
    else:
        texts.update({f"{low}:-1": 1.6})
    if low and high:
        texts.update({f"{high}:{low}": 2.0, f"{low}:{low} + {high}": 1.9})
    if low and not high:
        texts[f":{low}"] = 1.6
        texts[f"-{low}:"] = 1.9
    if high and not low:
        texts[f"{high}:"] = 1.6
        texts[f"-{high}:"] = 1.9
    for text, prior in texts.items():
        if not text.startswith("0:"):
            yield site.replace(f"{base}[{text}{step}]", "slice", prior, tight=True)
    if step:
        yield site.replace(f"{base}[{low}:{high}]", "slice", 1.8, tight=True)
    if not low and not high:
        yield site.replace(f"{base}[::-1]", "slice", 1.7, tight=True)
    if not step:
        yield site.replace(f"{base}[{low}:{high}:-1]", "slice", 2.2, tight=True)
        yield site.replace(f"{base}[{low}:{high}:2]", "slice", 2.5, tight=True)
    yield site.replace(base, "dropped slice", 1.9, tight=True)


def wrap(site: Site) -> Iterator[Proposal]:
    """A value converted, reversed, sorted, bounded."""
    node = site.node
    if not isinstance(node, ast.expr) or isinstance(node, (ast.Starred, ast.Slice, ast.Constant)):
        return
    if has_slices(node):
        return
    kinds = (ast.Return, ast.Assign, ast.AugAssign, ast.Call, ast.For, ast.Compare, ast.BinOp)
    kinds = (*kinds, ast.Subscript, ast.comprehension, ast.Yield, ast.keyword, ast.Tuple)
    kinds = (*kinds, ast.IfExp, ast.List, ast.ListComp, ast.GeneratorExp, ast.Dict)
    parent = site.parent
    stored = isinstance(node, (ast.Name, ast.Attribute, ast.Subscript, ast.Tuple, ast.List))
    if not isinstance(parent, kinds) or (stored and not isinstance(node.ctx, ast.Load)):
        return
    if isinstance(parent, ast.Call) and node is parent.func:
        return
    if isinstance(parent, ast.Subscript) and node is parent.value:
        return
    near = 2.4 if isinstance(parent, (ast.Return, ast.For, ast.comprehension)) else 2.7
    yield from _parts(site, near)
    words = {w for t in site.types() for w in WRAPS.get(base_type(t), ())}
    ordered = [w for ws in WRAPS.values() for w in ws if w in words]
    for pattern in dict.fromkeys(ordered if site.types() else UNKNOWN_WRAPS):
        own = site.src(node) if pattern.startswith(tuple("abcdefghijklmnopqrstuvwxyz")) else ""
        text = pattern.format(own or site.atom(node))
        prior = near - (COPIED if pattern in ("list({})", "dict({})", "set({})") else 0.0)
        yield site.replace(text, "conversion", prior, tight=True)


def _parts(site: Site, near: float) -> Iterator[Proposal]:
    """A part of a sequence, or more of it: bounded or joined by the function's own names."""
    node, types = site.node, site.types()
    kinds = {base_type(t) for t in types}
    if not isinstance(node, ast.expr) or not kinds or kinds - {"list", "str", "tuple"}:
        return
    own, atom = site.src(node), site.atom(node)
    for name in site.names()[:10]:
        others = site.scope.name_types(name)
        if name == own or name in ("self", "cls"):
            continue
        if is_numeric(others):
            for text in (f"{atom}[{name}:]", f"{atom}[:{name}]"):
                yield site.replace(text, "slice", near + 0.1, tight=True)
        elif {base_type(t) for t in others} == kinds:
            for text in (f"{atom} + {name}", f"{name} + {atom}"):
                yield site.replace(text, "missing term", near + 0.1)
    yield site.replace(f"[{own}]", "list of it", near + 0.2, tight=True)


def names_in_text(site: Site) -> Iterator[Proposal]:
    """Other variables inside the braces of an f-string, and its literal parts."""
    node = site.node
    if not isinstance(node, ast.JoinedStr):
        return
    start, end = site.span()
    text = site.source.text[start:end]
    for value in node.values:
        if isinstance(value, ast.FormattedValue) and isinstance(value.value, ast.Name):
            own = value.value.id
            for mark in ("}", "!", ":"):
                place = text.find("{" + own + mark)
                if place < 0:
                    continue
                for other in site.names():
                    if other not in (own, "self", "cls"):
                        at = start + place + 1
                        yield Proposal(at, at + len(own), other, "name", 1.9)


OPERATORS = (name, attribute, call, pair, subscript, wrap, names_in_text)
