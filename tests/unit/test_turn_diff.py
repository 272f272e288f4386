"""The diff of a turn: what Git says of the same changes, and what Git can apply."""

from __future__ import annotations

import subprocess
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from quire.protocol.events import FileTexts
from quire.server.turn_diff import TurnDiff

lines = st.lists(st.sampled_from([b"a", b"b", b"", b"\r", b"long line", "é".encode()]), max_size=6)
contents = st.none() | st.builds(
    lambda parts, end: b"\n".join(parts) + (b"\n" if end and parts else b""), lines, st.booleans()
)


def diff_of(*files: FileTexts) -> str:
    diff = TurnDiff("/w")
    diff.add(files)
    return diff.text()


def test_it_has_the_form_of_codex() -> None:
    """The sample is what Codex 0.169 sent for this patch."""
    assert diff_of(
        FileTexts("/w/n.txt", None, b"new\n"), FileTexts("/w/a.txt", b"a\n", b"b\n")
    ) == (
        "diff --git a/a.txt b/a.txt\n"
        "index 78981922613b2afb6025042ff6bd878ac1994e85..61780798228d17af2d34fce4cfbdf35556832472\n"
        "--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-a\n+b\n"
        "diff --git a/n.txt b/n.txt\nnew file mode 100644\n"
        "index 0000000000000000000000000000000000000000..3e757656cf36eca53338e520d134963a44f793f8\n"
        "--- /dev/null\n+++ b/n.txt\n@@ -0,0 +1 @@\n+new\n"
    )


def test_changes_of_one_turn_add_up() -> None:
    diff = TurnDiff("/w")
    diff.add([FileTexts("/w/a", b"1\n", b"2\n")])
    diff.add([FileTexts("/w/a", b"2\n", b"3\n")])
    assert "-1\n+3\n" in diff.text()
    diff.add([FileTexts("/w/a", b"3\n", b"1\n")])
    assert diff.text() == ""


def test_what_is_no_text_has_no_lines() -> None:
    assert "Binary files a/a and b/a differ" in diff_of(FileTexts("/w/a", b"\0", b"x\n"))
    assert "Binary files" in diff_of(FileTexts("/w/a", b"\xff", b"x\n"))


@settings(max_examples=25, deadline=None)
@given(before=contents, after=contents)
def test_git_applies_it(before: bytes | None, after: bytes | None) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if before is not None:
            (folder / "f").write_bytes(before)
        diff = TurnDiff(name)
        diff.add([FileTexts(f"{name}/f", before, after)])
        text = diff.text()
        if text:
            subprocess.run(
                ["git", "apply", "--unidiff-zero", "-"],
                cwd=folder,
                input=text.encode(),
                check=True,
                capture_output=True,
            )
        found = (folder / "f").read_bytes() if (folder / "f").exists() else None
        assert found == (after if text else before)
