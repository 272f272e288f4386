"""What tests/conftest.py promises to every test holds."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

SKIPPING = """\
import pytest

def test_skips():
    pytest.skip("no kernel for it")

@pytest.mark.skipif(True, reason="no desktop for it")
def test_marked():
    pass

@pytest.mark.xfail(reason="known", strict=True)
def test_known():
    assert False
"""
SKIPPING_MODULE = 'import pytest\npytest.skip("no node for it", allow_module_level=True)\n'

PERSONAL = """\
import os

def test_nothing_personal():
    assert "OPENAI_API_KEY" not in os.environ
    assert "CODEX_HOME" not in os.environ
    assert "HTTPS_PROXY" not in os.environ
    assert os.environ["QUIRE_PROTOCOL_CMD"] == "codex app-server"
"""


def run(folder: Path, files: dict[str, str], **environment: str) -> str:
    """Run pytest on `files` beside a copy of the conftest. Gives its output."""
    shutil.copy(ROOT / "tests" / "conftest.py", folder)
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")
    inherited = {k: v for k, v in os.environ.items() if k != "CI"}
    path = os.pathsep.join([str(ROOT / "src"), inherited.pop("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rfs", "-p", "no:cacheprovider", str(folder)],
        cwd=folder,
        env={**inherited, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout + done.stderr


def test_in_ci_a_skip_is_a_failure_with_its_reason(tmp_path: Path) -> None:
    output = run(tmp_path, {"test_a.py": SKIPPING}, CI="true")
    assert "skipped, which CI does not allow: no kernel for it" in output
    assert "skipped, which CI does not allow: no desktop for it" in output
    assert "1 failed, 1 xfailed, 1 error" in output


def test_in_ci_a_skipped_file_is_an_error(tmp_path: Path) -> None:
    output = run(tmp_path, {"test_b.py": SKIPPING_MODULE}, CI="true")
    assert "skipped, which CI does not allow: no node for it" in output
    assert "1 error" in output


def test_elsewhere_a_skip_is_named(tmp_path: Path) -> None:
    output = run(tmp_path, {"test_a.py": SKIPPING})
    assert "2 skipped, 1 xfailed" in output
    assert "no kernel for it" in output


def test_nothing_of_the_person_reaches_a_test(tmp_path: Path) -> None:
    output = run(
        tmp_path,
        {"test_a.py": PERSONAL},
        OPENAI_API_KEY="sk-secret",
        CODEX_HOME="/nowhere",
        HTTPS_PROXY="http://proxy.invalid",
        QUIRE_PROTOCOL_CMD="codex app-server",
    )
    assert "1 passed" in output, output


def test_a_test_has_an_empty_home_of_its_own() -> None:
    home = Path(os.environ["HOME"])
    assert list(home.iterdir()) == []
    assert Path(os.environ["QUIRE_HOME"]).parent == home
    assert os.access("/var/tmp", os.W_OK) is not home.is_relative_to("/tmp")


def test_git_knows_a_name(tmp_path: Path) -> None:
    for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    shown = subprocess.run(
        ["git", "log", "--format=%an %D"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert shown.stdout == "Tester HEAD -> main\n"
