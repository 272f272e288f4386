"""Which paths a patch may write, on real folders with real symlinks."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs

from quire.core.writable import patch_refusal, writable, writable_roots
from quire.protocol.policy import PROTECTED_NAMES, SandboxPolicy
from quire.testing.builders import turn_context
from quire.tools.real_disk import RealDisk

WORKSPACE = SandboxPolicy(
    mode="workspace-write", exclude_slash_tmp=True, exclude_tmpdir_env_var=True
)


def may(
    path: Path | str,
    cwd: Path,
    policy: SandboxPolicy = WORKSPACE,
    disk: RealDisk | None = None,
) -> bool:
    turn = turn_context(str(cwd), sandbox=policy)
    return writable(str(path), turn, None, disk or RealDisk())


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "sub").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_text("a\n")
    return root


def test_below_the_root_is_writable_and_beside_it_is_not(project: Path) -> None:
    assert may("f", project)
    assert may("new/deep/f", project)
    assert may(project / "sub" / "f", project)
    assert not may("../f", project)
    assert not may("sub/../../f", project)
    assert not may(str(project) + "-beside/f", project)
    assert not may("/etc/passwd", project)


def test_read_only_writes_nothing_and_full_access_everything(project: Path) -> None:
    read_only = SandboxPolicy(mode="read-only", writable_roots=(str(project),))
    assert not may("f", project, read_only)
    assert "read-only sandbox" in patch_refusal(read_only)
    full = SandboxPolicy(mode="danger-full-access")
    assert may("/etc/passwd", project, full)
    assert may(".git/config", project, full)
    assert "outside of the project" in patch_refusal(WORKSPACE)


@pytest.mark.parametrize("name", PROTECTED_NAMES)
def test_protected_names_hold_in_every_root_also_when_missing(project: Path, name: str) -> None:
    other = project.parent / "other"
    other.mkdir()
    policy = SandboxPolicy(mode="workspace-write", writable_roots=(str(other),))
    assert may(other / "f", project, policy)
    for root in (project, other):
        assert not may(root / name, project, policy)
        assert not may(root / name / "deep" / "f", project, policy)
        assert may(root / f"{name}x", project, policy)
        assert may(root / "sub" / name / "f", project, policy)


def test_a_root_inside_another_root_keeps_its_protection(project: Path) -> None:
    policy = SandboxPolicy(mode="workspace-write", writable_roots=(str(project.parent),))
    assert may(project.parent / "outside" / "f", project, policy)
    assert not may(project / ".git" / "f", project, policy)


def test_symlinks_are_resolved_before_the_judgement(project: Path) -> None:
    outside = project.parent / "outside"
    (project / "file").symlink_to(outside / "file")
    (project / "folder").symlink_to(outside)
    (project / "new").symlink_to(outside / "not-yet")
    (project / "inner").symlink_to(project / "sub")
    assert not may("file", project)
    assert not may("folder/f", project)
    assert not may("folder/new/deep/f", project)
    assert not may("new", project)
    assert may("inner/f", project)
    assert may(project.parent / "outside" / "x", outside)


@pytest.mark.parametrize("name", [".GIT/config", ".Git", "sub/../.QUIRE/config.toml", ".aWS/x"])
def test_another_case_of_letters_may_be_the_same_file(project: Path, name: str) -> None:
    assert not may(name, project)


def test_a_root_that_was_replaced_by_a_symlink_opens_nothing(project: Path) -> None:
    """The root did not exist when the thread began; a command then made a link of that name."""
    policy = structs.replace(WORKSPACE, writable_roots=(str(project / "build"),))
    first = {str(project / "build"): str(project / "build"), str(project): str(project)}
    (project / "build").symlink_to(project.parent / "outside")
    assert not may("build/file", project, policy, RealDisk(root=first.__getitem__))
    assert not may(
        project.parent / "outside" / "new", project, policy, RealDisk(root=first.__getitem__)
    )


@pytest.mark.parametrize("root", ["/", "/proc", "/sys/fs", "/dev"])
def test_a_root_without_a_sandbox_opens_nothing(project: Path, root: str) -> None:
    policy = structs.replace(WORKSPACE, writable_roots=(root,))
    assert not may("/etc/passwd", project, policy)
    assert not may(f"{root}/x", project, policy)
    assert may("f", project, policy)


def test_a_link_inside_a_protected_folder_cannot_be_removed(project: Path) -> None:
    (project / ".git").mkdir()
    (project / ".git" / "link").symlink_to(project / "sub" / "f")
    assert not may(".git/link", project)


def test_a_protected_name_that_is_a_symlink_protects_its_target(project: Path) -> None:
    (project / "store").mkdir()
    (project / ".git").symlink_to("store")
    assert not may("store/config", project)
    assert not may(".git", project)


@pytest.mark.parametrize("text", ["gitdir: store\n", "gitdir: ./store", "gitdir:store\n\n"])
def test_the_target_of_a_gitdir_file_is_protected(project: Path, text: str) -> None:
    (project / "store").mkdir()
    (project / ".git").write_text(text)
    assert not may("store/config", project)
    assert may("stores/config", project)


@pytest.mark.parametrize("data", [b"", b"gitdir:\n", b"\xff\xfe", b"gitdir: a\0b", b"x gitdir: /"])
def test_a_broken_git_file_protects_only_itself(project: Path, data: bytes) -> None:
    (project / ".git").write_bytes(data)
    assert may("store/config", project)
    assert not may(".git", project)


def test_what_worktrees_share_is_protected(project: Path) -> None:
    (project / "repo" / "worktrees" / "w").mkdir(parents=True)
    (project / "repo" / "worktrees" / "w" / "commondir").write_text("../..\n")
    (project / ".git").write_text("gitdir: repo/worktrees/w\n")
    assert not may("repo/hooks/pre-commit", project)
    assert not may("repo/worktrees/w/HEAD", project)
    assert may("repository", project)


def test_a_home_inside_a_root_keeps_its_startup_files_and_ours(project: Path) -> None:
    disk = RealDisk(str(project / "state"), str(project / "sub"), (".bashrc", ".ssh"))
    assert not may("state/config.toml", project, disk=disk)
    assert not may("sub/.bashrc", project, disk=disk)
    assert not may("sub/.ssh/authorized_keys", project, disk=disk)
    assert may("sub/file", project, disk=disk)
    inside = RealDisk(None, str(project.parent), (project.name,))
    assert may("file", project, disk=inside)


def test_the_roots_are_those_of_the_turn_not_the_folder_it_stands_in(project: Path) -> None:
    turn = structs.replace(
        turn_context(str(project), sandbox=WORKSPACE), workspace_roots=(str(project / "sub"),)
    )
    assert writable("sub/f", turn, None, RealDisk())
    assert not writable("f", turn, None, RealDisk())


def test_temporary_folders_follow_the_switches() -> None:
    def roots(policy: SandboxPolicy, tmpdir: str) -> tuple[str, ...]:
        return writable_roots(turn_context("/p", sandbox=policy), tmpdir)

    base = SandboxPolicy(mode="workspace-write", writable_roots=("/w/",))
    assert roots(base, "/t") == ("/p", "/w", "/tmp", "/t")
    assert roots(base, "relative") == ("/p", "/w", "/tmp")
    assert roots(WORKSPACE, "/t") == ("/p",)
    assert roots(SandboxPolicy(), "/t") == ()
