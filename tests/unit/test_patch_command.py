"""`apply_patch` on the command line against what Codex 0.169 printed, exited with and left.

Each line of the data file is one run of Codex: `files` before, the `patch`, and under `codex` its
exit code, output and the files after. Where Quire differs on purpose, `quire` holds what differs
and `why` the reason.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from quire.sandbox.bubblewrap import find
from quire.tools.patch_apply import NOTHING_DONE, ApplyError, apply_in_order, summary
from quire.tools.patch_parser import PatchError, parse_patch
from tests.unit.patch_folder import build, load, snapshot, usual_umask

CASES = load("apply_patch_command.jsonl")
DEVIATIONS = {
    "a byte order mark does not hide the first line, and it stays",
    "a move to its own path is an update; the peer deletes the file",
    "a moved file keeps its mode; the peer gives it that of the file it replaces",
    "a moved file keeps its mode; the peer gives it the default",
    "a tab is part of a name; the peer drops it",
    "bytes that are not UTF-8 survive; the peer refuses the file",
}
COMMAND = [
    *(sys.executable, "-c"),
    "import sys; from quire.cli.apply_patch import run; sys.exit(run(sys.argv[1:]))",
]


def name_of(case: dict[str, Any]) -> str:
    return case["name"]


def expected(case: dict[str, Any]) -> dict[str, Any]:
    return {**case["codex"], **case.get("quire", {})}


def applied(text: str, cwd: Path) -> dict[str, Any]:
    """What the command would print and exit with."""
    try:
        patch = parse_patch(text)
        if not patch.hunks:
            raise ApplyError(NOTHING_DONE)
        return {"code": 0, "stdout": summary(apply_in_order(patch, str(cwd))), "stderr": ""}
    except (PatchError, ApplyError) as error:
        return {"code": 1, "stdout": "", "stderr": f"{error}\n"}


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_as_codex(case: dict[str, Any], tmp_path: Path) -> None:
    build(tmp_path, case["files"])
    with usual_umask():
        got = applied(case["patch"].replace("{CWD}", str(tmp_path)), tmp_path)
    for stream in ("stdout", "stderr"):
        got[stream] = got[stream].replace(str(tmp_path), "{CWD}")
    assert {**got, "after": snapshot(tmp_path)} == expected(case)


def test_the_table_is_large_and_every_deviation_is_named() -> None:
    assert len(CASES) >= 500
    assert {case["why"] for case in CASES if "quire" in case} == DEVIATIONS


def command(
    cwd: Path, *arguments: str | bytes, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    argv = [*COMMAND, *arguments]
    return subprocess.run(argv, cwd=cwd, env=environment(), capture_output=True, input=stdin)


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


@pytest.mark.parametrize("case", [c for c in CASES if c.get("via") == "stdin"], ids=name_of)
def test_stdin_as_codex(case: dict[str, Any], tmp_path: Path) -> None:
    build(tmp_path, case["files"])
    done = command(tmp_path, stdin=case["patch"].encode())
    assert (done.returncode, done.stdout.decode(), done.stderr.decode()) == (
        *(expected(case)[key] for key in ("code", "stdout", "stderr")),
    )
    assert snapshot(tmp_path) == expected(case)["after"]


PATCH = "*** Begin Patch\n*** Add File: é\n+x\n*** End Patch"
USAGE = b"Usage: apply_patch 'PATCH'\n       echo 'PATCH' | apply_patch\n"
NO_BEGIN = b"Invalid patch: The first line of the patch must be '*** Begin Patch'\n"


def test_an_argument_is_a_patch(tmp_path: Path) -> None:
    done = command(tmp_path, PATCH)
    report = "Success. Updated the following files:\nA é\n".encode()
    assert (done.returncode, done.stdout, done.stderr) == (0, report, b"")
    assert snapshot(tmp_path) == {"é": "x\n"}


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "stderr"),
    [
        ((), b"", 2, USAGE),
        (("a", "b"), b"", 2, b"Error: apply_patch accepts exactly one argument.\n"),
        ((b"\xff",), b"", 1, b"Error: apply_patch requires a UTF-8 PATCH argument.\n"),
        (("--help",), b"", 1, NO_BEGIN),
        (("-",), b"", 1, NO_BEGIN),
        (
            *((), b"\xff\xfe", 1),
            b"Error: Failed to read PATCH from stdin.\nstream did not contain valid UTF-8\n",
        ),
    ],
)
def test_wrong_use_as_codex(
    arguments: tuple[str | bytes, ...], stdin: bytes, code: int, stderr: bytes, tmp_path: Path
) -> None:
    done = command(tmp_path, *arguments, stdin=stdin)
    assert (done.returncode, done.stdout, done.stderr) == (code, b"", stderr)


def test_stdin_that_cannot_be_read_as_codex(tmp_path: Path) -> None:
    with (tmp_path / "f").open("wb") as write_only:
        done = subprocess.run(
            COMMAND, cwd=tmp_path, env=environment(), capture_output=True, stdin=write_only
        )
    assert (done.returncode, done.stderr) == (2, USAGE)


def test_a_working_folder_that_is_gone_as_codex(tmp_path: Path) -> None:
    gone = f'mkdir x && cd x && rmdir "$PWD" && exec "$@" {PATCH!r}'
    argv = ["/bin/sh", "-c", gone, "sh", *COMMAND]
    done = subprocess.run(argv, cwd=tmp_path, env=environment(), capture_output=True)
    reason = b"Failed to determine current directory.\nNo such file or directory (os error 2)\n"
    assert (done.returncode, done.stderr) == (1, b"Error: " + reason)


def test_a_report_that_is_lost_is_a_failure_and_one_that_nobody_wants_is_not(
    tmp_path: Path,
) -> None:
    for redirection, code in ((">/dev/full", 1), (">&-", 0)):
        argv = ["/bin/sh", "-c", f'exec "$@" {redirection}', "sh", *COMMAND, PATCH]
        assert subprocess.run(argv, cwd=tmp_path, env=environment()).returncode == code
        assert snapshot(tmp_path) == {"é": "x\n"}


def in_a_sandbox(tmp_path: Path, folder: str, patch: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command where `tmp_path` is bound with the option `folder` and `f` in it is mounted
    on its own, as sandboxes do that open single files."""
    file = ["--bind", str(tmp_path / "f"), str(tmp_path / "f")]
    argv = [find()[0], "--ro-bind", "/", "/", folder, str(tmp_path), str(tmp_path), *file]
    argv += [*COMMAND, f"*** Begin Patch\n{patch}*** End Patch"]
    return subprocess.run(argv, cwd=tmp_path, env=environment(), capture_output=True)


@pytest.mark.parametrize("folder", ["--bind", "--ro-bind"])
def test_a_file_that_cannot_be_renamed_over_is_written_in_place(
    folder: str, tmp_path: Path
) -> None:
    build(tmp_path, {"f": "b\n", "g": "b\n"})
    done = in_a_sandbox(tmp_path, folder, "*** Update File: f\n@@\n-b\n+B\n")
    assert (done.returncode, done.stderr) == (0, b"")
    assert snapshot(tmp_path) == {"f": "B\n", "g": "b\n"}


def test_a_moved_file_that_cannot_be_removed_is_named(tmp_path: Path) -> None:
    build(tmp_path, {"f": "b\n"})
    move = "*** Update File: f\n*** Move to: g\n@@\n-b\n+B\n"
    done = in_a_sandbox(tmp_path, "--bind", move)
    reason = f"Failed to remove original {tmp_path}/f: Device or resource busy (os error 16)\n"
    assert (done.returncode, done.stderr.decode()) == (1, reason)
    assert snapshot(tmp_path) == {"f": "b\n", "g": "B\n"}


def test_the_command_loads_little(tmp_path: Path) -> None:
    script = (
        "import sys; from quire.cli.apply_patch import run; run([sys.argv[1]]); "
        "print(*{'asyncio', 'collections', 'msgspec', 're', 'typing'} & set(sys.modules))"
    )
    argv = [sys.executable, "-S", "-c", script, PATCH]
    done = subprocess.run(argv, cwd=tmp_path, env=environment(), capture_output=True)
    assert done.stdout.decode() == "Success. Updated the following files:\nA é\n\n", done.stderr
