"""The repair search: what candidates change is put back; what a run tells while it goes on."""

from __future__ import annotations

import importlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quire.models.offline.quire_repair.live import State
from quire.models.offline.quire_repair.progress import Progress
from quire.models.offline.quire_repair.sources import Source
from tests.e2e.repair_cases import PROGRAM

CODE = """\
import collections
import functools

LOG = [1]
FLAGS = {"on": False, "one": 1}
NEST = {"rows": [[1], [2]]}
ROWS = NEST["rows"]
COUNTS = collections.Counter(a=1)
GROUPS = collections.defaultdict(list, a=[1])
QUEUE = collections.deque([1, 2], maxlen=3)
PAIR = ([1], {})
KNOWN = {"opaque": object()}
LOOP = []
LOOP.append(LOOP)


def f(*, seen=[]):
    seen.append(1)
    return seen


def keeps(function):
    memo = {}

    @functools.wraps(function)
    def inner(x):
        if x not in memo:
            memo[x] = function(x)
        return memo[x]

    inner.calls = []
    return inner


@keeps
def square(x):
    return x * x


class Shop:
    made = 0
    stock = {"a": []}

    def __init__(self, items=[]):
        self.items = items

    @staticmethod
    def one(seen=[]):
        return seen

    @classmethod
    def two(cls, seen={}):
        return seen

    @property
    def three(self, seen=[]):
        return seen
"""


@pytest.fixture
def living(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "quire_kept.py").write_text(CODE)
    yield __import__("quire_kept")
    del sys.modules["quire_kept"]


def taken(folder: Path) -> State:
    return State({"quire_kept.py": Source(str(folder), "quire_kept.py", CODE)})


def test_names_get_their_objects_again(living: Any, tmp_path: Path) -> None:
    state = taken(tmp_path)
    before = dict(vars(living))
    living.LOG, living.PAIR, living.Shop, living.f = [], (), None, None
    del living.FLAGS
    before["LOG"].append(2)
    state.restore()
    assert all(vars(living)[name] is value for name, value in before.items())
    assert living.LOG == [1]


def test_new_names_go(living: Any, tmp_path: Path) -> None:
    state = taken(tmp_path)
    living.NEW, living.Shop.new, living.__spare__ = 1, 2, 3
    living.loaded = sys
    state.restore()
    assert not hasattr(living, "NEW")
    assert not hasattr(living.Shop, "new")
    assert (living.__spare__, living.loaded) == (3, sys)


def test_names_of_tests_that_fixtures_add_stay(living: Any, tmp_path: Path) -> None:
    state = State({}, [str(tmp_path / "quire_kept.py")])
    living.NEW, living.LOG, living.FLAGS["x"] = 1, [], 1
    state.restore()
    assert (living.NEW, living.LOG, "x" in living.FLAGS) == (1, [1], False)


def test_mutable_defaults_are_put_back(living: Any, tmp_path: Path) -> None:
    state = taken(tmp_path)
    living.f()
    living.Shop().items.append(1)
    living.Shop.one().append(1)
    living.Shop.two()["a"] = 1
    living.Shop().three.append(1)
    living.Shop.stock["a"].append(1)
    living.square(3)
    living.square.calls.append(3)
    state.restore()
    assert living.f() == [1]
    shop = living.Shop()
    assert (shop.items, shop.one(), shop.two(), shop.three) == ([], [], {}, [])
    assert living.Shop.stock == {"a": []}
    assert living.square.calls == []
    assert living.square.__closure__[1].cell_contents == {}


def test_orders_and_types_are_put_back(living: Any, tmp_path: Path) -> None:
    state = taken(tmp_path)
    living.FLAGS["one"] = living.FLAGS.pop("one")
    living.FLAGS["on"] = 0
    living.FLAGS["one"] = True
    living.LOG[0] = 1.0
    state.restore()
    assert repr(living.FLAGS) == "{'on': False, 'one': 1}"
    living.FLAGS["on"] = living.FLAGS.pop("on")
    state.restore()
    assert repr((living.FLAGS, living.LOG)) == "({'on': False, 'one': 1}, [1])"


def test_one_object_stays_one(living: Any, tmp_path: Path) -> None:
    state = taken(tmp_path)
    rows = living.ROWS
    living.NEST["rows"] = [[9]]
    rows[0].append(3)
    rows.pop()
    living.LOOP.clear()
    state.restore()
    assert living.NEST["rows"] is living.ROWS is rows
    assert rows == [[1], [2]]
    assert living.LOOP[0] is living.LOOP


def test_other_containers_are_put_back(living: Any, tmp_path: Path) -> None:
    state = taken(tmp_path)
    opaque = living.KNOWN["opaque"]
    living.COUNTS.update("aab")
    living.GROUPS["b"].append(1)
    living.GROUPS["a"].append(2)
    living.QUEUE.extend([7, 8, 9])
    living.PAIR[0].clear()
    living.KNOWN.clear()
    state.restore()
    assert living.COUNTS == {"a": 1}
    assert living.GROUPS == {"a": [1]}
    assert living.GROUPS.default_factory is list
    assert (list(living.QUEUE), living.QUEUE.maxlen) == ([1, 2], 3)
    assert living.PAIR == ([1], {})
    assert list(living.KNOWN.values()) == [opaque]


def test_state_is_put_back_again_and_again(living: Any, tmp_path: Path) -> None:
    state = taken(tmp_path)
    for number in range(5):
        living.LOG.append(number)
        living.NEW = number
        state.restore()
        assert (living.LOG, hasattr(living, "NEW")) == ([1], False)


def test_putting_back_is_quick_where_nothing_changed(living: Any, tmp_path: Path) -> None:
    living.MANY = {n: [n] for n in range(100)}
    state = taken(tmp_path)
    best = 1.0
    for _ in range(200):
        started = time.perf_counter()
        state.restore()
        best = min(best, time.perf_counter() - started)
    assert best < 0.0005  # some 20 microseconds on a machine that is not busy


# --- what a run tells ----------------------------------------------------------------------------


def told(running: Progress) -> str:
    """What the next line says of the best."""
    lines: list[str] = []
    vars(running).update(_report=lines.append, _told=0.0)
    running.tick()
    return next((part for part in lines[0].split("; ") if "best" in part), "")


def progress() -> Progress:
    return Progress(print, time.monotonic(), 60.0)


def test_the_best_never_gets_worse_over_the_same_tests() -> None:
    running = progress()
    running.begin([1, 2, 3])
    assert told(running) == ""
    running.reaches(2)
    running.begin([3, 2, 1])
    assert told(running) == "best so far mends 2 of 3"
    running.reaches(1)
    assert told(running) == "best so far mends 2 of 3"
    running.begin([1])
    assert told(running) == ""
    running.reaches(0, all_pass=True)
    assert told(running) == "best so far passes all"
    running.begin([1, 2, 3])
    assert told(running) == "best so far mends 2 of 3"


def test_what_is_withdrawn_is_not_told_any_more() -> None:
    running = progress()
    running.begin([1, 2])
    running.reaches(1, all_pass=True)
    running.reaches(1)
    assert told(running) == "best so far mends 1 of 2"
    running.reaches(0)
    assert told(running) == ""


# --- a run over candidates: in a process of its own, for it forks --------------------------------

RUN = """\
import sys, time
sys.path.insert(0, {folder!r})
sys.path.insert(0, {project!r})
from quire_repair.baseline import Fact
from quire_repair.evaluate import Evaluator, Goal
from quire_repair.limits import install_timer
from quire_repair.live import Live
from quire_repair.pool import Pool, Task
from quire_repair.progress import Progress
from quire_repair.sources import Edit, read_source
import code_under_run as code

class Case:
    file, careful, wish = "", None, False
    def __init__(self, run):
        self.id, self.run = run.__name__, run

def one(): assert code.f(1) == 2
def two(): assert code.f(2) == 5
def three(): assert code.f(0) == 0

class Told(Progress):
    def reaches(self, *some):
        super().reaches(*some)
        print("reaches", *some)

install_timer()
cases = [Case(one), Case(two), Case(three)]
facts = {{n: Fact(c.id, "", "pass" if n == 2 else "fail", 0.0, 0.0, "AssertionError", "", ())
         for n, c in enumerate(cases)}}
source = read_source({project!r}, "code_under_run.py")
sources = {{source.path: source}}
evaluator = Evaluator(cases, facts, sources, Live(sources), {{}})
start = source.text.index("x - 0")
for text, parts in (("x * x + 1", True), ("x + 1", False), ("x * 2", True),
                    ("x * x + (x > 0)", False), ("x.__class__(dirty(x))", True)):
    edit = Edit(source.path, source.units[-1].index, start, start + 5, text, "test", 1.0)
    task = Task(evaluator, [[edit]], Goal((0, 1), (2,), parts), 0, False)
    progress = Told(print, time.monotonic(), 60.0)
    print(text)
    found = Pool(task, time.monotonic() + 20.0, progress).run()
    print("found", len(found.right), len(found.partly), "tried", progress.tried, flush=True)
"""

UNDER_RUN = """\
class Box:
    pass

BOX = Box()
BOX.spoilt = 0

def dirty(x):
    BOX.spoilt += 1
    return {0: 0, 1: 2, 2: 5}[x]

def f(x):
    return -5 if BOX.spoilt > 2 else x - 0
"""


WANTED = """\
x * x + 1
found 0 0 tried 1
x + 1
found 0 0 tried 1
x * 2
reaches 1 False
found 0 1 tried 1
x * x + (x > 0)
reaches 0 True
found 1 0 tried 1
x.__class__(dirty(x))
reaches 0 True
reaches 0 False
reaches 0 True
found 1 0 tried 1
"""


def test_what_a_run_tells_is_what_counts(tmp_path: Path) -> None:
    (tmp_path / "code_under_run.py").write_text(UNDER_RUN)
    script = RUN.format(folder=str(PROGRAM.parent), project=str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == WANTED, done.stderr


def test_modules_inside_of_packages_are_put_back(tmp_path: Path) -> None:
    folder = tmp_path / "quire_package"
    folder.mkdir()
    (folder / "__init__.py").write_text("from . import inner\n")
    (folder / "inner.py").write_text("TABLE = {'a': {'b': 1}}\n")
    sys.path.insert(0, str(tmp_path))
    try:
        inner = importlib.import_module("quire_package.inner")
        paths = ("quire_package/__init__.py", "quire_package/inner.py")
        sources = {path: Source(str(tmp_path), path, "") for path in paths}
        state = State(sources)
        inner.TABLE["a"]["b"] = 2
        state.restore()
        assert inner.TABLE == {"a": {"b": 1}}
    finally:
        sys.path.remove(str(tmp_path))
        for name in ("quire_package", "quire_package.inner"):
            sys.modules.pop(name, None)
