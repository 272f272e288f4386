"""pyproject.toml: how many dependencies, all of them used, and no rule lowered for a file."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from scripts.checks.files import Source

DEPENDENCIES = 14
FILE = "pyproject.toml"
PINNED = "requirements/runtime.txt"
LOWERED = ("ignore", "extend-ignore", "per-file-ignores", "extend-per-file-ignores", "unfixable")
EXCLUDED = ("exclude", "extend-exclude", "force-exclude", "ignore", "executionEnvironments")
NAME = re.compile(r"[A-Za-z0-9._-]+")
OTHER_CONFIGS = (
    "ruff.toml",
    ".ruff.toml",
    "pyrightconfig.json",
    "setup.cfg",
    "tox.ini",
    "pytest.ini",
)
REPORT_OFF = (False, "none", "warning", "information")
MODULES = {"starlark-pyo3": "starlark"}
"""What a package is imported as, where its name does not say so."""


def faults_in(root: Path, sources: list[Source]) -> list[str]:
    path = root / FILE
    if not path.is_file():
        return [f"{FILE}:1: missing; the checks read the dependencies and the rules from it"]
    text = path.read_text("utf-8")
    data = tomllib.loads(text)
    found = [*_dependency_faults(data, sources), *_rule_faults(data)]
    others = [s.path for s in sources if s.path.rsplit("/", 1)[-1] in OTHER_CONFIGS]
    return [
        *(f"{FILE}:{_line(text, word)}: {fault}" for word, fault in found),
        *(f"{other}:1: a second place for rules; they stand in {FILE}" for other in others),
    ]


def _dependency_faults(data: dict[str, object], sources: list[Source]) -> Iterator[tuple[str, str]]:
    """(the word to look for, what is wrong)"""
    pinned = {name for s in sources if s.path == PINNED for name in _names(s.lines)}
    dependencies = _names(_table(data, "project").get("dependencies"))
    if len(dependencies) > DEPENDENCIES:
        count = f"{len(dependencies)} direct dependencies, at most {DEPENDENCIES}"
        yield "dependencies", f"{count}; do without one or make it an extra"
    used = set(_modules_used(sources))
    for name in dependencies:
        if MODULES.get(name, name.lower().replace("-", "_").replace(".", "_")) not in used:
            yield name, f"nothing in src imports {name}; take it out or use it"
        if name not in pinned:
            yield name, f"{name} is not in {PINNED}; run scripts/pin"


def _rule_faults(data: dict[str, object]) -> Iterator[tuple[str, str]]:
    """(the word to look for, what is wrong)"""
    tools = _table(data, "tool")
    ruff = _table(tools, "ruff")
    for table in (ruff, _table(ruff, "lint"), _table(ruff, "format")):
        for key in table.keys() & {*LOWERED, *EXCLUDED}:
            yield key, f"ruff's `{key}` lowers a rule; select the rules that hold everywhere"
    pyright = _table(tools, "pyright")
    for key, value in pyright.items():
        if key in EXCLUDED or (key.startswith("report") and value in REPORT_OFF):
            yield key, f"pyright's `{key}` lowers a rule; mend what it found"
    if "src" not in _names(pyright.get("strict")):
        yield "pyright", 'pyright is strict for src: strict = ["src"]'


def _table(data: dict[str, object], key: str) -> dict[str, object]:
    value = data.get(key)
    return {str(k): v for k, v in value.items()} if isinstance(value, dict) else {}


def _names(value: object) -> list[str]:
    """The bare names of a list of requirements."""
    items = value if isinstance(value, list) else []
    matches = (NAME.match(item) for item in items if isinstance(item, str))
    return [match.group() for match in matches if match is not None]


def _modules_used(sources: list[Source]) -> Iterator[str]:
    """Top-level names imported in src, also by their name in a string (`find_spec("x")`)."""
    for source in sources:
        if source.tree is None or source.zone != "src":
            continue
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                yield (node.module or "").split(".")[0]
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield from node.value.split("/")


def _line(text: str, word: str) -> int:
    for number, line in enumerate(text.splitlines(), 1):
        if word in line:
            return number
    return 1
