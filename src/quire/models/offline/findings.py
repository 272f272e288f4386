"""What the search program prints, as types: one JSON object on a line of its own."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from msgspec import Struct

T = TypeVar("T", bound=Struct)


class Survey(Struct, frozen=True, kw_only=True):
    """Of `look`. Paths are relative to the project; `interpreter` is empty when none was found.
    `only` are the tests that the prompt named, `missing` its words that name none."""

    quire_look: int
    framework: str
    interpreter: str
    version: str = ""
    pytest_missing: bool = False
    start: str = "."
    top: str = "."
    path: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    doctests: bool = False
    only: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    test_files: int = 0
    source_files: int = 0
    writable: bool = True


class Counts(Struct, frozen=True):
    total: int = 0
    passed: int = 0
    failed: int = 0


class Failure(Struct, frozen=True):
    id: str
    error: str = ""
    message: str = ""


class Lack(Struct, frozen=True):
    """A test that cannot run here, and why."""

    id: str
    reason: str


class Suspect(Struct, frozen=True):
    path: str
    line: int
    function: str = ""


class Hunk(Struct, frozen=True):
    """`old` lines give way to `new` ones; the others are kept."""

    before: tuple[str, ...]
    old: tuple[str, ...]
    new: tuple[str, ...]
    after: tuple[str, ...]


class Edit(Struct, frozen=True, kw_only=True):
    """A change of one file. `old` and `new` are its first changed lines, for people."""

    path: str
    line: int
    function: str = ""
    kind: str = ""
    old: str = ""
    new: str = ""
    hunks: tuple[Hunk, ...] = ()


class Telling(Struct, frozen=True):
    """A call for which the chosen edit and the next best differ."""

    call: str
    chosen: str
    other: str


class Findings(Struct, frozen=True, kw_only=True):
    """Of `search` and `test`. `status` is repaired, partly, not_found, nothing_fails, tests_fail,
    no_tests or environment."""

    quire_repair: int
    status: str
    tests: Counts = Counts()
    failing: tuple[Failure, ...] = ()
    environment: tuple[Lack, ...] = ()
    suspects: tuple[Suspect, ...] = ()
    changes: tuple[Edit, ...] = ()
    fixed: int = 0
    tried: int = 0
    candidates: int = 0
    passing_edits: int = 0
    other_behaviours: int = 0
    runner_up: Edit | None = None
    telling: Telling | None = None
    seconds: float = 0.0


def survey_in(text: str) -> Survey | None:
    return last_document(text, '{"quire_look":', Survey)


def findings_in(text: str) -> Findings | None:
    """The findings in a command's output; None when they are missing or damaged, or name a file
    that must not be edited (the output comes from a process that ran the project's code)."""
    found = last_document(text, '{"quire_repair":', Findings)
    if found is None or not all(_may_edit(change.path) for change in found.changes):
        return None
    return found


def last_document(text: str, beginning: str, kind: type[T]) -> T | None:
    """The last line of a command's output that begins so, decoded; None when it is missing or
    damaged."""
    lines = [line for line in text.split("\n") if line.startswith(beginning)]
    if not lines:
        return None
    try:
        return msgspec.json.decode(lines[-1], type=kind)
    except msgspec.DecodeError:
        return None


def _may_edit(path: str) -> bool:
    """A Python file below the project that is no test."""
    from quire.models.offline.quire_repair.project import is_test_file

    parts = path.split("/")
    inside = not path.startswith("/") and ".." not in parts and "\n" not in path
    return inside and path.endswith(".py") and not is_test_file(path)
