"""Messages that wait: kept in order, on disk, by several processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quire.core.errors import RolloutError, UsageError
from quire.rollout.queue import MessageQueue

THREAD = "01a1f874-cfed-77b3-bd86-3ac47aebb23e"
OTHER = "01a1f874-cfed-77b3-bd86-3ac47aebb23f"
ADD = """
import sys
from quire.rollout.queue import MessageQueue
queue = MessageQueue(sys.argv[1])
for number in range(50):
    queue.add(sys.argv[2], b"[]", f"{sys.argv[3]}{number}")
"""
TAKE = """
import sys
from quire.rollout.queue import MessageQueue
queue = MessageQueue(sys.argv[1])
while (message := queue.take(sys.argv[2])) is not None:
    print(message.client_message_id)
"""


@pytest.fixture
def queue(tmp_path: Path) -> MessageQueue:
    return MessageQueue(str(tmp_path))


def waiting(queue: MessageQueue) -> list[str]:
    return [message.client_message_id for message in queue.list(THREAD)]


def processes(script: str, *lines: tuple[str, ...]) -> list[str]:
    running = [
        subprocess.Popen([sys.executable, "-c", script, *line], stdout=subprocess.PIPE, text=True)
        for line in lines
    ]
    out = [process.communicate(timeout=30)[0] for process in running]
    assert [process.returncode for process in running] == [0] * len(lines)
    return out


def test_what_waits_survives_the_process(tmp_path: Path, queue: MessageQueue) -> None:
    content = b'[{"type":"text","text":"a \\u20ac"}]'
    added = queue.add(THREAD, content, "m1", b'{"k":"v"}')
    queue.add(OTHER, b"[]", "elsewhere")
    (again,) = MessageQueue(str(tmp_path)).list(THREAD)
    assert (again.id, again.client_message_id) == (added.id, "m1")
    assert (bytes(again.input), bytes(again.metadata)) == (content, b'{"k":"v"}')
    path = tmp_path / "queue" / f"{THREAD}.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert msgspec.json.decode(path.read_bytes())[0]["id"] == added.id


def test_update_delete_reorder_take(queue: MessageQueue) -> None:
    a, b, c = (queue.add(THREAD, b"[]", name, b'{"x":"y"}') for name in "abc")
    changed = queue.update(THREAD, b.id, b"[1]")
    assert (bytes(changed.input), bytes(changed.metadata)) == (b"[1]", b'{"x":"y"}')
    assert bytes(queue.update(THREAD, b.id, b"[2]", b"{}").metadata) == b"{}"
    queue.reorder(THREAD, [c.id, a.id, b.id])
    assert waiting(queue) == ["c", "a", "b"]
    for wrong in ([a.id], [a.id, a.id, b.id], [a.id, b.id, c.id, "x"]):
        with pytest.raises(UsageError, match="every queued submission exactly once"):
            queue.reorder(THREAD, wrong)
    assert queue.delete(THREAD, a.id) is True
    assert queue.delete(THREAD, a.id) is False
    with pytest.raises(UsageError, match=f"queued submission not found: {a.id}"):
        queue.update(THREAD, a.id, b"[]")
    with pytest.raises(UsageError, match=f"queued submission not found: {a.id}"):
        queue.take(THREAD, a.id)
    taken = queue.take(THREAD, b.id)
    assert taken is not None
    queue.put_back(THREAD, taken)
    queue.put_back(THREAD, taken)
    assert waiting(queue) == ["b", "c"]
    assert [m.id for m in (queue.take(THREAD), queue.take(THREAD)) if m] == [b.id, c.id]
    assert queue.take(THREAD) is None


def test_an_empty_queue_leaves_no_file(tmp_path: Path, queue: MessageQueue) -> None:
    assert queue.list(THREAD) == ()
    queue.forget(THREAD)
    assert not (tmp_path / "queue").exists()
    queue.add(THREAD, b"[]", "a")
    queue.forget(THREAD)
    assert list((tmp_path / "queue").iterdir()) == []


def test_a_damaged_file_says_so_and_stays(tmp_path: Path, queue: MessageQueue) -> None:
    queue.add(THREAD, b"[]", "a")
    path = tmp_path / "queue" / f"{THREAD}.json"
    path.write_text("[{")
    with pytest.raises(RolloutError, match="is damaged"):
        queue.list(THREAD)
    with pytest.raises(RolloutError, match="is damaged"):
        queue.add(THREAD, b"[]", "b")
    assert path.read_text() == "[{"


@pytest.mark.parametrize("bad", ["", "../x", "zzz"])
def test_what_is_no_id_is_refused(queue: MessageQueue, bad: str) -> None:
    with pytest.raises(UsageError, match="invalid thread id"):
        queue.add(bad, b"[]", "a")


def test_several_processes_lose_nothing_and_share(tmp_path: Path) -> None:
    home = str(tmp_path)
    processes(ADD, (home, THREAD, "a"), (home, THREAD, "b"))
    queue = MessageQueue(home)
    names = waiting(queue)
    assert sorted(names) == sorted(f"{who}{number}" for who in "ab" for number in range(50))
    assert [name for name in names if name[0] == "a"] == [f"a{number}" for number in range(50)]
    taken = processes(TAKE, (home, THREAD), (home, THREAD))
    assert sorted("".join(taken).split()) == sorted(names)
    assert queue.list(THREAD) == ()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("atdr"), st.integers(0, 9)), max_size=20))
def test_it_is_a_list(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    queue = MessageQueue(str(tmp_path_factory.mktemp("home")))
    model: list[str] = []
    for step, number in steps:
        if step == "a":
            model.append(queue.add(THREAD, b"[]", str(number)).id)
        elif step == "t":
            taken = queue.take(THREAD)
            assert (taken.id if taken else None) == (model.pop(0) if model else None)
        elif step == "d" and model:
            assert queue.delete(THREAD, model.pop(number % len(model)))
        elif step == "r":
            model.reverse()
            queue.reorder(THREAD, model)
    assert [message.id for message in queue.list(THREAD)] == model
