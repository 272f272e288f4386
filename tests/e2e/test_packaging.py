"""The wheel: what is in it, and that its command starts with next to nothing loaded."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import quire

ROOT = Path(__file__).parents[2]
# What a plain `python -c pass` may load is no business of ours; these are what is dear.
DEAR = {"asyncio", "dataclasses", "enum", "inspect", "json", "logging", "msgspec", "pathlib"}
DEAR |= {"prompt_toolkit", "re", "socket", "ssl", "subprocess", "typing"}


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder)
    return next(folder.glob("quire-*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and none of its dependencies. Gives its folder of commands."""
    folder = tmp_path_factory.mktemp("installed")
    uv = Path(sys.executable).parent / "uv"
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    run(
        *(uv, "pip", "install", "--no-config", "--offline", "--no-deps", "--compile-bytecode"),
        *("--python", folder / "bin" / "python", wheel),
        UV_CACHE_DIR=str(folder / "cache"),
    )
    return folder / "bin"


def test_the_wheel_holds_the_package_and_the_command(wheel: Path) -> None:
    tracked = run("git", "-c", "safe.directory=*", "ls-files", "src/quire").stdout.splitlines()
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        script = f"quire-{quire.__version__}.data/scripts/quire"
        assert archive.read(script).startswith(b"#!python\n")
    assert {name.removeprefix("src/") for name in tracked} <= names
    assert f"quire-{quire.__version__}.dist-info/licenses/LICENSE" in names
    assert not [name for name in names if name.startswith(("tests/", "scripts/", "bin/"))]


def test_the_command_prints_its_version_without_any_dependency(installed: Path) -> None:
    for command in ([installed / "quire"], [installed / "python", "-m", "quire"]):
        done = run(*command, "--version")
        assert done.stdout == f"quire {quire.__version__}\n"
        assert done.stderr == ""


def test_the_version_loads_nothing_dear(installed: Path) -> None:
    python = installed / "python"
    done = run(python, "-X", "importtime", installed / "quire", "--version")
    bare = run(python, "-X", "importtime", "-c", "pass")
    loaded = modules(done.stderr) - modules(bare.stderr)
    assert "quire" in loaded
    assert not loaded & DEAR, sorted(loaded & DEAR)


def modules(importtime: str) -> set[str]:
    """The modules that `-X importtime` reports: `import time: 12 | 34 | name`."""
    return {line.rsplit("|", 1)[-1].strip() for line in importtime.splitlines() if "|" in line}
