"""Small broken programs (`data/repair/*.case`): write them out, search, apply, judge.

A case file has a title line, then sections: `=== file: PATH` for what the search sees and
`=== kept: PATH` for tests it never sees, which say whether a repair is right.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import quire.models.offline

DATA = Path(__file__).parent / "data" / "repair"
PROGRAM = Path(quire.models.offline.__file__).parent / "search_main.py"


class Case(NamedTuple):
    name: str
    files: dict[str, str]
    kept: dict[str, str]


class Repair(NamedTuple):
    """What `search` found, and whether the tests that were kept back pass with it."""

    found: dict
    right: bool


def load(name: str) -> Case:
    sections: dict[str, dict[str, str]] = {"file": {}, "kept": {}}
    target, path = sections["file"], ""
    for line in (DATA / f"{name}.case").read_text("utf-8").splitlines(keepends=True)[2:]:
        if line.startswith("=== "):
            kind, _, path = line.strip().removeprefix("=== ").partition(": ")
            target = sections[kind]
            target[path] = ""
        else:
            target[path] += line
    return Case(name, sections["file"], sections["kept"])


def write(folder: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, "utf-8")


def environment() -> dict[str, str]:
    """The interpreter of these tests, which has pytest, is the first on the path."""
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "PYTHONDONTWRITEBYTECODE": "1"}


def program(folder: Path, *words: str, python: str = sys.executable) -> dict:
    """Run a command of the search program there; its JSON line."""
    done = subprocess.run(
        [python, str(PROGRAM), *words],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    assert lines, done.stdout + done.stderr
    return json.loads(lines[-1])


def search(folder: Path, survey: dict, seconds: int = 60) -> dict:
    framework = "plain" if survey["doctests"] else survey["framework"]
    words = ["--framework", framework, "--start", survey["start"], "--top", survey["top"]]
    words += ["--doctests", "yes"] if survey["doctests"] else []
    words += ["--files", os.pathsep.join(survey["tests"]), "--max-seconds", str(seconds)]
    words += ["--path", os.pathsep.join(survey["path"])] if survey["path"] else []
    return program(folder, "search", *words)


def repair(folder: Path, case: Case) -> Repair:
    """Search in a copy, apply what was found, and run all tests, those kept back included."""
    write(folder, case.files)
    before = snapshot(folder)
    survey = program(folder, "look")
    found = search(folder, survey)
    assert snapshot(folder) == before, "the search changed files"
    for change in found.get("changes", []):
        apply(folder, change)
    write(folder, case.kept)
    return Repair(found, passes(folder, survey))


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def apply(folder: Path, change: dict) -> None:
    place = folder / change["path"]
    lines = place.read_text("utf-8").split("\n")
    for hunk in reversed(change["hunks"]):
        old = [*hunk["before"], *hunk["old"], *hunk["after"]]
        new = [*hunk["before"], *hunk["new"], *hunk["after"]]
        places = [n for n in range(len(lines)) if lines[n : n + len(old)] == old]
        assert len(places) == 1, (places, old)
        lines[places[0] : places[0] + len(old)] = new
    place.write_text("\n".join(lines), "utf-8")


def passes(folder: Path, survey: dict) -> bool:
    """All tests there pass with the project's own framework."""
    command = [sys.executable, "-m", "unittest", "discover", "-s", survey["start"]]
    command += ["-t", survey["top"]]
    if survey["framework"] == "pytest":
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    env = {**environment(), "PYTHONPATH": os.pathsep.join(survey["path"])}
    try:
        done = subprocess.run(
            command, cwd=folder, env=env, capture_output=True, timeout=30, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0
