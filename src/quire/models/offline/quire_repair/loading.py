"""Test modules that cannot be loaded: which error, which places."""

from __future__ import annotations

import os
import re
import traceback
from types import TracebackType
from typing import NamedTuple

from .limits import OutOfTime

PLACE = r'File "([^"]+)", line (\d+)|^(\S+\.py):(\d+): '
ERROR = r"(?:E\s+)?([A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit)): ?(.*)"
ENDLESS = "loading it does not end"
SAME_NAME = "another test file has the same name; their folders need an __init__.py"
ASKED_ENVIRONMENT = "the environment variable {} is not set"


class Broken(NamedTuple):
    """A test module that cannot be loaded. `frames` are (absolute path, line), outermost first."""

    id: str
    error: str
    message: str
    frames: list[tuple[str, int]]


def broken_from_error(
    name: str, error: BaseException, root: str, trace: TracebackType | None = None
) -> Broken:
    """From what was raised, or from what caused that."""
    while error.__cause__ is not None:
        error, trace = error.__cause__, None
    steps = traceback.extract_tb(trace or error.__traceback__)
    frames = [(step.filename, step.lineno or 1) for step in steps]
    if isinstance(error, SyntaxError):
        return _syntax_error(name, error, root, frames)
    if isinstance(error, OutOfTime):
        return Broken(name, "does not end", ENDLESS, frames)
    kind = type(error).__name__
    if kind == "ImportPathMismatchError":
        return Broken(name, kind, SAME_NAME, frames)
    if kind == "CollectError":
        return broken_from_text(name, str(error))
    if isinstance(error, ImportError) and error.path and kind == "ImportError":
        frames.append((error.path, 1))
    return Broken(name, kind, words_of(error), [f for f in frames if "<frozen" not in f[0]])


def words_of(error: BaseException) -> str:
    """An exception's own words, for people."""
    if isinstance(error, KeyError) and _asked_environment(error):
        return ASKED_ENVIRONMENT.format(error.args[0])
    if type(error).__name__ == "FixtureLookupError":
        return f"there is no fixture {vars(error).get('argname', '')}"
    return str(error)


def _asked_environment(error: KeyError) -> bool:
    """It comes from `os.environ[...]`."""
    steps = traceback.extract_tb(error.__traceback__)
    is_os = bool(steps) and os.path.basename(steps[-1].filename) in ("os.py", "<frozen os>")
    return is_os and steps[-1].name == "__getitem__"


def _syntax_error(
    name: str, error: SyntaxError, root: str, frames: list[tuple[str, int]]
) -> Broken:
    file, line = error.filename or "", error.lineno or 1
    if not os.path.isfile(file):
        return Broken(name, type(error).__name__, str(error), frames)
    shown = os.path.relpath(os.path.realpath(file), os.path.realpath(root))
    message = f"{error.msg} ({shown.replace(os.sep, '/')}, line {line})"
    return Broken(name, type(error).__name__, message, [*frames, (file, line)])


def broken_from_text(name: str, text: str) -> Broken:
    """From a printed traceback: the last line that names an error, and the places."""
    frames = [
        (match.group(1) or match.group(3), int(match.group(2) or match.group(4)))
        for match in re.finditer(PLACE, text, re.MULTILINE)
    ]
    error, message = "ImportError", text.strip().rsplit("\n", 1)[-1]
    if text.startswith("import file mismatch"):
        message = SAME_NAME
    for line in text.split("\n"):
        match = re.match(ERROR, line)
        if match:
            error, message = match.group(1), match.group(2)
    return Broken(name, error, message, frames)
