"""The Python files of a project: which there are, which are tests."""

from __future__ import annotations

import os

SKIPPED = frozenset(["node_modules", "site-packages", "__pycache__", "build", "dist", "venv"])
TEST_FOLDERS = frozenset(["tests", "test", "testing"])
NOT_CODE = frozenset(["setup.py", "conftest.py", "noxfile.py"])
MANY_FILES = 5000


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
            and not os.path.exists(os.path.join(folder, name, "pyvenv.cfg"))
        )
        inside = os.path.relpath(folder, root).replace(os.sep, "/")
        prefix = "" if inside == "." else inside + "/"
        found += [prefix + name for name in sorted(files) if name.endswith(".py")]
        if len(found) > MANY_FILES:
            break
    return sorted(found)


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
