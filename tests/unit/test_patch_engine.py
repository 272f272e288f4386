"""Changing files: atomically, with what belongs to them, and nothing half done."""

from __future__ import annotations

import os
import resource
import shutil
import stat
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from quire.testing.builders import turn_context
from quire.tools.patch_apply import ApplyError, apply, apply_in_order, plan, verify
from quire.tools.patch_files import NewFile, place_to_write
from quire.tools.patch_invocation import prepare_patch
from quire.tools.patch_parser import PatchError, parse_patch
from tests.unit.patch_folder import (
    RecordingContext,
    build,
    give_away,
    ordinary_user,
    run,
    snapshot,
)

UPDATE = "*** Begin Patch\n*** Update File: f\n@@\n-b\n+B\n*** End Patch"
SEVERAL = (
    "*** Begin Patch\n*** Add File: new/n\n+x\n*** Update File: f\n@@\n-b\n+B\n"
    "*** Delete File: g\n*** Update File: d/h\n*** Move to: moved\n@@\n-b\n+B\n*** End Patch"
)
IN_PLACE = "*** Begin Patch\n*** Update File: d/f\n@@\n-b\n+B\n*** End Patch"
FILES = {"f": "b\n", "g": "b\n", "d/h": "b\n"}


def apply_all(text: str, cwd: Path) -> None:
    apply(verify(parse_patch(text), str(cwd)))


def leftovers(root: Path) -> list[str]:
    return [name for name in snapshot(root) if ".quire-" in name]


@pytest.fixture
def open_folder() -> Generator[Path]:
    """A folder of the ordinary user's own, with nothing closed above it."""
    folder = Path(tempfile.mkdtemp()).resolve()
    give_away(folder)
    yield folder
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)
    shutil.rmtree(folder)


@contextmanager
def no_file_larger_than(size: int) -> Generator[None]:
    """Writing more to one file fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


# --- what belongs to a file ----------------------------------------------------------------


def test_a_file_is_replaced_not_rewritten(tmp_path: Path) -> None:
    """A reader that has it open keeps the old content; a hard link elsewhere is not written."""
    build(tmp_path, {"f": "b\n"})
    os.link(tmp_path / "f", tmp_path / "linked")
    with (tmp_path / "f").open() as reader:
        apply_all(UPDATE, tmp_path)
        assert reader.read() == "b\n"
    assert snapshot(tmp_path) == {"f": "B\n", "linked": "b\n"}


@pytest.mark.parametrize("mode", [0o600, 0o755, 0o4755, 0o2644, 0o1644])
def test_the_mode_stays(mode: int, tmp_path: Path) -> None:
    build(tmp_path, {"f": "b\n"})
    os.chmod(tmp_path / "f", mode)
    apply_all(UPDATE, tmp_path)
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == mode
    assert (tmp_path / "f").read_text() == "B\n"


def test_owner_and_group_stay(tmp_path: Path) -> None:
    build(tmp_path, {"f": "b\n"})
    is_root = os.geteuid() == 0
    owner = (1234, 4321) if is_root else (os.getuid(), max(os.getgroups(), default=os.getgid()))
    os.chown(tmp_path / "f", *owner)
    apply_all(UPDATE, tmp_path)
    status = (tmp_path / "f").stat()
    assert (status.st_uid, status.st_gid) == owner


def test_set_id_bits_go_where_the_owner_cannot_stay(open_folder: Path) -> None:
    build(open_folder, {"f": "b\n"})
    (open_folder / "f").chmod(0o6777)
    is_foreign = os.geteuid() == 0
    with ordinary_user():
        apply_all(UPDATE, open_folder)
    mode = stat.S_IMODE((open_folder / "f").stat().st_mode)
    assert mode == (0o777 if is_foreign else 0o6777)


def test_a_new_file_obeys_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        apply_all("*** Begin Patch\n*** Add File: n\n+x\n*** End Patch", tmp_path)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "n").stat().st_mode) == 0o640


def test_a_chain_of_symlinks_is_written_through(tmp_path: Path) -> None:
    build(tmp_path, {"real/f": "b\n", "d": {"link": "real"}, "l": {"link": "d/f"}})
    (tmp_path / "f").symlink_to(tmp_path / "l")
    apply_all(UPDATE, tmp_path)
    assert snapshot(tmp_path)["real/f"] == "B\n"
    assert (tmp_path / "f").is_symlink() and (tmp_path / "l").is_symlink()


def test_neither_devices_nor_pipes_are_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "f")
    text = "*** Begin Patch\n*** Add File: f\n+x\n*** End Patch"
    with pytest.raises(ApplyError, match="Failed to write file"):
        apply_all(text, tmp_path)
    with pytest.raises(ApplyError, match="is not a file"):
        apply_all(UPDATE, tmp_path)
    assert stat.S_ISFIFO((tmp_path / "f").stat().st_mode)
    assert os.listdir(tmp_path) == ["f"]


# --- all or nothing ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "last",
    [
        "*** Update File: nope\n@@\n-b\n+B\n",
        "*** Update File: k\n@@\n-zz\n+B\n",
        "*** Delete File: nope\n",
        "*** Add File: k/under\n+x\n",
        "*** Add File: folder\n+x\n",
        "*** Update File: k\n*** Move to: folder\n@@\n-k\n+K\n",
        "*** Add File: f\n+x\n",
    ],
)
def test_whatever_fails_last_nothing_changed(last: str, tmp_path: Path) -> None:
    build(tmp_path, {**FILES, "k": "k\n", "folder": None})
    before = snapshot(tmp_path)
    text = SEVERAL.replace("*** End Patch", last + "*** End Patch")
    with pytest.raises((ApplyError, PatchError)):
        apply_all(text, tmp_path)
    assert snapshot(tmp_path) == before


def test_a_full_disk_changes_nothing(tmp_path: Path) -> None:
    build(tmp_path, FILES)
    before = snapshot(tmp_path)
    large = f"*** Add File: large/file\n+{'x' * 100_000}\n*** End Patch"
    ctx = RecordingContext(turn_context(str(tmp_path)))
    invocation = prepare_patch("c", SEVERAL.replace("*** End Patch", large), str(tmp_path))
    with no_file_larger_than(65_536):
        result = run(invocation, ctx)
    why = f"Failed to write file {tmp_path}/large/file: File too large (os error 27)\n"
    assert result.content == f"Exit code: 1\nWall time: 0 seconds\nOutput:\n{why}"
    assert (ctx.finished[0].status, ctx.finished[0].stderr) == ("failed", why)
    assert snapshot(tmp_path) == before


def test_a_folder_that_denies_changes_keeps_everything(open_folder: Path) -> None:
    build(open_folder, {**FILES, "locked/old": "b\n", "locked/moving": "b\n"})
    give_away(*open_folder.rglob("*"))
    (open_folder / "locked").chmod(0o555)
    before = snapshot(open_folder)
    denied = {
        "*** Add File: locked/n\n+x\n": "write file {}/locked/n",
        "*** Add File: locked/sub/n\n+x\n": "create parent directories for {}/locked/sub/n",
        "*** Delete File: locked/old\n": "delete file {}/locked/old",
        "*** Update File: locked/moving\n*** Move to: k\n@@\n-b\n+B\n": "write file {}/k",
    }
    for operation, why in denied.items():
        text = SEVERAL.replace("*** End Patch", operation + "*** End Patch")
        with pytest.raises(ApplyError) as caught, ordinary_user():
            apply_all(text, open_folder)
        reason = f"Failed to {why.format(open_folder)}: Permission denied (os error 13)"
        assert (str(caught.value), caught.value.done) == (reason, ())
        assert snapshot(open_folder) == before


def test_a_read_only_file_is_not_replaced(open_folder: Path) -> None:
    build(open_folder, {"f": {"text": "b\n", "mode": 0o444}})
    give_away(open_folder / "f")
    with pytest.raises(ApplyError, match="Permission denied"), ordinary_user():
        apply_all(UPDATE, open_folder)
    assert snapshot(open_folder) == {"f": {"text": "b\n", "mode": 0o444}}


def lock_around_a_file(root: Path, text: str) -> Path:
    """`d/f` may be written, but its folder takes no new files, as in a sandbox that opens only
    the file."""
    build(root, {"d/f": text})
    give_away(root / "d", root / "d" / "f")
    (root / "d").chmod(0o555)
    return root / "d" / "f"


def test_a_folder_that_takes_no_new_files_is_written_in_place(open_folder: Path) -> None:
    file = lock_around_a_file(open_folder, "b\nlonger\n")
    before = file.stat().st_ino
    with ordinary_user():
        apply_all(IN_PLACE.replace("+B", "-longer\n+B"), open_folder)
    assert (file.read_text(), file.stat().st_ino) == ("B\n", before)


def test_in_place_a_full_disk_keeps_the_old_content(open_folder: Path) -> None:
    file = lock_around_a_file(open_folder, "b\n")
    with (
        pytest.raises(ApplyError, match="File too large"),
        ordinary_user(),
        no_file_larger_than(4096),
    ):
        apply_all(IN_PLACE.replace("+B", f"+{'B' * 100_000}"), open_folder)
    assert file.read_text() == "b\n"


def test_a_late_failure_tells_what_was_changed_before_it(open_folder: Path) -> None:
    """Only what must be written in place can still meet a full disk after others changed."""
    lock_around_a_file(open_folder, "b\n")
    added = "*** Begin Patch\n*** Add File: n\n+x\n"
    text = IN_PLACE.replace("*** Begin Patch\n", added).replace("+B", f"+{'B' * 100_000}")
    ctx = RecordingContext(turn_context(str(open_folder)))
    with ordinary_user(), no_file_larger_than(4096):
        result = run(prepare_patch("c", text, str(open_folder)), ctx)
    assert str(result.content).endswith(
        f"\nOutput:\nFailed to write file {open_folder}/d/f: File too large (os error 27)\n"
        "Changed before that:\nA n\n"
    )
    assert (result.ok, ctx.finished[0].status) == (False, "failed")
    assert snapshot(open_folder) == {"d/f": "b\n", "n": "x\n"}


def test_the_command_keeps_what_came_before_the_failure(tmp_path: Path) -> None:
    build(tmp_path, {"f": "b\n", "k": "k\n"})
    text = SEVERAL.replace("*** Delete File: g\n", "*** Update File: k\n@@\n-zz\n+K\n")
    with pytest.raises(ApplyError) as caught:
        apply_in_order(parse_patch(text), str(tmp_path))
    assert [change.shown for change in caught.value.done] == ["new/n", "f"]
    assert snapshot(tmp_path) == {"f": "B\n", "k": "k\n", "new/n": "x\n"}


# --- races ---------------------------------------------------------------------------------


def test_a_folder_swapped_between_staging_and_commit_is_not_followed(tmp_path: Path) -> None:
    build(tmp_path, {"work/d/f": "b\n", "outside/f": "b\n"})
    new = NewFile(place_to_write(str(tmp_path / "work/d/f")), b"B\n")
    (tmp_path / "work" / "d").rename(tmp_path / "work" / "away")
    (tmp_path / "work" / "d").symlink_to(tmp_path / "outside")
    with pytest.raises(NotADirectoryError):
        new.commit()
    new.discard()
    assert os.listdir(tmp_path / "outside") == ["f"]
    assert (tmp_path / "outside" / "f").read_text() == "b\n"
    assert (tmp_path / "work" / "away" / "f").read_text() == "b\n"


def test_a_file_swapped_between_staging_and_commit_is_replaced_itself(tmp_path: Path) -> None:
    build(tmp_path, {"work/f": "b\n", "outside": "b\n"})
    new = NewFile(place_to_write(str(tmp_path / "work/f")), b"B\n")
    (tmp_path / "work" / "f").unlink()
    (tmp_path / "work" / "f").symlink_to(tmp_path / "outside")
    new.commit()
    assert (tmp_path / "outside").read_text() == "b\n"
    assert not (tmp_path / "work" / "f").is_symlink()


def test_a_discarded_file_leaves_no_trace(tmp_path: Path) -> None:
    new = NewFile(place_to_write(str(tmp_path / "x/y/f")), b"B\n")
    assert (tmp_path / "x" / "y").is_dir()
    new.discard()
    new.discard()
    assert os.listdir(tmp_path) == []


def test_a_patch_may_hold_more_files_than_a_process_may_open(tmp_path: Path) -> None:
    build(tmp_path, {f"d{n}/f": "b\n" for n in range(200)})
    hunks = [f"*** Update File: d{n}/f\n@@\n-b\n+B\n*** Add File: n{n}/f\n+x\n" for n in range(200)]
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, before[1]))
    try:
        apply_all("".join(["*** Begin Patch\n", *hunks, "*** End Patch"]), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    after = snapshot(tmp_path)
    assert len(after) == 400
    assert set(after.values()) == {"B\n", "x\n"}


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    build(tmp_path, {**FILES, "folder": None})
    before = os.listdir("/proc/self/fd")
    apply_all(SEVERAL, tmp_path)
    for text in (
        "*** Begin Patch\n*** Add File: folder\n+x\n*** End Patch",
        "*** Begin Patch\n*** Add File: f/x/y\n+x\n*** End Patch",
    ):
        with pytest.raises(ApplyError):
            apply_all(text, tmp_path)
    assert os.listdir("/proc/self/fd") == before
    assert leftovers(tmp_path) == []


def test_planning_changes_nothing(tmp_path: Path) -> None:
    build(tmp_path, FILES)
    before = snapshot(tmp_path)
    for hunk in parse_patch(SEVERAL).hunks:
        plan(hunk, str(tmp_path))
    verify(parse_patch(SEVERAL), str(tmp_path))
    assert snapshot(tmp_path) == before
