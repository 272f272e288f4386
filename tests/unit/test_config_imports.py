"""Loading the configuration is on the way to the first request: what it may import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys
import msgspec
before = set(sys.modules)
from quire.config.load import ConfigSources, load
load(ConfigSources(home=sys.argv[1], cwd=sys.argv[1], system_file=sys.argv[1] + "/none",
     overrides=("model=gpt-5.5", "features.goals=false", "model_context_window=9"),
     flags={"sandbox_mode": "read-only"}))
print(*(set(sys.modules) - before))
"""
NEVER = ["difflib", "tomlkit", "pathlib", "dataclasses", "inspect", "ast", "glob", "logging"]
NEVER += ["subprocess", "tempfile", "shutil", "quire.config.reference", "quire.config.problems"]


@pytest.mark.parametrize("text", [None, 'model_provider = "p"\n[model_providers.p]\nname = "P"\n'])
def test_modules(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "config.toml").write_text(text)
    command = [sys.executable, "-S", "-c", SCRIPT, str(tmp_path)]
    path = ":".join(filter(None, sys.path))
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={"PYTHONPATH": path}
    )
    loaded = done.stdout.split()
    assert "quire.config.load" in loaded
    assert not set(NEVER) & set(loaded)
    assert ("tomllib" in loaded) == (text is not None)
