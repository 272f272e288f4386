"""Failures that no edit of the code can mend: something is missing around it."""

from __future__ import annotations

import difflib
import linecache
import os
import re
import tempfile
from collections.abc import Iterable

from .baseline import Fact
from .loading import Broken
from .project import SKIPPED

OUTSIDE = frozenset(
    [
        *("gaierror", "ConnectionError", "ConnectionRefusedError", "ConnectionResetError"),
        *("ConnectError", "URLError", "NewConnectionError", "ReadOnlyFilesystem"),
        *("FixtureLookupError",),
    ]
)
WORDS = (
    "Read-only file system",
    "Temporary failure in name resolution",
    "Network is unreachable",
    "Operation not permitted",
    "[Errno 13]",
    "could not create numbered dir",  # pytest's temporary folder where nothing can be written
    "reading from stdin while output is captured",
)
ASYNC_WITHOUT_PLUGIN = "async def functions are not natively supported"
NO_INPUT = "EOF when reading a line"
NO_FILE = re.compile(r"\[Errno 2\] No such file or directory: '([^']+)'")
LIKE = 0.75
MANY_NAMES = 20_000


def missing_module(message: str) -> str:
    """The top-level name in `No module named 'a.b'`; empty without one."""
    found = re.search(r"No module named '([\w.]+)'", message)
    return found.group(1).split(".")[0] if found else ""


def is_foreign(broken: Broken, root: str, files: Iterable[str]) -> bool:
    """A test module needs something around it: a package that is neither installed nor part of the
    project, a variable of the environment, a file, a network."""
    if _is_outside(broken.error, broken.message, root):
        return True
    name = missing_module(broken.message)
    own = _own_names(files)
    return bool(name) and name not in own and not _is_typo(name, own, broken, root)


def lacks_environment(fact: Fact, root: str) -> bool:
    """A failing test that met a missing package, no network, a read-only disk, and the like. What
    a line of the project raises by itself is no such thing."""
    if fact.error == "ModuleNotFoundError" and missing_module(fact.message):
        return True
    line = linecache.getline(*fact.frames[-1]).lstrip() if fact.frames else ""
    if line.startswith("raise "):
        return False
    if fact.error in ("OSError", "PermissionError") and "chown(" in line:
        return True  # There is one user in a sandbox.
    return _is_outside(fact.error, fact.message, root)


def _is_outside(error: str, message: str, root: str) -> bool:
    if error in OUTSIDE or (error == "Failed" and message.startswith(ASYNC_WITHOUT_PLUGIN)):
        return True
    if error == "KeyError":
        return message.startswith("the environment variable ")
    if error == "EOFError":
        return message == NO_INPUT
    missing = NO_FILE.match(message) if error == "FileNotFoundError" else None
    if missing is not None:
        return _is_nowhere(missing.group(1), root)
    is_os_error = error in ("OSError", "PermissionError")
    return is_os_error and any(word in message for word in WORDS)


def _is_nowhere(path: str, root: str) -> bool:
    """No file or folder of the project has a name like it, and it is none that a test makes."""
    temporary = os.path.join(os.path.realpath(tempfile.gettempdir()), "")
    inside = os.path.join(os.path.realpath(root), "")
    absolute = os.path.realpath(os.path.join(root, path))
    if absolute.startswith(temporary) and not absolute.startswith(inside):
        return False
    name = os.path.basename(path.rstrip("/")).lower()
    stem = name.split(".")[0]
    names = _names(root)
    alike = difflib.get_close_matches(name, names, n=1, cutoff=LIKE)
    return not alike and all(other.split(".")[0] != stem for other in names)


def _names(root: str) -> list[str]:
    """What files and folders of the project are called, without those of Python's."""
    names: dict[str, None] = {}
    for _, folders, files in os.walk(root):
        folders[:] = [n for n in folders if not n.startswith(".") and n not in SKIPPED]
        names.update((name.lower(), None) for name in folders)
        names.update((name.lower(), None) for name in files if not name.endswith((".py", ".pyc")))
        if len(names) > MANY_NAMES:
            break
    return list(names)


def _is_typo(name: str, own: set[str], broken: Broken, root: str) -> bool:
    """The project's code, not a test, asks for a module that is called a little otherwise."""
    if not broken.frames or not difflib.get_close_matches(name, own, n=1, cutoff=LIKE):
        return False
    asking = os.path.relpath(os.path.realpath(broken.frames[-1][0]), os.path.realpath(root))
    return asking.endswith(".py") and asking[:-3].split(os.sep)[-1] in own


def _own_names(files: Iterable[str]) -> set[str]:
    """Every name that a file or folder of the project could be imported by."""
    names: set[str] = set()
    for path in files:
        names.update(path[:-3].split("/"))
    return names
