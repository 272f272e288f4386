"""What the offline model reads: prompts, outputs of test runs, its own patches."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quire.models.offline.findings import Edit, Hunk
from quire.models.offline.intent import seconds_in, wish_of
from quire.models.offline.patches import patch_text
from quire.models.offline.quire_repair.hunks import hunks
from quire.models.offline.quire_repair.sources import Edit as Splice
from quire.models.offline.quire_repair.sources import Source
from quire.models.offline.run_output import read_run
from quire.models.offline.transcript import command_output, patch_form
from quire.tools.patch_apply import apply_in_order
from quire.tools.patch_parser import parse_patch

REPAIR = [
    "make the failing tests pass",
    "Fix the tests!",
    "please repair the bug",
    "get the test suite green, it's failing",
    "the tests are failing",
    "solve this failing test",
    "Fix failing CI",
    "debug the crash",
    "Make test_parse pass and fix whatever is broken",
]
TEST = [
    "run the tests",
    "which tests fail?",
    "Do the tests pass?",
    "just run the tests and fix nothing",
    "are all tests green",
    "run pytest, without changing anything",
]
OTHER = [
    "",
    "hello",
    "write a poem",
    "write tests for parse()",
    "add a test for the failing case",
    "explain the architecture",
    "fix the typo in the README",
    "what does this project do?",
    "continue",
]


@pytest.mark.parametrize("prompt", REPAIR)
def test_repair_is_wished(prompt: str) -> None:
    assert wish_of((prompt,)).intent == "repair"


@pytest.mark.parametrize("prompt", TEST)
def test_a_test_run_is_wished(prompt: str) -> None:
    assert wish_of((prompt,)).intent == "test"


@pytest.mark.parametrize("prompt", OTHER)
def test_something_else_is_wished(prompt: str) -> None:
    assert wish_of((prompt,)).intent == "other"


def test_going_on_means_the_wish_before() -> None:
    assert wish_of(("fix the tests", "please continue")).intent == "repair"
    assert wish_of(("fix the tests", "write a poem", "go on")).intent == "other"


@given(st.text())
def test_any_prompt_has_an_intent(prompt: str) -> None:
    assert wish_of((prompt,)).intent in ("repair", "test", "other")
    assert seconds_in(prompt) is None or 5 <= (seconds_in(prompt) or 0) <= 600


@pytest.mark.parametrize(
    ("prompt", "seconds"),
    [("fix it within 20 seconds", 20), ("take 2 minutes", 120), ("1 sec", 5), ("in 99 min", 600)],
)
def test_a_prompt_may_set_the_time(prompt: str, seconds: int) -> None:
    assert seconds_in(prompt) == seconds


FILES = {
    "test_a.py": "import unittest\n\nclass T(unittest.TestCase):\n"
    "    def test_ok(self): pass\n"
    "    def test_bad(self): self.assertEqual(1, 2)\n"
    "    def test_error(self): 1 / 0\n"
    "    @unittest.skip('no')\n    def test_skipped(self): pass\n",
}


@pytest.mark.parametrize("framework", ["unittest", "pytest"])
def test_real_runs_are_read(framework: str, tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text(FILES["test_a.py"])
    command = [sys.executable, "-B", "-m", framework, *(["-q"] if framework == "pytest" else [])]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    run = read_run(done.stdout + done.stderr, done.returncode)
    assert (run.passed, run.failed) == (1, 2)
    assert {name.replace("::", ".").rsplit(".", 1)[-1] for name in run.failing} == {
        "test_bad",
        "test_error",
    }
    assert not run.all_pass
    assert not run.is_empty


def test_names_of_parametrized_tests_are_whole() -> None:
    text = "FAILED t.py::test_x[1 - 2-[a] b] - AssertionError: no\n1 failed in 0.1s\n"
    assert read_run(text, 1).failing == ("t.py::test_x[1 - 2-[a] b]",)


@pytest.mark.parametrize(
    ("text", "code", "empty", "passes"),
    [
        ("no tests ran in 0.01s", 5, True, False),
        ("Ran 0 tests in 0.000s\n\nOK", 0, True, True),
        ("Ran 3 tests in 0.000s\n\nOK (skipped=1)", 0, False, True),
        ("1 error in 0.1s", 2, False, False),
        ("", 124, False, False),
    ],
)
def test_odd_runs_are_read(text: str, code: int, empty: bool, passes: bool) -> None:
    run = read_run(text, code)
    assert run.is_empty is empty
    assert run.all_pass is passes


@given(st.text())
def test_any_output_can_be_read(text: str) -> None:
    read_run(text, 1)
    command_output(text)
    patch_form(text.encode("utf-8", "surrogatepass"))


KEYS = ("before", "old", "new", "after")
LINES = st.lists(st.sampled_from(["a = 1", "b = 2", "", "    c = 3", "x = 'ä'"]), min_size=1)


@given(LINES, st.data())
def test_patches_change_the_right_place_and_back(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], data: st.DataObject
) -> None:
    inner = [f"    {line.lstrip()}" if line else "" for line in lines]
    text = "\n".join(["if 1:", *inner, "    end"]) + "\n"
    source = Source("/", "a.py", text)
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start, len(text) - 1))
    inserted = data.draw(st.sampled_from(["", "z", "q\n", "new = 5\n    more"]))
    splice = Splice("a.py", -1, start, end, inserted, "test", 1.0)
    wanted = source.spliced([splice])
    found = hunks(source, [splice])
    made = [Hunk(*(tuple(hunk[key]) for key in KEYS)) for hunk in found]
    if not made:
        assert wanted == text
        return
    folder = tmp_path_factory.mktemp("patch")
    file = folder / "a.py"
    file.write_text(text)
    change = Edit(path="a.py", line=1, hunks=tuple(made))
    apply_in_order(parse_patch(patch_text((change,))), str(folder))
    # A patched file always ends with a newline.
    assert file.read_text() == (wanted if wanted.endswith("\n") else f"{wanted}\n")
    if wanted.endswith("\n"):
        apply_in_order(parse_patch(patch_text((change,), undo=True)), str(folder))
        assert file.read_text() == text
