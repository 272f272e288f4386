"""Failures that no edit of the code can mend: something is missing around it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .baseline import Fact
from .cases import Broken

OUTSIDE = frozenset(
    [
        *("gaierror", "ConnectionError", "ConnectionRefusedError", "ConnectionResetError"),
        *("ConnectError", "URLError", "NewConnectionError", "ReadOnlyFilesystem"),
    ]
)
WORDS = (
    "Read-only file system",
    "Temporary failure in name resolution",
    "Network is unreachable",
    "Operation not permitted",
    "[Errno 13]",
    "could not create numbered dir",  # pytest's temporary folder where nothing can be written
)


def missing_module(message: str) -> str:
    """The top-level name in `No module named 'a.b'`; empty without one."""
    found = re.search(r"No module named '([\w.]+)'", message)
    return found.group(1).split(".")[0] if found else ""


def is_foreign_module(broken: Broken, files: Iterable[str]) -> bool:
    """A test module needs a package that is neither installed nor part of the project."""
    name = missing_module(broken.message)
    return bool(name) and name not in _own_names(files)


def lacks_environment(fact: Fact) -> bool:
    """A failing test that met a missing package, no network, or a read-only disk."""
    if fact.error in OUTSIDE:
        return True
    if fact.error == "ModuleNotFoundError" and missing_module(fact.message):
        return True
    is_os_error = fact.error in ("OSError", "PermissionError")
    return is_os_error and any(word in fact.message for word in WORDS)


def _own_names(files: Iterable[str]) -> set[str]:
    """Every name that a file or folder of the project could be imported by."""
    names: set[str] = set()
    for path in files:
        names.update(path[:-3].split("/"))
    return names
