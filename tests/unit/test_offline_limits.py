"""What a run of tests tells whatever they do: limits of time hold although a test takes their
signals (pytest-timeout does), and a module that ends the process is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import quire.models.offline
from quire.models.offline.explain_words import explained
from quire.models.offline.report_words import summary
from quire.models.offline.reports import explanation_in, report_in

PROGRAM = Path(quire.models.offline.__file__).parent
TAKEN = """\
import signal, sys, time
sys.path.insert(0, {program!r})
from quire_repair.limits import attempt, install_timer
install_timer()
def take():
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGVTALRM, signal.SIG_DFL)
def spin():
    while True:
        pass
def outer():
    inner = attempt(take, 1.0, 0.1)
    time.sleep(30)
print(attempt(take, 1.0, 0.1).status)
print(attempt(lambda: time.sleep(30), 1.0, 0.1).status)
print(attempt(take, 1.0, 0.1).status)
print(attempt(spin, 0.1, 0.1).status)
print(attempt(outer, 1.0, 0.1).status)
"""
WAITS = """\
import time

import pytest


def test_waits(tmp_path):
    time.sleep(30)


@pytest.mark.timeout(50)
def test_quick(tmp_path):
    assert True
"""


def test_signals_that_were_taken_are_taken_back() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TAKEN.format(program=str(PROGRAM))],
        capture_output=True,
        text=True,
        timeout=25,
        check=False,
    )
    assert done.stdout.split() == ["pass", "timeout", "pass", "timeout", "timeout"], done


def run(folder: Path, command: str, *words: str) -> dict:
    """Run a command there that tells of pytest's tests; its JSON line."""
    line = [sys.executable, "-B", str(PROGRAM / "search_main.py"), command]
    done = subprocess.run(
        [*line, "--framework", "pytest", "--max-seconds", "4", *words],
        cwd=folder,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=25,
        check=False,
    )
    assert done.stdout.startswith("{"), done
    return json.loads(done.stdout.splitlines()[0])


@pytest.mark.parametrize("limit", ["", "timeout = 60\n"])
def test_the_limits_of_pytest_timeout_are_off(limit: str, tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text(WAITS)
    (tmp_path / "pytest.ini").write_text(f"[pytest]\naddopts = --strict-config\n{limit}")
    outcomes = run(tmp_path, "report", "--outcomes", "yes")["outcomes"]
    assert [(one["id"], one["status"]) for one in outcomes] == [
        ("test_a.py::test_waits", "timeout"),
        ("test_a.py::test_quick", "pass"),
    ]


@pytest.mark.parametrize("command", ["report", "explain"])
def test_a_module_that_ends_the_process_is_told(command: str, tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text("import os\n\nos._exit(0)\n")
    result = run(tmp_path, command)
    report = result["report"] if command == "explain" else result
    assert (report["began"], report["modules"]) == (True, 1)
    assert report["causes"][0]["error"] == "it ends the process"
    text = json.dumps(result)
    if command == "report":
        found = report_in(text)
        assert found is not None
        assert summary(found, False).startswith("1 test module cannot be loaded.")
    else:
        explanation = explanation_in(text)
        assert explanation is not None
        assert "it ends the process" in explained(explanation)
