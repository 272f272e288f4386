"""The repair search: promises of a program, edits put together, progress, state between trials."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import time
import unittest
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quire.models.offline.progress import progress
from quire.models.offline.quire_repair.cases import UnittestCase
from quire.models.offline.quire_repair.combine import (
    BASES,
    EXTENDED,
    MOST_PAIRED,
    MOST_SETS,
    Part,
    complementary,
    extended,
)
from quire.models.offline.quire_repair.evaluate import Evaluator, Goal
from quire.models.offline.quire_repair.live import Live, State
from quire.models.offline.quire_repair.partial import MOST_ALIKE, TWIN, overlap, twins
from quire.models.offline.quire_repair.pool import cost_of
from quire.models.offline.quire_repair.progress import EVERY, Progress
from quire.models.offline.quire_repair.project import python_files
from quire.models.offline.quire_repair.properties import (
    INVERSES,
    broken_round_trips,
    inverse_of,
    violates,
)
from quire.models.offline.quire_repair.sources import Edit, Source
from tests.e2e.repair_cases import PROGRAM
from tests.unit.search_timer import search_timer as search_timer


@pytest.fixture
def module() -> Iterator[Callable[[str], ModuleType]]:
    """Makes the one module of this name from a text."""

    def made(text: str) -> ModuleType:
        new = ModuleType("quire_promises")
        sys.modules[new.__name__] = new
        exec(compile(text, "quire_promises.py", "exec", dont_inherit=True), vars(new))
        return new

    yield made
    sys.modules.pop("quire_promises", None)


def function(made: ModuleType, name: str = "f") -> FunctionType:
    found = vars(made)[name]
    assert isinstance(found, FunctionType)
    return found


# --- types that annotations promise ----------------------------------------------------------


class Odd(int):
    pass


TYPES: list[tuple[str, Any, Any]] = [
    # annotation, what keeps the promise, what breaks it
    ("int", 1, "1"),
    ("int", Odd(1), 1.0),
    ("int", 0, True),
    ("bool", True, 1),
    ("float", 1.5, "1.5"),
    ("float", 1, True),
    ("str", "", None),
    ("bytes", b"", ""),
    ("None", None, 0),
    ("'int'", 1, ""),
    ("'List[int]'", [], ()),
    ("list", [1], (1,)),
    ("list[str]", [1], {1}),
    ("Dict[str, int]", {}, []),
    ("tuple[int, ...]", (), []),
    ("Optional[int]", None, ""),
    ("Optional[int]", 1, 1.5),
    ("Union[int, str]", "", None),
    ("int | None", None, ""),
    ("'int | list[int]'", [1], {}),
    ("float | None", 2, ""),
    ("frozenset | set", set(), []),
]


@pytest.mark.parametrize(("annotation", "kept", "broken"), TYPES)
def test_a_result_is_of_the_type_that_is_promised(
    annotation: str, kept: object, broken: object, module: Callable[[str], ModuleType]
) -> None:
    for future in ("", "from __future__ import annotations\n"):
        text = f"{future}from typing import *\ndef f() -> {annotation}: ...\n"
        promising = function(module(text))
        assert not violates(promising, kept)
        assert violates(promising, broken)


@pytest.mark.parametrize(
    "annotation",
    [
        *("Any", "'nowhere'", "Iterator[int]", "object", "Literal[1]", "TypeVar('T')"),
        *("Optional[Any]", "int | Iterable[int]", "NewType('N', int)", "1 / 1", "'1 +'"),
        *("type[int]", "Callable[[], int]", "'[0][1]'", "Counter[str]"),
    ],
)
def test_other_annotations_promise_nothing(
    annotation: str, module: Callable[[str], ModuleType]
) -> None:
    text = f"from __future__ import annotations\nfrom typing import *\ndef f() -> {annotation}: ..."
    promising = function(module(text))
    for value in (None, 1, "", [], object()):
        assert not violates(promising, value)


def test_generators_and_functions_without_annotations_promise_nothing(
    module: Callable[[str], ModuleType],
) -> None:
    made = module("def f() -> list: ...\ndef g(): ...\n")
    assert not violates(function(made), iter([1]))
    assert not violates(function(made, "g"), 1)


def test_an_annotation_that_does_not_end_promises_nothing(
    module: Callable[[str], ModuleType],
) -> None:
    text = "from __future__ import annotations\ndef f() -> [None for _ in iter(int, 1)]: ...\n"
    started = time.process_time()
    assert not violates(function(module(text)), 1)
    assert time.process_time() - started < 2


# --- functions that undo each other -----------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "other"),
    [
        *[pair for pair in INVERSES if pair[0] not in ("to", "encode", "format", "join")],
        *[("encode", "decode"), ("rle_encode", "rle_decode"), ("encode", "parse")],
        *[("format_date", "parse_date"), ("render", "parse"), ("to_roman", "from_roman")],
        *[("split", "join"), ("unwrap_all", "wrap_all"), ("read_x", "write_x")],
    ],
)
def test_names_say_what_undoes_a_function(
    name: str, other: str, module: Callable[[str], ModuleType]
) -> None:
    made = module(f"def {name}(x): ...\ndef {other}(x): ...\ndef plain(x): ...\n")
    assert inverse_of(function(made, name)) is function(made, other)
    assert inverse_of(function(made, other)) is function(made, name)
    assert inverse_of(function(made, "plain")) is None


@pytest.mark.parametrize(
    "other",
    ["", "def decode(): ...\n", "decode = 5\n", "class decode: ...\n", "def recode(x): ...\n"],
)
def test_what_cannot_undo_is_not_taken(other: str, module: Callable[[str], ModuleType]) -> None:
    assert inverse_of(function(module(f"def encode(x): ...\n{other}"), "encode")) is None


def test_a_function_of_a_module_that_is_gone_has_no_opposite(
    module: Callable[[str], ModuleType],
) -> None:
    made = module("def encode(x): ...\ndef decode(x): ...\n")
    del sys.modules[made.__name__]
    assert inverse_of(function(made, "encode")) is None


@pytest.mark.parametrize(
    ("encode", "decode", "share"),
    [
        ("return x + 1", "return x - 1", 0.0),
        ("return x + 1", "return x - 2", 1.0),
        ("return x // 2", "return x * 2", 0.5),
        # Then it promises nothing:
        ("return 1 / 0", "return x", 0.0),
        ("while True: pass", "return x", 0.0),
        ("raise SystemExit", "return x", 0.0),
        # These do not come back:
        ("return x", "return 1 / 0", 1.0),
        ("return x", "while True: pass", 1.0),
        ("return x", "raise SystemExit", 1.0),
        ("return x", "return type('T', (), {'__eq__': lambda a, b: 1 / 0})()", 1.0),
    ],
)
def test_round_trips_come_back(
    encode: str, decode: str, share: float, module: Callable[[str], ModuleType]
) -> None:
    made = module(f"def encode(x):\n    {encode}\n\ndef decode(x):\n    {decode}\n")
    started = time.process_time()
    assert broken_round_trips(function(made, "encode"), [(1,), (2,), (1, 2), ()]) == share
    assert time.process_time() - started < 2


def test_a_round_trip_gets_a_value_of_its_own(module: Callable[[str], ModuleType]) -> None:
    made = module(
        "def pack(x):\n    x.append(1)\n    return x\ndef unpack(x):\n    return x[:-1]\n"
    )
    value = [5]
    assert broken_round_trips(function(made, "pack"), [(value,)]) == 0.0
    assert value == [5]


def test_nothing_is_held_against_what_nothing_undoes(module: Callable[[str], ModuleType]) -> None:
    made = module("def f(x):\n    return 1 / 0\ndef encode(x):\n    return 1\ndef decode(x): ...\n")
    assert broken_round_trips(function(made), [(1,)]) == 0.0
    assert broken_round_trips(function(made, "encode"), [(1, 2)]) == 0.0


# --- edits together ----------------------------------------------------------------------------


def edit(start: int, cost: float = 1.0, *, end: int = -1, path: str = "a.py") -> Edit:
    return Edit(path, 0, start, end if end >= 0 else start + 1, "x", "test", cost)


def part(start: int, *mended: int, cost: float = 1.0) -> Part:
    return Part([edit(start, cost)], frozenset(mended))


def starts(sets: list[list[Edit]]) -> list[list[int]]:
    return [[one.start for one in edits] for edits in sets]


def test_parts_are_joined_where_that_mends_more() -> None:
    one, two, three = part(0, 1), part(10, 2, cost=1.5), part(20, 1, 2, cost=1.2)
    assert starts(complementary([one, two])) == [[0, 10]]
    assert complementary([one, three]) == []
    assert complementary([one, part(30, 1)]) == []
    assert complementary([one]) == complementary([]) == []


def test_what_mends_most_comes_first_then_what_is_cheapest() -> None:
    parts = [part(0, 1), part(10, 2, cost=3.0), part(20, 2, cost=2.0), part(30, 3, 4, cost=5.0)]
    assert starts(complementary(parts)) == [
        *([0, 30], [20, 30], [10, 30]),
        *([0, 20], [0, 10]),
    ]


def test_parts_of_one_place_exclude_each_other() -> None:
    one = Part([edit(0, end=5)], frozenset([1]))
    assert complementary([one, part(4, 2)]) == []
    assert starts(complementary([one, part(5, 2)])) == [[0, 5]]
    elsewhere = Part([edit(0, path="b.py", end=5)], frozenset([2]))
    assert len(complementary([one, elsewhere])) == 1


PARTS = st.lists(
    st.builds(
        lambda start, size, mended, cost: Part([edit(start, cost, end=start + size)], mended),
        st.integers(0, 40),
        st.integers(0, 3),
        st.frozensets(st.integers(0, 4), min_size=1, max_size=3),
        st.sampled_from([1.0, 1.5, 2.0]),
    ),
    max_size=12,
)


@given(PARTS)
def test_joined_parts_never_meet_and_are_ordered(parts: list[Part]) -> None:
    mended = {id(one.edits[0]): one.mended for one in parts}
    ranks = []
    for edits in complementary(parts):
        assert not overlap(edits)
        both = frozenset().union(*(mended[id(one)] for one in edits))
        assert all(len(mended[id(one)]) < len(both) for one in edits)
        ranks.append((-len(both), cost_of(edits)))
    assert ranks == sorted(ranks)
    more = extended(parts, [edit(7, 1.1), edit(12, 1.3)])
    assert all(not overlap(edits) and len(edits) == 2 for edits in more)
    assert [cost_of(edits) for edits in more] == sorted(cost_of(edits) for edits in more)


def test_joined_parts_are_bounded() -> None:
    every = [part(10 * n, n, cost=1.0 + n) for n in range(MOST_PAIRED + 30)]
    random.Random(1).shuffle(every)
    found = complementary(every)
    assert len(found) == MOST_SETS
    assert max(max(some) for some in starts(found)) < 10 * MOST_PAIRED
    assert len(extended(every, [edit(5, n / 10, path="b.py") for n in range(EXTENDED + 9)])) == (
        BASES * EXTENDED
    )


def test_the_best_parts_get_one_more_edit() -> None:
    parts = [part(100 * n, *range(n % 6)) for n in range(1, 6)]
    found = extended(parts, [edit(3, 1.0), edit(500, 0.5)])
    assert {tuple(some) for some in starts(found)} == {
        *((200, 3), (300, 3), (400, 3), (500, 3)),
        *((200, 500), (300, 500), (400, 500)),
    }
    assert found[0][1].start == 500


def twinned(text: str, old: str, new: str, kind: str = "test") -> list[list[str]]:
    """The programs of the sets that come of one change made wherever `old` stands."""
    found = [m.start() for m in re.finditer(re.escape(old), text)]
    singles = [Edit("a.py", 0, at, at + len(old), new, kind, 1.0 + n) for n, at in enumerate(found)]
    source = Source("/", "a.py", text)
    sets = twins(singles, {"a.py": text})
    for edits in sets:
        assert not overlap(edits)
        assert [one.cost for one in edits[1:]] == [TWIN] * (len(edits) - 1)
        assert edits[0] in singles
    return [source.spliced(edits).split("\n") for edits in sets]


def test_the_same_slip_is_mended_at_two_places_and_at_all() -> None:
    text = "a < 1\nb < 2\nc < 3\n"
    assert twinned(text, "<", "<=") == [
        ["a <= 1", "b <= 2", "c < 3", ""],
        ["a <= 1", "b < 2", "c <= 3", ""],
        ["a < 1", "b <= 2", "c <= 3", ""],
        ["a <= 1", "b <= 2", "c <= 3", ""],
    ]
    assert len(twinned("a < 1\nb < 2\n", "<", "<=")) == 1
    assert twinned("a < 1\n", "<", "<=") == []
    assert len(twinned("a < 1\n" * MOST_ALIKE, "<", ">")) == 15 + 1
    assert twinned("a < 1\n" * (MOST_ALIKE + 1), "<", ">") == []


def test_twins_are_alike_in_kind_place_and_change() -> None:
    texts = {"a.py": "a < b < c < d", "b.py": "a < b"}
    one = Edit("a.py", 0, 2, 3, "<=", "test", 1.0)
    for other in (
        Edit("a.py", 1, 6, 7, "<=", "test", 1.0),
        Edit("a.py", 0, 6, 7, ">", "test", 1.0),
        Edit("a.py", 0, 6, 7, "<=", "kind", 1.0),
        Edit("b.py", 0, 2, 3, "<=", "test", 1.0),
        Edit("a.py", 0, 2, 3, "<=", "test", 1.0),
    ):
        assert twins([one, other], texts) == []
    assert len(twins([one, Edit("a.py", 0, 6, 7, "<=", "test", 1.0)], texts)) == 1


def test_a_wrapped_part_is_the_same_change_whatever_it_holds() -> None:
    texts = {"a.py": "a + b"}
    one = Edit("a.py", 0, 0, 1, "len(a)", "call", 1.0)
    two = Edit("a.py", 0, 4, 5, "len(b)", "call", 2.0)
    assert twins([one, two], texts) == [[one, two._replace(cost=TWIN)]]


def test_a_part_and_its_whole_are_not_both_made_bigger() -> None:
    near, far = "f(a, b)", f"f(a, {'b' * 60}, a)"
    assert twinned(far, "a", "a + 1", "off by one")
    assert not twinned(near.replace("b", "a"), "a", "a + 1", "off by one")


# --- progress ----------------------------------------------------------------------------------


def told(tried: int, candidates: int) -> list[str]:
    lines: list[str] = []
    running = Progress(lines.append, time.monotonic() - 3.0, 63.0)
    running.tried, running.candidates = tried, candidates
    running.begin([4, 7, 9])
    running.reaches(2)
    running.tick()
    assert lines == []
    time.sleep(EVERY)
    running.tick()
    running.tick()
    return lines


def test_progress_is_told_about_once_a_second_and_read_again() -> None:
    (line,) = told(1204, 5310)
    expected = r"  4\.\d s: 1204 of 5310 tried; best so far mends 2 of 3; (58|59) s left"
    assert re.fullmatch(expected, line)
    assert re.fullmatch(
        r"1204 of 5310 edits tried after [45] s; the best so far mends 2 of 3 failing tests; "
        r"(58|59) s left\.",
        progress(f"junk\n{line}\n"),
    )


def test_any_progress_can_be_read() -> None:
    rng = random.Random(7)
    lines: list[str] = []
    every: list[tuple[Progress, str, str]] = []
    for _ in range(300):
        size = 10 ** rng.randint(0, 6)
        running = Progress(lines.append, time.monotonic() - rng.uniform(0, size), size * 0.9)
        running.tried, running.candidates = rng.randrange(size), rng.randrange(size)
        best, some, failing = (
            rng.choice(["", "mends", "all"]),
            rng.randint(1, 9),
            rng.randint(9, 99),
        )
        said = ""
        running.begin(range(failing))
        if best == "mends":
            running.reaches(some)
            said = f"; the best so far mends {some} of {failing} failing tests"
        elif best:
            running.reaches(some, all_pass=True)
            said = "; one makes all tests pass"
        begins = f"{running.tried} of {running.candidates} edits tried after "
        every.append((running, begins, said))
    time.sleep(EVERY)
    for running, begins, said in every:
        running.tick()
        text = progress("\n".join(["odd", lines[-1], ""]))
        assert re.fullmatch(rf"{re.escape(begins)}\d+ s{re.escape(said)}; \d+ s left\.", text)
    assert len(lines) == len(every)


# --- async results, edits of one place ---

UNFINISHED = """\
async def f() -> int:
    return 1

async def g() -> str:
    yield 1

def h() -> int:
    return f()
"""


@pytest.mark.parametrize("name", ["f", "g", "h"])
def test_what_is_to_be_awaited_is_not_held_against_the_annotation(
    name: str, module: Callable[[str], ModuleType]
) -> None:
    called = function(module(UNFINISHED), name)
    result = called()
    assert not violates(called, result)
    assert violates(called, b"")
    if name != "g":
        result.close()


SPANS = st.tuples(st.sampled_from("ab"), st.integers(0, 40), st.integers(0, 3))


@given(st.lists(SPANS, max_size=6))
def test_edits_meet_when_two_of_them_do(spans: list[tuple[str, int, int]]) -> None:
    edits = [edit(start, end=start + size, path=path) for path, start, size in spans]
    couples = [(a, b) for n, a in enumerate(edits) for b in edits[n + 1 :]]
    meet = any(
        a.path == b.path and (a.start == b.start or (a.start < b.end and b.start < a.end))
        for a, b in couples
    )
    assert overlap(edits) == meet


def test_the_last_of_many_edits_counts() -> None:
    many = [edit(10 * n, end=10 * n + 2) for n in range(200)]
    assert not overlap(many)
    assert overlap([*many, edit(1991, end=1993)])
    assert overlap([*many, edit(1995, end=1995), edit(1995, end=1995)])


# --- state between candidates -----------------------------------------------------------------


STATE = """\
COUNT = 1
NAME = "x"
NOTHING = None
ROWS = [1, [2, {"a": (3,)}]]
TABLE = {"a": [1], "b": {2}}
BAG = {1, 2}
OPAQUE = [object()]

def f(x, seen=[], *, more=1):
    seen.append(x)
    return seen

class Shop:
    made = 0
    all = []

    def g(self, cache={}):
        return cache

    class Inner:
        names = {"a"}
"""


@pytest.fixture
def living(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "quire_state.py").write_text(STATE)
    yield __import__("quire_state")
    del sys.modules["quire_state"]


@pytest.mark.parametrize("as_test", [False, True])
def test_plain_state_is_put_back(living: Any, tmp_path: Path, as_test: bool) -> None:
    source = Source(str(tmp_path), "quire_state.py", STATE)
    path = str(tmp_path / "quire_state.py")
    state = State({}, [path]) if as_test else State({"quire_state.py": source})
    rows = living.ROWS
    living.COUNT, living.NAME, living.NOTHING = 5, 6, 7
    living.ROWS.clear()
    living.TABLE["a"].append(2)
    del living.TABLE["b"]
    living.BAG |= {9}
    living.f(1)
    living.Shop.made += 1
    living.Shop.all.append(1)
    living.Shop().g()["k"] = 1
    living.Shop.Inner.names.clear()
    living.OPAQUE.append(1)
    state.restore()
    assert (living.COUNT, living.NAME, living.NOTHING) == (1, "x", None)
    assert living.ROWS is rows
    assert living.ROWS == [1, [2, {"a": (3,)}]]
    table, bag = living.TABLE, living.BAG
    assert table == {"a": [1], "b": {2}}
    assert bag == {1, 2}
    assert living.f(1) == [1]
    assert (living.Shop.made, living.Shop.all) == (0, [])
    assert living.Shop().g() == {}
    assert living.Shop.Inner.names == {"a"}
    assert len(living.OPAQUE) == 1


def test_other_modules_are_left_alone(living: Any) -> None:
    state = State({}, ["/nowhere/quire_state.py"])
    living.COUNT = 5
    state.restore()
    assert living.COUNT == 5


def test_what_tests_set_up_once_in_a_process_stays(living: Any, tmp_path: Path) -> None:
    class Test(unittest.TestCase):
        pass

    Test.__module__ = living.__name__
    living.setUpModule = lambda: setattr(living, "NOTHING", object())
    source = Source(str(tmp_path), "quire_state.py", STATE)
    case = UnittestCase(Test(), "", "one")
    evaluator = Evaluator([case], {}, {source.path: source}, Live({}), {})
    evaluator.prepare()
    made, living.NOTHING = living.NOTHING, None
    evaluator.try_edits([], Goal((), ()), 0)
    assert made is not None
    assert living.NOTHING is made


# --- one candidate: in a process of its own, for it swaps code and uses signals -------------------

VERDICTS = """\
import sys
sys.path.insert(0, {folder!r})
sys.path.insert(0, {project!r})
from quire_repair.baseline import Fact
from quire_repair.evaluate import Evaluator, Goal, INVALID, LATE, PARTLY, RIGHT, SAME, WRONG
from quire_repair.limits import install_timer
from quire_repair.live import Live
from quire_repair.sources import Edit, read_source
import code_under_test as code

class Case:
    file, careful, wish = "", None, False
    def __init__(self, run):
        self.id, self.run = run.__name__, run

def one(): assert code.f(1) == 2
def two(): assert code.f(2) == 5
def three(): assert code.f(0) == 0

install_timer()
cases = [Case(one), Case(two), Case(three)]
facts = {{n: Fact(c.id, "", "pass" if n == 2 else "fail", 0.0, 0.0, "", "", ())
         for n, c in enumerate(cases)}}
source = read_source({project!r}, "code_under_test.py")
sources = {{source.path: source}}
evaluator = Evaluator(cases, facts, sources, Live(sources), {{}})
evaluator.prepare()
start = source.text.index("x - 1")
names = {{RIGHT: "right", WRONG: "wrong", PARTLY: "partly", INVALID: "invalid", SAME: "same",
         LATE: "late"}}
for text in ("x - 1", "x * 2", "x * 2 ", "x * x + 1", "x * x + (x > 0)", "x +", "x - 2",
             "[0 for _ in iter(int, 1)]"):
    edit = Edit(source.path, 0, start, start + 5, text, "test", 1.0)
    verdict = evaluator.try_edits([edit], Goal((0, 1), (2,), True), 1)
    print(text, names[verdict.status], *verdict.fixed)
    assert code.f(5) == 4 and code.LOG == []
"""


def test_a_candidate_may_mend_some_tests_and_break_none(tmp_path: Path) -> None:
    code = "LOG = []\n\ndef f(x):\n    LOG.append(x)\n    return x - 1 if x else 0\n"
    (tmp_path / "code_under_test.py").write_text(code)
    script = VERDICTS.format(folder=str(PROGRAM.parent), project=str(tmp_path))
    script = script.replace("code.f(5) == 4 and", "code.f(5) == 4 and code.LOG.pop() == 5 and")
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=50, check=False
    )
    assert done.stderr == ""
    assert done.stdout.split("\n")[:-1] == [
        "x - 1 same",
        "x * 2 partly 0",
        "x * 2  same",
        "x * x + 1 right 0 1",
        "x * x + (x > 0) right 0 1",
        "x + invalid",
        "x - 2 wrong",
        "[0 for _ in iter(int, 1)] late",
    ]


# --- folders that tools make -------------------------------------------------------------------


def test_folders_that_tools_make_are_no_code_unless_they_are_packages(tmp_path: Path) -> None:
    for path in (
        *("a.py", "build/lib/b.py", "dist/c.py", "src/build/__init__.py", "src/build/d.py"),
        *("src/dist/e.py", "pkg/dist/__init__.py", "pkg/dist/build/f.py", "builds/g.py"),
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("")
    assert python_files(str(tmp_path)) == [
        *("a.py", "builds/g.py", "pkg/dist/__init__.py"),
        *("src/build/__init__.py", "src/build/d.py"),
    ]
