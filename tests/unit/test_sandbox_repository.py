"""Submodules: Git runs what their config names whenever somebody asks for the status at the top."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from quire.core.writable import writable
from quire.protocol.policy import SandboxPolicy
from quire.sandbox.plan import make_plan
from quire.sandbox.repository import MAX_SUBMODULES, submodule_pointers
from quire.testing.builders import turn_context
from quire.tools.real_disk import RealDisk

POLICY = SandboxPolicy(mode="workspace-write", exclude_slash_tmp=True)


def git(folder: Path, *words: str) -> None:
    identity = ("-c", "user.name=n", "-c", "user.email=e@x", "-c", "protocol.file.allow=always")
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """With the submodules `sub` and `deep/er`, and `deep/er/inner` inside the latter."""
    inner, library, top = (tmp_path / name for name in ("inner", "library", "top"))
    for folder in (inner, library, top):
        folder.mkdir()
        git(folder, "init", "-q")
        (folder / "file").touch()
        git(folder, "add", ".")
        git(folder, "commit", "-qm", "one")
    git(library, "submodule", "add", "-q", "../inner", "inner")
    git(library, "commit", "-qm", "two")
    git(top, "submodule", "add", "-q", "../inner", "sub")
    git(top, "submodule", "add", "-q", "../library", "deep/er")
    git(top, "submodule", "update", "-q", "--init", "--recursive")
    return top


def test_all_submodules_are_found_from_anywhere(repository: Path) -> None:
    expected = {str(repository / name / ".git") for name in ("sub", "deep/er", "deep/er/inner")}
    assert set(submodule_pointers(str(repository))) == expected
    assert set(submodule_pointers(str(repository / "deep"))) == expected
    git(repository, "commit", "-qm", "modules")
    git(repository, "worktree", "add", "-q", "../side")
    assert str(repository.parent / "side" / "sub" / ".git") in submodule_pointers(
        str(repository.parent / "side")
    )


def test_a_list_that_was_changed_hides_none(repository: Path) -> None:
    (repository / ".gitmodules").write_text('[submodule "x"]\n path = nowhere\n')
    assert len(submodule_pointers(str(repository))) == 3


def test_one_that_is_empty_yet_counts(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "sub").mkdir()
    (tmp_path / ".gitmodules").write_text('[submodule "s"]\n\tpath = "sub"\n\tpath = gone\n')
    assert submodule_pointers(str(tmp_path)) == [str(tmp_path / "sub" / ".git")]


def test_what_is_no_repository_has_none(tmp_path: Path) -> None:
    assert submodule_pointers(str(tmp_path)) == []
    (tmp_path / ".git").write_text("gitdir: \n")
    assert submodule_pointers(str(tmp_path)) == []


def test_a_hostile_repository_costs_little(tmp_path: Path) -> None:
    for number in range(300):
        (tmp_path / ".git" / "modules" / f"m{number}").mkdir(parents=True)
        (tmp_path / ".git" / "modules" / f"m{number}" / "HEAD").touch()
        config = tmp_path / ".git" / "modules" / f"m{number}" / "config"
        if number % 2:
            config.write_text(f"[core]\n worktree = ../../../w{number}\n")
        else:
            os.mkfifo(config)
    deep = tmp_path.joinpath(".git", "modules", "a", *"b" * 200)
    deep.mkdir(parents=True)
    assert len(submodule_pointers(str(tmp_path))) == MAX_SUBMODULES


def test_neither_commands_nor_patches_can_replace_their_pointers(repository: Path) -> None:
    plan = make_plan(POLICY, (str(repository),), None, str(repository.parent / "home"))
    kept = {place.path for place in plan.read_only}
    for name in ("sub", "deep/er", "deep/er/inner"):
        assert f"{repository}/{name}/.git" in kept
        assert f"{repository}/{name}" in {place.path for place in plan.writable}
    turn = turn_context(str(repository), sandbox=POLICY)
    disk = RealDisk(submodules=submodule_pointers)
    assert not writable("sub/.git", turn, None, disk)
    assert not writable("deep/er/inner/.git/config", turn, None, disk)
    assert writable("sub/file", turn, None, disk)
