"""Limits of time hold although a test takes their signals: pytest-timeout does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import quire.models.offline

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


@pytest.mark.parametrize("limit", ["", "timeout = 60\n"])
def test_the_limits_of_pytest_timeout_are_off(limit: str, tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text(WAITS)
    (tmp_path / "pytest.ini").write_text(f"[pytest]\naddopts = --strict-config\n{limit}")
    words = ["report", "--framework", "pytest", "--max-seconds", "4", "--outcomes", "yes"]
    done = subprocess.run(
        [sys.executable, "-B", str(PROGRAM / "search_main.py"), *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=25,
        check=False,
    )
    assert '"test_a.py::test_waits", "status": "timeout"' in done.stdout, done
    assert '"test_a.py::test_quick", "status": "pass"' in done.stdout, done
