"""The repair search on small broken programs: right on tests that it never saw."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.e2e.repair_cases import DATA, load, program, repair, search, snapshot, write

# Of every kind one; `QUIRE_REPAIR_ALL=1` takes all.
QUICK = (
    *("account", "async_queue", "calculator", "closure"),
    *("collatz", "config_parser", "constant", "default_arg"),
    *("flatten", "import_error", "inventory", "memo_fib"),
    *("missing_return", "roman", "two_bugs", "wrap_text"),
)
ALL = sorted(path.stem for path in DATA.glob("*.case"))
CHOSEN = ALL if os.environ.get("QUIRE_REPAIR_ALL") else QUICK


@pytest.mark.parametrize("name", CHOSEN)
def test_a_broken_program_is_repaired_rightly(name: str, tmp_path: Path) -> None:
    result = repair(tmp_path, load(name))
    assert result.found["status"] == "repaired", result.found
    assert result.right, result.found


def test_the_same_project_gets_the_same_repair(tmp_path: Path) -> None:
    write(tmp_path, load("binary_search").files)
    survey = program(tmp_path, "look")
    first, second = (search(tmp_path, survey) for _ in range(2))
    for findings in (first, second):
        # How many were tried depends on how workers are scheduled, and so does the time.
        for name in ("seconds", "tried", "passing_edits", "candidates", "other_behaviours"):
            findings.pop(name, None)
    assert first == second


def test_the_runner_up_and_a_telling_call_are_named(tmp_path: Path) -> None:
    write(tmp_path, load("binary_search").files)
    found = search(tmp_path, program(tmp_path, "look"))
    assert found["other_behaviours"] > 0
    assert found["runner_up"]["path"] == "search.py"
    assert found["telling"]["call"].startswith("find(")
    assert found["telling"]["chosen"] != found["telling"]["other"]


def test_nothing_is_done_when_no_test_fails(tmp_path: Path) -> None:
    files = {"a.py": "def f():\n    return 1\n", "test_a.py": UNITTEST.format(value=1)}
    write(tmp_path, files)
    found = search(tmp_path, program(tmp_path, "look"))
    assert found["status"] == "nothing_fails"
    assert "changes" not in found


def test_a_fault_beyond_small_edits_is_reported(tmp_path: Path) -> None:
    code = "def f():\n    return {}\n"
    write(tmp_path, {"a.py": code, "test_a.py": UNITTEST.format(value="'unlike anything'[::-1]")})
    found = search(tmp_path, program(tmp_path, "look"), seconds=10)
    assert found["status"] == "not_found"
    assert found["failing"][0]["error"] == "AssertionError"
    assert found["suspects"][0]["function"] == "f"
    assert found["tried"] > 0


def test_tests_and_their_helpers_are_never_edited(tmp_path: Path) -> None:
    helper = "def wanted():\n    return 2\n"
    test = PYTEST.replace("1\n", "wanted()\n").replace("import f", "import f\nfrom helper import *")
    write(tmp_path, {"a.py": "def f(x=1):\n    return x\n", "tests/helper.py": helper})
    write(tmp_path, {"tests/test_a.py": test})
    found = search(tmp_path, program(tmp_path, "look"))
    assert [change["path"] for change in found["changes"]] == ["a.py"]


def test_a_missing_package_is_no_fault_of_the_code(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "import no_such_package\n", "test_a.py": PYTEST})
    found = search(tmp_path, program(tmp_path, "look"))
    assert found["status"] == "environment"
    assert "no_such_package" in found["environment"][0]["reason"]


def test_a_broken_test_module_does_not_hide_the_others(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "def f():\n    return 2\n", "test_a.py": PYTEST})
    write(tmp_path, {"test_b.py": "undefined_name\n\ndef test_b():\n    assert True\n"})
    found = search(tmp_path, program(tmp_path, "look"))
    assert found["status"] == "repaired"
    assert "undefined_name" in found["environment"][0]["reason"]


def test_a_test_that_blocks_without_using_the_processor_is_survived(tmp_path: Path) -> None:
    code = "import time\n\n\ndef f():\n    return 2\n\n\ndef wait():\n    time.sleep(1000)\n"
    test = f"{PYTEST}\n\ndef test_wait():\n    from a import wait\n    wait()\n"
    write(tmp_path, {"a.py": code, "test_a.py": test})
    found = search(tmp_path, program(tmp_path, "look"), seconds=8)
    assert {failure["id"] for failure in found["failing"]} == {
        "test_a.py::test_f",
        "test_a.py::test_wait",
    }


def test_noisy_and_hungry_code_does_not_disturb_the_search(tmp_path: Path) -> None:
    code = (
        "import sys\n\n\ndef f(n):\n    print('x' * 10000)\n    sys.stderr.write('noise')\n"
        "    kept = []\n    while len(kept) <= n:\n        kept.append(0)\n    return len(kept)\n"
    )
    test = "from a import f\n\n\ndef test_f():\n    assert f(3) == 3\n    assert f(0) == 0\n"
    write(tmp_path, {"a.py": code, "test_a.py": test})
    found = search(tmp_path, program(tmp_path, "look"))
    assert found["status"] == "repaired"
    assert found["changes"][0]["new"] == "while len(kept) < n:"


@pytest.mark.parametrize("framework", ["pytest", "unittest"])
def test_nothing_is_written_into_the_project(framework: str, tmp_path: Path) -> None:
    test = PYTEST if framework == "pytest" else UNITTEST.format(value=1)
    write(tmp_path, {"a.py": "def f():\n    return 2\n", "test_a.py": test})
    before = snapshot(tmp_path)
    survey = program(tmp_path, "look")
    assert survey["framework"] == framework
    assert search(tmp_path, survey)["status"] == "repaired"
    assert snapshot(tmp_path) == before


PYTEST = "from a import f\n\n\ndef test_f():\n    assert f() == 1\n"
UNITTEST = """\
import unittest

from a import f


class FTest(unittest.TestCase):
    def test_f(self):
        self.assertEqual(f(), {value})
"""
