"""Queued messages, a person's own commands and background terminals over the app-server, as
Codex 0.169 answers and tells them (rows L8, P10, T3)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quire.server.daemon import Daemon
from quire.testing.responses_server import ResponsesServer
from tests.e2e.quire import Place
from tests.e2e.rpc_client import RpcClient
from tests.protocol_schema import check_message

FULL = {"approvalPolicy": "never", "sandbox": "danger-full-access"}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    Daemon(str(made.home)).stop()


def connect(place: Place) -> RpcClient:
    done = place.run("app-server", "daemon", "start")
    assert done.code == 0, done.err
    return RpcClient(json.loads(done.out)["socketPath"])


def text(words: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": words, "text_elements": []}]


class Session:
    """A client with one thread; what it is answered is checked."""

    def __init__(self, place: Place, client: RpcClient) -> None:
        self.client = client
        started = client.call("thread/start", {"cwd": str(place.repo), **FULL})
        self.id = started["thread"]["id"]

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        result = self.client.call(method, {"threadId": self.id, **params})
        check_message("server", {"id": 1, "result": result}, answers=method)
        return result

    def refused(self, method: str, **params: Any) -> str:
        with pytest.raises(AssertionError) as raised:
            self.client.call(method, {"threadId": self.id, **params})
        error = raised.value.args[0]["error"]
        assert error["code"] == -32600
        return error["message"]

    def add(self, words: str) -> str:
        queued = self.call("thread/queue/add", input=text(words), clientUserMessageId=words)
        return queued["queuedSubmission"]["id"]

    def waiting(self) -> list[str]:
        listed = self.call("thread/queue/list")["data"]
        return [message["input"][0]["text"] for message in listed]

    def ended(self) -> dict[str, Any]:
        told = self.client.wait_for("turn/completed")["turn"]
        for message in self.client.notifications:
            check_message("server", message)
        return told

    def said(self) -> list[str]:
        """What the person said in each turn, in order."""
        read = self.call("thread/read", includeTurns=True)
        items = [item for turn in read["thread"]["turns"] for item in turn["items"]]
        return [i["content"][0]["text"] for i in items if i["type"] == "userMessage"]


def seen(server: ResponsesServer) -> list[str]:
    """The texts of the user's side in the newest request."""
    items = json.loads(bytes(server.requests[-1].body))["input"]
    return [item["content"][0]["text"] for item in items if item.get("role") == "user"]


def test_messages_take_their_turns(place: Place) -> None:
    slow = {"items": [{"text": "a"}], "delay": 1.5}
    with ResponsesServer([slow, {"text": "b"}, {"text": "c"}]) as server:
        place.configure(server)
        with connect(place) as client:
            session = Session(place, client)
            assert session.refused("thread/queue/start") == "queue is empty"
            first = session.add("one")
            client.wait_for("turn/started")
            second, third = session.add("two"), session.add("three")
            assert len({first, second, third}) == 3
            assert session.waiting() == ["two", "three"]
            session.call("thread/queue/reorder", queuedSubmissionIds=[third, second])
            changed = session.call(
                "thread/queue/update", queuedSubmissionId=second, input=text("two!")
            )
            assert changed["queuedSubmission"]["clientUserMessageId"] == "two"
            refused = session.refused("thread/queue/start", queuedSubmissionId=third)
            assert refused == "thread already has an active or pending turn"
            assert session.ended()["status"] == "completed"
            assert session.ended()["status"] == "completed"
            assert session.ended()["status"] == "completed"
            assert session.waiting() == []
            assert session.said() == ["one", "three", "two!"]


def test_an_interrupt_starts_nothing(place: Place) -> None:
    slow = {"items": [{"text": "a"}], "delay": 30}
    with ResponsesServer([slow, {"text": "b"}]) as server:
        place.configure(server)
        with connect(place) as client:
            session = Session(place, client)
            session.call("turn/start", input=text("one"))
            turn = client.wait_for("turn/started")["turn"]["id"]
            session.add("two")
            server.wait_for_requests(1)
            session.call("turn/interrupt", turnId=turn)
            assert session.ended()["status"] == "interrupted"
            assert session.waiting() == ["two"]
            client.notifications.clear()
            started = session.call("thread/queue/start")["turn"]
            assert session.ended()["id"] == started["id"]
            told = [message["method"] for message in client.notifications]
            assert told[:3] == ["thread/queue/changed", "thread/status/changed", "turn/started"]


def test_what_a_queue_refuses(place: Place) -> None:
    place.configure("http://127.0.0.1:9")
    with connect(place) as client:
        session = Session(place, client)
        only_input = "only user input can be added to the user-message queue"
        assert session.refused("thread/queue/add", input=[], clientUserMessageId="a") == only_input
        gone = session.refused("thread/queue/update", queuedSubmissionId="x", input=text("a"))
        assert gone == "queued submission not found: x"
        assert session.call("thread/queue/delete", queuedSubmissionId="x") == {"deleted": False}
        started = client.call("thread/start", {"cwd": str(place.repo), "ephemeral": True})
        session.id = started["thread"]["id"]
        none = f"ephemeral thread does not support queued submissions: {session.id}"
        assert session.refused("thread/queue/list") == none
        session.id = "bad"
        assert session.refused("thread/queue/list").startswith("invalid thread id: ")


def test_a_persons_own_command_is_a_turn(place: Place) -> None:
    with ResponsesServer([{"text": "ok"}]) as server:
        place.configure(server)
        with connect(place) as client:
            session = Session(place, client)
            assert session.refused("thread/shellCommand", command=" ") == (
                "command must not be empty"
            )
            session.call("thread/shellCommand", command="echo hi; echo err >&2; exit 3")
            assert session.ended()["status"] == "completed"
            item = client.wait_for("item/completed")["item"]
            assert (item["source"], item["status"], item["exitCode"]) == ("userShell", "failed", 3)
            assert item["aggregatedOutput"] == "hi\nerr\n"
            assert not server.requests
            session.call("thread/shellCommand", command="echo a; sleep 9", timeoutMs=200)
            session.ended()
            item = client.wait_for("item/completed")["item"]
            assert (item["exitCode"], item["aggregatedOutput"][:2]) == (124, "a\n")
            client.notifications.clear()
            session.call("thread/shellCommand", command="sleep 9")
            turn = client.wait_for("turn/started")["turn"]["id"]
            session.call("turn/interrupt", turnId=turn)
            assert session.ended()["status"] == "interrupted"
            session.call("turn/start", input=text("go"))
            session.ended()
            told = [words for words in seen(server) if words.startswith("<user_shell_command>")]
        assert len(told) == 3
        head, _, rest = told[0].partition("Duration: ")
        assert head == (
            "<user_shell_command>\n<command>\necho hi; echo err >&2; exit 3\n</command>\n"
            "<result>\nExit code: 3\n"
        )
        assert rest.partition("\n")[2] == ("Output:\nhi\nerr\n\n</result>\n</user_shell_command>")
        assert "Output:\ncommand aborted by user\n</result>" in told[2]


def test_a_command_beside_a_turn_is_an_item_of_it(place: Place) -> None:
    with ResponsesServer([{"sh": "sleep 1"}, {"text": "ok"}]) as server:
        place.configure(server)
        with connect(place) as client:
            session = Session(place, client)
            session.call("turn/start", input=text("go"))
            client.wait_for("turn/started")
            server.wait_for_requests(1)
            session.call("thread/shellCommand", command="echo beside")
            turn = session.ended()["id"]
            items = session.call("thread/read", includeTurns=True)["thread"]["turns"][0]["items"]
        assert turn
        sources = [item["source"] for item in items if item["type"] == "commandExecution"]
        assert sorted(sources) == ["unifiedExecStartup", "userShell"]
        # After the call and its output, which nothing stands between.
        body = json.loads(bytes(server.requests[-1].body))["input"]
        assert [item["type"] for item in body[-3:]] == [
            *("function_call", "function_call_output", "message")
        ]
        assert "echo beside" in body[-1]["content"][0]["text"]
        assert len(server.requests) == 2


def test_background_terminals(place: Place) -> None:
    background = {"sh": "sleep 77", "args": {"yield_time_ms": 300}}
    with ResponsesServer([[background], {"text": "ok"}]) as server:
        place.configure(server)
        with connect(place) as client:
            session = Session(place, client)
            session.call("turn/start", input=text("go"))
            session.ended()
            [terminal] = session.call("thread/backgroundTerminals/list")["data"]
            assert (terminal["command"], terminal["cwd"]) == ("sleep 77", str(place.repo))
            end = "thread/backgroundTerminals/terminate"
            assert session.call(end, processId="1") == {"terminated": False}
            bad = "invalid background terminal process id: invalid digit found in string"
            assert session.refused(end, processId="x") == bad
            client.notifications.clear()
            assert session.call(end, processId=terminal["processId"]) == {"terminated": True}
            done = client.wait_for("item/completed")
            assert (done["item"]["id"], done["item"]["status"]) == (terminal["itemId"], "failed")
            assert session.call("thread/backgroundTerminals/list")["data"] == []
            assert session.call("thread/backgroundTerminals/clean") == {}
