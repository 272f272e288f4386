"""The offline model through `quire exec`: the loop, the tools and the sandbox are the real ones."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.quire import Place, Result
from tests.e2e.repair_cases import environment, load, snapshot, write

PROMPT = "make the failing tests pass"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    made.env = {"PATH": environment()["PATH"], "PYTEST_DEBUG_TEMPROOT": "/tmp"}
    return made


def commit(place: Place, files: dict[str, str]) -> None:
    write(place.repo, files)
    place.git("add", ".")
    place.git("commit", "-qm", "project")


def final(result: Result) -> str:
    messages = result.items("agent_message")
    assert messages, result.err
    return messages[-1]["text"]


def all_pass(place: Place) -> bool:
    command = [sys.executable, "-B", "-m", "unittest", "discover", "-s", "tests", "-t", "."]
    return subprocess.run(command, cwd=place.repo, check=False).returncode == 0


def test_failing_tests_are_repaired(place: Place) -> None:
    commit(place, load("account").files)
    result = place.exec("-s", "workspace-write", PROMPT)
    assert result.code == 0, result.err
    first = result.items("agent_message")[0]["text"]
    assert "not a language model" in first.splitlines()[0]
    assert final(result).startswith("Repaired: all 5 tests pass; 2 failed before.")
    assert place.git("diff", "--stat").strip().startswith("bank/account.py | 2 +-")
    assert place.git("status", "--short").strip() == "M bank/account.py"
    kinds = [event["item"]["type"] for event in result.events if event["type"] == "item.completed"]
    assert kinds.count("file_change") == 1
    assert kinds.count("command_execution") == 4
    assert all_pass(place)


def test_a_read_only_sandbox_gets_a_proposal(place: Place) -> None:
    commit(place, load("memo_fib").files)
    before = snapshot(place.repo)
    result = place.exec(PROMPT)
    assert result.code == 0, result.err
    assert "read-only" in final(result)
    assert "+         return n" in final(result)
    assert not result.items("file_change")
    assert snapshot(place.repo) == before


ABROAD = """\
import subprocess
import sys
import unittest


class TestAbroad(unittest.TestCase):
    def test_other_process(self):
        code = "from bank import Account; a = Account('Ada', 9); a.withdraw(7); print(a.balance)"
        done = subprocess.run([sys.executable, "-B", "-c", code], capture_output=True, text=True)
        self.assertEqual(done.stdout, "0\\n", done.stderr)
"""


def test_tests_that_run_the_code_in_other_processes_are_mended_with_the_others(
    place: Place,
) -> None:
    """No candidate mends them in memory: what mends the others is applied, and then they pass."""
    commit(place, {**load("account").files, "tests/test_abroad.py": ABROAD})
    result = place.exec("-s", "workspace-write", f"{PROMPT} within 20 seconds")
    assert final(result).startswith("Repaired: all 6 tests pass; 3 failed before."), final(result)
    assert place.git("status", "--short").strip() == "M bank/account.py"
    assert all_pass(place)


def test_nothing_is_changed_when_all_tests_pass(place: Place) -> None:
    files = load("memo_fib").files
    code = files["sequences.py"].replace("        return 1\n", "        return n\n")
    commit(place, files | {"sequences.py": code})
    result = place.exec("-s", "workspace-write", PROMPT)
    assert final(result) == "All 4 tests pass already: nothing was changed."
    assert place.git("status", "--short") == ""


def test_tests_can_be_run_without_repairing(place: Place) -> None:
    commit(place, load("memo_fib").files)
    result = place.exec("-s", "workspace-write", "which tests fail?")
    assert final(result).startswith("2 of 4 tests fail, 2 pass.\n\nFailing, by cause:\n")
    assert "`test_sequences.SequenceTest.test_later`" in final(result)
    assert place.git("status", "--short") == ""


def test_other_wishes_are_declined_with_a_way_on(place: Place) -> None:
    result = place.exec("write a poem about the sea")
    assert result.code == 0
    assert not result.items("command_execution")
    for words in ("not a language model", "QUIRE_API_KEY", "quire login", "base_url"):
        assert words in final(result)


def test_a_project_without_tests_is_told_so(place: Place) -> None:
    result = place.exec("-s", "workspace-write", PROMPT)
    assert "no Python test file" in final(result)


def test_pytest_with_fixtures_runs_in_the_sandbox(place: Place) -> None:
    commit(place, load("config_parser").files)
    result = place.exec("-s", "workspace-write", PROMPT)
    assert final(result).startswith("Repaired: all 4 tests pass")
    assert 'key, value = line.split("=", 1)' in (place.repo / "settings.py").read_text()


def test_what_the_sandbox_denies_is_no_fault_of_the_code(place: Place) -> None:
    commit(place, load("config_parser").files)
    place.env["PYTEST_DEBUG_TEMPROOT"] = "/var/tmp"
    result = place.exec("-s", "workspace-write", PROMPT)
    assert final(result).startswith("Repaired: all 3 that can run pass; 1 failed before.")
    assert "tests/test_settings.py::test_read" in final(result)


def test_tests_that_hang_are_repaired(place: Place) -> None:
    commit(place, load("collatz").files)
    result = place.exec("-s", "workspace-write", "fix the hanging tests within 40 seconds")
    assert final(result).startswith("Repaired: all 5 tests pass"), final(result)
    assert "number = 3 * number + 1" in (place.repo / "collatz.py").read_text()


def test_a_thread_goes_on_after_an_interrupt(place: Place) -> None:
    commit(place, load("account").files)
    process = place.start("exec", "--json", "-s", "workspace-write", PROMPT)
    assert process.stdout is not None
    for line in process.stdout:
        if b"item.completed" in line and b"command_execution" in line:
            break
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130
    time.sleep(0.1)
    result = place.run(
        *("exec", "-s", "workspace-write", "--json", "resume", "--last", "please continue")
    )
    assert result.code == 0, result.err
    assert final(result).startswith("Repaired: all 5 tests pass"), final(result)
    assert all_pass(place)


def test_patches_with_crlf_keep_the_line_endings(place: Place) -> None:
    files = {p: t.replace("\n", "\r\n") for p, t in load("memo_fib").files.items()}
    for path, text in files.items():
        (place.repo / path).write_bytes(text.encode())
    place.git("add", ".")
    result = place.exec("-s", "workspace-write", PROMPT)
    assert final(result).startswith("Repaired"), final(result)
    code = (place.repo / "sequences.py").read_bytes()
    assert b"        return n\r\n" in code
    assert code.count(b"\n") == code.count(b"\r\n")
