"""Keep a command to its time and give it an ending, whatever the project's code does to it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from .account import VERSION
from .children import Child, Emit

LOADING = "the loading of the tests"
OVERTIME = 1.0
"""Seconds beyond the time of a search until it is ended from outside."""


def supervised(command: Callable[[Emit], object], seconds: float) -> dict[str, Any]:
    """The result of a search or a run of tests, or what was known of it when it ended."""
    final, known, how, took = watched(command, seconds)
    if final:
        return known
    if known.get("tests"):
        return {**known, "status": known["status"] if known.get("changes") else "not_found"}
    return _ending(LOADING, how, took)


def watched(
    command: Callable[[Emit], object], seconds: float
) -> tuple[bool, dict[str, Any], str, float]:
    """Run a command in a process of its own. It emits `[False, what it knows]` as it goes on, and
    `[True, its result]` at last. Code that never gives control back, or ends the process, would
    otherwise leave nothing to tell. Whether it came to its result; that, or what was known; how it
    ended else; the time it took."""
    child = Child(command, confined=False)
    started = time.monotonic()
    known: dict[str, Any] = {}
    try:
        while not child.ended and child.ready(started + seconds + OVERTIME - time.monotonic()):
            for final, known in child.read():
                if final:
                    return True, known, "", time.monotonic() - started
        how = "it ends the process" if child.ended else "it does not end and cannot be stopped"
    finally:
        child.kill()
    return False, known, how, time.monotonic() - started


def _ending(what: str, how: str, seconds: float) -> dict[str, Any]:
    failing = {"id": what, "error": how, "message": ""}
    return {
        "quire_repair": VERSION,
        "status": "not_found",
        "tests": {"total": 1, "passed": 0, "failed": 1},
        "failing": [failing],
        "environment": [],
        "tried": 0,
        "candidates": 0,
        "passing_edits": 0,
        "fixed": 0,
        "seconds": round(seconds, 2),
    }
