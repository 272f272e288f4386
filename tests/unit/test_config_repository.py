"""What git knows, read from files, compared with git itself where that is possible."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quire.config.repository import (
    find_root,
    folders_down_to,
    git_info,
    main_worktree,
    without_credentials,
)
from quire.protocol.records import GitInfo


def git(folder: Path, *arguments: str) -> str:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_SYSTEM": "/dev/null",
    }
    identity = ("-c", "user.name=A", "-c", "user.email=a@b.c", "-c", "protocol.file.allow=always")
    done = subprocess.run(
        ["git", *identity, *arguments],
        cwd=folder,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repo"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    (root / "a").write_text("a")
    git(root, "add", "a")
    git(root, "commit", "-qm", "one")
    return root


def test_branch_commit_and_remote(repository: Path) -> None:
    git(repository, "remote", "add", "other", "https://example.org/other.git")
    git(repository, "remote", "add", "origin", "https://user:secret@example.org/x.git?token=1")
    commit = git(repository, "rev-parse", "HEAD")
    url = "https://example.org/x.git"
    assert git_info(str(repository)) == GitInfo(commit, "main", url)


def test_packed_refs_and_a_branch_with_slashes(repository: Path) -> None:
    git(repository, "checkout", "-qb", "feature/main")
    git(repository, "commit", "-q", "--allow-empty", "-m", "two")
    commit = git(repository, "rev-parse", "HEAD")
    git(repository, "pack-refs", "--all")
    assert not (repository / ".git" / "refs" / "heads" / "feature").exists()
    assert git_info(str(repository)) == GitInfo(commit, "feature/main", None)


def test_detached_and_unborn(repository: Path, tmp_path: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    git(repository, "checkout", "-q", "--detach")
    assert git_info(str(repository)) == GitInfo(commit, None, None)
    git(tmp_path, "init", "-q", "-b", "trunk", "new")
    assert git_info(str(tmp_path / "new")) == GitInfo(None, "trunk", None)


def test_linked_worktree(repository: Path, tmp_path: Path) -> None:
    git(repository, "remote", "add", "origin", "git@example.org:a/b.git")
    git(repository, "worktree", "add", "-q", "-b", "side", "../side")
    side = tmp_path / "side"
    commit = git(side, "rev-parse", "HEAD")
    assert git_info(str(side)) == GitInfo(commit, "side", "git@example.org:a/b.git")
    assert main_worktree(str(side)) == str(repository)
    assert main_worktree(str(repository)) is None


def test_a_git_file_alone_makes_no_worktree(repository: Path, tmp_path: Path) -> None:
    """A foreign folder cannot pass for a worktree of a repository that you trust."""
    git(repository, "worktree", "add", "-q", "-b", "side", "../side")
    forged = tmp_path / "forged"
    forged.mkdir()
    (forged / ".git").write_text(f"gitdir: {repository}/.git/worktrees/side\n")
    assert main_worktree(str(forged)) is None


@pytest.mark.parametrize("linked", [False, True])
def test_a_forged_git_directory_makes_no_worktree(
    repository: Path, tmp_path: Path, linked: bool
) -> None:
    """It points back as it should, and claims to share the repository that you trust."""
    git(repository, "worktree", "add", "-q", "-b", "side", "../side")
    forged, own = tmp_path / "forged", tmp_path / "forged" / "git" / "worktrees" / "side"
    own.mkdir(parents=True)
    (forged / ".git").write_text("gitdir: git/worktrees/side\n")
    (own / "gitdir").write_text(f"{forged}/.git\n")
    (own / "commondir").write_text(f"{repository}/.git\n")
    (own / "HEAD").write_text("ref: refs/heads/main\n")
    if linked:
        (forged / "git").rename(forged / "real")
        (forged / "git").mkdir()
        (forged / "git" / "worktrees").symlink_to(forged / "real" / "worktrees")
    assert main_worktree(str(forged)) is None


def test_submodule(repository: Path, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    outer.mkdir()
    git(outer, "init", "-q")
    git(outer, "submodule", "--quiet", "add", str(repository), "inner")
    inner = outer / "inner"
    info = git_info(str(inner))
    assert info == GitInfo(git(inner, "rev-parse", "HEAD"), "main", str(repository))
    assert find_root(str(inner)) == str(inner)
    assert main_worktree(str(inner)) is None


def test_roots_and_folders(repository: Path, tmp_path: Path) -> None:
    deep = repository / "x" / "y"
    deep.mkdir(parents=True)
    assert find_root(str(deep)) == str(repository)
    assert find_root(str(deep), (".hg",)) is None
    assert find_root(str(deep), ()) is None
    (repository / "x" / "pyproject.toml").write_text("")
    assert find_root(str(deep), (".git", "pyproject.toml")) == str(repository / "x")
    names = [str(repository), str(repository / "x"), str(deep)]
    assert folders_down_to(str(deep), str(repository)) == names
    assert folders_down_to(str(deep), str(deep)) == [str(deep)]
    assert folders_down_to(str(deep), None) == [str(deep)]
    assert folders_down_to(str(deep), "/elsewhere") == [str(deep)]
    assert folders_down_to("/ab", "/a") == ["/ab"]
    assert folders_down_to("/", "/") == ["/"]
    assert folders_down_to("/a", "/") == ["/", "/a"]


def test_no_git(tmp_path: Path) -> None:
    assert git_info(str(tmp_path)) is None


class TestHostile:
    """None of these may hang, raise or be believed."""

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        (tmp_path / ".git" / "refs" / "heads").mkdir(parents=True)
        (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
        return tmp_path

    @pytest.mark.parametrize("name", ["HEAD", "config", "packed-refs", "refs/heads/main"])
    def test_pipes_devices_and_folders(self, root: Path, name: str) -> None:
        path = root / ".git" / name
        path.unlink(missing_ok=True)
        os.mkfifo(path)
        assert git_info(str(root)) is not None
        path.unlink()
        path.symlink_to("/dev/zero")
        assert git_info(str(root)) is not None
        path.unlink()
        path.mkdir()
        assert git_info(str(root)) is not None

    def test_git_file(self, root: Path, tmp_path: Path) -> None:
        lone = tmp_path / "lone"
        lone.mkdir()
        for text in (
            "",
            "gitdir:",
            "gitdir: /nowhere",
            "x" * 10_000,
            "gitdir: \0",
            "gitdir: ../..",
        ):
            (lone / ".git").write_text(text)
            assert git_info(str(lone)) in (None, GitInfo())
        (lone / ".git").unlink()
        os.mkfifo(lone / ".git")
        assert git_info(str(lone)) is None

    @pytest.mark.parametrize(
        "head",
        [
            "",
            "ref:",
            "ref: ../../etc/passwd",
            "ref: refs/heads/../../../secret",
            "ref: HEAD",
            "g" * 40,
            "a" * 39,
            "ref: refs/heads/loop",
        ],
    )
    def test_heads(self, root: Path, head: str) -> None:
        (root / ".git" / "HEAD").write_text(head)
        (root / ".git" / "refs" / "heads" / "loop").write_text("ref: refs/heads/loop")
        (root / "secret").write_text("a" * 40)
        info = git_info(str(root))
        assert info is not None and info.commit_hash is None

    def test_a_branch_name_that_is_no_text(self, root: Path) -> None:
        (root / ".git" / "HEAD").write_bytes(b"ref: refs/heads/\xff\xfe\n")
        info = git_info(str(root))
        assert info is not None and info.branch == "\ufffd\ufffd"

    @given(data=st.binary(max_size=200))
    def test_any_bytes_anywhere(self, data: bytes) -> None:
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            directory = Path(folder) / ".git"
            directory.mkdir()
            for name in ("HEAD", "config", "packed-refs", "commondir"):
                (directory / name).write_bytes(data)
            info = git_info(folder)
            assert info is not None
            for text in (info.branch, info.commit_hash, info.repository_url):
                (text or "").encode()


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("https://u:p@h/x", "https://h/x"),
        ("https://token@h:8443/x/y.git", "https://h:8443/x/y.git"),
        ("https://h/x?private_token=1#f", "https://h/x"),
        ("ssh://git@h/x", "ssh://h/x"),
        ("git@h:a/b.git", "git@h:a/b.git"),
        ("u:p@h:a/b.git", "h:a/b.git"),
        ("/local/path", "/local/path"),
        ("https://a:b@c@h/x", "https://h/x"),
    ],
)
def test_credentials_are_removed(url: str, clean: str) -> None:
    assert without_credentials(url) == clean
