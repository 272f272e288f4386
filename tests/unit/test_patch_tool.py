"""The `apply_patch` tool against what Codex 0.169 told its model, showed to people and left.

Each line of the data file is one call in a fresh folder: `files`, the `patch`, and under `codex`
the output, the completed items of the rollout and the files after (below the folder that holds the
working folder). Where Quire differs on purpose, `quire` holds what differs and `why` the reason.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from quire.core.errors import ToolError
from quire.protocol.policy import SandboxPolicy
from quire.protocol.thread import FileChange
from quire.testing.builders import call, custom, turn_context
from quire.tools.apply_patch import ApplyPatch
from quire.tools.base import load_description
from quire.tools.patch_invocation import DECLINED, prepare_patch
from tests.unit.patch_folder import (
    RecordingContext,
    admitted,
    build,
    load,
    run,
    snapshot,
    usual_umask,
)

CASES = load("apply_patch_tool.jsonl")
SWAP = """
import os
while True:
    os.symlink("a", "new")
    os.rename("new", "l")
    open("new", "w").close()
    os.rename("new", "l")
"""
DEVIATIONS = {
    "a byte order mark does not hide the first line, and it stays",
    "a call of either kind is taken; the peer aborts the turn",
    "a move to its own path is an update; the peer deletes the file",
    "a moved file keeps its mode; the peer gives it the default",
    "a symlink that leads outside is judged before anything runs",
    "a symlink that leads outside is left alone",
    "bytes that are not UTF-8 survive; the peer refuses the file",
    "two operations that meet in one file are refused; the peer loses an edit",
    "what stands in the way is seen before anything is written",
}
ADD = "*** Begin Patch\n*** Add File: n\n+x\n*** End Patch\n"
UPDATE = "*** Begin Patch\n*** Update File: f\n@@\n-b\n+B\n*** End Patch\n"


def context(cwd: Path, mode: str = "workspace-write", step_ms: int = 0) -> RecordingContext:
    policy = msgspec.convert({"mode": mode, "exclude_slash_tmp": True}, SandboxPolicy)
    return RecordingContext(turn_context(str(cwd), sandbox=policy), step_ms)


def told(case: dict[str, Any], ctx: RecordingContext) -> str:
    """What the model is told of a case."""
    if case.get("call") == "function":
        made = call("apply_patch", {"input": case["patch"]}, "call_1")
    else:
        made = custom("apply_patch", case["patch"], "call_1")
    try:
        return admitted(ApplyPatch().prepare(made, ctx.turn), ctx)
    except ToolError as error:
        return str(error)


def as_in_rollout(change: FileChange) -> dict[str, Any]:
    if change.kind == "update":
        return {"type": "update", "unified_diff": change.diff, "move_path": change.move_path}
    return {"type": change.kind, "content": change.diff}


def name_of(case: dict[str, Any]) -> str:
    return case["name"]


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_as_codex(case: dict[str, Any], tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    with usual_umask():
        build(work, case["files"])
        ctx = context(work, case.get("mode", "workspace-write"))
        output = told(case, ctx)
    items = [
        {
            "type": "FileChange",
            "changes": {change.path: as_in_rollout(change) for change in item.changes},
            "status": item.status,
            "stdout": item.stdout,
            "stderr": item.stderr,
        }
        for item in ctx.finished
    ]
    got = json.dumps({"output": output, "items": items, "after": snapshot(tmp_path)})
    got = got.replace(str(work), "{CWD}").replace(str(tmp_path), "{PARENT}")
    assert json.loads(got) == {**case["codex"], **case.get("quire", {})}


def test_the_table_is_large_and_every_deviation_is_named() -> None:
    assert len(CASES) >= 100
    assert {case["why"] for case in CASES if "quire" in case} == DEVIATIONS


# --- items ---------------------------------------------------------------------------------


def test_the_item_begins_before_and_is_sorted_by_path(tmp_path: Path) -> None:
    build(tmp_path, {"f": "b\n"})
    patch = UPDATE.replace("*** End Patch", "*** Add File: a\n+x\n*** End Patch")
    ctx = context(tmp_path)
    invocation = prepare_patch("call_1", patch, str(tmp_path))
    assert not ctx.begun
    result = run(invocation, ctx)
    (begun,), (finished,) = ctx.begun, ctx.finished
    assert result.ok
    assert (begun.id, begun.status, begun.stdout) == ("call_1", "inProgress", "")
    assert (finished.id, finished.status) == ("call_1", "completed")
    paths = [str(tmp_path / "a"), str(tmp_path / "f")]
    assert [change.path for change in begun.changes] == paths
    assert begun.changes == finished.changes


def test_wall_time_has_one_decimal_at_most(tmp_path: Path) -> None:
    for step, shown in ((0, "0"), (40, "0"), (140, "0.1"), (1000, "1"), (12_340, "12.3")):
        result = run(prepare_patch("c", ADD, str(tmp_path)), context(tmp_path, step_ms=step))
        assert f"\nWall time: {shown} seconds\n" in str(result.content)


def test_a_patch_that_a_person_declines_is_shown_as_declined(tmp_path: Path) -> None:
    ctx = context(tmp_path)
    invocation = prepare_patch("c", ADD, str(tmp_path))
    invocation.declined(ctx, "patch rejected: anything else")
    assert not ctx.finished
    invocation.declined(ctx, DECLINED)
    assert [item.status for item in ctx.finished] == ["declined"]
    assert snapshot(tmp_path) == {}


def test_shown_text_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x" * 3_000_000)
    ctx = context(tmp_path)
    patch = "*** Begin Patch\n*** Delete File: f\n*** End Patch"
    run(prepare_patch("c", patch, str(tmp_path)), ctx)
    diff = ctx.finished[0].changes[0].diff
    assert len(diff) < 1_100_000
    assert diff.endswith("... 1951424 more bytes are not shown ...\n")


# --- what is judged is what is written -----------------------------------------------------


def test_all_touched_files_are_judged_by_their_real_paths(tmp_path: Path) -> None:
    build(tmp_path, {"real/f": "b\n", "l": {"link": "real"}, "gone": {"link": "real/f"}})
    patch = (
        "*** Begin Patch\n*** Update File: l/f\n*** Move to: l/new/g\n@@\n-b\n+B\n"
        "*** Add File: l/../other\n+x\n*** Delete File: gone\n*** End Patch"
    )
    paths = prepare_patch("c", patch, str(tmp_path)).action.paths
    names = ("real/new/g", "real/f", "other", "gone", "real/f")
    assert paths == tuple(str(tmp_path / name) for name in names)


def test_what_was_read_is_judged_although_it_was_swapped_since(tmp_path: Path) -> None:
    """Between reading and judgement a command puts a file where the link was, and back."""
    build(tmp_path, {"work/f": "mine\n", "secret": "secret\n"})
    link, kept = tmp_path / "work" / "l", tmp_path / "work" / "kept"
    link.symlink_to(tmp_path / "secret")
    patch = "*** Begin Patch\n*** Update File: l\n*** Move to: leak\n@@\n+x\n*** End Patch"
    invocation = prepare_patch("c", patch, str(tmp_path / "work"))
    link.rename(kept)
    (tmp_path / "work" / "f").rename(link)
    assert "writing outside of the project" in admitted(invocation, context(tmp_path / "work"))
    assert not (tmp_path / "work" / "leak").exists()


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="Linux only")
def test_files_of_the_kernel_tell_a_patch_nothing(tmp_path: Path) -> None:
    """They are of no size, and some are endless. Reading one as Quire would show its keys."""
    (tmp_path / "l").symlink_to("/proc/self/environ")
    for patch in ("*** Update File: l\n*** Move to: leak\n@@\n+x", "*** Delete File: l"):
        ctx = RecordingContext(
            turn_context(str(tmp_path), sandbox=SandboxPolicy(mode="danger-full-access"))
        )
        text = f"*** Begin Patch\n{patch}\n*** End Patch"
        assert "Exit code: 0" in admitted(prepare_patch("c", text, str(tmp_path)), ctx)
        assert "=" not in ctx.finished[0].changes[0].diff.replace("==", "")
        (tmp_path / "l").unlink(missing_ok=True)
        (tmp_path / "l").symlink_to("/proc/self/environ")
    assert (tmp_path / "leak").read_text() == "x\n"


def test_a_file_too_large_to_be_read_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "big").open("wb") as file:
        file.truncate(1 << 40)
    for patch in ("*** Update File: big\n@@\n+x", "*** Update File: big\n*** Move to: f\n@@\n+x"):
        with pytest.raises(ToolError, match=r"big` is larger than 64 MiB"):
            prepare_patch("c", f"*** Begin Patch\n{patch}\n*** End Patch", str(tmp_path))


def test_links_that_keep_changing_crash_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("b\n")
    (tmp_path / "l").symlink_to("a")
    swapping = subprocess.Popen([sys.executable, "-c", SWAP], cwd=tmp_path)
    patch = "*** Begin Patch\n*** Update File: l\n@@\n-b\n+c\n*** End Patch"
    try:
        for _ in range(300):
            with suppress(ToolError):
                admitted(prepare_patch("c", patch, str(tmp_path)), context(tmp_path))
    finally:
        swapping.kill()
        swapping.wait()


def test_a_folder_swapped_for_a_symlink_after_the_judgement_is_not_followed(
    tmp_path: Path,
) -> None:
    build(tmp_path, {"work/d/f": "b\n", "outside/f": "b\n"})
    patch = "*** Begin Patch\n*** Add File: d/n\n+x\n*** Add File: new/n\n+x\n*** End Patch"
    invocation = prepare_patch("c", patch, str(tmp_path / "work"))
    (tmp_path / "work" / "d").rename(tmp_path / "work" / "away")
    (tmp_path / "work" / "d").symlink_to(tmp_path / "outside")
    (tmp_path / "work" / "new").symlink_to(tmp_path / "outside")
    before = snapshot(tmp_path)
    result = run(invocation, context(tmp_path / "work"))
    assert not result.ok
    assert "Failed to write file" in str(result.content)
    assert snapshot(tmp_path) == before


def test_a_file_swapped_for_a_symlink_after_the_judgement_is_not_followed(
    tmp_path: Path,
) -> None:
    build(tmp_path, {"work/f": "b\n", "outside": "b\n"})
    invocation = prepare_patch("c", UPDATE, str(tmp_path / "work"))
    (tmp_path / "work" / "f").unlink()
    (tmp_path / "work" / "f").symlink_to(tmp_path / "outside")
    with pytest.raises(ToolError, match="changed while the patch was being checked"):
        run(invocation, context(tmp_path / "work"))
    assert (tmp_path / "outside").read_text() == "b\n"


def test_a_deleted_folder_swapped_for_a_symlink_is_not_followed(tmp_path: Path) -> None:
    build(tmp_path, {"work/d/f": "b\n", "outside/f": "b\n"})
    patch = "*** Begin Patch\n*** Delete File: d/f\n*** End Patch"
    invocation = prepare_patch("c", patch, str(tmp_path / "work"))
    (tmp_path / "work" / "d").rename(tmp_path / "work" / "away")
    (tmp_path / "work" / "d").symlink_to(tmp_path / "outside")
    with pytest.raises(ToolError, match="changed while the patch was being checked"):
        run(invocation, context(tmp_path / "work"))
    assert (tmp_path / "outside" / "f").exists()


def test_a_file_that_changed_since_is_read_again(tmp_path: Path) -> None:
    build(tmp_path, {"f": "b\n"})
    invocation = prepare_patch("c", UPDATE, str(tmp_path))
    (tmp_path / "f").write_text("more\nb\n")
    assert run(invocation, context(tmp_path)).ok
    assert (tmp_path / "f").read_text() == "more\nB\n"


def test_a_file_that_no_longer_fits_is_left_alone(tmp_path: Path) -> None:
    build(tmp_path, {"f": "b\n"})
    invocation = prepare_patch("c", UPDATE, str(tmp_path))
    (tmp_path / "f").write_text("other\n")
    ctx = context(tmp_path)
    with pytest.raises(ToolError, match="Failed to find expected lines"):
        run(invocation, ctx)
    assert (tmp_path / "f").read_text() == "other\n"
    assert not ctx.begun


# --- what the model is offered -------------------------------------------------------------


def test_the_freeform_tool_carries_a_grammar() -> None:
    spec = json.loads(ApplyPatch().spec())
    assert spec["type"] == "custom"
    assert spec["name"] == "apply_patch"
    assert spec["format"]["type"] == "grammar"
    assert spec["format"]["syntax"] == "lark"
    assert "*** Begin Patch" in spec["format"]["definition"]
    assert spec["description"] == load_description("apply_patch")


def test_the_function_takes_the_patch_as_one_string() -> None:
    spec = json.loads(ApplyPatch("function").spec())
    assert (spec["type"], spec["name"]) == ("function", "apply_patch")
    assert spec["parameters"]["required"] == ["input"]


def test_both_specs_are_small_and_stay_the_same() -> None:
    for form in ("freeform", "function"):
        tool = ApplyPatch(form)
        assert tool.spec() == ApplyPatch(form).spec()
        assert len(tool.spec()) < 2600


def test_malformed_arguments_are_named(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="missing field `input` at line 1 column 2"):
        ApplyPatch("function").prepare(call("apply_patch", "{}"), turn_context(str(tmp_path)))


def test_the_example_in_the_description_applies(tmp_path: Path) -> None:
    build(
        tmp_path,
        {
            "src/app.py": 'def greet():\n    print("Hi")\n    return 0\n',
            "old.txt": "kept line\n",
            "unused.cfg": "",
        },
    )
    text = load_description("apply_patch")
    patch = text[text.index("*** Begin Patch") : text.index("*** End Patch")] + "*** End Patch"
    with usual_umask():
        assert run(prepare_patch("c", patch, str(tmp_path)), context(tmp_path)).ok
    assert snapshot(tmp_path) == {
        "docs/new.txt": "kept line\nadded line\n",
        "notes/todo.md": "first line\n",
        "src/app.py": 'def greet():\n    print("Hello")\n    return 0\n',
    }
    assert os.listdir(tmp_path / "docs") == ["new.txt"]
