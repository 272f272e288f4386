"""Two processes that want one thread: the second is told, and only death opens the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from quire.core.errors import RolloutError, UsageError
from quire.protocol.records import SessionMeta, TurnStarted
from quire.rollout.locks import FOLDER, WriterLock
from quire.rollout.store import RolloutStore

THREAD = "01a1f874-cfed-77b3-bd86-3ac47aebb23e"
HOLD = """
import sys, time
from quire.rollout.locks import WriterLock
lock = WriterLock(sys.argv[1], sys.argv[2])
print("held", flush=True)
time.sleep(60)
"""
CONTEND = """
import sys, time
from quire.core.errors import UsageError
from quire.rollout.locks import WriterLock
home, thread, log = sys.argv[1:]
taken = 0
deadline = time.monotonic() + 20
while taken < 150 and time.monotonic() < deadline:
    try:
        lock = WriterLock(home, thread)
    except UsageError:
        continue
    with open(log, "a", buffering=1) as file:
        file.write("in\\n")
        time.sleep(0.0003)
        file.write("out\\n")
    lock.release()
    taken += 1
print(taken)
"""
FORK = """
import os, sys, time
from quire.rollout.locks import WriterLock
lock = WriterLock(sys.argv[1], sys.argv[2])
if os.fork() == 0:
    lock.release()
    print("held", flush=True)
time.sleep(60)
"""


def python(script: str, *args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *args],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        start_new_session=True,
    )


@contextmanager
def holder(script: str, home: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock."""
    process = python(script, str(home), THREAD)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def test_a_second_writer_is_told_who_the_first_is(tmp_path: Path) -> None:
    with holder(HOLD, tmp_path) as first, pytest.raises(UsageError) as caught:
        WriterLock(str(tmp_path), THREAD)
    message = str(caught.value)
    assert message.startswith(
        f"thread {THREAD} is being written by process {first.pid} (since {time.strftime('%H')}:"
    )
    assert "\n" not in message


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM"])
def test_death_gives_the_lock_up(tmp_path: Path, name: str) -> None:
    with holder(HOLD, tmp_path) as first:
        first.send_signal(signal.Signals[name])
        first.wait()
        WriterLock(str(tmp_path), THREAD).release()


def test_a_stopped_holder_still_holds(tmp_path: Path) -> None:
    """Silence is no proof of death."""
    with holder(HOLD, tmp_path) as first:
        first.send_signal(signal.SIGSTOP)
        with pytest.raises(UsageError):
            WriterLock(str(tmp_path), THREAD)


def test_a_forked_child_does_not_keep_the_lock(tmp_path: Path) -> None:
    with holder(FORK, tmp_path) as first:
        with pytest.raises(UsageError):
            WriterLock(str(tmp_path), THREAD)
        first.kill()
        first.wait()
        WriterLock(str(tmp_path), THREAD).release()


def test_one_at_a_time(tmp_path: Path) -> None:
    """Lock files come and go; whoever is in is alone."""
    log = tmp_path / "log"
    writers = [python(CONTEND, str(tmp_path), THREAD, str(log)) for _ in range(3)]
    results = [writer.communicate()[0].strip() for writer in writers]
    assert results == ["150"] * 3
    assert log.read_text() == "in\nout\n" * 450


def test_one_process_is_two_writers_too(tmp_path: Path) -> None:
    lock = WriterLock(str(tmp_path), THREAD)
    with pytest.raises(UsageError, match=f"process {os.getpid()} "):
        WriterLock(str(tmp_path), THREAD)
    lock.release()
    lock.release()
    WriterLock(str(tmp_path), THREAD).release()
    assert os.listdir(tmp_path / FOLDER) == []


def test_a_lock_file_without_words_names_nobody(tmp_path: Path) -> None:
    lock = WriterLock(str(tmp_path), THREAD)
    (tmp_path / FOLDER / f"{THREAD}.lock").write_text("")
    with pytest.raises(UsageError, match="by another process"):
        WriterLock(str(tmp_path), THREAD)
    lock.release()


def test_a_folder_that_cannot_hold_locks_is_one_line(tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_text("")
    with pytest.raises(RolloutError, match=f"cannot lock thread {THREAD}: .*{FOLDER}"):
        WriterLock(str(tmp_path), THREAD)


def test_a_thread_that_is_being_written_does_not_resume_but_forks(tmp_path: Path) -> None:
    store = RolloutStore(str(tmp_path))
    meta = SessionMeta(thread_id=THREAD, timestamp="", cwd="/w")
    rollout = store.create(THREAD)
    rollout.append_many([meta, TurnStarted("t", 1, 2)])
    with pytest.raises(UsageError, match="is being written by process"):
        store.resume(THREAD)
    fork = THREAD.replace("01a1", "01a2")
    copy = SessionMeta(thread_id=fork, timestamp="", cwd="/w", forked_from=THREAD)
    store.fork(rollout.path, copy)
    second, loaded = store.resume(fork)
    assert loaded.records == [copy, TurnStarted("t", 1, 2)]
    second.close()
    rollout.close()
    store.resume(THREAD)[0].close()
