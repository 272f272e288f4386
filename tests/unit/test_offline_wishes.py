"""What prompts ask the offline model for: wishes, decoys, revisions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quire.models.offline.intent import good_in, wants_times, wish_of

PROMPTS = {
    "repair": [
        "make the failing tests pass",
        "make tests/test_dates.py pass",
        "fix test_leap_year",
        "repair tests/unit/test_x.py::TestY::test_z",
        "please fix the failing test",
        "can you fix the tests?",
        "the tests are failing",
        "test_parse is failing",
        "fix the bug",
        "get CI green again, it is broken",
        "debug the crash in test_parse",
        "find and fix the bug",
        "fix whatever broke the tests",
        "DatesTest fails",
        "resolve the regression in test_x",
        "make test_x pass, explain why it failed later",
    ],
    "test": [
        "run the tests",
        "which tests fail?",
        "which tests are slowest?",
        "run tests/test_dates.py",
        "Please run pytest",
        "now run the test suite",
        "are the tests green?",
        "do all tests pass?",
        "how long do the tests take?",
        "show the failing tests",
        "run the tests and change nothing",
        "what tests are there?",
        "is test_x passing?",
        "just run test_leap_year",
    ],
    "explain": [
        "why does test_x fail?",
        "why do the tests fail?",
        "explain the failures",
        "explain why test_leap_year fails",
        "where is the bug?",
        "where is the bug in dates.py?",
        "locate the fault",
        "find the bug",
        "diagnose the failing tests",
        "please explain the failing test",
        "what is wrong with test_x?",
        "what causes the failure? explain",
        "tell me why the tests are failing",
        "why is tests/test_a.py broken?",
    ],
    "bisect": [
        "which commit broke test_x?",
        "which commit broke the tests",
        "which commit broke tests/test_a.py::test_b since v1.2?",
        "find the regression since v1.2",
        "bisect the failing tests",
        "bisect test_x",
        "git bisect the test failure",
        "when did the tests start failing?",
        "who broke the tests?",
        "find the commit that broke the build tests",
        "what change broke test_leap_year?",
        "when was the bug introduced?",
        "please bisect the regression",
        "can you find the commit that broke test_a?",
    ],
    "other": [
        "",
        "hello",
        "write a test",
        "add tests for parse()",
        "explain this repository",
        "explain the architecture",
        "why is the build slow?",
        "why is this code so complicated?",
        "where is the configuration?",
        "where are errors logged?",
        "what does the last commit do?",
        "which commit added the logo?",
        "write a commit message",
        "commit the change",
        "review the tests",
        "delete the failing test",
        "skip test_x",
        "refactor the tests",
        "please write a test for test_x",
        "translate the error messages",
        "find all TODOs",
        "explain how errors are handled",
        "how do I start the server?",
        "make coffee",
        "bisect a list in Python",
        "describe the test suite",
    ],
}


@pytest.mark.parametrize(
    ("prompt", "intent"), [(text, kind) for kind, texts in PROMPTS.items() for text in texts]
)
def test_what_a_prompt_asks_for(prompt: str, intent: str) -> None:
    assert wish_of((prompt,)).intent == intent


def test_going_on_keeps_the_prompt_that_counts() -> None:
    assert wish_of(("bisect test_x since v1", "please continue")) == (
        "bisect",
        "bisect test_x since v1",
    )


@pytest.mark.parametrize(
    ("prompt", "good"),
    [
        ("which commit broke test_x since v1.2?", "v1.2"),
        ("find the regression since last week", "last week"),
        ("which commit broke test_x since 3 days ago", "3 days ago"),
        ("bisect test_x, it worked in 0.9.", "0.9"),
        ("bisect test_x between release/1.0 and HEAD", "release/1.0"),
        ("which commit broke it? it was fine at HEAD~12", "HEAD~12"),
        ("bisect test_x since commit `4f2a9c1`", "4f2a9c1"),
        ("which commit after 2024-02-29 broke test_x", "2024-02-29"),
        ("which commit broke test_x?", None),
        ("bisect since --upload-pack=x", None),
        ("since when does it fail? it worked with the old one", None),
    ],
)
def test_the_good_end_is_read(prompt: str, good: str | None) -> None:
    assert good_in(prompt) == good


@given(st.text())
def test_a_good_end_is_never_an_option(text: str) -> None:
    for prompt in (text, f"since {text}", f"worked in {text}"):
        found = good_in(prompt)
        assert found is None or not found.startswith(("-", ".", "/"))


def test_times_are_told_when_asked() -> None:
    assert wants_times("which tests are slowest?")
    assert not wants_times("which tests fail?")
