"""Several clients of one server, some of which vanish, stop reading or answer late."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from quire.server.transport.place import connectable
from quire.testing.responses_server import ResponsesServer
from tests.e2e.quire import Place
from tests.e2e.rpc_client import RpcClient

COMMAND = "item/commandExecution/requestApproval"
RESOLVED = "serverRequest/resolved"
MEGABYTE = 1024 * 1024


class Server:
    """A server on a unix socket, and a scripted model."""

    def __init__(self, place: Place, model: ResponsesServer) -> None:
        self.place = place
        self.model = model
        self.path = str(place.repo.parent / "socket")
        self.process = place.start("app-server", "--listen", f"unix://{self.path}")
        deadline = time.monotonic() + 20
        while not os.path.exists(self.path):
            assert time.monotonic() < deadline and self.process.poll() is None
            time.sleep(0.02)

    def resident(self) -> int:
        """Bytes of memory in use."""
        with open(f"/proc/{self.process.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def clients(self) -> list[str]:
        """Open connections."""
        folder = f"/proc/{self.process.pid}/fd"
        with open("/proc/net/unix") as file:
            named = [row.split() for row in file]
        own = {row[6] for row in named if len(row) > 7 and row[7] == self.path and row[5] == "03"}
        links = [os.readlink(f"{folder}/{name}") for name in os.listdir(folder)]
        return [link for link in links if link.removeprefix("socket:[").rstrip("]") in own]

    def close(self) -> str:
        """End it; what it wrote to standard error."""
        self.process.terminate()
        _, errors = self.process.communicate(timeout=20)
        return errors.decode()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    place = Place(tmp_path)
    with ResponsesServer() as model:
        place.configure(model, 'approval_policy = "on-request"\n')
        made = Server(place, model)
        try:
            yield made
        finally:
            errors = made.close()
        assert "Traceback" not in errors


def started(client: RpcClient, server: Server, **params: object) -> str:
    given = {"cwd": str(server.place.repo), **params}
    return client.call("thread/start", given)["thread"]["id"]


def begin(client: RpcClient, thread_id: str) -> str:
    given = {"threadId": thread_id, "input": [{"type": "text", "text": "go"}]}
    return client.call("turn/start", given)["turn"]["id"]


def question(client: RpcClient) -> dict[str, Any]:
    """The next question about a command, with its id."""
    while True:
        for number, message in enumerate(client.notifications):
            if message.get("method") == COMMAND:
                return client.notifications.pop(number)
        client.notifications.append(client.receive())


def asks(server: Server) -> None:
    """The model will want to run something outside of the sandbox."""
    given = {"sandbox_permissions": "require_escalated", "justification": "x", "login": False}
    server.model.swap([{"sh": "echo ran", "args": given}, {"text": "ok"}])


def status_of(client: RpcClient) -> str:
    return client.wait_for("turn/completed")["turn"]["status"]


def in_flight(client: RpcClient) -> int:
    """Calls of all clients that are under way."""
    gauges = client.call("server/diagnostics", {})["gauges"]
    return next(each["value"] for each in gauges if "request" in each["name"])


# --- two clients of one thread -----------------------------------------------------------------


def test_both_see_the_same(server: Server) -> None:
    server.model.swap([{"sh": "echo hi", "args": {"login": False}}, {"text": "done"}])
    with RpcClient(server.path) as one, RpcClient(server.path) as two:
        thread_id = started(one, server)
        two.call("thread/resume", {"threadId": thread_id})
        begin(one, thread_id)
        seen: list[list[tuple[str, str]]] = []
        for client in (one, two):
            assert status_of(client) == "completed"
            items = [m for m in client.notifications if m["method"].startswith("item/")]
            ends = [m for m in items if m["method"] in ("item/started", "item/completed")]
            seen.append([(m["method"], m["params"]["item"]["id"]) for m in ends])
    assert seen[0] == seen[1]
    assert len(seen[0]) == 6


def test_what_one_answers_is_taken_from_the_other(server: Server) -> None:
    asks(server)
    with RpcClient(server.path) as one, RpcClient(server.path) as two:
        thread_id = started(one, server)
        two.call("thread/resume", {"threadId": thread_id})
        begin(one, thread_id)
        asked = [question(one), question(two)]
        assert asked[0]["params"] == asked[1]["params"]
        two.send({"id": asked[1]["id"], "result": {"decision": "accept"}})
        for client, its in zip((one, two), asked, strict=True):
            told = client.wait_for(RESOLVED)
            assert told == {"threadId": thread_id, "requestId": its["id"]}
            assert status_of(client) == "completed"
        one.send({"id": asked[0]["id"], "result": {"decision": "cancel"}})
        assert one.call("thread/read", {"threadId": thread_id})["thread"]["id"] == thread_id


def test_of_two_answers_the_first_counts(server: Server) -> None:
    asks(server)
    with RpcClient(server.path) as one, RpcClient(server.path) as two:
        thread_id = started(one, server)
        two.call("thread/resume", {"threadId": thread_id})
        begin(one, thread_id)
        asked = [question(one), question(two)]
        for client, its, word in zip((one, two), asked, ("accept", "decline"), strict=True):
            client.send({"id": its["id"], "result": {"decision": word}})
            client.wait_for(RESOLVED)
        assert [status_of(one), status_of(two)] == ["completed", "completed"]


def test_an_answer_to_the_question_of_another_thread(server: Server) -> None:
    """Ids belong to a connection: what a client was not asked it cannot answer."""
    asks(server)
    with RpcClient(server.path) as one, RpcClient(server.path) as two:
        thread_id = started(one, server)
        begin(one, thread_id)
        asked = question(one)
        two.send({"id": asked["id"], "result": {"decision": "accept"}})
        read = two.call("thread/read", {"threadId": thread_id})["thread"]
        assert read["status"] == {"type": "active", "activeFlags": ["waitingOnApproval"]}
        one.send({"id": asked["id"], "result": {"decision": "decline"}})
        assert status_of(one) == "completed"


# --- clients that vanish -----------------------------------------------------------------------


def test_a_client_that_vanishes_in_an_approval_comes_back(server: Server) -> None:
    asks(server)
    with RpcClient(server.path) as gone:
        thread_id = started(gone, server)
        turn_id = begin(gone, thread_id)
        first = question(gone)
    with RpcClient(server.path) as back:
        resumed = back.call("thread/resume", {"threadId": thread_id})["thread"]
        assert resumed["status"] == {"type": "active", "activeFlags": ["waitingOnApproval"]}
        again = question(back)
        assert again["params"] == first["params"]
        back.send({"id": again["id"], "result": {"decision": "accept"}})
        ended = back.wait_for("turn/completed")["turn"]
        assert (ended["id"], ended["status"]) == (turn_id, "completed")


def test_a_client_that_vanishes_in_a_call(server: Server) -> None:
    with RpcClient(server.path) as other:
        with RpcClient(server.path) as gone:
            for number in range(20):
                call = {"command": ["sleep", "30"], "cwd": "/"}
                gone.send({"id": 1000 + number, "method": "command/exec", "params": call})
        assert other.call("thread/loaded/list", {})["data"] == []
        deadline = time.monotonic() + 10
        while (left := in_flight(other)) > 1 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert left == 1  # This very call.


SPEAK = """
import json, sys
sys.path[:0] = json.loads(sys.argv[1])
from tests.e2e.rpc_client import RpcClient
client = RpcClient(sys.argv[2]).__enter__()
thread_id = client.call("thread/start", {"cwd": sys.argv[3]})["thread"]["id"]
given = {"threadId": thread_id, "input": [{"type": "text", "text": "go"}]}
client.call("turn/start", given)
print(thread_id, flush=True)
sys.stdin.read()
"""


def test_a_client_that_is_killed(server: Server) -> None:
    """Its turn goes on, and others see how it ends."""
    import json

    server.model.swap([{"sh": "sleep 0.5; echo hi", "args": {"login": False}}, {"text": "done"}])
    words = [json.dumps(sys.path), server.path, str(server.place.repo)]
    client = subprocess.Popen(
        [sys.executable, "-c", SPEAK, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert client.stdout is not None and client.stdin is not None
    thread_id = client.stdout.readline().decode().strip()
    client.send_signal(signal.SIGKILL)
    client.wait()
    client.stdout.close()
    client.stdin.close()
    with RpcClient(server.path) as other:
        other.call("thread/resume", {"threadId": thread_id})
        deadline = time.monotonic() + 10
        given = {"threadId": thread_id, "includeTurns": True}
        while time.monotonic() < deadline:
            thread = other.call("thread/read", given)["thread"]
            if thread["status"] == {"type": "idle"}:
                break
            time.sleep(0.05)
        assert [turn["status"] for turn in thread["turns"]] == ["completed"]


# --- clients that do not read ------------------------------------------------------------------


def deaf(server: Server) -> socket.socket:
    """A client that was greeted and reads nothing from now on, with a small buffer."""
    opened = socket.socket(socket.AF_UNIX)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    opened.settimeout(20)
    opened.connect(connectable(server.path))
    info = {"name": "deaf", "version": "1"}
    opened.sendall(line({"id": 1, "method": "initialize", "params": {"clientInfo": info}}))
    assert b'"id":1' in opened.recv(65536)
    return opened


def line(message: dict[str, Any]) -> bytes:
    import json

    return json.dumps(message).encode() + b"\n"


def test_a_client_that_stops_reading_holds_nothing_up(server: Server) -> None:
    server.model.swap([{"text": "words " * 20, "repeat": 3000, "chunk": 12}])
    with ExitStack() as stack:
        one = stack.enter_context(RpcClient(server.path))
        thread_id = started(one, server)
        silent = stack.enter_context(deaf(server))
        resume = {"id": 2, "method": "thread/resume", "params": {"threadId": thread_id}}
        silent.sendall(line(resume))
        time.sleep(0.2)
        before = server.resident()
        begin(one, thread_id)
        assert status_of(one) == "completed"
        assert server.resident() - before < 64 * MEGABYTE
        began = time.monotonic()
        one.call("thread/loaded/list", {})
        assert time.monotonic() - began < 1.0
        # Deltas may be missing; the ends are all there once it reads again.
        heard = b""
        while b'"turn/completed"' not in heard:
            readable, _, _ = select.select([silent], [], [], 10)
            assert readable, heard[-300:]
            heard += silent.recv(1 << 20)
    completed = [row for row in heard.splitlines() if b'"item/completed"' in row]
    assert len(completed) == 2
    assert heard.count(b"item/agentMessage/delta") < 30_000


def test_a_client_that_asks_and_does_not_read_costs_little(server: Server) -> None:
    with RpcClient(server.path) as one, deaf(server) as silent:
        file = server.place.repo / "large"
        file.write_bytes(b"x" * 100_000)
        before = server.resident()
        silent.settimeout(0.5)
        call = {"method": "fs/readFile", "params": {"path": str(file)}}
        frames = b"".join(line({"id": number, **call}) for number in range(200_000))
        with suppress(OSError):  # It is not read any more, or given up.
            silent.sendall(frames)
        assert one.call("thread/loaded/list", {})["data"] == []
        assert server.resident() - before < 200 * MEGABYTE


def test_a_client_that_never_reads_is_given_up(server: Server) -> None:
    """What may not be left out would fill the memory: the connection ends instead."""
    with RpcClient(server.path) as one, deaf(server) as silent:
        before = server.resident()
        params = {
            "command": ["head", "-c", "150000000", "/dev/zero"],
            "processId": "zeros",
            "streamStdoutStderr": True,
            "disableOutputCap": True,
        }
        silent.sendall(line({"id": 5, "method": "command/exec", "params": params}))
        deadline = time.monotonic() + 20
        while len(server.clients()) > 1 and time.monotonic() < deadline:
            assert server.resident() - before < 200 * MEGABYTE
            time.sleep(0.05)
        assert len(server.clients()) == 1
        assert one.call("thread/loaded/list", {})["data"] == []


def test_many_clients_come_and_go(server: Server) -> None:
    for _ in range(50):
        with RpcClient(server.path) as client:
            client.send({"id": 9, "method": "model/list", "params": {}})
    with RpcClient(server.path) as client:
        assert client.call("thread/loaded/list", {})["data"] == []
    opened = len(os.listdir(f"/proc/{server.process.pid}/fd"))
    assert opened < 40
