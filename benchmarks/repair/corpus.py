"""The programs: right ones, each with a mistake to be made in it, and tests in two parts.

A file `programs/PART/NAME.case` has a title line, an empty line, then sections:

    === file: PATH       a file of the right program, or a test that the search sees
    === kept: PATH       tests that are kept back: they say whether a repair is right
    === mistake: PATH    lines of that file, exactly once in it (several such sections: several
    === instead          mistakes), and what stands there in the broken program

`PART` is `develop`, for whoever works on the search, or `aside`: never looked at while working.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

PROGRAMS = Path(__file__).parent / "programs"
PARTS = ("develop", "aside")
RUN_SECONDS = 60


class CorpusError(Exception):
    """A case file is not what it should be: one line, with its name."""


class Mistake(NamedTuple):
    path: str
    right: str
    wrong: str


class Program(NamedTuple):
    """One case: files by their paths, with forward slashes."""

    name: str
    part: str
    title: str
    right: dict[str, str]
    kept: dict[str, str]
    mistakes: tuple[Mistake, ...]

    @property
    def broken(self) -> dict[str, str]:
        """The files that the search sees."""
        files = dict(self.right)
        for path, right, wrong in self.mistakes:
            files[path] = files[path].replace(right, wrong)
        return files


def load(path: Path) -> Program:
    """Read a case file. Raises `CorpusError` when it is malformed."""
    try:
        lines = path.read_text("utf-8").splitlines(keepends=True)
    except UnicodeDecodeError:
        raise CorpusError(f"{path.name}: not UTF-8") from None
    if not lines:
        raise CorpusError(f"{path.name}: empty")
    right: dict[str, str] = {}
    kept: dict[str, str] = {}
    made: list[list[str]] = []
    into: dict[str, str] = {}
    name = ""
    for line in lines[2:]:
        if not line.startswith("=== "):
            if not name and not made:
                raise CorpusError(f"{path.name}: text before the first section")
            if name:
                into[name] += line
            else:
                made[-1][-1] += line
            continue
        kind, _, name = line.strip().removeprefix("=== ").partition(": ")
        if kind in ("file", "kept") and name:
            into = right if kind == "file" else kept
            into[name] = ""
        elif kind == "mistake" and name:
            made.append([name, ""])
            name = ""
        elif kind == "instead" and made and len(made[-1]) == 2:
            made[-1].append("")
        else:
            raise CorpusError(f"{path.name}: unknown section {line.strip()!r}")
    mistakes = tuple(Mistake(*one) for one in made if len(one) == 3)
    program = Program(path.stem, path.parent.name, lines[0].strip(), right, kept, mistakes)
    _check_form(program, len(made))
    return program


def _check_form(program: Program, sections: int) -> None:
    name = program.name
    if not program.kept or not program.mistakes or len(program.mistakes) != sections:
        raise CorpusError(f"{name}: wants kept tests, and mistakes with what stands instead")
    for path, right, wrong in program.mistakes:
        if program.right.get(path, "").count(right) != 1 or not right or right == wrong:
            raise CorpusError(f"{name}: a mistake's lines are not exactly once in {path}")


def all_programs(parts: tuple[str, ...] = PARTS) -> list[Program]:
    """All cases of these parts, by name. Raises `CorpusError`."""
    return [load(path) for part in parts for path in sorted((PROGRAMS / part).glob("*.case"))]


def write(folder: Path, files: dict[str, str]) -> None:
    """Write files below a folder."""
    for path, text in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, "utf-8")


def passes(folder: Path, program: Program, seconds: float = RUN_SECONDS) -> bool:
    """Whether all tests in the folder pass with the framework of the program's tests: pytest,
    unless they say `unittest` (and their docstring examples, where `doctest` is meant)."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    tests = [text for path, text in {**program.right, **program.kept}.items() if is_test(path)]
    if all("unittest" in text for text in tests):
        command = [sys.executable, "-m", "unittest", "discover", "-f"]
        if "src" in {path.split("/")[0] for path in program.right}:
            command += ["-s", "tests"]
    elif not any(is_test(path) for path in program.right):
        command.append("--doctest-modules")
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    if "src" in {path.split("/")[0] for path in program.right}:
        env["PYTHONPATH"] = "src"
    try:
        done = subprocess.run(
            command, cwd=folder, env=env, capture_output=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def is_test(path: str) -> bool:
    """Whether a path is that of a module of tests."""
    name = path.rpartition("/")[2]
    return name.startswith("test_") or name.endswith("_test.py")
