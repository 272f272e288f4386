"""Questions to the offline model through `quire exec`: real projects, real runs, real git."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.e2e.quire import Place
from tests.e2e.repair_cases import environment, program, snapshot, write
from tests.e2e.test_offline_exec import commit, final

TEXT = """\
def encode(text):
    parts = []
    index = 0
    while index < len(text):
        run = 1
        while index + run < len(text) and text[index + run] == text[index]:
            run += 1
        parts.append(f"{run}{text[index]}")
        index += run
    return "".join(parts)


def decode(code):
    out, number = "", ""
    for c in code:
        if c.isdigit():
            number = c
        else:
            out += c * int(number)
    return out


def mean(items):
    return sum(items) / len(items[1:])


class Stack:
    def __init__(self):
        self.items = []

    def push(self, item):
        self.items.append(item)

    def pop(self):
        return self.items.pop(0)
"""
TESTS = """\
import os
import time

import pytest
from hypothesis import given, settings, strategies as st
from text import Stack, decode, encode, mean


@pytest.mark.parametrize("text", ["aab", "aaaaaaaaaaaabbc", ""])
def test_round(text):
    assert decode(encode(text)) == text


@pytest.mark.parametrize("items, expected", [([9, 9, 9], 9), ([2, 4], 3)])
def test_mean(items, expected):
    assert mean(items) == expected


@pytest.mark.parametrize("items", [[70, 8], [8]])
def test_mean_runs(items):
    mean(items)


@settings(database=None)
@given(st.lists(st.integers(0, 9), max_size=8))
def test_stack(items):
    stack = Stack()
    for item in items:
        stack.push(item)
    assert [stack.pop() for _ in items] == items[::-1]


def test_hang():
    while True:
        pass


def test_die():
    os._exit(3)


def test_lack():
    import no_such_package
"""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    made.env = {"PATH": environment()["PATH"], "PYTEST_DEBUG_TEMPROOT": "/tmp"}
    return made


@pytest.fixture
def text_project(tmp_path: Path) -> Path:
    write(tmp_path, {"text.py": TEXT, "test_text.py": TESTS})
    return tmp_path


def asked(folder: Path, command: str, *only: str, seconds: int = 30) -> dict:
    words = ["--framework", "pytest", "--max-seconds", str(seconds)]
    names = ", ".join(f'"test_text.py::{name}"' for name in only)
    return program(folder, command, *words, *(["--only", f"[{names}]"] if only else []))


def test_the_smallest_input_is_found_where_it_means_something(text_project: Path) -> None:
    names = ("test_round", "test_mean", "test_mean_runs", "test_stack")
    before = snapshot(text_project)
    found = asked(text_project, "explain", *names)
    assert snapshot(text_project) == before
    by_code = {one["cause"]["code"]: one for one in found["explained"]}
    round_trip = by_code["assert decode(encode(text)) == text"]
    assert round_trip["smallest"]["input"] == "text='aaaaaaaaaa'"
    assert round_trip["actual"] == "'aabbc'"
    assert {"call": "decode(code='12a2b1c')", "gives": "'aabbc'"} in round_trip["calls"]
    assert round_trip["failing_sets"] == ["aaaaaaaaaaaabbc"]
    assert round_trip["passing_sets"] == ["aab", ""]
    expecting = by_code["assert mean(items) == expected"]
    assert expecting["smallest"] == {"input": "items=[2, 4], expected=3", "how": "given"}
    crash = by_code["return sum(items) / len(items[1:])"]
    assert crash["smallest"]["input"] in ("items=[0]", "items=[]")
    assert crash["smallest"]["how"] == "shrunk"
    assert crash["calls"][-1]["raised"]
    stack = by_code["assert [stack.pop() for _ in items] == items[::-1]"]
    assert stack["smallest"] == {"input": "items=[0, 1]", "how": "hypothesis"}


def test_values_that_cannot_be_had_again_are_not_shown(tmp_path: Path) -> None:
    test = """\
def test_next():
    values = iter([1, 2, 3, 4, 5])
    assert next(values) == 9


def test_pop():
    values = [1, 2, 3, 4, 5]
    assert values.pop() < 2
"""
    write(tmp_path, {"a.py": "", "test_text.py": test})
    found = asked(tmp_path, "explain")
    assert len(found["explained"]) == 2
    assert [one.get("actual") for one in found["explained"]] == [None, None]
    assert sorted(one["expected"] for one in found["explained"]) == ["2", "9"]


def test_runs_tell_hangs_deaths_and_lacks_apart(text_project: Path) -> None:
    found = asked(
        text_project, "report", "test_hang", "test_die", "test_lack", "test_mean", seconds=5
    )
    assert (found["total"], found["failed"], found["hang"], found["lacking"]) == (5, 3, 1, 1)
    assert [one["id"] for one in found["hanging"]] == ["test_text.py::test_hang"]
    assert [one["id"] for one in found["environment"]] == ["test_text.py::test_lack"]
    assert [(one["error"], one["count"]) for one in found["causes"]] == [
        ("AssertionError", 2),
        ("ProcessEnded", 1),
    ]


def test_failures_are_explained_without_write_access(place: Place) -> None:
    commit(place, {"shop.py": BAD, "tests/__init__.py": "", "tests/test_shop.py": UNITTEST})
    result = place.exec("why does test_total fail?")
    assert result.code == 0, result.err
    assert "1 of 1 tests fail." in final(result)
    assert "`total([1, 2])` is `2`, `3`" in final(result)
    assert "`total(items=[1, 2])` gave `2`" in final(result)
    assert "`shop.py` line 2 in `total`" in final(result)
    assert place.git("status", "--short") == ""


def test_what_pytest_cannot_begin_is_told(place: Place) -> None:
    commit(place, {"conftest.py": "import no_such_package\n", "test_a.py": "def test_a(): pass\n"})
    result = place.exec("-s", "workspace-write", "run the tests")
    assert "No module named 'no_such_package'" in final(result)


def test_modules_that_cannot_be_loaded_are_told_by_who_asks(tmp_path: Path) -> None:
    test = "import unittest\nfrom shop import no_such_name\n"
    write(tmp_path, {"shop.py": "", "tests/__init__.py": "", "tests/test_shop.py": test})
    write(tmp_path, {"tests/test_far.py": "import unittest, no_such_package\n"})
    words = ("--framework", "unittest", "--start", "tests", "--top", ".")
    found = program(tmp_path, "report", *words)
    (cause,) = found["causes"]
    assert (cause["path"], cause["line"]) == ("tests/test_shop.py", 2)
    assert cause["tests"] == ["tests.test_shop"]
    assert found["environment"][0]["id"] == "tests.test_far"


# --- bisect ------------------------------------------------------------------------------------

GOOD = "def total(items):\n    return sum(items)\n"
BAD = "def total(items):\n    return sum(items[1:])\n"
UNITTEST = """\
import unittest

from shop import total


class ShopTest(unittest.TestCase):
    def test_total(self):
        self.assertEqual(total([1, 2]), 3)
"""


def history(place: Place, *states: str | None) -> list[str]:
    """A commit for each state of `shop.py` (None removes it); their hashes."""
    found: list[str] = []
    for number, code in enumerate(states):
        write(place.repo, {"notes.txt": f"{number}\n", "shop.py": code or ""})
        if code is None:
            (place.repo / "shop.py").unlink()
        place.git("add", "-A")
        place.git("commit", "-qm", f"State {number}")
        found.append(place.git("rev-parse", "HEAD").strip())
    return found


def with_tests(place: Place) -> None:
    write(place.repo, {"tests/__init__.py": "", "tests/test_shop.py": UNITTEST})


def test_the_commit_that_broke_a_test_is_found(place: Place) -> None:
    hashes = history(place, None, GOOD, GOOD, "def total(", BAD, BAD, "syntax error", BAD)
    with_tests(place)
    write(place.repo, {"notes.txt": "not committed\n"})
    before = snapshot(place.repo)
    result = place.exec("-s", "workspace-write", "which commit broke test_total?")
    assert result.code == 0, result.err
    assert snapshot(place.repo) == before, "the checkout and its git are as they were"
    text = final(result)
    assert "one of these commits" in text, text
    assert hashes[4][:10] in text
    assert hashes[3][:10] in text
    assert hashes[6][:10] in text.split("Could not be judged")[1]


def test_the_first_bad_commit_is_told_with_what_it_changed(place: Place) -> None:
    hashes = history(place, GOOD, GOOD, BAD, BAD, BAD)
    place.git("tag", "v1", hashes[0])
    with_tests(place)
    text = final(place.exec("-s", "workspace-write", "which commit broke test_total since v1?"))
    assert f"broken by `{hashes[2][:10]}`" in text
    assert "State 2" in text
    assert "`notes.txt`, `shop.py`" in text
    assert "-    return sum(items)\n+    return sum(items[1:])" in text
    assert not list(Path("/tmp").glob("quire-bisect-*"))


@pytest.mark.parametrize(
    ("states", "prompt", "words"),
    [
        ((BAD, BAD), "bisect the failing test", "already fails at the oldest commit looked at"),
        ((BAD, BAD), "bisect test_total since HEAD", "already fails at the commit that you named"),
        ((None, BAD), "bisect test_total", "no older commit could be judged"),
        ((None,), "bisect test_total", "at HEAD, without what is not committed"),
        ((GOOD, GOOD), "bisect test_total", "changes that are not committed broke it"),
        ((GOOD,), "bisect test_total since v9.1", "There is no `v9.1` in this repository"),
    ],
)
def test_other_ends_are_told_honestly(
    place: Place, states: tuple[str | None, ...], prompt: str, words: str
) -> None:
    place.git("checkout", "-q", "--orphan", "fresh")
    history(place, *states)
    with_tests(place)
    write(place.repo, {"shop.py": BAD})
    assert words in final(place.exec("-s", "workspace-write", prompt))


def test_a_sandbox_without_a_temporary_folder_is_told(place: Place) -> None:
    history(place, BAD)
    with_tests(place)
    text = final(place.exec("which commit broke test_total?"))
    assert "-s workspace-write" in text
    assert "\n" not in text


def test_git_runs_nothing_of_the_repository(place: Place, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    script = tmp_path / "evil.sh"
    script.write_text(f"#!/bin/sh\ntouch {mark}\ncat\n")
    script.chmod(0o755)
    history(place, GOOD, BAD)
    with_tests(place)
    for key in ("core.fsmonitor", "diff.external", "core.pager", "diff.x.textconv"):
        place.git("config", key, str(script))
    write(place.repo, {".git/hooks/post-checkout": script.read_text()})
    write(place.repo, {".git/info/attributes": "*.py diff=x\n"})
    found = program(
        place.repo, "bisect", "--framework", "unittest", "--start", "tests", "--top", "."
    )
    assert found["breaks"][0]["kind"] == "first_bad"
    assert not mark.exists()


def test_a_project_below_the_repository_is_its_own_tree(place: Place) -> None:
    history(place, GOOD, BAD)
    inner = place.repo / "inner"
    for number, code in enumerate((GOOD, BAD)):
        write(inner, {"shop.py": code, "n": str(number)})
        place.git("add", "-A")
        place.git("commit", "-qm", f"Inner {number}")
    write(inner, {"tests/__init__.py": "", "tests/test_shop.py": UNITTEST})
    words = ("--framework", "unittest", "--start", "tests", "--top", ".")
    (one,) = program(inner, "bisect", *words, python=sys.executable)["breaks"]
    assert one["commit"]["subject"] == "Inner 1"
    assert one["kind"] == "first_bad"
