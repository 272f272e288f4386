"""The offline model repairs Quire: mistakes planted in a copy of this repository's own source.

The copy is a project like a person's: all of `src`, some of the unit tests, pytest's settings, a
Git repository. The mistakes are of the kind that slips in when such code is written.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.e2e.quire import Place

ROOT = Path(__file__).resolve().parents[2]
IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc", ".hypothesis")


class Planted(NamedTuple):
    """In `path` below `src/quire`, `right` (there exactly once) becomes `wrong`; `tests` are the
    modules of `tests/unit` that tell."""

    path: str
    right: str
    wrong: str
    tests: str


PLANTED = {
    "thread_id": Planted(
        "server/thread_ids.py",
        "        return text[9:]\n",
        "        return text[8:]\n",
        "thread_ids",
    ),
    "layer_path": Planted(
        "config/layers.py",
        "yield from leaves(table, path)\n",
        "yield from leaves(table, prefix)\n",
        "config_layers",
    ),
    "blob_hash": Planted(
        "server/turn_diff.py",
        "hashlib.sha1(head + data,",
        "hashlib.sha1(head - data,",
        "turn_diff",
    ),
    "quoted_key": Planted(
        "config/overrides.py",
        "position = start + 1\n",
        "position = quote + 1\n",
        "config_overrides",
    ),
    "line_of_head": Planted(
        "models/head.py",
        "if not colon or not name",
        "if colon or not name",
        "transport_head",
    ),
    "queue_of_thread": Planted(
        "rollout/queue.py",
        "if not is_thread_id(thread_id):",
        "if is_thread_id(thread_id):",
        "queue",
    ),
}
DATA = ("data", "rollout_samples")
HELPERS = ("patch_folder", "rollout_records")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    made.env = {"VIRTUAL_ENV": sys.prefix, "PYTEST_DEBUG_TEMPROOT": "/tmp"}
    return made


def plant(place: Place, names: tuple[str, ...]) -> list[str]:
    """A repository with a copy of the source, these mistakes made; and their tests. The
    paths of the files with mistakes."""
    shutil.copytree(ROOT / "src", place.repo / "src", ignore=IGNORED)
    units = place.repo / "tests" / "unit"
    units.mkdir(parents=True)
    for name in DATA:
        shutil.copytree(ROOT / "tests/unit" / name, units / name, ignore=IGNORED)
    modules = {PLANTED[name].tests for name in names}
    for name in (*HELPERS, *(f"test_{module}" for module in sorted(modules))):
        shutil.copy(ROOT / f"tests/unit/{name}.py", units)
    shutil.copy(ROOT / "tests/conftest.py", place.repo / "tests")
    for name in ("pyproject.toml", ".gitignore"):
        shutil.copy(ROOT / name, place.repo)
    paths: list[str] = []
    for name in names:
        path, right, wrong, _ = PLANTED[name]
        file = place.repo / "src/quire" / path
        text = file.read_text("utf-8")
        assert text.count(right) == 1, f"{name}: {path} has changed, plant another mistake there"
        file.write_text(text.replace(right, wrong), "utf-8")
        paths.append(f"src/quire/{path}")
    place.git("add", ".")
    place.git("commit", "-qm", "project")
    return sorted(paths)


def repaired(place: Place, prompt: str, paths: list[str]) -> None:
    """Run it: only these files are changed, and all tests pass, those of this repository."""
    result = place.exec("-m", "offline", "-s", "workspace-write", prompt)
    assert result.code == 0, result.err
    told = result.items("agent_message")[-1]["text"]
    assert told.startswith("Repaired: "), told
    assert place.git("status", "--short").split() == [word for p in paths for word in ("M", p)]
    command = [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    tests = subprocess.run(command, cwd=place.repo, env=place.environment(), check=False)
    assert tests.returncode == 0


def module_of(name: str) -> str:
    return f"tests/unit/test_{PLANTED[name].tests}.py"


@pytest.mark.parametrize("name", PLANTED)
def test_a_mistake_in_quire_is_repaired(place: Place, name: str) -> None:
    paths = plant(place, (name,))
    repaired(place, f"make {module_of(name)} pass within 40 seconds", paths)
