"""Parts of the repair search: sources, edits, limits, localisation, choice."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quire.models.offline import quire_repair
from quire.models.offline.quire_repair.baseline import Fact
from quire.models.offline.quire_repair.candidates import single_edits, smallest
from quire.models.offline.quire_repair.choose import Option, groups, telling_call
from quire.models.offline.quire_repair.evaluate import fingerprint
from quire.models.offline.quire_repair.hunks import tidy
from quire.models.offline.quire_repair.localise import ochiai, suspicion
from quire.models.offline.quire_repair.mining import Mined
from quire.models.offline.quire_repair.ops_text import corrected, literal_spans
from quire.models.offline.quire_repair.partial import pairs
from quire.models.offline.quire_repair.probe import Probe
from quire.models.offline.quire_repair.project import is_test_file, python_files
from quire.models.offline.quire_repair.replay import Behaviour, digest
from quire.models.offline.quire_repair.sites import Knowledge
from quire.models.offline.quire_repair.sources import Edit, Source

FOLDER = Path(quire_repair.__file__).parent
PROGRAM = """\
import functools


class Shop:
    rate = 5

    def __init__(self, name):
        self.__name = name
        self.lines = []

    def add(self, price, count=1):
        '''Add a line.'''
        for line in self.lines:
            if line[0] == price and count > 0:
                line[1] += count
                break
        else:
            self.lines.append([price, count])
        return f"{self.__name}: {price:>5}"

    @property
    def total(self):
        return sum(price * count for price, count in self.lines) * (100 + self.rate) // 100


def steps(n):
    while n != 1:
        n, half = (3 * n + 1, n // 2)[n % 2 == 0 :][0], None
    return [x for x in range(n) if x % 2 and not x > 3]


def outer(base):
    @functools.lru_cache
    def inner(x):
        return base + x

    return inner
"""


def source(text: str = PROGRAM) -> Source:
    return Source("/project", "shop.py", text)


def known(parsed: Source) -> Knowledge:
    lines = {("shop.py", n): 1.0 for n in range(1, len(parsed.lines) + 1)}
    return Knowledge(lines, {}, Mined((42,), ("x",), ("KeyError",)), (), True, {})


def edits(text: str = PROGRAM) -> Iterator[tuple[Source, Edit]]:
    parsed = source(text)
    targets = [(parsed, unit) for unit in parsed.units]
    for edit in single_edits(targets, [parsed], known(parsed)):
        yield parsed, edit


def results(text: str) -> set[str]:
    """All programs that one edit away."""
    return {parsed.spliced([edit]) for parsed, edit in edits(text)}


# --- the code itself -------------------------------------------------------------------------


def test_the_search_needs_only_the_standard_library_of_python_3_9() -> None:
    allowed = {*sys.stdlib_module_names, "pytest"}
    for path in sorted(FOLDER.glob("*.py")):
        tree = ast.parse(path.read_text(), feature_version=(3, 9))
        for node in ast.walk(tree):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            assert {name.split(".")[0] for name in names} <= allowed, (path, names)
            assert not isinstance(node, ast.Match), path
            assert not _is_union_check(node), (path, node)


def _is_union_check(node: ast.AST) -> bool:
    """`isinstance(x, A | B)` runs from Python 3.10 on only."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        return False
    checks = node.func.id in ("isinstance", "issubclass")
    return checks and isinstance(node.args[1], ast.BinOp)


def test_the_program_says_how_it_is_used(tmp_path: Path) -> None:
    main = str(FOLDER.parent / "search_main.py")
    for words in ([], ["look", "--odd"], ["dance"]):
        done = subprocess.run([sys.executable, main, *words], cwd=tmp_path, capture_output=True)
        assert done.returncode == 2
        assert b"usage:" in done.stderr


# --- sources ---------------------------------------------------------------------------------


def test_every_function_of_real_code_compiles_alone() -> None:
    count = 0
    for path in sorted(Path(os.__file__).parent.glob("[a-d]*.py")):
        parsed = Source("/", path.name, path.read_text("utf-8"))
        for unit in parsed.units:
            assert parsed.compile_unit(unit, []) is not None, (path, unit.qualname)
            assert Probe().instrumented(parsed, unit) is not None, (path, unit.qualname)
            count += 1
    assert count > 1000


def test_a_unit_is_the_code_that_the_module_has() -> None:
    parsed = source()
    names = [unit.qualname for unit in parsed.units]
    assert names == ["Shop.__init__", "Shop.add", "Shop.total", "steps", "outer"]
    space: dict = {}
    exec(compile(parsed.text, "shop.py", "exec", dont_inherit=True), space)
    code = parsed.compile_unit(parsed.units[1], [])
    assert code is not None
    assert fingerprint(code) == fingerprint(space["Shop"].add.__code__)
    assert code.co_firstlineno == space["Shop"].add.__code__.co_firstlineno


@given(st.text(alphabet="aä€😀 \n", max_size=30))
def test_offsets_count_characters_not_bytes(text: str) -> None:
    lines = [f"x = '{line}' + y" for line in text.split("\n")]
    parsed = source("\n".join(lines))
    for node in ast.walk(parsed.tree):
        if isinstance(node, ast.Name):
            assert parsed.segment(node) == node.id


def test_types_are_seen_where_expressions_stand() -> None:
    parsed = source("def f(xs):\n    return [x + len(xs) for x in xs]\n")
    probe = Probe()
    probe.install()
    code = probe.instrumented(parsed, parsed.units[0])
    assert code is not None
    space: dict = {}
    exec(compile(parsed.text, "shop.py", "exec", dont_inherit=True), space)
    space["f"].__code__ = code
    assert space["f"]([1.5, 2.5]) == [3.5, 4.5]
    seen = {parsed.text[a:b]: kinds for (_, a, b), kinds in probe.result().items()}
    assert seen["xs"] == ["list[float]"]
    assert seen["x + len(xs)"] == ["float"]


# --- edits -----------------------------------------------------------------------------------


def test_edits_are_sorted_distinct_and_small() -> None:
    found = [edit for _, edit in edits()]
    assert len(found) > 1000
    assert [edit.cost for edit in found] == sorted(edit.cost for edit in found)
    parsed = source()
    assert len({parsed.spliced([edit]) for edit in found}) > 0.99 * len(found)
    assert found == [edit for _, edit in edits()]


def test_nearly_all_edits_are_python() -> None:
    parsed = source()
    inside = [edit for _, edit in edits() if edit.unit >= 0]
    good = sum(parsed.compile_unit(parsed.units[e.unit], [e]) is not None for e in inside)
    assert good / len(inside) > 0.97


def test_edits_leave_the_rest_of_the_file_alone() -> None:
    for parsed, edit in edits():
        if edit.unit >= 0:
            unit = parsed.units[edit.unit]
            assert unit.start <= edit.start <= edit.end <= unit.end


MISTAKES = [
    ("return a < b", "return a <= b"),
    ("return a + b", "return a - b"),
    ("return a and b", "return a or b"),
    ("return not a", "return a"),
    ("return a[b]", "return a[b - 1]"),
    ("return a[1:]", "return a"),
    ("return a[0]", "return a[-1]"),
    ("return min(a, b)", "return max(a, b)"),
    ("return f(b, a)", "return f(a, b)"),
    ("return a.lower()", "return a.upper()"),
    ("return range(a)", "return range(1, a + 1)"),
    ("return a == 1", "return a != 1"),
    ("return a * b + a", "return a * (b + a)"),
    ("return a", "return b"),
    ("return True", "return False"),
    ("f(a, b)", "return f(a, b)"),
    ("a = b\n    return a", "a += b\n    return a"),
    ("a -= b\n    return a", "a += b\n    return a"),
    ("return sorted(a)", "return sorted(a, reverse=True)"),
    ("return a, b", "return b, a"),
    ("if a:\n        return b\n    return a", "if not a:\n        return b\n    return a"),
    ("for x in a:\n        b += x\n        return b", "for x in a:\n        b += x\n    return b"),
    ("while a:\n        break", "while a:\n        continue"),
    ("raise ValueError(a)", "raise KeyError(a)"),
    ("return re.sub('[a]', b, a)", "return re.sub('[a]+', b, a)"),
    ("return f'{a} {b}'", "return f'{b} {b}'"),
    ("yield f(a)", "yield from f(a)"),
    ("return a.get(b)", "return a.get(b, 0)"),
    ("return a[b]", "return a.get(b, 0)"),
]


@pytest.mark.parametrize(("wrong", "right"), MISTAKES, ids=[right for _, right in MISTAKES])
def test_a_usual_mistake_is_one_edit_away(wrong: str, right: str) -> None:
    program = "def f(a, b):\n    {}\n"
    texts = results(program.format(wrong))
    if "a.get(b, 0)" in right and "[" in wrong:
        texts = {t for p, e in edits_of_maps(program.format(wrong)) for t in (p.spliced([e]),)}
    wanted = ast.dump(ast.parse(program.format(right)))
    assert any(_dumped(text) == wanted for text in texts)


def edits_of_maps(text: str) -> Iterator[tuple[Source, Edit]]:
    """With the knowledge that `a` is a dict."""
    parsed = source(text)
    place = text.index("a[b]")
    more = known(parsed)._replace(types={("shop.py", place, place + 1): ("dict",)})
    for edit in single_edits([(parsed, parsed.units[0])], [], more):
        yield parsed, edit


def _dumped(text: str) -> str:
    try:
        return ast.dump(ast.parse(text))
    except SyntaxError:
        return ""


@given(st.text(alphabet="ab("), st.text(alphabet="ab("), st.text(alphabet="ab("))
def test_smallest_edit_is_the_same_change(before: str, old: str, new: str) -> None:
    whole = before + old + before
    start, end, text = smallest(whole, len(before), len(before) + len(old), new)
    assert whole[:start] + text + whole[end:] == before + new + before
    assert len(text) <= len(new)


def test_added_parentheses_go_where_they_change_nothing() -> None:
    parsed = source("def f(a, b):\n    return a * b\n")
    place = parsed.text.index("a * b")
    added = Edit("shop.py", 0, place, place + 5, "(a + b)", "test", 1.0)
    assert tidy(parsed, [added])[0].text == "a + b"
    needed = Edit("shop.py", 0, place, place + 1, "(a + b)", "test", 1.0)
    assert tidy(parsed, [needed])[0].text == "(a + b)"


@pytest.mark.parametrize(
    ("text", "literals"),
    [
        ("'abc'", ["abc"]),
        ('f"a {b} c"', ["a ", " c"]),
        ("f'{a}'", []),
        ("f'{{x}} {a!r:>{w}}'", ["{{x}} "]),
        (r"r'\d+'", [r"\d+"]),
        (r"'a\n'", []),
        ("'''abc'''", []),
        ("b'x'", ["x"]),
    ],
)
def test_literal_parts_of_strings(text: str, literals: list[str]) -> None:
    assert [text[a:b] for a, b in literal_spans(text)] == literals


def test_texts_are_corrected_as_the_difference_says() -> None:
    assert list(corrected(" ", "Hello Bob", "Hello, Bob")) == [", "]
    assert "Dear " in list(corrected("Deer ", "Deer Bob", "Dear Bob"))
    assert list(corrected("x", "Hello", "Hello!")) == []


# --- where, and which ------------------------------------------------------------------------


def fact(status: str, error: str = "", frames: tuple[tuple[str, int], ...] = ()) -> Fact:
    return Fact("t", "test_a.py", status, 0.0, 0.0, error, "", frames)


def test_suspicion_grows_with_failing_and_falls_with_passing_runs() -> None:
    facts = {0: fact("fail"), 1: fact("fail"), 2: fact("pass")}
    covered = {0: {("a", 1), ("a", 2), ("a", 3)}, 1: {("a", 1), ("a", 2)}, 2: {("a", 1), ("a", 3)}}
    scores = ochiai(facts, covered)
    assert scores["a", 2] == 1.0
    assert scores["a", 2] > scores["a", 1] > scores["a", 3]


def test_a_crash_points_at_its_line() -> None:
    facts = {0: fact("fail", "IndexError", (("/p/a", 1), ("/p/a", 3)))}
    facts |= {n: fact("pass") for n in range(1, 9)}
    covered = {n: {("a", 1), ("a", 3)} for n in facts}
    scores = suspicion(facts, covered, {"/p/a": "a"})
    assert scores["a", 3] == 0.85
    assert scores["a", 1] == 0.5


def option(cost: float, row: int, start: int = 0) -> Option:
    return Option([Edit("a.py", 0, start, start, "x", "test", cost)], 0.0, row)


def behaves(original: tuple[str, ...], *candidates: tuple[str, ...]) -> Behaviour:
    shown = ("f(1)", "f(2, 3)")
    return Behaviour(shown, original, candidates, (0.0,) * len(candidates))


def test_edits_that_behave_alike_are_one_choice() -> None:
    behaviour = behaves(("1", "2"), ("1", "3"), ("1", "3"), ("0", "9"))
    ranked = groups([option(1.5, 0), option(1.2, 1), option(1.3, 2)], behaviour, False, 0.0)
    assert [group.row for group in ranked] == [1, 2]
    assert len(ranked[0].options) == 2
    assert telling_call(behaviour, ranked[0], ranked[1]) == ("f(1)", "1", "0")


def test_what_worked_should_stay_when_the_failure_was_a_crash() -> None:
    behaviour = behaves(("1", "!KeyError"), ("5", "2"), ("1", "2"))
    options = [option(1.0, 0), option(1.3, 1)]
    assert groups(options, behaviour, True, 0.0)[0].row == 1
    assert groups(options, behaviour, False, 0.0)[0].row == 0


def test_broken_promises_are_held_against_an_edit() -> None:
    behaviour = behaves(("1", "2"), ("1", "3"), ("1", "4"))._replace(broken=(0.5, 0.0))
    assert groups([option(1.0, 0), option(1.3, 1)], behaviour, False, 0.0)[0].row == 1


def test_new_crashes_are_held_against_an_edit() -> None:
    behaviour = behaves(("1", "2"), ("1", "!IndexError"), ("1", "3"))
    assert groups([option(1.0, 0), option(1.3, 1)], behaviour, False, 0.0)[0].row == 1


def test_pairs_of_edits_are_cheap_and_apart() -> None:
    one, two, three = (Edit("a.py", 0, n, n + 2, "x", "test", 1.0 + n) for n in (0, 1, 5))
    assert pairs([one, two, three]) == [[one, three], [two, three]]
    far = Edit("b.py", 0, 0, 1, "x", "test", 5.9)
    assert pairs([one, three, far]) == [[one, three], [one, far], [three, far]]


@given(st.recursive(st.integers() | st.text(), lambda inner: st.lists(inner)))
def test_equal_values_have_equal_digests(value: object) -> None:
    import copy

    assert digest(value) == digest(copy.deepcopy(value))


def test_digests_hold_no_addresses() -> None:
    class Thing:
        def __init__(self) -> None:
            self.other = object()
            self.me = self

    assert "0x" not in digest(Thing())
    assert digest(Thing()) == digest(Thing())
    assert digest(object()) == "object"


# --- files -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "test"),
    [
        ("a.py", False),
        ("src/testament.py", False),
        ("test_a.py", True),
        ("pkg/a_test.py", True),
        ("tests/helpers.py", True),
        ("conftest.py", True),
        ("setup.py", True),
        ("latest/a.py", False),
    ],
)
def test_test_files_are_known_by_their_path(path: str, test: bool) -> None:
    assert is_test_file(path) is test


def test_foreign_code_is_not_part_of_a_project(tmp_path: Path) -> None:
    for path in (
        *("a.py", "pkg/b.py", ".hidden/c.py", "node_modules/d.py"),
        *("env/lib/e.py", "x/site-packages/f.py"),
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("")
    (tmp_path / "env" / "pyvenv.cfg").write_text("")
    assert python_files(str(tmp_path)) == ["a.py", "pkg/b.py"]


# --- limits: in a process of their own, for they use signals and forks ------------------------

LIMITS = """\
import sys, time
sys.path.insert(0, {folder!r})
from quire_repair.children import in_child, values_of
from quire_repair.limits import attempt, install_timer

install_timer()

def stubborn():
    while True:
        try:
            while True:
                pass
        except BaseException:
            if time.process_time() > 3:
                raise

def nested():
    assert attempt(lambda: [None for _ in iter(int, 1)], 0.02).status == "timeout"
    while True:
        pass

def emits(emit):
    emit(1)
    emit([2, "x"])
    time.sleep(60)

print(attempt(lambda: 1, 1.0).status)
print(attempt(lambda: 1 / 0, 1.0).status)
print(attempt(lambda: sys.exit(0), 1.0).status)
print(attempt(stubborn, 0.05).status)
print(attempt(nested, 0.1).status)
print(attempt(lambda: time.sleep(60), 0.01, 0.1).status)
print(in_child(lambda: [1, "two", None], 5.0))
print(in_child(lambda: time.sleep(60), 0.3))
print(in_child(lambda: bytearray(1 << 34), 5.0))
print(in_child(lambda: __import__("os").abort(), 5.0))
print(list(values_of(emits, 0.3, 5.0)))
"""


def test_untrusted_code_costs_what_it_may() -> None:
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", LIMITS.format(folder=str(FOLDER.parent))],
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    assert done.stdout.split("\n")[:-1] == [
        *("pass", "fail", "fail", "timeout", "timeout", "timeout"),
        *("[1, 'two', None]", "None", "None", "None", "[1, [2, 'x']]"),
    ]
    assert time.monotonic() - started < 40
