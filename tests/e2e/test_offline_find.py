"""Finding and running tests: layouts, docstring examples, tests that do what they should not, and
telling faults of the code from what is missing around it. All through the program itself."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest

from quire.models.offline import commands
from quire.models.offline.findings import survey_in
from tests.e2e.repair_cases import apply, environment, program, search, write

CART = """\
def total(prices, rate=0):
    result = 0
    for price in prices:
        result -= price
    return result + result * rate
"""
MENDED = "result += price"
PYTEST = """\
from {module} import total


def test_sum():
    assert total([1, 2]) == 3


def test_none():
    assert total([]) == 0
"""
UNITTEST = """\
import unittest

from {module} import total


class TotalTest(unittest.TestCase):
    def test_sum(self):
        self.assertEqual(total([1, 2]), 3)

    def test_none(self):
        self.assertEqual(total([]), 0)
"""
EXAMPLES = '''\
def total(prices):
    """The sum.

    >>> total([1, 2])
    3
    >>> total(None)
    Traceback (most recent call last):
        ...
    TypeError: 'NoneType' object is not iterable
    >>> print("a    b")  # doctest: +NORMALIZE_WHITESPACE
    a b
    >>> total  # doctest: +ELLIPSIS
    <function total at ...>
    """
    result = 0
    for price in prices:
        result -= price
    return result
'''
TEST = PYTEST.format(module="cart")
CASES = UNITTEST.format(module="cart")
LAYOUTS = {
    "src": {"src/a/__init__.py": "", "src/a/b.py": CART, "tests/test_b.py": PYTEST},
    "inner package": {"a/__init__.py": "", "a/b/__init__.py": "", "a/b/c.py": CART},
    "beside": {"a/__init__.py": "", "a/b.py": CART, "a/test_b.py": PYTEST},
    "flat": {"cart.py": CART, "tests/__init__.py": "", "tests/test_cart.py": TEST},
}
LAYOUTS["inner package"]["tests/test_c.py"] = PYTEST
NAMES = {"src": "a.b", "inner package": "a.b.c", "beside": ".b", "flat": "cart"}
CONFIGURED = {
    "pyproject.toml": """\
[tool.pytest.ini_options]
python_files = ["check_*.py"]
testpaths = ["specs"]
pythonpath = ["lib"]
""",
    "setup.cfg": "[tool:pytest]\npython_files = check_*.py\npythonpath = lib\ntestpaths = specs\n",
    "tox.ini": "[pytest]\npython_files = check_*.py\npythonpath = lib\n",
}


def found_in(folder: Path, files: dict[str, str], seconds: int = 20) -> dict:
    write(folder, files)
    return search(folder, program(folder, "look"), seconds)


def new_lines(found: dict) -> list[str]:
    return [change["new"] for change in found.get("changes", [])]


WITH_PYTEST = [("src", PYTEST), ("beside", PYTEST)]
"""The others are quicker."""


@pytest.mark.parametrize("layout, text", [*((name, UNITTEST) for name in LAYOUTS), *WITH_PYTEST])
def test_layouts(layout: str, text: str, tmp_path: Path) -> None:
    files = {p: t if t != PYTEST else text for p, t in LAYOUTS[layout].items()}
    files = {p: t.replace("{module}", NAMES[layout]) for p, t in files.items()}
    found = found_in(tmp_path, files)
    assert (found["status"], new_lines(found)) == ("repaired", [MENDED])


@pytest.mark.parametrize("name", CONFIGURED)
def test_settings_of_pytest_say_where_tests_are(name: str, tmp_path: Path) -> None:
    files = {"lib/cart.py": CART, "specs/check_cart.py": TEST, name: CONFIGURED[name]}
    found = found_in(tmp_path, files)
    assert (found["status"], new_lines(found)) == ("repaired", [MENDED])
    assert [change["path"] for change in found["changes"]] == ["lib/cart.py"]


def test_test_files_of_the_same_name(tmp_path: Path) -> None:
    found = found_in(tmp_path, {"cart.py": CART, "a/test_x.py": TEST, "b/test_x.py": TEST})
    assert (found["status"], new_lines(found)) == ("repaired", [MENDED])
    assert "another test file has the same name" in found["environment"][0]["reason"]


def test_what_unittest_has(tmp_path: Path) -> None:
    text = """\
import doctest
import unittest

import cart

DATA = []


def setUpModule():
    DATA.extend([1, 2])


class Made(unittest.TestCase):
    def __init__(self, given):
        super().__init__("check")
        self.given = given

    def check(self):
        self.assertEqual(cart.total(self.given), sum(self.given))


class Later(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.wanted = 3

    async def test_later(self):
        self.assertEqual(cart.total(DATA), self.wanted)

    def test_parts(self):
        for n in range(3):
            with self.subTest(n=n):
                self.assertEqual(cart.total([1] * n), n)


def load_tests(loader, tests, pattern):
    tests.addTests([Made([4]), Made([])])
    tests.addTests(doctest.DocTestSuite(cart))
    return tests
"""
    found = found_in(tmp_path, {"cart.py": EXAMPLES, "test_cart.py": text})
    assert found["tests"] == {"total": 5, "passed": 1, "failed": 4}
    assert (found["status"], new_lines(found)) == ("repaired", [MENDED])


def test_what_pytest_has(tmp_path: Path) -> None:
    conftest = """\
import pytest


@pytest.fixture(scope="session")
def state():
    yield {"n": 0}


@pytest.fixture(scope="module")
def prices(state):
    state["n"] += 1
    yield [1, 2]


@pytest.fixture(autouse=True)
def variable(monkeypatch):
    monkeypatch.setenv("SHOP", "1")
"""
    text = """\
import logging
import os
import unittest

import pytest

from cart import total


class Box:
    def __init__(self, *items):
        self.items = list(items)


@pytest.mark.parametrize("box, wanted", [pytest.param(Box(1, 2), 3, id="a [b]/c"), (Box(), 0)])
def test_box(box, wanted):
    assert total(box.items) == wanted
    box.items.clear()


def test_module(prices, state):
    assert state["n"] == 1
    assert total(prices) == 3


def test_output(capsys, caplog, tmp_path):
    (tmp_path / "a").write_text("2")
    assert os.environ["SHOP"] == "1"
    print(total([int((tmp_path / "a").read_text())]))
    logging.getLogger("x").warning("%s", total([]))
    assert (capsys.readouterr().out, caplog.messages) == ("2\\n", ["0"])


class Old(unittest.TestCase):
    def test_old(self):
        self.assertEqual(total([5]), 5)


@pytest.mark.xfail
def test_known():
    assert total([1]) == 7


@pytest.mark.skip
def test_skipped():
    assert False


def test_known_inside():
    pytest.xfail("known")


@pytest.mark.asyncio
async def test_plugin():
    assert total([1]) == 1


def test_fixture(benchmark_of_a_plugin):
    assert benchmark_of_a_plugin
"""
    found = found_in(tmp_path, {"cart.py": CART, "conftest.py": conftest, "test_cart.py": text})
    assert (found["status"], new_lines(found)) == ("repaired", [MENDED]), found
    assert {lack["id"].rpartition("::")[2] for lack in found["environment"]} >= {"test_fixture"}


# --- examples in docstrings ------------------------------------------------------------------


def test_examples_are_the_tests_of_a_project_without_others(tmp_path: Path) -> None:
    risky = "'''\n>>> 1\n2\n'''\nraise SystemExit(3)\n"
    write(tmp_path, {"shop/__init__.py": "", "shop/cart.py": EXAMPLES, "shop/__main__.py": risky})
    write(tmp_path, {"script.py": "raise SystemExit(4)\n"})
    survey = program(tmp_path, "look")
    assert (survey["framework"], survey["doctests"]) == ("pytest", True)
    assert survey["tests"] == ["shop/cart.py"]
    told = survey_in(json.dumps(survey))
    assert told is not None
    line = commands.run_tests(told, 20)
    assert "-m pytest" in line
    assert "--doctest-modules" in line
    assert run(line, tmp_path) == 1
    found = search(tmp_path, survey)
    assert found["failing"][0]["id"] == "shop/cart.py::total (doctest)"
    assert "expected '3', got '-3'" in found["failing"][0]["message"]
    assert (found["status"], new_lines(found)) == ("repaired", [MENDED])
    apply(tmp_path, found["changes"][0])
    assert run(line, tmp_path) == 0


def test_examples_that_pass_must_go_on_passing(tmp_path: Path) -> None:
    code = 'def double(n):\n    """\n    >>> double(0)\n    1\n    """\n    return n + 1\n'
    test = "from a import double\n\n\ndef test_double():\n    assert double(2) == 4\n"
    found = found_in(tmp_path, {"a.py": code, "test_a.py": test}, 3)
    assert found["tests"] == {"total": 2, "passed": 1, "failed": 1}
    assert "return n + 2" not in new_lines(found)


@pytest.mark.parametrize("wanted, line", [("6", "return a + 1"), ("9", "return b")])
def test_examples_that_fail_are_wishes_where_nobody_runs_them(
    wanted: str, line: str, tmp_path: Path
) -> None:
    code = f'def pick(a, b):\n    """\n    >>> pick(5, 9)\n    {wanted}\n    """\n    return a\n'
    test = "from a import pick\n\n\ndef test_pick():\n    assert pick(1, 2) == 2\n"
    found = found_in(tmp_path, {"a.py": code, "test_a.py": test})
    assert found["tests"] == {"total": 1, "passed": 0, "failed": 1}
    assert (found["status"], new_lines(found)) == ("repaired", [line])


def test_examples_that_the_project_runs_are_tests(tmp_path: Path) -> None:
    files = {"pytest.ini": "[pytest]\naddopts = --doctest-modules\n", "cart.py": EXAMPLES}
    found = found_in(tmp_path, {**files, "test_cart.py": "def test_a():\n    import cart\n"})
    assert found["tests"] == {"total": 2, "passed": 1, "failed": 1}
    assert (found["status"], new_lines(found)) == ("repaired", [MENDED])


def run(line: str, folder: Path) -> int:
    """The exit code of a command that the offline model would run."""
    words = ["sh", "-c", line]
    return subprocess.run(
        words, cwd=folder, env=environment(), capture_output=True, check=False
    ).returncode


# --- tests that do what they should not ------------------------------------------------------

NASTY = {
    "sleep": "import time\n    time.sleep(1000)",
    "spin": "while True:\n        pass",
    "swallow": "while True:\n        try:\n            while True:\n                pass\n"
    "        except BaseException:\n            pass",
    "exit": "import sys\n    sys.exit(3)",
    "end": "import os\n    os._exit(3)",
    "kill": "import os, signal\n    os.kill(os.getpid(), signal.SIGKILL)",
}


@pytest.mark.parametrize("name", NASTY)
def test_a_search_ends_in_time_whatever_tests_do(name: str, tmp_path: Path) -> None:
    count = 1 if name == "swallow" else 4
    tests = "".join(f"\n\ndef test_bad{n}():\n    {NASTY[name]}\n" for n in range(count))
    write(tmp_path, {"cart.py": CART, "test_cart.py": TEST + tests})
    survey = program(tmp_path, "look")
    began = time.monotonic()
    found = search(tmp_path, survey, 6)
    assert time.monotonic() - began < 8
    assert "test_cart.py::test_sum" in {failure["id"] for failure in found["failing"]}
    assert found["tests"]["passed"] == 1
    if name != "swallow":
        assert (found["status"], new_lines(found)) == ("partly", [MENDED])


@pytest.mark.parametrize(
    "end, text", [("while True:\n    pass\n", TEST), ("import os\nos._exit(0)\n", CASES)]
)
def test_code_that_never_gives_control_back_while_it_is_loaded(
    end: str, text: str, tmp_path: Path
) -> None:
    write(tmp_path, {"cart.py": f"{CART}\n\n{end}", "test_cart.py": text})
    survey = program(tmp_path, "look")
    began = time.monotonic()
    found = search(tmp_path, survey, 3)
    assert time.monotonic() - began < 5
    assert found["status"] == "not_found"
    assert found["failing"][0]["error"] in ("does not end", "it ends the process")


def test_tests_that_disturb_others_are_survived(tmp_path: Path) -> None:
    more = """

def test_thread():
    import threading
    import time

    threading.Thread(target=time.sleep, args=(1000,)).start()
    assert total([1]) == 1


def test_folder(tmp_path):
    import os

    os.chdir(tmp_path)
    os.environ.clear()
    print("x" * 3_000_000)
    os.write(2, b"y" * 3_000_000)


def test_random():
    import random

    items = [random.randrange(1, 100) for _ in range(5)]
    assert total(items) == sum(items)
"""
    found = found_in(tmp_path, {"cart.py": CART, "test_cart.py": TEST + more})
    assert (found["status"], new_lines(found)) == ("repaired", [MENDED])


# --- what is missing around the code ---------------------------------------------------------


def test_what_is_missing_around_the_code_is_told_apart(tmp_path: Path) -> None:
    lacking = {
        "variable": "import os\n    assert os.environ['NO_SUCH_KEY']",
        "file": "open('no-such-file.csv')",
        "program": "import subprocess\n    subprocess.run(['no-such-program'])",
        "network": "import socket\n    socket.create_connection(('127.0.0.1', 1))",
        "person": "assert input()",
    }
    tests = "".join(f"\n\ndef test_{name}():\n    {body}\n" for name, body in lacking.items())
    other = "import no_such_package\n\n\ndef test_other():\n    pass\n"
    files = {"cart.py": CART, "test_cart.py": TEST + tests, "test_other.py": other}
    found = found_in(tmp_path, files)
    assert (found["status"], new_lines(found)) == ("repaired", [MENDED])
    names = {lack["id"].rpartition("::")[2] for lack in found["environment"]}
    assert names == {"test_other.py", *(f"test_{name}" for name in lacking)}


FAULTS = {
    "syntax": (CART.replace("in prices:", "in prices"), "(cart.py, line 3)"),
    "name": (CART.replace("def total", "def totel"), "cannot import name 'total' from 'cart'"),
    "file": ("DATA = open('price.csv').read()\n\n\n" + CART, "price.csv"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_of_the_code_are_no_lacks(name: str, tmp_path: Path) -> None:
    code, message = FAULTS[name]
    found = found_in(tmp_path, {"cart.py": code, "test_cart.py": TEST, "prices.csv": "1"}, 3)
    assert found["environment"] == []
    assert message in found["failing"][0]["message"]


@pytest.mark.parametrize("name", ["conftest.py", "cart.py"])
def test_a_variable_or_package_that_code_wants_while_it_is_loaded(
    name: str, tmp_path: Path
) -> None:
    files = {"cart.py": CART, "conftest.py": "", "test_cart.py": TEST}
    files[name] = (
        "import no_such_package\n"
        if name == "conftest.py"
        else f"import os\n\nKEY = os.environ['NO_SUCH_KEY']\n{CART}"
    )
    found = found_in(tmp_path, files, 5)
    assert found["status"] == "environment"
    reason = found["environment"][0]["reason"]
    assert "no_such_package" in reason or "NO_SUCH_KEY is not set" in reason
