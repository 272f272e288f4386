"""Operators of the repair search: what each proposes, and that none is thrown by any program."""

from __future__ import annotations

import ast
import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quire.models.offline.quire_repair import (
    ops_calls,
    ops_flow,
    ops_guards,
    ops_logic,
    ops_names,
)
from quire.models.offline.quire_repair.candidates import OPERATORS, priced, single_edits
from quire.models.offline.quire_repair.fragments import gather
from quire.models.offline.quire_repair.helpers import Helper
from quire.models.offline.quire_repair.mining import Mined
from quire.models.offline.quire_repair.sites import (
    Knowledge,
    Proposal,
    Scope,
    Site,
    import_sites,
    sites_of,
)
from quire.models.offline.quire_repair.sources import Edit, Source, Unit, read_source

Operator = Callable[[Site], Iterator[Proposal]]
Seen = dict[str, tuple[str, ...]]
EVERY_TYPE = ("NoneType", "bool", "dict", "float", "int", "list[int]", "str")


def parsed(text: str) -> Source:
    return Source("/project", "a.py", text)


def knowledge(source: Source, seen: Seen | None) -> Knowledge:
    """Every line is suspicious; `seen` are types by the text of expressions, of all without any."""
    lines = {(source.path, n): 1.0 for n in range(1, len(source.lines) + 1)}
    types = {}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.expr):
            kinds = EVERY_TYPE if seen is None else seen.get(source.segment(node), ())
            types[source.path, *source.span(node)] = kinds
    mined = Mined((42,), ("x",), ("KeyError",))
    known = Knowledge(lines, types, mined, (("1", "2"),), True, {})
    helpers = (Helper("helper", 0, 2, (), (), False), Helper("side.helper", 1, 1, (), (), False))
    return known._replace(fragments=gather([source], types), helpers=((source.path, helpers),))


def sites(source: Source, seen: Seen | None) -> Iterator[tuple[Unit | None, Site]]:
    known = knowledge(source, seen)
    for unit in source.units:
        for site, _ in sites_of(Scope(source, unit, known)):
            yield unit, site
    for site, _ in import_sites(Scope(source, None, known)):
        yield None, site


def proposed(operator: Operator, text: str, seen: Seen | None = None) -> dict[str, Proposal]:
    """Programs that the operator makes, each with its cheapest proposal."""
    found: dict[str, Proposal] = {}
    for _, site in sites(parsed(text), seen or {}):
        for proposal in operator(site):
            made = text[: proposal.start] + proposal.text + text[proposal.end :]
            if made not in found or proposal.prior < found[made].prior:
                found[made] = proposal
    return found


def crashed(operator: Operator, text: str, line: int, seen: Seen) -> set[str]:
    """The programs that the operator makes where a failing test ended by an error on this line."""
    source = parsed(text)
    known = knowledge(source, seen)._replace(crashed=frozenset([(source.path, line)]))
    some = [site for unit in source.units for site, _ in sites_of(Scope(source, unit, known))]
    return {text[: p.start] + p.text + text[p.end :] for site in some for p in operator(site)}


# --- what each one proposes ------------------------------------------------------------------


def test_where_an_error_was_raised_names_of_other_types_are_tried() -> None:
    text = "def owner(fd, like):\n    mode = like.st_mode\n    return fd.st_uid + mode\n"
    seen = {"fd": ("int",), "like": ("stat_result",), "mode": ("int",)}
    right = text.replace("fd.st_uid", "like.st_uid")
    assert right in crashed(ops_names.name, text, 3, seen)
    assert right not in crashed(ops_names.name, text, 2, seen)


def test_a_parameter_that_can_be_called_is_called() -> None:
    text = "def apply(key, value, done):\n    return value(key)\n"
    seen = {"key": ("int",), "value": ("int",)}
    assert text.replace("value(key)", "done(key)") in proposed(ops_names.name, text, seen)


SHOP = """\
import math
import shlex
from html import escape


def area(width, height=1):
    return width * height


def tell(name):
    return name


class Point:
    def __init__(self, x, y):
        self.x = x
        self.y = y

    @classmethod
    def of(cls, y, x):
        return cls(y, x)

    def sync(self):
        pass

    def find(self, key, deep):
        return key


"""
NUMBERS: Seen = dict.fromkeys(["a", "b", "n", "len(xs)"], ("int",))
BAGS: Seen = {"a": ("list[int]",), "b": ("dict",), "n": ("int",)}
FUNCTION = [
    (ops_calls.other_call, "(a, height)", "return tell(a)", "return area(a, height)", {}),
    (ops_calls.other_call, "(a, b)", "return area(a, b)", "return tell(a)", {}),
    (ops_calls.other_call, "(a, x)", "return area(a, 2)", "return Point(x, 2)", {}),
    (ops_calls.called_elsewhere, "(a)", "return tell(a)", None, {}),
    (ops_calls.by_name, "(a, width)", "return area(a, 2)", "return area(width, 2)", {}),
    (ops_calls.made_of, "(a, b)", "return set()", "return set(a)", BAGS),
    (ops_calls.made_of, "(a, b)", "return {}", "return dict(b)", BAGS),
    (ops_calls.made_of, "(a, b)", "return []", "return list(a)", BAGS),
    (ops_calls.made_of, "(a, n)", "return []", "return [n]", BAGS),
    (ops_calls.made_of, "(n)", "return set()", None, BAGS),
    (ops_calls.recursion, "(a, b)", "return a", "return f(a, b)", {}),
    (ops_calls.recursion, "(a, b)", "yield a", "yield from f(a, b)", {}),
    (ops_calls.imported, "(a)", "return a", "return escape(a)", {}),
    (ops_calls.imported, "(a)", "return str(a)", "return escape(a)", {}),
    (ops_calls.imported, "(a)", "return a", "return math.floor(a)", {}),
    (ops_calls.imported, "(a)", "return math, escape", None, {}),
    (ops_logic.regrouped, "(a, b, n)", "return a or b and n", "return (a or b) and n", {}),
    (ops_logic.regrouped, "(a, b, n)", "return a or b and n", "return a and (b or n)", {}),
    (ops_logic.regrouped, "(a, b, n)", "return a and b or n", "return a and (b or n)", {}),
    (ops_logic.regrouped, "(a, b, n)", "return a or b or n", None, {}),
    (ops_logic.bounded, "(a, n)", "return a < n", "return 0 <= a < n", NUMBERS),
    (ops_logic.bounded, "(a, n)", "return not a < n", "return not 1 <= a < n", NUMBERS),
    (
        ops_logic.bounded,
        "(a, xs)",
        "return a >= 0 and len(xs)",
        "return 0 <= a < len(xs) and len(xs)",
        NUMBERS | {"0": ("int",)},
    ),
    (ops_logic.bounded, "(a)", "return 0 < a < 9", "return 0 < a", {}),
    (ops_logic.bounded, "(a)", "return 0 < a < 9", "return a < 9", {}),
    (ops_logic.bounded, "(a, b)", "return a < b", None, {"a": ("str",)}),
    (ops_logic.strengthened, "(a, b, n)", "return a or n", "return (a and b < n) or n", NUMBERS),
    (ops_logic.strengthened, "(a, b, n)", "return a and n", "return (a or b < n) and n", NUMBERS),
    (ops_logic.strengthened, "(a, b)", "return a", None, NUMBERS),
    (
        ops_guards.early_return,
        "(a, b)",
        "return b",
        "if a < b:\n        return a\n    return b",
        NUMBERS,
    ),
    (
        ops_guards.chosen,
        "(a, b)",
        "return a + b",
        "return a + b if a < b else 0",
        NUMBERS | {"a + b": ("int",)},
    ),
    (
        ops_guards.wrapped,
        "(a, b)",
        "a[n] = 1\n    return a",
        "if n not in a:\n        a[n] = 1\n    return a",
        {},
    ),
    (
        ops_guards.wrapped,
        "(a, b)",
        "a = b\n    return a",
        "if a < b:\n        a = b\n    return a",
        NUMBERS,
    ),
    (ops_guards.wrapped, "(a, b)", "'text'", None, NUMBERS),
]


@pytest.mark.parametrize(
    ("operator", "params", "wrong", "right", "seen"),
    FUNCTION,
    ids=[f"{row[0].__name__}: {row[3]}" for row in FUNCTION],
)
def test_an_operator_proposes_this_edit_of_a_function(
    operator: Operator, params: str, wrong: str, right: str | None, seen: Seen
) -> None:
    head = f"{SHOP}def f{params}:\n    used{params}\n    "
    inside = {
        text.removeprefix(head)
        for text in proposed(operator, f"{head}{wrong}\n", seen)
        if text.startswith(head)
    }
    if right is None:
        assert inside == set()
    else:
        assert f"{right}\n" in inside
        compile(f"{head}{right}\n", "a.py", "exec")


METHOD = [
    (ops_calls.other_call, "return tell(key)", "return self.find(key, deep)"),
    (ops_calls.recursion, "return key", "return key.f(key, deep)"),
    (ops_calls.recursion, "return deep", "return self.f(deep, deep)"),
    (ops_calls.called_too, "self.x = key", "self.sync()\n        self.x = key"),
    (ops_calls.called_too, "self.x = key", "self.x = key\n        self.sync()"),
    (ops_calls.called_too, "self.x = key", "self.find(key, deep)\n        self.x = key"),
    (ops_guards.wrapped, "self.x = key", "if self.y:\n            self.x = key"),
]


@pytest.mark.parametrize(
    ("operator", "wrong", "right"),
    METHOD,
    ids=[f"{row[0].__name__}: {row[2]}" for row in METHOD],
)
def test_an_operator_proposes_this_edit_of_a_method(
    operator: Operator, wrong: str, right: str
) -> None:
    head = SHOP.rstrip() + "\n\n    def f(self, key, deep):\n        "
    found = proposed(operator, f"{head}{wrong}\n")
    assert f"{head}{right}\n" in found
    compile(f"{head}{right}\n", "a.py", "exec")


def test_arguments_of_a_class_method_go_where_the_class_has_them() -> None:
    wanted = SHOP.replace("cls(y, x)", "cls(x, y)")
    assert wanted in proposed(ops_calls.by_name, SHOP)


def test_functions_of_modules_are_taken_from_the_rest_of_the_file() -> None:
    text = "import math\n\ndef f(a):\n    return round(a)\n\ndef g(a):\n    return math.ceil(a)\n"
    wanted = text.replace("round(a)", "math.ceil(a)")
    assert list(proposed(ops_calls.called_elsewhere, text)) == [wanted]
    assert not proposed(ops_calls.called_elsewhere, text.replace("ceil(a)", "ceil(a, 2)"))


def test_names_that_a_module_exports_are_not_unused() -> None:
    text = "from html import escape\n\ndef f(a):\n    return a\n"
    assert proposed(ops_calls.imported, text)
    assert not proposed(ops_calls.imported, text + "__all__ = ['escape']\n")
    assert not proposed(ops_calls.imported, "from __future__ import annotations\n" + text[25:])


def test_a_call_is_filled_only_when_everything_it_needs_is_there() -> None:
    text = "def g(a, b, c):\n    pass\n\ndef h(a):\n    pass\n\ndef f(a):\n    return h(2)\n"
    assert not [made for made in proposed(ops_calls.other_call, text) if "return g(" in made]
    text = text.replace("b, c", "b=1, c=2")
    assert text.replace("return h(2)", "return g(a)") in proposed(ops_calls.other_call, text)


def test_a_call_with_a_star_is_left_alone() -> None:
    text = "def g(a):\n    pass\n\ndef h(a):\n    pass\n\ndef f(a):\n    return h(*a)\n"
    assert not proposed(ops_calls.other_call, text)


def test_a_statement_after_another_on_its_line_is_not_wrapped() -> None:
    text = "def f(a, b):\n    a.x(); b.y()\n"
    for made in proposed(ops_guards.wrapped, text, NUMBERS):
        assert made.endswith(":\n        a.x(); b.y()\n")
    text = "def f(a, b):\n    if a: b = a\n"
    assert not proposed(ops_guards.wrapped, text, NUMBERS)


GUARDED = """\
def f(v, w):
    match v:
        case []:
            return 0
        case [a, b] if a < b:
            return w
        case {"k": 1, **more} if more: return a
    return w
"""


def test_conditions_of_cases_are_edited() -> None:
    seen = {"a": ("int",), "b": ("int",), "w": ("int",), "more": ("dict",)}
    made: set[str] = set()
    for operator in OPERATORS:
        made |= set(proposed(operator, GUARDED, seen))
    for new in ("a <= b", "a > b", "not (a < b)", "a < b and w > 0", "a < w"):
        assert GUARDED.replace("a < b", new) in made, new
    assert GUARDED.replace("if more", "if not more") in made


def test_patterns_are_left_alone() -> None:
    text = GUARDED.replace(" if a < b", "").replace(" if more", "")
    patterns = [ast.dump(n) for n in ast.walk(ast.parse(text)) if isinstance(n, ast.pattern)]
    for operator in OPERATORS:
        for made in proposed(operator, text, {}):
            with contextlib.suppress(SyntaxError):
                nodes = ast.walk(ast.parse(made))
                found = [ast.dump(n) for n in nodes if isinstance(n, ast.pattern)]
                assert set(found) <= set(patterns), made


ONE_LINERS = """\
class Shop:
    @staticmethod
    def f(a, b): return a + b

    def g(self, a): self.a = a; self.b = self.a

def deco(f): return f

@deco
def h(a, b):
    for x in a: b += x
    if a: b = 1
    elif b: b = 2
    text = 1; more = \"\"\"
    \"\"\"
    while b: b -= 1
    return b

def outer(a, b):
    \"\"\"Text.\"\"\"
    @deco
    def inner():
        return a
    return inner() + b
"""


@pytest.mark.parametrize("operator", [ops_flow.guard, ops_flow.inserted])
def test_new_statements_go_where_there_is_room(operator: Operator) -> None:
    seen: Seen = dict.fromkeys(["a", "b", "x", "self.a"], ("int",))
    made = proposed(operator, ONE_LINERS, seen)
    assert made
    for text in made:
        tree = ast.parse(text)
        assert "    @staticmethod\n    def f(a, b): return a + b\n\n    def g" in text
        assert 'more = """\n    """\n' in text
        assert len(tree.body) == 4
        compile(tree, "a.py", "exec")
    decorated = "    if b > 0:\n        return a\n    @deco\n    def inner"
    assert operator is not ops_flow.guard or any(decorated in text for text in made)


def test_nothing_is_returned_early_from_a_module() -> None:
    assert not proposed(ops_guards.early_return, "a = 1\nb = a + 1\n", NUMBERS)


@pytest.mark.parametrize("step", ["  ", "\t", "        "])
def test_new_blocks_are_indented_as_the_file_is(step: str) -> None:
    text = f"def f(a, b):\n{step}return a\n"
    wanted = f"def f(a, b):\n{step}if a < 0:\n{step}{step}return 0\n{step}return a\n"
    assert wanted in proposed(ops_guards.early_return, text, NUMBERS)


# --- what is cheaper, what is dearer ----------------------------------------------------------


def costs(text: str) -> dict[str, float]:
    """By the program that an edit makes; knows no types."""
    source = parsed(text)
    targets = [(source, unit) for unit in source.units]
    found: dict[str, float] = {}
    for edit in single_edits(targets, [source], knowledge(source, {})):
        found.setdefault(source.spliced([edit]), edit.cost)
    return found


def test_an_unused_variable_is_the_likely_repair() -> None:
    head = "def f(a, b, c):\n    b.x(a)\n    "
    unused = costs(f"{head}return a\n")
    # Nothing is known of its type because nothing reads it: that costs nothing.
    assert unused[f"{head}return c\n"] == pytest.approx(unused[f"{head}return b\n"] - 1.2)
    head = head.replace("(a)", "(a, c)")
    used = costs(f"{head}return a\n")
    assert used[f"{head}return c\n"] == used[f"{head}return b\n"]


def test_the_last_use_of_a_variable_is_kept() -> None:
    lost = costs("def f(a, b):\n    b.x()\n    return a\n")
    kept = costs("def f(a, b):\n    b.x(a)\n    return a\n")
    difference = lost["def f(a, b):\n    b.x()\n    return b\n"]
    assert difference > kept["def f(a, b):\n    b.x(a)\n    return b\n"]


def test_methods_that_tests_judge_by_are_edited_last() -> None:
    text = "class C:\n    def {}(self, other):\n        return self.x < other.x\n"
    wanted = text.replace("<", "<=")
    plain = costs(text.format("less"))[wanted.format("less")]
    for name in ("__eq__", "__ne__", "__hash__"):
        assert costs(text.format(name))[wanted.format(name)] == pytest.approx(plain + 0.6)


def test_variables_that_nobody_reads_are_counted() -> None:
    text = (
        "def f(self, a, b, _c, *d, e=1, **g):\n    x = a\n    x += a\n"
        "    def h():\n        return b\n    del x\n    return f'{e}'\n"
    )
    source = parsed(text)
    scope = Scope(source, source.units[0], knowledge(source, {}))
    assert scope.uses == {"a": 2, "b": 1, "d": 0, "e": 1, "g": 0, "x": 1}
    assert Scope(source, None, knowledge(source, {})).uses == {}


def test_attributes_that_are_only_set_are_known() -> None:
    source = parsed(
        "class C:\n    def f(self):\n        self.a = self.b = 1\n        self.b += 1\n"
    )
    scope = Scope(source, source.units[0], knowledge(source, {}))
    assert scope.is_never_read("a")
    assert scope.is_never_read("b")
    source = parsed(source.text + "    def g(self):\n        return self.a\n")
    scope = Scope(source, source.units[0], knowledge(source, {}))
    assert not scope.is_never_read("a")


# --- any program ------------------------------------------------------------------------------

FIRST, LAST = "def first(a):\n    return a\n\n\n", "\n\ndef last(b):\n    return b\n"
WIDE = '''\
import asyncio as aio
import copy
from os.path import join

LIMIT: int = 3
TABLE = {"ä": [1, 2], "€": LIMIT + 1}


class Base(dict):
    kind = 3

    def __init__(self, name, size=0, *rest, deep=False, **more):
        super().__init__(more)
        self.name, self.size = name, size

    def __eq__(self, other):
        return self.name == other.name and not deep

    @property
    def both(self): return self.name + "é€😀" + self.kind, self.size

    @classmethod
    def make(cls, name):
        return cls(name)

    def walk(self):
        """Doc."""
        for kid in self.kids:
            yield from kid.walk()
        got = yield self
        yield

    class Inner:
        def deep(self, x=[], y={}): self.a.b = x if x is not None else y; return self.deep(x)


async def routine(a, /, b, *, c):
    async with a as x, b as y:
        async for i in x:
            await y(i)
        return [j async for j in x if await j]


def matched(v):
    match v:
        case [1, *rest] if rest and len(rest) > 1:
            return rest
        case {"k": 1, **more}:
            return more
        case Base(name=n) | [n]:
            return n
        case -1 | "ü":
            pass
        case _:
            return None


@staticmethod
def walrus(xs, é=1):
    if (n := len(xs)) > 3 and n or not xs:
        return n
    while xs and (y := xs.pop()): print(y, sep="")
    else: n -= é
    return (lambda q, *r, s=1, **t: q + s)(1) if xs else {x: y for x, y in xs if 0 <= x < y}


def shared():
    global LIMIT
    LIMIT += 1
    z = 0

    def inner():
        nonlocal z
        z = z + 1
        return z
    return inner() if z else {**{}, "a": 1, **{"b": 2}}


def every(a, b, c):
    x, *y = a
    w: int = 1
    del y[0], a[1:]
    try:
        assert a, "b"
        raise ValueError(a) from None
    except (KeyError, ValueError) as e:
        raise
    finally:
        b[c] = a[::2], a[-1], a[1:, 0]
    with open(a) as (p, q): pass
    if a: return f"{a!r:>{b}} {c:{'x'}} {{}} {a if b else c}" f'x{b["k"] if 0 else 1}' "tail"
    elif a > 2: b |= -x ** 2 @ w // 3 % 4 << 1 & 3 | 2 ^ ~x
    return (a.strip()
            or b.get(c, 0)  # ünïcode
            and """é
    {a}""" \\
            + c), b"x" + rb'\\d' in (1,), (), [], {1}, set(), 1_000, 0x1F, 1e3, 2j, ...
'''
TYPED = """\
type Pair[T] = tuple[T, T]


class Box[T: (int, str)]:
    def first[S](self, given: S, other: T = None) -> T:
        return given if self.size < 1 else other


def nested[T](a: T, b) -> str:
    return f"{a["k"]} {f"{b + 1} {a["é"]:>{b}}"} {"\\n".join(b)}"
"""


def programs() -> list[str]:
    return [WIDE, TYPED] if sys.version_info >= (3, 12) else [WIDE]


def check(text: str, seen: Seen | None, share: float) -> None:
    """Every proposal lies inside of its function, makes Python or a plain syntax error, and leaves
    the functions beside it what they were."""
    source = parsed(FIRST + text + LAST)
    outside = [ast.dump(source.tree.body[0]), ast.dump(source.tree.body[-1])]
    count = good = 0
    tried: set[tuple[int, int, str]] = set()
    for unit, site in sites(source, seen):
        own = {operator: list(operator(site)) for operator in OPERATORS}
        every = [proposal for some in own.values() for proposal in some]
        assert [p[:4] for p in priced(site, iter(every))] == [p[:4] for p in every]
        for proposal in every:
            low, high = (unit.start, unit.end) if unit else (0, len(source.text))
            assert low <= proposal.start <= proposal.end <= high, proposal
            if proposal[:3] in tried or (unit is not None and unit.name in ("first", "last")):
                continue
            tried.add(proposal[:3])
            count += 1
            try:
                tree = ast.parse(source.spliced([_edit(proposal)]))
            except SyntaxError:
                continue
            good += 1
            if unit is not None:
                assert [ast.dump(tree.body[0]), ast.dump(tree.body[-1])] == outside, proposal
    assert good >= share * count


def _edit(proposal: Proposal) -> Edit:
    return Edit("a.py", 0, *proposal[:3], "test", 1.0)


@pytest.mark.parametrize("text", programs())
def test_no_operator_is_thrown_by_real_looking_code(text: str) -> None:
    imports, *pieces = text.split("\n\n\n")
    for piece in pieces:
        check(f"{imports}\n\n\n{piece}", {}, 0.85)


def placed(source: Source) -> int:
    """Sites whose text is their node's; all others fail the test."""
    count = 0
    for _, site in sites(source, {}):
        node = site.node
        whole = ast.dump(node)
        if not isinstance(node, ast.expr) or "Slice" in whole or "Starred" in whole:
            continue
        if isinstance(site.parent, (ast.JoinedStr, ast.FormattedValue)):
            continue  # before Python 3.12 these stand where the whole text stands
        text = f"({source.segment(node)}\n)"
        assert ast.unparse(ast.parse(text, mode="eval").body) == ast.unparse(node), text
        count += 1
    return count


@pytest.mark.parametrize("text", programs())
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("indent", ["    ", "\t", " "])
def test_sites_stand_where_their_text_is(text: str, end: str, indent: str) -> None:
    assert placed(parsed(text.replace("    ", indent).replace("\n", end))) > 15


def test_files_are_read_as_python_reads_them(tmp_path: Path) -> None:
    code = "def f(a):\n    return 'é' + a\n"
    for name, raw in {
        "crlf.py": code.replace("\n", "\r\n").encode(),
        "bom.py": b"\xef\xbb\xbf" + code.encode(),
        "latin.py": b"# coding: latin-1\n" + code.encode("latin-1"),
    }.items():
        (tmp_path / name).write_bytes(raw)
        source = read_source(str(tmp_path), name)
        assert source is not None
        assert source.text.removeprefix("# coding: latin-1\n") == code
        assert placed(source) == 3
    (tmp_path / "bad.py").write_bytes(b"x = '\xff'\n")
    assert read_source(str(tmp_path), "bad.py") is None


NAMES = st.sampled_from(["a", "b", "self.é", "xs[0]", "'ß\"'", "f'{a}€{b!r}'", "1", "None"])
EXPRESSIONS = st.recursive(
    NAMES,
    lambda part: st.one_of(
        st.tuples(part, st.sampled_from(["+", "<", "and", "or", "==", "in", "**"]), part).map(
            lambda p: f"({p[0]} {p[1]} {p[2]})"
        ),
        st.tuples(part, part).map(lambda p: f"a.f({p[0]}, k={p[1]})"),
        st.tuples(part, part).map(lambda p: f"[é for é in {p[0]} if {p[1]}]"),
        st.tuples(part, part).map(lambda p: f"({p[0]}\n    if {p[1]} else not a)"),
        st.tuples(part, part).map(lambda p: f"(lambda q, *r: {p[0]})({p[1]})"),
        part.map(lambda p: f"(w := {p})"),
        part.map(lambda p: f"b[{p}:, *a][-{p}]"),
        part.map(lambda p: f"0 <= {p} < len(b)"),
    ),
    max_leaves=4,
)
SIMPLE = st.one_of(
    st.sampled_from(
        ["pass", "return", "raise", "x: int", "del a", "assert a, b", "'''text\n  é'''"]
    ),
    EXPRESSIONS.map(lambda e: f"return {e}"),
    EXPRESSIONS.map(lambda e: f"x = y = {e}"),
    EXPRESSIONS.map(lambda e: f"x, *y = {e}; b += 1"),
    EXPRESSIONS.map(lambda e: f"self.x[a] = {e}"),
    EXPRESSIONS.map(lambda e: f"yield {e}"),
    EXPRESSIONS.map(lambda e: f"{e}"),
)


def _indented(lines: str) -> str:
    return "".join(f"    {line}\n" for line in lines.split("\n")[:-1])


def _compound(part: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    block = st.lists(part, min_size=1, max_size=2).map(lambda some: _indented("".join(some)))
    return st.one_of(
        st.tuples(EXPRESSIONS, block).map(lambda p: f"if {p[0]}:\n{p[1]}"),
        st.tuples(block, block).map(lambda p: f"if a:\n{p[0]}elif b: pass\nelse:\n{p[1]}"),
        st.tuples(EXPRESSIONS, block).map(lambda p: f"for i, j in {p[0]}:\n{p[1]}"),
        st.tuples(EXPRESSIONS, block).map(lambda p: f"while {p[0]}:\n{p[1]}    break\n"),
        st.tuples(block, block).map(lambda p: f"try:\n{p[0]}except (KeyError, a.E) as e:\n{p[1]}"),
        block.map(lambda b: f"with a as b, open(b):\n{b}"),
        block.map(lambda b: f"def inner(x, y=a):\n    nonlocal a\n{b}"),
        block.map(lambda b: f"match a:\n    case [0, *c] if b:\n{_indented(b)}"),
    )


STATEMENTS = st.recursive(SIMPLE.map("{}\n".format), _compound, max_leaves=3)
HEADERS = st.sampled_from(
    ["def f(self, a, b=1, *xs):\n", "async def f(a, b, /, *, self):\n", "@a\ndef f(self, a, b):\n"]
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
@given(
    header=HEADERS,
    body=st.lists(STATEMENTS, min_size=1, max_size=2),
    in_class=st.booleans(),
    tabs=st.booleans(),
    seen=st.sampled_from([{}, {"a": ("int",), "b": ("list[int]",)}]),
)
def test_no_operator_is_thrown_by_any_program(
    header: str, body: list[str], in_class: bool, tabs: bool, seen: Seen
) -> None:
    text = header + _indented("".join(body))
    if in_class:
        text = "class C:\n" + _indented(text)
    text = text.replace("    ", "\t") if tabs else text
    try:
        ast.parse(text)
    except SyntaxError:  # for instance a text that ends in the wrong place
        return
    check(text, seen, 0.0)
