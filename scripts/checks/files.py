"""The files that the checks look at."""

from __future__ import annotations

import ast
import os
import subprocess
from pathlib import Path
from typing import NamedTuple

ZONES = ("src", "tests", "benchmarks", "scripts", "bin", "docs", "requirements", ".ci")
LISTED = ("--cached", "--others", "--exclude-standard")
SKIPPED = ("node_modules", ".venv", "__pycache__", ".hypothesis")


class Source(NamedTuple):
    """A text file. `path` is relative with slashes; `tree` is there for Python that parses."""

    path: str
    text: str
    tree: ast.Module | None

    @property
    def zone(self) -> str:
        return self.path.split("/")[0] if "/" in self.path else ""

    @property
    def generated(self) -> bool:
        """Named as made by a program: `*_generated.*`, pinned requirements, lock files."""
        name = self.path.rsplit("/", 1)[-1]
        stem = name.split(".")[0]
        pinned = self.zone == "requirements" and name.endswith(".txt")
        return stem.endswith("_generated") or pinned or name == "package-lock.json"

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


def sources(root: Path) -> list[Source]:
    """Every text file of the project, sorted by path."""
    found: list[Source] = []
    for name in sorted(set(names(root))):
        top = name.split("/")[0]
        if "/" in name and top not in ZONES:
            continue
        text = _text(root / name)
        if text is not None:
            found.append(Source(name, text, _tree(name, text)))
    return found


def names(root: Path) -> list[str]:
    """What git tracks or would track; without git, whatever is there."""
    if (root / ".git").exists():
        # CI often checks out as one user and runs as another; listing names runs no hooks.
        command = ["git", "-c", "safe.directory=*", "ls-files", "-z", *LISTED]
        listed = subprocess.run(command, cwd=root, capture_output=True, check=True)
        return [os.fsdecode(name) for name in listed.stdout.split(b"\0") if name]
    every = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return [path.as_posix() for path in every if not set(path.parts) & set(SKIPPED)]


def _text(path: Path) -> str | None:
    """None for what is gone, is no regular file, or is no text."""
    if path.is_symlink() or not path.is_file():
        return None
    content = path.read_bytes()
    if b"\0" in content:
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _tree(name: str, text: str) -> ast.Module | None:
    """Python that does not parse is ruff's to report."""
    if not name.endswith(".py"):
        return None
    try:
        return ast.parse(text)
    except SyntaxError:
        return None
