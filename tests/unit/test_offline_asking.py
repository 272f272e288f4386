"""The jobs that change nothing: run the tests, explain failures, find the commit."""

from __future__ import annotations

import json
import shlex

import pytest

from tests.unit.offline_talk import SURVEY, Talk, ended, line, running

CAUSE = {
    "error": "AssertionError",
    "message": "1 !=\n2",
    "path": "tests/test_a.py",
    "line": 3,
    "code": "assert f(1) == 2",
    "function": "test_f",
    "count": 7,
    "tests": [f"tests/test_a.py::test_f[{n}]" for n in range(7)],
}
REPORT = {
    "quire_report": 1,
    "total": 12,
    "passed": 3,
    "failed": 7,
    "causes": [CAUSE],
    "hanging": [{"id": "t.py::test_h", "seconds": 8.0}],
    "hang": 1,
    "environment": [{"id": "t.py::test_n", "reason": "No module named 'numpy'"}],
    "lacking": 1,
    "slowest": [{"id": "t.py::test_s", "seconds": 1.234}],
}
EXPLAINED = {
    "cause": CAUSE | {"count": 1, "tests": ["tests/test_a.py::test_f"]},
    "sides": ["f(1)", "2"],
    "operator": "==",
    "actual": "1",
    "expected": "2",
    "suspects": [{"path": "a.py", "line": 2, "function": "f"}],
    "calls": [{"call": "f(x=1)", "gives": "1"}, {"call": "g()", "gives": "E", "raised": True}],
    "failing_sets": ["1"],
    "passing_sets": [],
    "smallest": {"input": "x=0", "how": "shrunk", "start": "x=9", "tried": 4},
}
COMMIT = {"hash": "c" * 40, "date": "2024-02-29", "author": "Ann", "subject": "Say `x`\n# y"}
BREAK = {"tests": ["t.py::test_a"], "kind": "first_bad", "commit": COMMIT, "good": COMMIT}


def begun(prompt: str, **more: object) -> Talk:
    talk = Talk(prompt)
    talk.answer(ended(line(SURVEY | more)))
    return talk


def told(prompt: str, document: dict) -> str:
    talk = begun(prompt)
    talk.answer(ended(line(document)))
    assert talk.is_over
    return talk.text


def test_failing_tests_are_told_by_cause() -> None:
    text = told("which tests fail?", REPORT)
    first, causes, hang, lack = text.split("\n\n")
    assert first == "7 of 12 tests fail, 1 test does not end, 3 pass, 1 cannot run here."
    assert "- AssertionError: 1 != 2 — `tests/test_a.py` line 3 in `test_f`: `assert f" in causes
    assert causes.endswith("  - and 2 more")
    assert "`t.py::test_h` within 8 s" in hang
    assert "something is missing around the code" in lack


def test_slow_tests_are_told_when_asked() -> None:
    assert "Slowest:\n- `t.py::test_s`: 1.23 s" in told("which tests are slowest?", REPORT)


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        ({"total": 4, "passed": 4}, "All 4 tests pass."),
        ({"total": 4, "passed": 3, "skipped": 1}, "3 of 4 tests pass, 1 is skipped."),
        ({"total": 9, "passed": 4, "not_run": 5}, "4 of 9 tests pass, 5 had no time to run."),
    ],
)
def test_what_is_well_is_told_in_one_line(counts: dict, text: str) -> None:
    assert told("run the tests", {"quire_report": 1} | counts) == text


def test_a_framework_that_cannot_start_is_asked_why() -> None:
    for prompt, document in (
        ("run the tests", {"quire_report": 1, "began": False}),
        ("why do the tests fail?", {"quire_explain": 1, "report": {"quire_report": 1}}),
    ):
        if "report" in document:
            document["report"] = {"quire_report": 1, "began": False}
        talk = begun(prompt)
        talk.answer(ended(line(document)))
        assert "-m pytest -q" in talk.command
        talk.answer(ended("ImportError while loading conftest\nE   No module named 'x'\n", 4))
        assert talk.is_over
        assert "No module named 'x'" in talk.text


def test_a_project_without_tests_to_collect_is_told_so() -> None:
    talk = begun("run the tests")
    talk.answer(ended(line({"quire_report": 1, "began": False})))
    talk.answer(ended("no tests ran in 0.01s\n", 5))
    assert talk.text == "No tests were found."


def test_failures_are_explained_by_what_was_seen() -> None:
    text = told(
        "why does test_f fail?", {"quire_explain": 1, "report": REPORT, "explained": [EXPLAINED]}
    )
    for words in (
        "`tests/test_a.py::test_f` fails: AssertionError: 1 != 2",
        "Compared (`==`): `f(1)` is `1`, `2`",
        "`f(x=1)` gave `1`",
        "`g()` raised `E`",
        "`a.py` line 2 in `f`",
        "Parameters that fail: `1`; that pass: none",
        "`x=0` (from `x=9`, 4 tried)",
        "Nothing was changed.",
    ):
        assert words in text


@pytest.mark.parametrize(
    ("small", "words"),
    [
        ({"input": "x=9", "how": "shrunk", "start": "x=9", "tried": 4}, "No input smaller than"),
        ({"input": "x=1", "how": "hypothesis"}, "that hypothesis found: `x=1`"),
        ({"input": "x=1, want=2", "how": "given"}, "Smaller ones were not tried"),
    ],
)
def test_the_smallest_input_says_how_it_was_found(small: dict, words: str) -> None:
    document = {"report": REPORT, "explained": [EXPLAINED | {"smallest": small}]}
    assert words in told("explain the failures", {"quire_explain": 1} | document)


def test_a_bisection_gets_its_tests_and_its_good_end() -> None:
    talk = begun("which commit broke test_f since $(rm -rf x)? it worked in v1.2", only=["t.py"])
    words = shlex.split(talk.command)
    assert words[:2] == ["timeout", "300"]
    assert json.loads(words[words.index("--only") + 1]) == ["t.py"]
    assert json.loads(words[words.index("--good") + 1]) == ["v1.2"]
    talk.answer(running("  3.0 s: 2 commits tried\n"))
    assert talk.text == "2 commits tried after 3 s."
    talk.answer(ended(line({"quire_bisect": 1, "status": "done", "breaks": [BREAK], "tried": 3})))
    assert talk.is_over
    assert "broken by `cccccccccc` of 2024-02-29 by Ann: Say 'x' # y" in talk.text
    assert "3 commits were run" in talk.text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "working_tree", "commit": None}, "the changes that are not committed broke it"),
        ({"kind": "oldest"}, "already fails at the oldest commit looked at"),
        ({"kind": "named_good"}, "already fails at the commit that you named"),
        ({"kind": "range", "between": [COMMIT, COMMIT]}, "one of these commits"),
        ({"kind": "unjudged"}, "no older commit could be judged"),
        ({"kind": "unjudged", "commit": None}, "at HEAD, without what is not committed"),
        ({"kind": "no_time"}, "the time was over"),
        ({"is_merge": True, "diff": "-a\n+b", "files": ["a.py"]}, "a merge"),
    ],
)
def test_every_end_of_a_bisection_has_words(change: dict, words: str) -> None:
    document = {"quire_bisect": 1, "status": "done", "breaks": [BREAK | change]}
    assert words in told("bisect test_f", document)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("no_temp", "-s workspace-write"),
        ("no_git", "no git repository"),
        ("no_commits", "no commit yet"),
        ("nothing_fails", "No test fails here now"),
        ("unknown_revision", "There is no `v9` in this repository"),
        ("nonsense", "could not be looked for"),
    ],
)
def test_a_bisection_that_cannot_begin_says_why(status: str, words: str) -> None:
    document = {"quire_bisect": 1, "status": status, "reason": "v9"}
    text = told("bisect test_f", document)
    assert words in text
    assert "\n" not in text


@pytest.mark.parametrize("prompt", ["run the tests", "why does test_f fail?", "bisect test_f"])
@pytest.mark.parametrize("text", ["", "Traceback\nZeroDivisionError", '{"quire_report": "x"}\n'])
def test_a_program_without_a_result_is_reported(prompt: str, text: str) -> None:
    talk = begun(prompt)
    talk.answer(ended(text, 1))
    assert talk.is_over
    assert "ended without a result" in talk.text
