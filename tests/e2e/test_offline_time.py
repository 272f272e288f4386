"""Limits of time, tests named in the prompt, a search that is killed: through `quire exec`."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path

import pytest

from quire.testing.responses_server import ResponsesServer
from tests.e2e.quire import Place
from tests.e2e.repair_cases import environment
from tests.e2e.test_offline_exec import PROMPT, all_pass, commit, final

PROGRESS = re.compile(
    r"[1-9]\d* of [1-9]\d* edits tried after \d+ s"
    r"(; one makes all tests pass|; the best so far mends \d+ of \d+ failing tests)?; \d+ s left\."
)
SLOW = {
    "total.py": (
        "import time\n\n\ndef total(items):\n    time.sleep(0.012)\n    result = 0\n"
        "    for item in items[1:]:\n        result += item\n    return result\n"
    ),
    "tests/test_total.py": (
        "import unittest\nfrom total import total\n\n\nclass TotalTest(unittest.TestCase):\n"
        "    def test_some(self):\n        self.assertEqual(total([1, 2, 3]), 6)\n\n"
        "    def test_none(self):\n        self.assertEqual(total([]), 0)\n"
    ),
    "tests/__init__.py": "",
}
TWO = {
    "two.py": "def first(a):\n    return a + 1\n\n\ndef second(a):\n    return a < 3\n",
    "tests/__init__.py": "",
    "tests/test_first.py": (
        "import unittest\nfrom two import first\n\n\nclass FirstTest(unittest.TestCase):\n"
        "    def test_first(self):\n        self.assertEqual(first(3), 2)\n"
        "        self.assertEqual(first(9), 8)\n"
    ),
    "tests/test_second.py": (
        "import unittest\nfrom two import second\n\n\nclass SecondTest(unittest.TestCase):\n"
        "    def test_second(self):\n        self.assertTrue(second(3))\n\n"
        "    def test_more(self):\n        self.assertFalse(second(4))\n"
    ),
}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    made.env = {"PATH": environment()["PATH"], "MOCK_VARIABLE": "sk-secret-value"}
    return made


def test_a_search_that_is_killed_goes_on(place: Place) -> None:
    commit(place, SLOW)
    process = place.start("exec", "--json", "-s", "workspace-write", PROMPT)
    assert process.stdout is not None
    for line in process.stdout:
        if b"item.started" in line and b"search_main.py search" in line:
            break
    time.sleep(0.5)
    assert process.poll() is None
    process.kill()
    process.communicate(timeout=10)
    assert process.returncode == -signal.SIGKILL
    assert place.git("status", "--short") == ""
    started = time.monotonic()
    result = place.run(
        *("exec", "-s", "workspace-write", "--json", "resume", "--last", "please continue")
    )
    took = time.monotonic() - started
    assert result.code == 0, result.err
    assert final(result).startswith("Repaired: all 2 tests pass; 1 failed before.")
    told = [m["text"] for m in result.items("agent_message") if m["text"].startswith("Found after")]
    assert 0 < float(told[0].split()[2]) < took
    assert all_pass(place)


def test_a_search_keeps_to_the_time_of_the_turn(place: Place) -> None:
    code = SLOW["total.py"].replace("[1:]", "").replace("0.012", "0.05").replace("+= item", "^= 7")
    commit(place, SLOW | {"total.py": code.replace("return result", "return str(result)")})
    started = time.monotonic()
    result = place.exec("-s", "workspace-write", "--max-seconds", "8", PROMPT)
    assert time.monotonic() - started < 10
    assert result.code == 0, result.err
    texts = [m["text"] for m in result.items("agent_message")]
    assert len(texts) == len(set(texts))


def test_a_long_search_tells_how_far_it_is(place: Place) -> None:
    code = SLOW["total.py"].replace("0.012", "0.15").replace("[1:]", "").replace("+= item", "^= 7")
    commit(place, SLOW | {"total.py": code.replace("return result", "return str(result)")})
    result = place.exec("-s", "workspace-write", f"{PROMPT} within 14 seconds")
    assert result.code == 0, result.err
    texts = [m["text"] for m in result.items("agent_message")]
    told = [text for text in texts if PROGRESS.fullmatch(text)]
    assert told, texts
    [rollout] = place.rollouts()
    assert all(text in rollout.read_text("utf-8") for text in told)


def test_a_named_test_is_repaired_and_the_rest_left_alone(place: Place) -> None:
    commit(place, TWO)
    result = place.exec("-s", "workspace-write", "make tests/test_second.py pass")
    assert final(result).startswith(
        "Repaired: all named tests pass, 1 of all 3 tests still fail, as before;"
    ), final(result)
    assert "a <= 3" in (place.repo / "two.py").read_text()
    assert "a + 1" in (place.repo / "two.py").read_text()


def test_a_turn_of_any_model_ends_at_its_time(place: Place) -> None:
    with ResponsesServer([{"sh": "echo up; sleep 30"}]) as server:
        place.configure(server)
        started = time.monotonic()
        result = place.exec("--max-seconds", "1", "wait")
        assert time.monotonic() - started < 8
    assert result.code == 124
    result.assert_one_line("--max-seconds", "1 s", "resume --last")
    assert '"code":"interrupted"' in result.out
    with ResponsesServer([{"text": "back"}]) as server:
        place.configure(server)
        assert place.exec("--max-seconds", "30", "resume", "--last", "go on").code == 0


@pytest.mark.parametrize("given", ["0", "-1", "x", "1.5", "", "\u0661", "99999999"])
def test_a_time_that_is_none_is_refused(place: Place, given: str) -> None:
    result = place.exec(f"--max-seconds={given}", "hello")
    assert result.code == 2
    result.assert_one_line("--max-seconds", "whole number")


def test_the_configured_time_bounds_the_offline_model(place: Place) -> None:
    commit(place, SLOW)
    place.home.mkdir(parents=True, exist_ok=True)
    (place.home / "config.toml").write_text("[offline]\nmax_seconds = 1\n")
    result = place.exec("-m", "offline", "-s", "workspace-write", PROMPT)
    assert result.code == 0, result.err
    assert "`max_seconds` in `[offline]`" in final(result)
    (place.home / "config.toml").write_text('[offline]\nmax_seconds = "x"\n')
    result = place.exec("-m", "offline", PROMPT)
    assert result.code == 1
    result.assert_one_line("offline.max_seconds")
