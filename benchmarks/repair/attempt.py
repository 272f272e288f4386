"""One attempt at one program, by the whole agent: `quire exec -m offline` in its own folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from msgspec import Struct

from benchmarks.repair.corpus import Program, is_test, passes, write

PROMPT = "Make the failing tests pass, within {seconds} seconds."
GRACE = 60
"""Seconds beyond those of the search until an attempt is killed: running the tests before and
after belongs to the attempt, and its time counts."""

MARK = '"quire_repair":'


class Attempt(Struct, frozen=True):
    """What became of a program. `seconds` is all of `quire exec`, from start to end; `tried` and
    `search_seconds` are what the search says of itself; `edit` is what it chose."""

    name: str
    part: str
    outcome: str
    seconds: float
    search_seconds: float = 0.0
    tried: int = 0
    edit: str = ""

    @property
    def is_right(self) -> bool:
        """The tests that were kept back pass, too."""
        return self.outcome == "right"


def attempt(program: Program, seconds: int, quire: list[str]) -> Attempt:
    """Let `quire` repair a program. The outcome is `right`, `overfitted` (only the tests that it
    saw pass), `partly` or `none`."""
    with tempfile.TemporaryDirectory(prefix="quire-repair-") as place:
        folder = Path(place, "project")
        write(folder, program.broken)
        started = time.monotonic()
        output = _run(quire, folder, Path(place, "home"), seconds)
        wall = time.monotonic() - started
        found = _findings(output)
        outcome = _judge(program, folder, found)
        return Attempt(
            program.name,
            program.part,
            outcome,
            round(wall, 2),
            float(found.get("seconds", 0.0)),
            int(found.get("tried", 0)),
            "; ".join(_told(change) for change in found.get("changes", [])),
        )


def _run(quire: list[str], folder: Path, home: Path, seconds: int) -> str:
    """The events of the run, as far as it came."""
    home.mkdir()
    env = {
        "HOME": str(home),
        "QUIRE_HOME": str(home / ".quire"),
        "PATH": os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]]),
        "LANG": "C.UTF-8",
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
    }
    command = [*quire, "exec", "--json", "--skip-git-repo-check", "-m", "offline"]
    command += ["-s", "workspace-write", PROMPT.format(seconds=seconds)]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds + GRACE,
            text=True,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        return late.stdout.decode(errors="replace") if isinstance(late.stdout, bytes) else ""
    return done.stdout


def _findings(output: str) -> dict[str, Any]:
    """The line of the search, out of the outputs of the commands."""
    for line in reversed(output.splitlines()):
        if MARK.replace('"', '\\"') not in line:
            continue
        item = json.loads(line).get("item", {})
        for told in str(item.get("aggregated_output", "")).splitlines():
            if told.startswith("{") and MARK in told:
                return json.loads(told)
    return {}


def _judge(program: Program, folder: Path, found: dict[str, Any]) -> str:
    tests = {path: text for path, text in program.right.items() if is_test(path)}
    write(folder, tests)
    if not passes(folder, program):
        return "partly" if found.get("changes") else "none"
    for path in tests:
        (folder / path).unlink()
    for cache in folder.rglob("__pycache__"):
        shutil.rmtree(cache)
    write(folder, program.kept)
    return "right" if passes(folder, program) else "overfitted"


def _told(change: dict[str, Any]) -> str:
    old, new = (str(change.get(key, "")).strip() for key in ("old", "new"))
    return f"{change.get('path')}:{change.get('line')} [{change.get('kind')}] {old} -> {new}"
