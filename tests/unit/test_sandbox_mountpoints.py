"""Empty folders that stand in for protected names: they go when nobody uses them, and only they."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from quire.core.errors import AgentError
from quire.sandbox.mountpoints import MARK_NS, MountPoints

HOLDER = """
import sys
from quire.sandbox.mountpoints import MountPoints
points = MountPoints(sys.argv[1])
held = points.hold(tuple(sys.argv[2:]))
print(len(held), flush=True)
sys.stdin.readline()
points.release(held)
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


def records(home: Path) -> list[str]:
    folder = home / "tmp" / "mounts"
    return os.listdir(folder) if folder.exists() else []


class Other:
    """Another process that holds stand-ins."""

    def __init__(self, home: Path, *paths: Path) -> None:
        words = [sys.executable, "-c", HOLDER, str(home), *map(str, paths)]
        pipe = subprocess.PIPE
        env = {"PYTHONPATH": os.pathsep.join(sys.path)}
        self.process = subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True, env=env)
        assert self.process.stdout is not None
        assert int(self.process.stdout.readline()) == len(paths)

    def release(self) -> None:
        self.process.communicate("\n")
        assert self.process.returncode == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


def test_made_and_removed(root: Path, home: Path) -> None:
    points = MountPoints(str(home))
    paths = (str(root / ".codex"), str(root / ".git"))
    held = points.hold(paths)
    assert sorted(os.listdir(root)) == [".codex", ".git"]
    for path in paths:
        stat = os.stat(path)
        assert held[path] == (stat.st_dev, stat.st_ino)
        assert stat.st_mtime_ns == MARK_NS
    assert len(records(home)) == 1
    points.release(held)
    assert os.listdir(root) == []
    assert records(home) == []


def test_counted(root: Path, home: Path) -> None:
    points = MountPoints(str(home))
    path = str(root / ".codex")
    first, second = points.hold((path,)), points.hold((path,))
    assert first == second
    points.release(first)
    assert os.path.isdir(path)
    points.release(second)
    assert not os.path.exists(path)


@pytest.mark.parametrize("same_home", [True, False])
def test_the_last_process_removes(root: Path, home: Path, tmp_path: Path, same_home: bool) -> None:
    path = root / ".codex"
    other = Other(home if same_home else tmp_path / "other", path)
    points = MountPoints(str(home))
    held = points.hold((str(path),))
    other.release()
    assert path.is_dir()
    points.release(held)
    assert not path.exists()
    again = Other(home, path)
    held = points.hold((str(path),))
    points.release(held)
    assert path.is_dir()
    again.release()
    assert not path.exists()
    assert records(home) == []


def test_what_a_killed_process_left_goes_with_the_next(root: Path, home: Path) -> None:
    left = root / "gone" / ".codex"
    left.parent.mkdir()
    Other(home, left).kill()
    assert left.is_dir()
    points = MountPoints(str(home))
    points.release(points.hold((str(root / ".git"),)))
    assert os.listdir(root / "gone") == []
    assert records(home) == []


def test_what_a_killed_process_left_stays_while_it_is_used(root: Path, home: Path) -> None:
    path = root / ".codex"
    user, killed = Other(home, path), Other(home, path)
    killed.kill()
    MountPoints(str(home)).sweep()
    assert path.is_dir()
    user.release()
    assert not path.exists()
    MountPoints(str(home)).sweep()
    assert records(home) == []


def test_a_folder_that_somebody_made_stays(root: Path, home: Path) -> None:
    (root / ".codex").mkdir()
    points = MountPoints(str(home))
    points.release(points.hold((str(root / ".codex"),)))
    assert (root / ".codex").is_dir()


def test_a_folder_that_somebody_uses_stays(root: Path, home: Path) -> None:
    points = MountPoints(str(home))
    held = points.hold((str(root / ".codex"), str(root / ".git")))
    (root / ".codex" / "config.toml").write_text("")
    (root / ".git" / "tried").write_text("")
    (root / ".git" / "tried").unlink()
    points.release(held)
    assert (root / ".codex" / "config.toml").exists()
    assert (root / ".git").is_dir()
    assert records(home) == []


def test_a_folder_that_somebody_made_in_its_place_stays(root: Path, home: Path) -> None:
    points = MountPoints(str(home))
    path = root / ".codex"
    held = points.hold((str(path),))
    path.rmdir()
    path.mkdir()
    points.release(held)
    assert path.is_dir()


def test_removed_under_us_it_is_made_again(root: Path, home: Path) -> None:
    points = MountPoints(str(home))
    path = root / ".codex"
    first = points.hold((str(path),))
    path.rmdir()
    (root / "takes-the-inode").mkdir()
    second = points.hold((str(path),))
    assert path.is_dir()
    assert first != second
    points.release(first)
    assert path.is_dir()
    points.release(second)
    assert not path.exists()


def test_something_else_has_taken_the_name(root: Path, home: Path) -> None:
    (root / ".codex").write_text("")
    points = MountPoints(str(home))
    with pytest.raises(FileExistsError):
        points.hold((str(root / ".git"), str(root / ".codex")))
    assert os.listdir(root) == [".codex"]


def test_a_folder_nobody_can_write_needs_no_stand_in(home: Path) -> None:
    assert MountPoints(str(home)).hold(("/sys/kernel/.codex",)) == {}


def test_another_failure_is_told(root: Path, home: Path) -> None:
    with pytest.raises(AgentError, match=r"mkdir .*: File name too long"):
        MountPoints(str(home)).hold((str(root / ("n" * 300)),))
    assert os.listdir(root) == []


def test_without_a_home_that_can_be_written(root: Path) -> None:
    points = MountPoints("/proc/no-home")
    points.sweep()
    held = points.hold((str(root / ".codex"),))
    assert (root / ".codex").is_dir()
    points.release(held)
    assert os.listdir(root) == []
