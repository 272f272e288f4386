"""Plans are compared whole: what is not named in one is not mounted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from quire.core.errors import AgentError
from quire.protocol.policy import SandboxPolicy
from quire.sandbox.plan import Place, Plan, make_plan

NAMES = (".agents", ".aws", ".codex", ".git", ".quire")
BARE = SandboxPolicy(mode="workspace-write", exclude_slash_tmp=True)


def place(path: Path) -> Place:
    stat = path.lstat()
    return Place(str(path), stat.st_dev, stat.st_ino)


def missing(*folders: Path) -> tuple[str, ...]:
    return tuple(sorted(f"{folder}/{name}" for folder in folders for name in NAMES))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path.resolve() / "root"
    folder.mkdir()
    return folder


@pytest.fixture
def home(tmp_path: Path) -> str:
    return str(tmp_path / "quire-home")


def plan(home: str, *roots: Path | str, policy: SandboxPolicy = BARE, tmpdir: str = "") -> Plan:
    return make_plan(policy, tuple(map(str, roots)), tmpdir, home)


def test_read_only_writes_nothing(root: Path, home: str) -> None:
    policy = SandboxPolicy(writable_roots=(str(root),), network_access=True)
    assert plan(home, root, policy=policy) == Plan()


def test_what_is_hidden_cannot_be_moved_away(root: Path, home: str) -> None:
    secret = root / "a" / "b" / "secret"
    secret.mkdir(parents=True)
    (secret / "inner").touch()
    (root / "link").symlink_to(secret)
    denied = (str(root / "link"), str(secret / "inner"), str(root / "absent"))
    policy = SandboxPolicy(denied_reads=denied)
    assert plan(home, root, policy=policy) == Plan(hidden=(place(secret),))
    policy = SandboxPolicy(mode="workspace-write", exclude_slash_tmp=True, denied_reads=denied)
    made = plan(home, root, policy=policy)
    assert made.hidden == (place(secret),)
    assert made.writable == (place(root), place(root / "a"), place(root / "a" / "b"))


@pytest.mark.parametrize("path", ["/", "/usr", "/proc/1", "{root}", "{root}/.."])
def test_what_commands_need_is_not_hidden(root: Path, home: str, path: str) -> None:
    policy = SandboxPolicy(
        mode="workspace-write", exclude_slash_tmp=True, denied_reads=(path.format(root=root),)
    )
    with pytest.raises(AgentError, match="cannot be hidden"):
        plan(home, root, policy=policy)


def test_protected_names_that_exist_and_that_do_not(root: Path, home: str) -> None:
    (root / ".git").mkdir()
    (root / ".git" / "config").touch()
    (root / ".codex").touch()
    (root / ".agents").mkdir()  # Empty: kept as it is, like one that is absent.
    absent = [path for path in missing(root) if not path.endswith((".git", ".codex"))]
    assert plan(home, root) == Plan(
        writable=(place(root),),
        read_only=(place(root / ".codex"), place(root / ".git")),
        missing=tuple(absent),
    )


def test_temporary_folders(root: Path, home: str, tmp_path: Path) -> None:
    own = tmp_path.resolve() / "tmpdir"
    own.mkdir()
    both = SandboxPolicy(mode="workspace-write")
    found = plan(home, root, policy=both, tmpdir=str(own))
    assert found.scratch == tuple(sorted(("/tmp", str(own))))
    assert set(missing(root, own, Path("/tmp"))) >= set(found.missing)
    assert {place.path for place in found.writable} == {"/tmp", str(own), str(root)}
    none = SandboxPolicy(
        mode="workspace-write", exclude_slash_tmp=True, exclude_tmpdir_env_var=True
    )
    assert plan(home, root, policy=none, tmpdir=str(own)) == plan(home, root)
    assert plan(home, root, tmpdir="relative") == plan(home, root)
    assert plan(home, root, tmpdir=str(root)).scratch == ()


def test_network(root: Path, home: str) -> None:
    policy = SandboxPolicy(mode="workspace-write", exclude_slash_tmp=True, network_access=True)
    assert plan(home, root, policy=policy).network
    assert not plan(home, root).network


def test_what_does_not_exist_is_left_out(root: Path, home: str, tmp_path: Path) -> None:
    assert plan(home, root, tmp_path / "no-such") == plan(home, root)


@pytest.mark.parametrize("forbidden", ["/", "/proc", "/sys", "/dev", "/proc/self", "/tmp/.."])
def test_roots_that_would_open_the_machine(home: str, forbidden: str) -> None:
    with pytest.raises(AgentError, match="would open the whole machine"):
        plan(home, forbidden)


def test_a_symlink_to_the_root_of_the_machine(root: Path, home: str) -> None:
    (root / "all").symlink_to("/")
    with pytest.raises(AgentError, match="would open the whole machine"):
        plan(home, root / "all")


def test_a_symlinked_root_is_the_folder_it_leads_to(root: Path, home: str, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(root)
    assert plan(home, link) == plan(home, root)


def test_a_file_as_root(root: Path, home: str) -> None:
    file = root / "file"
    file.touch()
    assert plan(home, file) == Plan(writable=(place(file),))


def test_nested_roots_keep_their_way(root: Path, home: str) -> None:
    inner = root / "a" / "b" / "inner"
    inner.mkdir(parents=True)
    assert plan(home, root, inner) == Plan(
        writable=(place(root), place(root / "a"), place(root / "a" / "b"), place(inner)),
        missing=missing(root, inner),
    )


def test_a_root_inside_something_protected_is_not_written(root: Path, home: str) -> None:
    inner = root / ".git" / "worktrees"
    inner.mkdir(parents=True)
    found = plan(home, root, inner)
    assert [place.path for place in found.writable] == [str(root)]
    assert found.read_only == (place(root / ".git"),)
    alone = plan(home, inner)
    assert alone.writable == (place(inner),)


def test_a_git_file_protects_where_it_leads(root: Path, home: str, tmp_path: Path) -> None:
    real = tmp_path.resolve() / "main" / ".git" / "worktrees" / "one"
    real.mkdir(parents=True)
    (real / "commondir").write_text("../..\n")
    (root / ".git").write_text(f"gitdir: {real}\n")
    outside = plan(home, root)
    assert outside.read_only == (place(root / ".git"),)
    inside = plan(home, root, tmp_path)
    assert inside.read_only == (place(tmp_path / "main" / ".git"), place(root / ".git"))
    pinned = [place.path for place in inside.writable]
    assert pinned == [str(tmp_path), str(tmp_path / "main"), str(root)]


def test_a_git_file_that_leads_nowhere_yet(root: Path, home: str) -> None:
    (root / ".git").write_text("gitdir: ../root/later/deeper/git\n")
    found = plan(home, root)
    assert f"{root}/later" in found.missing
    assert found.read_only == (place(root / ".git"),)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "gitdir:",
        "gitdir: \n",
        "something else",
        "\xff" * 9000,
        "gitdir: a\0b",
        "gitdir: " + "a" * 300,
    ],
)
def test_a_git_file_that_is_none(root: Path, home: str, text: str) -> None:
    (root / ".git").write_text(text)
    assert plan(home, root).read_only == (place(root / ".git"),)


def test_a_git_file_that_leads_through_a_file(root: Path, home: str) -> None:
    (root / "file").touch()
    (root / ".git").write_text("gitdir: file/git\n")
    found = plan(home, root)
    assert found.read_only == (place(root / ".git"), place(root / "file"))
    assert found.missing == tuple(path for path in missing(root) if path != f"{root}/.git")


@pytest.mark.parametrize("name", [".git", "own/commondir"])
def test_what_is_no_file_is_never_opened(root: Path, home: str, name: str) -> None:
    """Opening a pipe waits for ever, and opening alone can wake a device."""
    (root / "own").mkdir()
    (root / "own" / "HEAD").touch()
    if name != ".git":
        (root / ".git").write_text("gitdir: own\n")
    os.mkfifo(root / name)
    assert f"{root}/.quire" in plan(home, root).missing


def test_a_symlinked_name_keeps_link_and_target(root: Path, home: str) -> None:
    (root / "dotfiles" / "codex").mkdir(parents=True)
    (root / "dotfiles" / "codex" / "config.toml").touch()
    (root / "step").symlink_to("dotfiles")
    (root / ".codex").symlink_to("step/codex")
    found = plan(home, root)
    assert found.links == (place(root / ".codex"), place(root / "step"))
    assert found.read_only == (place(root / "dotfiles" / "codex"),)
    assert found.writable == (place(root), place(root / "dotfiles"))
    assert f"{root}/.codex" not in found.missing


def test_a_symlinked_name_that_leads_nowhere_yet(root: Path, home: str) -> None:
    (root / ".agents").symlink_to("later/agents")
    found = plan(home, root)
    assert found.links == (place(root / ".agents"),)
    assert f"{root}/later" in found.missing


def test_a_symlinked_name_that_leads_outside(root: Path, home: str, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (root / ".aws").symlink_to(tmp_path / "elsewhere")
    found = plan(home, root)
    assert found.links == (place(root / ".aws"),)
    assert found.read_only == ()


def test_symlinks_in_a_circle(root: Path, home: str) -> None:
    (root / ".git").symlink_to(".codex")
    (root / ".codex").symlink_to(".git")
    found = plan(home, root)
    assert found.links == (place(root / ".codex"), place(root / ".git"))
    assert found.read_only == ()


def test_the_home_of_quire_is_never_written(root: Path) -> None:
    home = root / "state" / "quire"
    home.mkdir(parents=True)
    (home / "auth.json").touch()
    found = plan(str(home), root)
    assert found.read_only == (place(home),)
    assert found.writable == (place(root), place(root / "state"))
    assert plan(str(root), root).writable == ()
    (home / "auth.json").unlink()
    assert str(home) in plan(str(home), root).missing


def test_a_root_that_holds_the_home_folder(
    root: Path, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = root / "person"
    (person / ".ssh").mkdir(parents=True)
    (person / ".ssh" / "id").touch()
    (person / ".bashrc").touch()
    (person / "dotfiles").mkdir()
    (person / "dotfiles" / "profile").touch()
    (person / ".profile").symlink_to("dotfiles/profile")
    monkeypatch.setenv("HOME", str(person))
    found = plan(home, person)
    assert found.read_only == (
        place(person / ".bashrc"),
        place(person / ".ssh"),
        place(person / "dotfiles" / "profile"),
    )
    assert found.links == (place(person / ".profile"),)
    monkeypatch.setenv("HOME", str(root / "another"))
    assert plan(home, person).read_only == ()


def test_a_plan_notices_what_has_been_replaced(root: Path, home: str) -> None:
    (root / ".git").mkdir()
    (root / ".git" / "HEAD").touch()
    before = plan(home, root)
    assert plan(home, root) == before
    (root / ".git").rename(root / "old")
    (root / ".git").mkdir()
    (root / ".git" / "HEAD").touch()
    assert plan(home, root) != before


def test_making_a_plan_changes_nothing(root: Path, home: str) -> None:
    plan(home, root)
    assert os.listdir(root) == []
    assert not os.path.exists(home)
