"""Which shell commands are taken for a patch: against Codex 0.169, and nothing beyond."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quire.core.errors import ToolError
from quire.testing.builders import turn_context
from quire.tools.patch_intercept import intercept, parse_shell_patch
from tests.unit.patch_folder import RecordingContext, admitted, load, snapshot

CASES = load("apply_patch_shell.jsonl")
DEVIATIONS = {
    "a statement that is more than a name and a plain heredoc is for the shell",
    "the heredoc ends where the shell ends it",
    "the shell reads this folder otherwise than as written",
}
PATCH = "*** Begin Patch\n*** Add File: n\n+x\n*** End Patch"
HEREDOC = f"apply_patch <<'EOF'\n{PATCH}\nEOF\n"


def kind_of(script: str) -> str:
    found = parse_shell_patch(script)
    if found is None:
        return "command"
    return "patch" if found.called else "refused"


@pytest.mark.parametrize("case", CASES, ids=[str(n) for n in range(len(CASES))])
def test_as_codex(case: dict[str, Any]) -> None:
    assert kind_of(case["script"]) == case.get("quire", case["codex"])


def test_the_table_is_large_and_every_deviation_is_named() -> None:
    assert len(CASES) >= 75
    assert {case["why"] for case in CASES if "quire" in case} == DEVIATIONS


@pytest.mark.parametrize(
    ("script", "folder"),
    [
        (HEREDOC, None),
        (f"cd sub && {HEREDOC}", "sub"),
        (f"cd 'a b' && {HEREDOC}", "a b"),
        (f'cd "a b" && {HEREDOC}', "a b"),
        (f"cd /tmp/x-1 &&\n  {HEREDOC}", "/tmp/x-1"),
    ],
)
def test_the_folder_is_that_of_cd(script: str, folder: str | None) -> None:
    found = parse_shell_patch(script)
    assert found is not None
    assert (found.patch, found.folder, found.called) == (PATCH, folder, True)


def test_an_unquoted_heredoc_is_taken_as_written() -> None:
    body = PATCH.replace("+x", "+`id` $HOME \\$x")
    found = parse_shell_patch(f"apply_patch <<EOF\n{body}\nEOF\n")
    assert found is not None
    assert found.patch == body


def test_a_dashed_heredoc_loses_leading_tabs_as_in_the_shell() -> None:
    """Codex keeps the tabs, and then cannot read the patch."""
    tabbed = "\n".join(f"\t{line}" for line in PATCH.split("\n"))
    found = parse_shell_patch(f"apply_patch <<-'EOF'\n{tabbed}\n\tEOF\n")
    assert found is not None
    assert found.patch == PATCH


@pytest.mark.parametrize(
    "script",
    [
        "",
        "<<",
        "<<EOF",
        "cat <<'EOF'\nx\nEOF",
        "apply_patch",
        "apply_patch <<",
        "apply_patch <<''\n\n",
        f"apply_patch <<'EOF'\n{PATCH}\nEOF\nrm -rf /\n",
        f"cd a && cd b && {HEREDOC}",
        f"cd -- a && {HEREDOC}",
        f"cd {{a,b}} && {HEREDOC}",
        f"cd a\\ b && {HEREDOC}",
        f"cd a b && {HEREDOC}",
        f"cd $(id) && {HEREDOC}",
        f"cd '' && {HEREDOC}",
        f"cd '-' && {HEREDOC}",
        f'cd "$(id)" && {HEREDOC}',
        f"cd 'a'\\''b' && {HEREDOC}",
        f"cd a; {HEREDOC}",
        f"cd a & {HEREDOC}",
        f"sudo {HEREDOC}",
        f"exec {HEREDOC}",
        f"x=$({HEREDOC})",
        f"apply_patch <<'EOF' >log\n{PATCH}\nEOF\n",
        f"apply_patch <<'A' <<'B'\n{PATCH}\nA\nB\n",
        f"apply_patch <<$X\n{PATCH}\n$X\n",
    ],
)
def test_everything_else_is_for_the_shell(script: str) -> None:
    assert kind_of(script) == "command"


def test_success_has_two_headers(tmp_path: Path) -> None:
    turn = turn_context(str(tmp_path))
    ctx = RecordingContext(turn)
    taken = intercept("call_1", f"cd a && {HEREDOC}", "sub", turn)
    assert taken is not None
    assert admitted(taken, ctx) == (
        "Wall time: 0.0000 seconds\nOutput:\nExit code: 0\nWall time: 0 seconds\nOutput:\n"
        "Success. Updated the following files:\nA n\n"
    )
    assert snapshot(tmp_path).keys() == {"sub/a/n"}
    assert [item.status for item in ctx.finished] == ["completed"]


def test_a_failure_has_one_header(tmp_path: Path) -> None:
    (tmp_path / "n").mkdir()
    turn = turn_context(str(tmp_path))
    taken = intercept("call_1", HEREDOC, str(tmp_path), turn)
    assert taken is not None
    assert admitted(taken, RecordingContext(turn)) == (
        f"Exit code: 1\nWall time: 0 seconds\nOutput:\nFailed to write file {tmp_path}/n\n"
    )


VERIFICATION = "apply_patch verification failed: "
UNCALLED = (
    'patch detected without explicit call to apply_patch. Rerun as ["apply_patch", "<patch>"]'
)
NO_BEGIN = "invalid patch: The first line of the patch must be '*** Begin Patch'"


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (PATCH, VERIFICATION + UNCALLED),
        (HEREDOC.replace(PATCH, "hello"), VERIFICATION + NO_BEGIN),
        (HEREDOC.replace("*** Add File: n\n+x\n", ""), "patch rejected: empty patch"),
    ],
)
def test_refusals_as_codex(script: str, error: str, tmp_path: Path) -> None:
    with pytest.raises(ToolError) as caught:
        intercept("c", script, str(tmp_path), turn_context(str(tmp_path)))
    assert str(caught.value) == error


def test_a_plain_command_does_not_load_the_engine() -> None:
    script = (
        "import sys; from quire.tools.patch_intercept import parse_shell_patch as parse; "
        "from quire.tools.apply_patch import ApplyPatch; ApplyPatch().spec(); parse('ls | wc'); "
        "sys.exit(any(name.startswith('quire.tools.patch_apply') for name in sys.modules))"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", script], env=env).returncode == 0


def test_a_command_is_none_of_its_business(tmp_path: Path) -> None:
    assert intercept("c", "ls -la", str(tmp_path), turn_context(str(tmp_path))) is None
    assert intercept("c", "*** Begin Patch\nfoo\n*** End Patch", "", turn_context()) is None


PIECES = st.sampled_from(
    [
        *("apply_patch", "applypatch", "cd ", " && ", "<<", "<<-", "'EOF'", "EOF", "\n", "\r\n"),
        *("sub", "'", '"', "$x", "\\", ";", "|", " ", "\t", "*** Begin Patch", "*** End Patch"),
        *("*** Add File: n", "+x", "é", "\udc80", "\0"),
    ]
)


@given(st.lists(PIECES, max_size=25))
def test_any_script_is_read_without_a_fault(pieces: list[str]) -> None:
    assert kind_of("".join(pieces)) in ("command", "patch", "refused")


@given(st.text(alphabet="abc_./-$ ~*'\"\\;&|()", max_size=12))
def test_a_folder_is_taken_only_when_the_shell_would_read_the_same(word: str) -> None:
    found = parse_shell_patch(f"cd {word} && {HEREDOC}")
    if found is not None:
        assert found.folder in (word.strip(), word.strip()[1:-1])
        assert not set("$*~;&|()\\") & set(word) or word.strip()[0] in "'\""
