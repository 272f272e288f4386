"""The Python files of a project: which there are, which are tests."""

from __future__ import annotations

import os
import re
import sys
from types import ModuleType

SKIPPED = frozenset(["node_modules", "site-packages", "__pycache__", "venv"])
MADE = frozenset(["build", "dist"])
"""Folders that tools make; with an `__init__.py` they are packages like any other."""

TEST_FOLDERS = frozenset(["tests", "test", "testing"])
NOT_CODE = frozenset(["setup.py", "conftest.py", "noxfile.py"])
MANY_FILES = 5000
EXAMPLE = re.compile(r"^\s*>>> ", re.MULTILINE)
NEVER_LOADED = frozenset(["__main__.py", *NOT_CODE])


def python_files(root: str) -> list[str]:
    """All Python files below `root`, relative, with slashes, sorted; without hidden folders,
    virtual environments and installed packages."""
    found: list[str] = []
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".")
            and name not in SKIPPED
            and (name not in MADE or _is_package(folder, name))
            and not os.path.exists(os.path.join(folder, name, "pyvenv.cfg"))
        )
        inside = os.path.relpath(folder, root).replace(os.sep, "/")
        prefix = "" if inside == "." else inside + "/"
        found += [prefix + name for name in sorted(files) if name.endswith(".py")]
        if len(found) > MANY_FILES:
            break
    return sorted(found)


def _is_package(folder: str, name: str) -> bool:
    return os.path.exists(os.path.join(folder, name, "__init__.py"))


def is_test_file(path: str) -> bool:
    """True for what a repair must never touch: tests, their helpers, their configuration."""
    *folders, name = path.split("/")
    return (
        name in NOT_CODE
        or name.startswith("test_")
        or name.endswith("_test.py")
        or name == "tests.py"
        or not TEST_FOLDERS.isdisjoint(folders)
    )


def holds_tests(path: str) -> bool:
    """True for files that test frameworks load by their name."""
    name = path.rsplit("/", 1)[-1]
    return name.startswith("test_") or name.endswith("_test.py") or name in ("test.py", "tests.py")


def read_text(root: str, path: str) -> str:
    """A file's text, or as much of it as is worth reading; empty when it cannot be read."""
    try:
        with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
            return file.read(1_000_000)
    except OSError:
        return ""


def has_examples(root: str, path: str) -> bool:
    """Code of the project with examples in docstrings that may be run (doctest)."""
    name = path.rsplit("/", 1)[-1]
    may = name not in NEVER_LOADED and not is_test_file(path)
    return may and EXAMPLE.search(read_text(root, path)) is not None


def loaded_with_examples(root: str) -> list[tuple[ModuleType, str]]:
    """The modules of this process that are the project's and have examples, with their paths."""
    prefix = os.path.join(os.path.realpath(root), "")
    found: list[tuple[ModuleType, str]] = []
    for name, module in sorted(sys.modules.items()):
        file = vars(module).get("__file__")
        real = os.path.realpath(file) if isinstance(file, str) else ""
        path = real[len(prefix) :].replace(os.sep, "/")
        inside = real.startswith(prefix) and SKIPPED.isdisjoint(path.split("/"))
        if inside and name != "__main__" and path.endswith(".py") and has_examples(root, path):
            found.append((module, path))
    return found
