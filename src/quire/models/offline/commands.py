"""The shell commands that the offline model runs."""

from __future__ import annotations

import os
import shlex
import sys

import msgspec

from quire.models.offline.findings import Survey

FIRST_RUN_SECONDS = 6
"""The first run of the tests is cut off then: they may never end, and the search tells which."""

CHECK_SECONDS = 300

PYTEST = ("-q", "-rfE", "--color=no", "-p", "no:cacheprovider")
"""The failing tests by name at the end, whatever the project's own settings show there."""


def look(named: tuple[str, ...]) -> str:
    """Survey the project, with the interpreter that runs Quire. `named` may mean some tests."""
    words = [sys.executable, "-B", _program(), "look"]
    return _command([*words, *_listed("--named", named)])


def run_tests(survey: Survey, seconds: int, lenient: bool = False) -> str:
    """The project's own test command, for at most so many seconds. `lenient` also runs the tests
    of other modules when some cannot be loaded."""
    python = [survey.interpreter, "-B"]
    folders = survey.path
    if survey.framework == "pytest":
        words = [*python, "-m", "pytest", *PYTEST]
        words += ["--continue-on-collection-errors"] if lenient else []
        words += ["--doctest-modules", *survey.tests] if survey.doctests else survey.only
    elif survey.framework == "unittest" and survey.only:
        words = [*python, "-m", "unittest", *survey.only]
        folders = (survey.top, *folders) if survey.top != "." else folders
    elif survey.framework == "unittest":
        words = [*python, "-m", "unittest", "discover"]
        words += ["-s", survey.start] if survey.start != "." else []
        words += ["-t", survey.top] if survey.top != survey.start else []
    else:
        return _command([*python, _program(), "test", *_plan(survey)])
    path = f"PYTHONPATH={shlex.quote(os.pathsep.join(folders))} " if folders else ""
    return f"{path}timeout {seconds} {_command(words)}"


def search(
    survey: Survey, seconds: int, hard: int | None = None, mend: tuple[str, ...] = ()
) -> str:
    """The repair search, with the interpreter that runs the tests. It keeps to its time by
    itself; `timeout` is there for code that keeps it from doing so: after `hard` seconds. `mend`
    are the tests to mend, where it is not all that fail."""
    limit = 2 * seconds + 30 if hard is None else hard
    words = ["timeout", str(limit), survey.interpreter, "-B", _program(), "search"]
    words += [*_plan(survey), *_listed("--mend", mend)]
    return _command([*words, "--max-seconds", str(seconds)])


def inquiry(command: str, survey: Survey, seconds: int, more: tuple[str, ...] = ()) -> str:
    """One of `report`, `explain` and `bisect`: they change nothing and keep to their time."""
    words = ["timeout", str(seconds), survey.interpreter, "-B", _program(), command]
    inner = max(seconds - 1, 1)
    return _command([*words, *_plan(survey), "--max-seconds", str(inner), *more])


def _listed(option: str, values: tuple[str, ...]) -> list[str]:
    return [option, msgspec.json.encode(values).decode()] if values else []


def _plan(survey: Survey) -> list[str]:
    if survey.doctests:
        # They need nothing of pytest's, and only modules that hold examples are loaded.
        words = ["--framework", "plain", "--doctests", "yes"]
    else:
        words = ["--framework", survey.framework]
    if survey.framework == "unittest":
        words += ["--start", survey.start, "--top", survey.top]
    if survey.framework == "plain" or survey.doctests:
        words += ["--files", os.pathsep.join(survey.tests)]
    if survey.path:
        words += ["--path", os.pathsep.join(survey.path)]
    return [*words, *_listed("--only", survey.only)]


def _program() -> str:
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), "search_main.py")


def _command(words: list[str]) -> str:
    return " ".join(shlex.quote(word) for word in words)
