"""Tests that prompts name, time that is limited, progress that is told."""

from __future__ import annotations

import json
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quire.models.offline.named import tests_named as named
from quire.models.offline.progress import progress
from quire.models.offline.quire_repair.named import is_chosen, resolve, words_in
from tests.unit.offline_talk import (
    ALL_PASS,
    APPLIED,
    FOUND,
    ONE_FAILS,
    SURVEY,
    Talk,
    ended,
    line,
    running,
)

ONLY = ["tests/test_a.py::test_f"]


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("make tests/test_dates.py pass", ["tests/test_dates.py"]),
        ("fix test_leap_year", ["test_leap_year"]),
        ("repair tests/unit/test_x.py::TestY::test_z.", ["tests/unit/test_x.py::TestY::test_z"]),
        ("fix `test_x[1-2]`, and 'test_y'", ["test_x[1-2]", "test_y"]),
        ("why does tests.test_a.DatesTest.test_leap fail?", ["tests.test_a.DatesTest.test_leap"]),
        ("run the tests in tests/unit/", ["tests/unit/"]),
        ("fix DatesTest (quickly)", ["DatesTest"]),
        ("make the failing tests pass", []),
        ("run pytest and unittest on src/dates.py", []),
        ("see https://example.org/tests/test_a.py", []),
        ("fix dates_test.py", ["dates_test.py"]),
        ("the test suite of contest.py", []),
    ],
)
def test_named_tests_are_found_in_prompts(prompt: str, words: list[str]) -> None:
    assert list(named(prompt)) == words


@given(st.text())
def test_any_prompt_and_any_progress_can_be_read(text: str) -> None:
    assert all(word and not word.startswith("-") for word in named(text))
    assert progress(text) == "" or text.startswith("  ")
    assert all(isinstance(word, str) for word in words_in(text))


TEXTS = {
    "tests/test_a.py": "class TestB(Base):\n    def test_c(self): pass\ndef test_f(): pass\n",
    "tests/unit/test_a.py": "def test_f(): pass\n",
    "test_bad.py": "def (",
    "-x/test_o.py": "def test_o(): pass\n",
}


@pytest.mark.parametrize(
    ("word", "only"),
    [
        ("tests/test_a.py", ["tests/test_a.py"]),
        ("./tests/test_a.py", ["tests/test_a.py"]),
        ("test_a.py", ["tests/test_a.py", "tests/unit/test_a.py"]),
        ("test_a", ["tests/test_a.py", "tests/unit/test_a.py"]),
        ("tests/unit", ["tests/unit/test_a.py"]),
        ("test_f", ["tests/test_a.py::test_f", "tests/unit/test_a.py::test_f"]),
        ("test_c[1-2]", ["tests/test_a.py::TestB::test_c[1-2]"]),
        ("tests.unit.test_a.test_f", ["tests/unit/test_a.py::test_f"]),
        ("tests/test_a.py::TestB::test_inherited", ["tests/test_a.py::TestB::test_inherited"]),
        ("TestB", ["tests/test_a.py::TestB"]),
        ("tests/test_a.py::test_no", []),
        ("test_bad.py::test_any", ["test_bad.py::test_any"]),
        ("test_o", []),
        ("../tests/test_a.py", []),
    ],
)
def test_words_are_looked_up_in_the_test_files(word: str, only: list[str]) -> None:
    found = resolve(TEXTS, [word], "pytest", ".")
    assert found.only == only
    assert found.missing == ([] if only else [word])


def test_unittest_names_are_relative_to_the_top_folder() -> None:
    assert resolve(TEXTS, ["test_c"], "unittest", ".").only == ["tests.test_a.TestB.test_c"]
    assert resolve(TEXTS, ["test_c"], "unittest", "tests").only == ["test_a.TestB.test_c"]


def test_a_test_is_chosen_by_what_holds_it() -> None:
    assert is_chosen("t.py::test_a[1]", ("t.py::test_a",))
    assert is_chosen("t.py::test_a", ("t.py",))
    assert not is_chosen("t.py::test_ab", ("t.py::test_a",))


@pytest.mark.parametrize("text", ["", "{", "{}", '"a"', "1", "null"])
def test_an_option_that_is_no_list_names_nothing(text: str) -> None:
    assert words_in(text) == []
    assert words_in('["a", 1, "b"]') == ["a", "b"]


def named_talk() -> Talk:
    talk = Talk("fix test_f; and `test $(rm -rf x)`, please, 'test_a;b'")
    assert json.loads(shlex.split(talk.command)[-1]) == ["test_f", "test_a"]
    talk.answer(ended(line(SURVEY | {"only": ONLY})))
    return talk


def test_a_repair_of_named_tests_guards_the_others() -> None:
    talk = named_talk()
    assert shlex.split(talk.command)[-1] == ONLY[0]
    talk.answer(ended(ONE_FAILS, 1))
    assert shlex.split(talk.command)[:2] == ["timeout", "10"]
    both = "FAILED t.py::a\nFAILED tests/test_a.py::test_f\n2 failed, 2 passed in 1s\n"
    talk.answer(ended(both, 1))
    assert json.loads(shlex.split(talk.command)[-3]) == ONLY
    assert shlex.split(talk.command)[-4] == "--mend"
    assert "--only" not in talk.command
    talk.answer(ended(line(FOUND)))
    talk.answer(APPLIED)
    assert ONLY[0] not in talk.command
    talk.answer(ended("FAILED t.py::a\n1 failed, 3 passed in 1s\n", 1))
    assert talk.text.startswith("Repaired: all named tests pass, 1 of all 4 tests still fail")


def test_what_breaks_others_is_taken_back() -> None:
    talk = named_talk()
    talk.answer(ended(ONE_FAILS, 1))
    talk.answer(ended(ONE_FAILS, 1))
    talk.answer(ended(line(FOUND)))
    talk.answer(APPLIED)
    talk.answer(ended("FAILED t.py::z\n1 failed, 3 passed in 1s\n", 1))
    talk.answer(APPLIED)
    assert "taken back" in talk.text


def test_where_all_tests_take_long_only_the_named_ones_judge() -> None:
    talk = named_talk()
    talk.answer(ended(ONE_FAILS, 1))
    talk.answer(ended("...", 124))
    assert "--only" in talk.command
    talk.answer(ended(line(FOUND)))
    talk.answer(APPLIED)
    assert shlex.split(talk.command)[-1] == ONLY[0]
    talk.answer(ended(ALL_PASS))
    assert "Only the tests that were named: `tests/test_a.py::test_f` were run" in talk.text


def test_named_tests_that_are_not_there_end_the_turn() -> None:
    talk = Talk("fix test_f")
    talk.answer(ended(line(SURVEY | {"missing": ["test_f"]})))
    assert talk.is_over
    assert "no such test here: `test_f`" in talk.text


def test_progress_is_told_once_and_by_numbers_alone() -> None:
    talk = Talk("make the failing tests pass")
    talk.to_search()
    talk.answer(running("junk\n  3.0 s: 1204 of 5310 tried; best so far mends 2 of 3; 57 s left\n"))
    assert talk.text == (
        "1204 of 5310 edits tried after 3 s; the best so far mends 2 of 3 failing tests; 57 s left."
    )
    assert talk.arguments["yield_time_ms"] == 5000
    talk.answer(running(""))
    assert talk.text == ""
    talk.answer(running("  9.0 s: 9 of 10 tried; best so far passes all; 5 s left\n"))
    assert talk.text.startswith("9 of 10 edits tried after 9 s; one makes all tests pass")
    talk.answer(running("  9.0 s: 9 of 10 tried; best so far `rm -rf`; 5 s left\n"))
    assert talk.text == ""


def limited(seconds: int, prompt: str = "make the failing tests pass") -> Talk:
    return Talk(prompt, max_seconds=seconds)


def test_the_search_is_planned_inside_the_time() -> None:
    talk = limited(30)
    talk.answer(ended(line(SURVEY), wall=1.0))
    assert "timeout 6 " in talk.command
    talk.answer(ended(ONE_FAILS, 1, wall=5.0))
    seconds = int(shlex.split(talk.command)[-1])
    assert 10 <= seconds <= 16
    assert int(shlex.split(talk.command)[1]) <= 23
    talk.answer(ended(line(FOUND), wall=12.0))
    talk.answer(APPLIED)
    assert int(talk.command.split("timeout ")[1].split()[0]) <= 11


def test_a_shorter_time_of_the_prompt_holds() -> None:
    talk = limited(100, "fix the tests within 20 seconds")
    talk.to_search()
    assert talk.command.endswith("--max-seconds 20")


@pytest.mark.parametrize("wall", ["9999999999999", "-5", "x", "1e5"])
def test_a_time_that_cannot_be_read_is_no_time(wall: str) -> None:
    talk = limited(30)
    talk.answer(ended(line(SURVEY)).replace("Wall time: 0.1", f"Wall time: {wall}"))
    assert "pytest" in talk.command


def test_used_up_time_ends_the_turn_with_words() -> None:
    talk = limited(6)
    talk.answer(ended(line(SURVEY), wall=1.0))
    talk.answer(ended(ONE_FAILS, 1, wall=3.0))
    assert talk.is_over
    assert "The 6 s that this may take are used up (`--max-seconds`" in talk.text


def test_an_edit_that_could_not_be_checked_is_told_so() -> None:
    talk = limited(12)
    talk.to_search()
    talk.answer(ended(line(FOUND), wall=11.0))
    talk.answer(APPLIED)
    assert talk.is_over
    assert talk.text.startswith("Applied, but not checked")
