"""A disk that takes no more: by a real limit on the size of files (RLIMIT_FSIZE)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from quire.protocol.records import ItemAdded, SessionMeta
from quire.rollout.store import RolloutStore

THREAD = "01a1f874-cfed-77b3-bd86-3ac47aebb23e"
WRITE = """
import json, resource, signal, sys
from quire.core.errors import RolloutError
from quire.protocol.items import InputText, Message, encode_item
from quire.protocol.records import ItemAdded, SessionMeta
from quire.rollout.store import RolloutStore

home, thread, size, limit = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

def message(text):
    return ItemAdded(encode_item(Message("user", (InputText(text),))), "user", "t")

rollout = RolloutStore(home).create(thread)
rollout.append(SessionMeta(thread_id=thread, timestamp="", cwd="/w"))
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
stored, error = 0, ""
try:
    for number in range(100):
        rollout.append(message("x" * size))
        stored += 1
except RolloutError as exc:
    error = str(exc)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
rollout.append(message("after"))
rollout.close()
print(json.dumps([stored, error, rollout.path]))
"""
KILLED = """
import os, signal, sys
from quire.protocol.items import InputText, Message, encode_item
from quire.protocol.records import ItemAdded, SessionMeta
from quire.rollout.store import RolloutStore

rollout = RolloutStore(sys.argv[1]).create(sys.argv[2])
rollout.append(SessionMeta(thread_id=sys.argv[2], timestamp="", cwd="/w"))
for number in range(50):
    item = encode_item(Message("user", (InputText(f"message {number}"),)))
    rollout.append(ItemAdded(item, "user", "t"))
os.kill(os.getpid(), signal.SIGKILL)
"""


def python(script: str, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, *args],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=30,
        check=False,
    )


def filled(home: Path, size: int, limit: int) -> tuple[int, str, Path]:
    """Append messages of `size` until no more fit in `limit` bytes, then one after the limit is
    lifted: how many were stored, the error, the file."""
    done = python(WRITE, str(home), THREAD, str(size), str(limit))
    assert done.returncode == 0, done.stderr
    stored, error, path = json.loads(done.stdout)
    return stored, error, Path(path)


def texts(home: Path) -> list[str]:
    rollout, thread = RolloutStore(str(home)).resume(THREAD)
    rollout.close()
    assert thread.warnings == ()
    assert isinstance(thread.records[0], SessionMeta)
    items = [record.item for record in thread.records if isinstance(record, ItemAdded)]
    return [json.loads(bytes(item.raw))["content"][0]["text"] for item in items]


def test_a_full_disk_is_one_line_and_leaves_whole_lines(tmp_path: Path) -> None:
    """The line that did not fit is taken back; what fits later is stored."""
    stored, error, path = filled(tmp_path, size=1000, limit=20_000)
    assert 10 < stored < 20
    assert error == (
        f"cannot write the thread's log: File too large: {path}; free some space or mend the "
        "folder, then resume the thread"
    )
    assert texts(tmp_path) == ["x" * 1000] * stored + ["after"]


def test_a_disk_that_is_full_from_the_start_leaves_no_file(tmp_path: Path) -> None:
    """The first write holds two lines: neither is lost, neither is half there."""
    stored, error, path = filled(tmp_path, size=5000, limit=2000)
    assert stored == 0
    assert str(path) in error
    assert texts(tmp_path) == ["after"]


def test_what_was_appended_survives_the_process(tmp_path: Path) -> None:
    assert python(KILLED, str(tmp_path), THREAD).returncode == -signal.SIGKILL
    assert texts(tmp_path) == [f"message {number}" for number in range(50)]
