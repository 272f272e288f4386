"""What the offline model does next, whatever it is told."""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
import sys

import pytest

from quire.core.ports import ItemDone
from quire.protocol.items import CustomToolCall, FunctionCall
from quire.testing import assistant, user
from tests.unit.offline_talk import (
    ALL_PASS,
    APPLIED,
    CHANGE,
    FOUND,
    FUNCTION,
    ONE_FAILS,
    SURVEY,
    Talk,
    answer,
    ended,
    line,
    running,
)

PROMPT = "make the failing tests pass"


def repaired() -> Talk:
    talk = Talk(PROMPT)
    talk.to_patch()
    talk.answer(APPLIED)
    talk.answer(ended(ALL_PASS))
    return talk


def test_the_whole_way() -> None:
    talk = Talk(PROMPT)
    assert "deterministic program-repair search, not a language model" in talk.text.split("\n")[0]
    assert shlex.split(talk.command)[-1] == "look"
    talk.answer(ended(line(SURVEY)))
    assert ".venv/bin/python -B -m pytest -q" in talk.command
    talk.answer(ended(ONE_FAILS, 1))
    assert "1 of 4 tests fail: `tests/test_a.py::test_f`" in talk.text
    words = shlex.split(talk.command)
    assert words[:3] == ["timeout", "150", ".venv/bin/python"]
    assert words[5:] == ["search", "--framework", "pytest", "--max-seconds", "60"]
    talk.answer(ended(line(FOUND)))
    assert isinstance(talk.call, CustomToolCall)
    assert talk.call.input == (
        "*** Begin Patch\n*** Update File: a.py\n@@\n def f(x):\n-    if x < 1:\n+    if x <= 1:\n"
        "         return 0\n*** End Patch\n"
    )
    talk.answer(APPLIED)
    assert ".venv/bin/python -B -m pytest -q" in talk.command
    talk.answer(ended(ALL_PASS))
    assert talk.is_over
    assert talk.text.startswith("Repaired: all 4 tests pass; 1 failed before.")
    assert "120 edits tried, this is the only one" in talk.text


def test_the_next_step_follows_from_the_history_alone() -> None:
    talk = repaired()
    for end in range(2, len(talk.items)):
        prefix = talk.items[:end]
        if prefix[-1].head.role == "assistant":
            continue
        if prefix[-1].head.type in ("function_call", "custom_tool_call"):
            continue
        events = asyncio.run(answer(prefix, talk.tools))
        items = [event.item.raw for event in events if isinstance(event, ItemDone)]
        assert items == [item.raw for item in talk.items[end : end + len(items)]]


def test_ids_are_never_used_twice_in_a_thread() -> None:
    talk = repaired()
    talk.say(PROMPT)
    talk.to_patch()
    calls = [item.head.call_id for item in talk.items if item.head.type.endswith("_call")]
    assert len(calls) == len(set(calls))


@pytest.mark.parametrize("prompt", ["explain this code", "write a poem", ""])
def test_other_wishes_end_at_once(prompt: str) -> None:
    talk = Talk(prompt)
    assert talk.is_over
    assert "QUIRE_API_KEY" in talk.text


def test_a_long_search_is_waited_for() -> None:
    talk = Talk(PROMPT)
    talk.to_search()
    talk.answer(running("2 tests collected\n" + line(FOUND)[:40]))
    assert isinstance(talk.call, FunctionCall)
    assert talk.call.name == "write_stdin"
    assert talk.arguments["session_id"] == 7
    assert talk.arguments["chars"] == ""
    talk.answer(running(""))
    talk.answer(ended(line(FOUND)[40:]))
    assert isinstance(talk.call, CustomToolCall)


def test_an_endless_search_is_given_up() -> None:
    talk = Talk(PROMPT)
    talk.to_search()
    for _ in range(70):
        if talk.is_over:
            break
        talk.answer(running("..."))
    assert "did not end" in talk.text


def test_an_interrupted_command_is_begun_once_more() -> None:
    talk = Talk(PROMPT)
    first = talk.command
    talk.answer("Wall time: 1.0 seconds\naborted by user")
    assert talk.command == first
    talk.answer("exec_command failed: no such shell")
    assert talk.is_over
    assert "no such shell" in talk.text


def test_continue_takes_up_the_wish_before() -> None:
    talk = Talk(PROMPT)
    talk.to_search()
    talk.answer("Wall time: 1.0 seconds\naborted by user")
    talk.take(user("<turn_aborted>\nThe user interrupted.\n</turn_aborted>"))
    talk.say("please go on")
    assert shlex.split(talk.command)[-1] == "look"


def test_read_only_projects_get_a_proposal() -> None:
    talk = Talk(PROMPT)
    talk.answer(ended(line(SURVEY | {"writable": False})))
    talk.answer(ended(ONE_FAILS, 1))
    talk.answer(ended(line(FOUND)))
    assert talk.is_over
    assert "read-only" in talk.text
    assert "+     if x <= 1:" in talk.text


def test_a_patch_that_is_refused_is_shown_instead() -> None:
    talk = Talk(PROMPT)
    talk.to_patch()
    talk.answer("patch rejected: writing outside of the project")
    assert talk.is_over
    assert "not applied: patch rejected" in talk.text
    assert "+     if x <= 1:" in talk.text


def test_a_repair_that_does_not_hold_is_taken_back() -> None:
    talk = Talk(PROMPT)
    talk.to_patch()
    talk.answer(APPLIED)
    talk.answer(ended("FAILED t.py::a\nFAILED t.py::b\n2 failed, 2 passed in 1s\n", 1))
    assert isinstance(talk.call, CustomToolCall)
    assert "-    if x <= 1:\n+    if x < 1:\n" in talk.call.input
    talk.answer(APPLIED)
    assert talk.is_over
    assert "taken back" in talk.text


def test_some_of_several_faults() -> None:
    talk = Talk(PROMPT)
    talk.answer(ended(line(SURVEY)))
    talk.answer(ended("FAILED t.py::a\nFAILED t.py::b\n2 failed, 2 passed in 1s\n", 1))
    counts = {"total": 4, "passed": 2, "failed": 2}
    talk.answer(ended(line(FOUND | {"status": "partly", "tests": counts})))
    talk.answer(APPLIED)
    talk.answer(ended(ONE_FAILS, 1))
    assert talk.text.startswith("Partly repaired: 1 of 2 failing tests pass now, none broke, 1 ")


def test_patches_go_through_whatever_tool_there_is() -> None:
    talk = Talk(PROMPT, FUNCTION)
    talk.to_patch()
    assert isinstance(talk.call, FunctionCall)
    assert talk.call.name == "apply_patch"
    assert talk.arguments["input"].startswith("*** Begin Patch")
    talk = Talk(PROMPT, b"[]")
    talk.to_patch()
    assert talk.command.startswith("apply_patch <<'END_OF_PATCH'\n*** Begin Patch\n")
    talk.answer(ended("Success. Updated the following files:\nM a.py\n"))
    assert "pytest" in talk.command


@pytest.mark.parametrize(
    "path",
    ["../a.py", "/etc/a.py", "tests/a.py", "test_a.py", "conftest.py", "a.txt", "x/../../a.py"],
)
def test_findings_cannot_name_what_must_not_be_edited(path: str) -> None:
    talk = Talk(PROMPT)
    talk.to_search()
    talk.answer(ended(line(FOUND | {"changes": [CHANGE | {"path": path}]})))
    assert talk.is_over


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("nothing_fails", "all tests pass, though before 1 failed"),
        ("environment", "no edit of the code would help"),
        ("not_found", "No small edit makes the tests pass"),
    ],
)
def test_searches_that_find_nothing(status: str, words: str) -> None:
    talk = Talk(PROMPT)
    talk.to_search()
    lack = [{"id": "test_b.py", "reason": "No module named 'numpy'"}]
    document = FOUND | {"status": status, "changes": [], "environment": lack}
    talk.answer(ended(line(document), 1))
    assert talk.is_over
    assert words in talk.text
    assert status == "nothing_fails" or "numpy" in talk.text


@pytest.mark.parametrize("text", ["", "Traceback\nZeroDivisionError", '{"quire_repair": "x"}\n'])
def test_a_search_without_a_result_is_reported(text: str) -> None:
    talk = Talk(PROMPT)
    talk.to_search()
    talk.answer(ended(text, 1))
    assert talk.is_over
    assert "ended without a result" in talk.text


def test_weak_tests_are_told_so() -> None:
    talk = Talk(PROMPT)
    talk.to_search()
    runner_up = {key: CHANGE[key] for key in ("path", "line", "old")} | {"new": "if x != 1:"}
    telling = {"call": "f(2)", "chosen": "0", "other": "!timeout"}
    more = {"passing_edits": 5, "other_behaviours": 2, "runner_up": runner_up, "telling": telling}
    talk.answer(ended(line(FOUND | more)))
    talk.answer(APPLIED)
    talk.answer(ended(ALL_PASS))
    assert "4 others make the tests pass too" in talk.text
    assert "a test of `f(2)` would: `0` with this edit, no end with the other" in talk.text
    assert "`if x < 1:` → `if x != 1:`" in talk.text


@pytest.mark.parametrize(
    ("survey", "words"),
    [({"test_files": 0}, "no Python test file"), ({"interpreter": ""}, "No Python 3.9")],
)
def test_projects_that_cannot_be_searched(survey: dict, words: str) -> None:
    talk = Talk(PROMPT)
    talk.answer(ended(line(SURVEY | survey)))
    assert talk.is_over
    assert words in talk.text


def test_pytest_that_cannot_start_is_told_why() -> None:
    talk = Talk(PROMPT)
    talk.answer(ended(line(SURVEY)))
    talk.answer(ended("ImportError while loading conftest\nE   No module named 'x'\n", 4))
    assert talk.is_over
    assert "No module named 'x'" in talk.text


def test_tests_that_do_not_end_are_searched_all_the_same() -> None:
    talk = Talk("fix the tests in 2 minutes")
    talk.answer(ended(line(SURVEY)))
    talk.answer(ended("tests/test_a.py .", 124))
    assert "do not come to their end" in talk.text
    assert talk.command.endswith("--max-seconds 120")


def test_foreign_items_in_the_history_do_no_harm() -> None:
    talk = Talk(PROMPT)
    talk.take(assistant("something else"))
    talk.take(FunctionCall("exec_command", "{}", "call_of_another_model"))
    talk.ask()
    assert shlex.split(talk.command)[-1] == "look"


def test_the_package_is_cheap_to_import() -> None:
    code = (
        "import sys, quire.models.responses; old = set(sys.modules); import quire.models.offline;"
        "new = set(sys.modules) - old;"
        "print(sorted(m for m in new if not m.startswith('quire.models.offline')))"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.strip("[]\n").replace("'", "").split(", "))
    assert not loaded & {"ast", "subprocess", "dataclasses", "inspect", "pathlib", "tempfile"}
