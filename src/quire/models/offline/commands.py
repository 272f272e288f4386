"""The shell commands that the offline model runs."""

from __future__ import annotations

import os
import shlex
import sys

from quire.models.offline.findings import Survey

FIRST_RUN_SECONDS = 6
"""The first run of the tests is cut off then: they may never end, and the search tells which."""

CHECK_SECONDS = 300


def look() -> str:
    """Survey the project, with the interpreter that runs Quire."""
    return _command([sys.executable, "-B", _program(), "look"])


def run_tests(survey: Survey, seconds: int, lenient: bool = False) -> str:
    """The project's own test command, for at most so many seconds. `lenient` also runs the tests
    of other modules when some cannot be loaded."""
    python = [survey.interpreter, "-B"]
    if survey.framework == "pytest":
        words = [*python, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        words += ["--continue-on-collection-errors"] if lenient else []
    elif survey.framework == "unittest":
        words = [*python, "-m", "unittest", "discover"]
        words += ["-s", survey.start] if survey.start != "." else []
        words += ["-t", survey.top] if survey.top != survey.start else []
    else:
        return _command([*python, _program(), "test", *_plan(survey)])
    path = f"PYTHONPATH={shlex.quote(os.pathsep.join(survey.path))} " if survey.path else ""
    return f"{path}timeout {seconds} {_command(words)}"


def search(survey: Survey, seconds: int) -> str:
    """The repair search, with the interpreter that runs the tests. It keeps to its time by
    itself; `timeout` is there for code that keeps it from doing so."""
    words = ["timeout", str(2 * seconds + 30), survey.interpreter, "-B", _program(), "search"]
    return _command([*words, *_plan(survey), "--max-seconds", str(seconds)])


def _plan(survey: Survey) -> list[str]:
    words = ["--framework", survey.framework]
    if survey.framework == "unittest":
        words += ["--start", survey.start, "--top", survey.top]
    if survey.framework == "plain":
        words += ["--files", os.pathsep.join(survey.tests)]
    if survey.path:
        words += ["--path", os.pathsep.join(survey.path)]
    return words


def _program() -> str:
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), "search_main.py")


def _command(words: list[str]) -> str:
    return " ".join(shlex.quote(word) for word in words)
