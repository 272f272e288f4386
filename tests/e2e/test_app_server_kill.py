"""A daemon that is killed in mid-turn: nothing of it is left running, and its thread goes on."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from quire.server.daemon import Daemon, process_identity
from quire.testing.responses_server import ResponsesServer
from tests.e2e.quire import Place
from tests.e2e.rpc_client import RpcClient

SECONDS = 2.0

COMMAND = """
sleep {mark} &
setsid sleep {mark} >/dev/null 2>&1 &
nohup sleep {mark} >/dev/null 2>&1 &
(setsid sh -c '(sleep {mark} &); exec sleep {mark}' >/dev/null 2>&1 &)
trap '' TERM HUP INT
sleep {mark}
"""
SLEEPERS = 6


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    Daemon(str(made.home)).stop()


def start(place: Place) -> tuple[int, str]:
    """Process id and socket of a new daemon."""
    done = place.run("app-server", "daemon", "start")
    assert done.code == 0, done.err
    said = json.loads(done.out)
    return said["pid"], said["socketPath"]


def descendants(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            parent = int(Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(name))
    found = list(children.get(root, []))
    for pid in found:
        found += children.get(pid, [])
    return found


def until(condition, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


@pytest.mark.parametrize("mode", ["workspace-write", "danger-full-access"])
def test_nothing_is_left_and_the_thread_resumes(place: Place, mode: str) -> None:
    mark = f"4{os.getpid()}.{len(mode)}"
    with ResponsesServer([{"sh": COMMAND.format(mark=mark)}]) as model:
        place.configure(model, f'sandbox_mode = "{mode}"\napproval_policy = "never"\n')
        pid, path = start(place)
        with RpcClient(path) as client:
            cwd = str(place.repo)
            thread_id = client.call("thread/start", {"cwd": cwd})["thread"]["id"]
            words = [{"type": "text", "text": "go"}]
            client.call("turn/start", {"threadId": thread_id, "input": words})
            client.wait_for("item/started")
            assert until(lambda: _sleeping(pid, mark) == SLEEPERS, 10), _tree(pid)
        everything = {one: process_identity(one) for one in descendants(pid)}
        os.kill(pid, signal.SIGKILL)
    gone = until(lambda: not _alive(everything), SECONDS)
    assert gone, _alive(everything)
    with ResponsesServer([{"text": "back"}]) as model:
        place.configure(model, f'sandbox_mode = "{mode}"\napproval_policy = "never"\n')
        _, path = start(place)
        with RpcClient(path) as client:
            client.call("thread/resume", {"threadId": thread_id})
            words = [{"type": "text", "text": "go on"}]
            client.call("turn/start", {"threadId": thread_id, "input": words})
            assert client.wait_for("turn/completed")["turn"]["status"] == "completed"
        model.assert_done()
        shown = json.loads(bytes(model.requests[0].body))["input"]
    calls = [item["call_id"] for item in shown if item["type"].endswith("_call")]
    outputs = [item["call_id"] for item in shown if item["type"].endswith("_call_output")]
    assert calls == outputs
    assert len(calls) == 1


def _sleeping(root: int, mark: str) -> int:
    return sum(f"sleep\0{mark}\0" in line for line in _tree(root))


def _tree(root: int) -> list[str]:
    lines: list[str] = []
    for pid in descendants(root):
        try:
            lines.append(Path(f"/proc/{pid}/cmdline").read_text())
        except OSError:
            continue
    return lines


def _alive(known: dict[int, str | None]) -> list[int]:
    return [pid for pid, identity in known.items() if process_identity(pid) == identity is not None]


@pytest.mark.parametrize("policy", [{"type": "dangerFullAccess"}, None])
def test_nothing_is_left_of_what_clients_started(place: Place, policy: object) -> None:
    mark = f"5{os.getpid()}.{0 if policy is None else 1}"
    script = ["/bin/sh", "-c", COMMAND.format(mark=mark)]
    pid, path = start(place)
    with RpcClient(path) as client:
        spawn = {"processHandle": "a", "command": script, "cwd": str(place.repo)}
        client.call("process/spawn", spawn)
        order = {"command": script, "processId": "b", "disableTimeout": True}
        client.post("command/exec", {**order, **({"sandboxPolicy": policy} if policy else {})})
        assert until(lambda: _sleeping(pid, mark) == 2 * SLEEPERS, 10), _tree(pid)
        everything = {one: process_identity(one) for one in descendants(pid)}
        os.kill(pid, signal.SIGKILL)
    assert until(lambda: not _alive(everything), SECONDS), _alive(everything)
