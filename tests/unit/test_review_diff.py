"""The changed lines of a diff, against what git itself says (rows V4, V5)."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quire.review.diff import changed_lines


def ranges(diff: str | bytes) -> dict[str, list[tuple[int, int]]]:
    data = diff.encode() if isinstance(diff, str) else diff
    return {name: lines.ranges for name, lines in changed_lines(data).items()}


CHANGED = """\
diff --git a/f.py b/f.py
index 1111111..2222222 100644
--- a/f.py
+++ b/f.py
@@ -1,5 +1,6 @@ def f():
 one
-two
+zwei
+2
 three
-four
 five
"""


def test_added_lines_count_and_removed_ones_as_the_lines_around_them():
    assert ranges(CHANGED) == {"f.py": [(2, 3), (4, 5)]}


def test_the_first_line_removed():
    diff = "diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1 +0,0 @@\n-x\n"
    assert ranges(diff) == {"f": [(1, 1)]}


def test_lines_that_look_like_headers_are_content():
    diff = (
        "diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1,2 +1,3 @@\n"
        "--- a/evil\n+++ b/evil\n+diff --git a/x b/x\n-@@ -1 +1 @@\n+y\n"
        "diff --git a/g b/g\n--- a/g\n+++ b/g\n@@ -3,0 +4 @@\n+z\n"
    )
    assert ranges(diff) == {"f": [(1, 3)], "g": [(4, 4)]}


def test_names():
    quoted = (
        'diff --git "a/t\\303\\244b\\t\\"q\\".py" "b/t\\303\\244b\\t\\"q\\".py"\n'
        "new file mode 100644\n"
        '--- /dev/null\n+++ "b/t\\303\\244b\\t\\"q\\".py"\n@@ -0,0 +1 @@\n+x\n'
    )
    assert ranges(quoted) == {'täb\t"q".py': [(1, 1)]}
    spaces = "diff --git a/a b c b/a b c\n--- a/a b c\t\n+++ b/a b c\t\n@@ -1 +1 @@\n-x\n+y\n"
    assert ranges(spaces) == {"a b c": [(1, 1)]}
    crossed = 'diff --git a/x y "b/\\303\\244"\nsimilarity index 100%\nrename from x y\n'
    assert list(ranges(crossed + 'rename to "\\303\\244"\n')) == ["ä"]
    plain = "--- old/f.c\t2026-01-01\n+++ b/f.c\t2026-01-02\n@@ -1 +1 @@\n-x\n+y\n"
    assert ranges(plain) == {"f.c": [(1, 1)]}


def test_what_has_no_lines_counts_as_a_whole():
    diff = (
        "diff --git a/bin b/bin\nindex 1..2 100644\nBinary files a/bin and b/bin differ\n"
        "diff --git a/run b/run\nold mode 100644\nnew mode 100755\n"
        "diff --git a/old b/new\nsimilarity index 100%\nrename from old\nrename to new\n"
        "diff --git a/empty b/empty\nnew file mode 100644\nindex 0000000..e69de29\n"
    )
    found = changed_lines(diff.encode())
    assert list(found) == ["bin", "run", "new", "empty"]
    assert all(lines.whole and lines.overlap(1, 1) for lines in found.values())


def test_a_deleted_file_has_its_old_lines():
    diff = (
        "diff --git a/f b/f\ndeleted file mode 100644\n--- a/f\n+++ /dev/null\n"
        "@@ -1,3 +0,0 @@\n-a\n-b\n-c\n"
    )
    assert ranges(diff) == {"f": [(1, 3)]}


def test_a_submodule_stands_for_its_folder():
    diff = (
        "diff --git a/sub b/sub\nindex 1..2 160000\n--- a/sub\n+++ b/sub\n"
        "@@ -1 +1 @@\n-Subproject commit 1\n+Subproject commit 2\n"
    )
    assert changed_lines(diff.encode())["sub"].folder


def test_a_merge():
    diff = (
        "diff --cc f\nindex 1,2..3\n--- a/f\n+++ b/f\n@@@ -1,2 -1,2 +3,4 @@@\n  a\n++b\n +c\n+ d\n"
    )
    assert ranges(diff) == {"f": [(3, 6)]}


def test_line_ends_do_not_confuse():
    crlf = "diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n a\r\n-b\r\n+c\rd\r\n"
    assert ranges(crlf) == {"f": [(2, 2)]}
    ends = (
        "diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n"
        "+b\n\\ No newline at end of file\n"
        "diff --git a/g b/g\n--- a/g\n+++ b/g\n@@ -2 +2 @@\n-a\n+b\n"
    )
    assert ranges(ends) == {"f": [(1, 1)], "g": [(2, 2)]}


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_give_an_answer(data: bytes):
    changed_lines(data)
    changed_lines(CHANGED.encode() + data)
    changed_lines(b"diff --git a/f b/f\n@@ -1,9 +1,9 @@\n" + data)


NAMES = ["plain.py", "two words.py", "täb\t.py", 'quo"te.py', "back\\slash", "a b/c d"]
LINES = st.lists(st.sampled_from(["a", "b", "", "-- x", "++ y", "\r", "@@ -1 +1 @@", "diff --git"]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("repo")
    subprocess.run(["git", "init", "-q"], cwd=path, check=True)
    return path


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    name=st.sampled_from(NAMES),
    old=LINES,
    new=LINES,
    context=st.sampled_from(["-U0", "-U3"]),
    ended=st.booleans(),
)
def test_the_added_lines_of_a_real_diff_are_those_that_differ(
    folder: Path, name: str, old: list[str], new: list[str], context: str, ended: bool
):
    file = folder / name
    file.parent.mkdir(exist_ok=True)

    def write(lines: list[str]) -> None:
        text = "".join(f"{line}\n" for line in lines)
        file.write_bytes((text if ended else text[:-1]).encode())

    write(old)
    subprocess.run(["git", "add", "--force", "--all"], cwd=folder, check=True)
    write(new)
    done = subprocess.run(
        ["git", "diff", context, "--no-color"], cwd=folder, check=True, capture_output=True
    )
    found = changed_lines(done.stdout)
    assert set(found) <= {name}
    touched = {
        line
        for lines in found.values()
        for first, last in lines.ranges
        for line in range(first, last + 1)
    }
    added = {
        int(number)
        for number in subprocess.run(
            ["git", "diff", "-U0", "--no-color", "--word-diff=none"],
            cwd=folder,
            check=True,
            capture_output=True,
        )
        .stdout.decode("utf-8", "replace")
        .split("\n")
        for number in _added(number)
    }
    assert added <= touched
    # What is not added stands next to a removal; those are at the places that git names.
    assert {line for line in touched - added if line > len(new) + 1 or line < 1} == set()
    assert bool(touched) == (old != new)


def _added(line: str) -> list[int]:
    """The new lines that a hunk without context announces."""
    if not line.startswith("@@ "):
        return []
    first, _, count = line.split("+")[1].split(" ")[0].partition(",")
    return list(range(int(first), int(first) + int(count or 1)))
