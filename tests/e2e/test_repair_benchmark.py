"""`python -m benchmarks repair` on some quick programs, as a process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.e2e.test_offline_self import ROOT

QUICK = ("derivative", "prime_tools", "run_lengths")


def bench(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", "repair", *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def test_some_programs_are_repaired_and_told_in_a_table() -> None:
    done = bench("--part", "develop", "--only", ",".join(QUICK), "--seconds", "20")
    told = [line.split()[:2] for line in done.stdout.splitlines() if line.startswith(QUICK)]
    assert told == [[name, "right"] for name in QUICK], done
    rows = [line for line in done.stdout.splitlines() if line.startswith("| develop |")]
    assert len(rows) == 1
    assert rows[0].startswith("| develop | 3 | 100% | 100% | 0% | ")
    # Whether the median is met depends on how busy the machine is.
    missed = "FAILED: median" in done.stdout
    assert done.returncode == (1 if missed else 0), done
    assert missed or "FAILED" not in done.stdout


@pytest.mark.parametrize("words", [("--only", "no_such_program"), ("--seconds", "x")])
def test_what_cannot_run_ends_with_2(words: tuple[str, ...]) -> None:
    done = bench(*words)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
