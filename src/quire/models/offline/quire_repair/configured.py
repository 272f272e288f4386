"""What a project's pytest is configured to do, as far as finding tests needs it."""

from __future__ import annotations

import ast
import configparser
import fnmatch
import re
from typing import Any, NamedTuple

from .project import read_text

FILES = (
    ("pytest.ini", "pytest"),
    (".pytest.ini", "pytest"),
    ("pyproject.toml", "tool.pytest.ini_options"),
    ("tox.ini", "pytest"),
    ("setup.cfg", "tool:pytest"),
)
"""In pytest's order; the first that has the section counts."""


class Configured(NamedTuple):
    """`python_files` and `python_functions` are pytest's patterns, empty where it has its own;
    `doctests` says that it runs examples in docstrings, `plugins` that it is told to load some
    (`-p NAME`). `present` is false without a section."""

    present: bool = False
    python_files: tuple[str, ...] = ()
    python_functions: tuple[str, ...] = ()
    doctests: bool = False
    plugins: bool = False

    def is_test(self, path: str) -> bool:
        """A file that is loaded as a test for its name (or its path, where patterns have one)."""
        name = path.rsplit("/", 1)[-1]
        return any(
            fnmatch.fnmatch(path, "*" + pattern)
            if "/" in pattern
            else fnmatch.fnmatch(name, pattern)
            for pattern in self.python_files
        )

    def test_function(self) -> re.Pattern[str] | None:
        """Matches a definition that only counts as a test by these patterns."""
        names = [_as_regex(pattern) for pattern in self.python_functions]
        if not names:
            return None
        return re.compile(rf"^\s*(?:async )?def (?:{'|'.join(names)})\(", re.MULTILINE)


def configured(root: str) -> Configured:
    """Of the project; unreadable files count as missing."""
    for name, section in FILES:
        text = read_text(root, name)
        options = _toml(text, section) if name.endswith(".toml") else _ini(text, section)
        if options is None:
            continue
        return Configured(
            True,
            tuple(options.get("python_files", "").split()),
            tuple(options.get("python_functions", "").split()),
            "--doctest-modules" in options.get("addopts", "").split(),
            re.search(r"(?:^|\s)-p\s*(?!no:)\S", options.get("addopts", "")) is not None,
        )
    return Configured()


def _ini(text: str, section: str) -> dict[str, str] | None:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        return None
    return dict(parser[section]) if parser.has_section(section) else None


def _toml(text: str, section: str) -> dict[str, str] | None:
    """The texts and lists of texts of one table: Python 3.9 has no reader of its own."""
    inside = rf"^\[{re.escape(section)}\]\s*$(.*?)(?=^\[[\w.\"'-]+\]\s*$|\Z)"
    body = re.search(inside, text, re.MULTILINE | re.DOTALL)
    if body is None:
        return None
    value = r"(\[[^\]]*\]|\"\"\".*?\"\"\"|'''.*?'''|\"[^\"\n]*\"|'[^'\n]*')"
    pairs = re.findall(rf"^(\w+)\s*=\s*{value}", body.group(1), re.MULTILINE | re.DOTALL)
    return {name: _texts(written) for name, written in pairs}


def _texts(written: str) -> str:
    """A text, or the texts of a list with spaces between them; empty for anything else."""
    try:
        read: Any = ast.literal_eval(re.sub(r"^\s*#.*$", "", written, flags=re.MULTILINE))
    except (SyntaxError, ValueError):
        return ""
    return read if isinstance(read, str) else " ".join(map(str, read))


def _as_regex(pattern: str) -> str:
    """pytest takes a pattern without wildcards as a beginning."""
    if any(mark in pattern for mark in "*?["):
        return re.escape(pattern).replace(r"\*", r"\w*").replace(r"\?", r"\w")
    return re.escape(pattern) + r"\w*"
