"""`quire archive`, `unarchive`, `delete`, `rename`, and `exec resume NAME`, as processes."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest

from quire.rollout.locks import WriterLock
from tests.e2e.quire import QUIRE, Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def thread(place: Place) -> str:
    result = place.exec("-m", "offline", "say hello")
    return result.events[0]["thread_id"]


def test_put_aside_and_back_by_name(place: Place) -> None:
    thread_id = thread(place)
    renamed = place.run("rename", thread_id, "my work")
    assert (renamed.code, renamed.out) == (0, f"Renamed session {thread_id} to my work.\n")
    archived = place.run("archive", "my work")
    assert (archived.code, archived.out) == (0, f"Archived session my work ({thread_id}).\n")
    again = place.run("archive", "my work")
    assert again.code == 1
    again.assert_one_line("No active session found matching 'my work'.")
    back = place.run("unarchive", thread_id)
    assert (back.code, back.out) == (0, f"Unarchived session my work ({thread_id}).\n")
    assert place.run("archive", thread_id).out == f"Archived session {thread_id}.\n"


def test_exec_resumes_by_name(place: Place) -> None:
    thread_id = thread(place)
    place.run("rename", thread_id, "my work")
    result = place.exec("-m", "offline", "resume", "my work", "say more")
    assert result.code == 0, result.err
    assert result.events[0]["thread_id"] == thread_id
    other = thread(place)
    place.run("rename", other, "my work")
    place.exec("resume", "my work", "x").assert_one_line("Multiple sessions match 'my work'")


def test_delete_asks_or_is_told(place: Place) -> None:
    thread_id = thread(place)
    place.run("rename", thread_id, "old")
    for words, complaint in (
        ((thread_id,), "cannot confirm session deletion without an interactive terminal"),
        (("--force", "old"), "--force requires a session UUID"),
    ):
        result = place.run("delete", *words)
        assert result.code == 1
        result.assert_one_line(complaint)
    assert place.rollouts()
    result = place.run("delete", "--force", thread_id)
    assert (result.code, result.out) == (0, f"Deleted session {thread_id}.\n")
    assert not place.rollouts()
    place.run("delete", "--force", thread_id).assert_one_line("no rollout found for thread id")


@pytest.mark.parametrize(("answer", "code"), [(b"n\n", 1), (b"\n", 1), (b"y\n", 0)])
def test_delete_asks_on_a_terminal(place: Place, answer: bytes, code: int) -> None:
    thread_id = thread(place)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*QUIRE, "delete", thread_id],
        stdin=theirs,
        stderr=theirs,
        stdout=subprocess.PIPE,
        env=place.environment(),
    )
    os.close(theirs)
    assert b"[y/N]" in os.read(ours, 1000)
    os.write(ours, answer)
    out, _ = process.communicate(timeout=20)
    os.close(ours)
    assert process.returncode == code
    assert bool(place.rollouts()) == bool(code)
    assert out == (b"" if code else f"Deleted session {thread_id}.\n".encode())


def test_a_thread_that_is_written_is_left_alone(place: Place) -> None:
    thread_id = thread(place)
    lock = WriterLock(str(place.home), thread_id)
    for command in (("archive",), ("delete", "--force")):
        result = place.run(*command, thread_id)
        assert result.code == 1
        result.assert_one_line(f"is being written by process {os.getpid()}")
    lock.release()
    assert place.run("archive", thread_id).code == 0


def test_two_processes_want_the_same(place: Place) -> None:
    """Of several that archive and delete one thread at once, nobody leaves half of it."""
    thread_id = thread(place)
    env = place.environment()
    commands = [("archive", thread_id), ("delete", "--force", thread_id)] * 2
    running = [
        subprocess.Popen([*QUIRE, *command], env=env, stderr=subprocess.PIPE, text=True)
        for command in commands
    ]
    for process in running:
        _, err = process.communicate(timeout=30)
        assert "Traceback" not in err
    place.run("delete", "--force", thread_id)
    assert not list(place.home.rglob(f"*{thread_id}*"))


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("archive",), "needs <SESSION>"),
        (("rename", "x"), "needs <NAME>"),
        (("archive", "a", "b"), "unexpected argument 'b' found"),
        (("archive", "--force", "a"), "unexpected argument '--force' found"),
    ],
)
def test_wrong_words(place: Place, words: tuple[str, ...], complaint: str) -> None:
    result = place.run(*words)
    assert result.code == 2
    result.assert_one_line(complaint)


def test_help(place: Place) -> None:
    for command in ("archive", "unarchive", "delete", "rename"):
        assert f"quire {command}" in place.run(command, "--help").out
