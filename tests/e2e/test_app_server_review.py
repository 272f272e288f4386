"""`review/start` over the app-server, held against what Codex 0.169 answers and tells (row V6)."""

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

ANSWER = {"findings": [], "overall_correctness": "patch is correct", "overall_explanation": "Fine."}
INTERRUPTED = "Review was interrupted. Please re-run /review and wait for it to complete."


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    (made.repo / "README.md").write_text("# changed\n")
    yield made
    Daemon(str(made.home)).stop()


def connect(place: Place) -> RpcClient:
    done = place.run("app-server", "daemon", "start")
    assert done.code == 0, done.err
    return RpcClient(json.loads(done.out)["socketPath"])


class Session:
    """A client with one thread; every message that it gets is checked."""

    def __init__(self, place: Place, client: RpcClient) -> None:
        self.client = client
        self.thread = client.call("thread/start", {"cwd": str(place.repo)})["thread"]["id"]

    def review(self, target: dict[str, Any], **more: Any) -> dict[str, Any]:
        self.client.notifications.clear()
        params = {"threadId": self.thread, "target": target, **more}
        result = self.client.call("review/start", params)
        check_message("server", {"id": 1, "result": result}, answers="review/start")
        return result

    def told(self, turn_id: str) -> list[dict[str, Any]]:
        """What was told until the turn was completed, and that."""
        end = self.client.wait_for("turn/completed")
        assert end["turn"]["id"] == turn_id
        told = [*self.client.notifications, {"method": "turn/completed", "params": end}]
        for message in told:
            check_message("server", message)
        return told

    def refused(self, method: str, **params: Any) -> dict[str, Any]:
        with pytest.raises(AssertionError) as raised:
            self.client.call(method, {"threadId": self.thread, **params})
        return raised.value.args[0]["error"]


UNCOMMITTED = {"type": "uncommittedChanges"}


def short(message: dict[str, Any]) -> str:
    item = message["params"].get("item", {}).get("type", "")
    return f"{message['method']} {item}".strip()


def test_a_review_inline(place: Place) -> None:
    script = [{"sh": "git diff --stat"}, [{"text": "Looking."}, {"json": ANSWER}]]
    with ResponsesServer([*script, {"text": "done"}]) as server:
        place.configure(server)
        with connect(place) as client:
            session = Session(place, client)
            started = session.review(UNCOMMITTED)
            turn = started["turn"]
            assert started["reviewThreadId"] == session.thread
            assert turn["items"][0]["content"][0]["text"] == "current changes"
            told = session.told(turn["id"])
            params = {"threadId": session.thread, "input": [{"type": "text", "text": "go"}]}
            client.call("turn/start", params)
            client.wait_for("turn/completed")
            read = client.call("thread/read", {"threadId": session.thread, "includeTurns": True})
        second = json.loads(bytes(server.requests[-1].body))["input"]
    names = [short(message) for message in told if "outputDelta" not in message["method"]]
    names.remove("thread/started")  # of the thread's own start, told after its answer
    assert names == [
        "thread/status/changed",
        "turn/started",
        "item/started enteredReviewMode",
        "item/completed enteredReviewMode",
        "item/started userMessage",
        "item/completed userMessage",
        "item/started commandExecution",
        "item/completed commandExecution",
        "item/started exitedReviewMode",
        "item/completed exitedReviewMode",
        "item/started agentMessage",
        "item/completed agentMessage",
        "thread/status/changed",
        "turn/completed",
    ]
    assert {message["params"].get("turnId", turn["id"]) for message in told} == {turn["id"]}
    left = next(message for message in told if short(message).endswith("exitedReviewMode"))
    assert left["params"]["item"]["review"] == "Fine."
    assert told[-1]["params"]["turn"]["items"][0]["text"] == "Fine."
    texts = [part["text"] for item in second for part in item["content"]]
    assert any("<results>\n  Fine.\n  </results>" in text for text in texts)
    first = read["thread"]["turns"][0]
    assert [item["type"] for item in first["items"]] == [
        *("enteredReviewMode", "userMessage", "commandExecution"),
        *("exitedReviewMode", "agentMessage"),
    ]


def test_a_detached_review_has_a_thread_of_its_own(place: Place) -> None:
    with ResponsesServer([{"json": ANSWER}]) as server:
        place.configure(server)
        with connect(place) as client:
            session = Session(place, client)
            started = session.review(UNCOMMITTED, delivery="detached")
            assert started["reviewThreadId"] != session.thread
            told = session.told(started["turn"]["id"])
    of_turn = [message for message in told if "item" in message["params"]]
    assert {message["params"]["threadId"] for message in of_turn} == {started["reviewThreadId"]}
    assert "thread/started" in [message["method"] for message in told]


def test_refusals_are_those_of_codex(place: Place) -> None:
    place.configure("http://127.0.0.1:9")
    with connect(place) as client:
        session = Session(place, client)
        for target, text in (
            ({"type": "custom", "instructions": " "}, "instructions must not be empty"),
            ({"type": "baseBranch", "branch": " "}, "branch must not be empty"),
            ({"type": "commit", "sha": ""}, "sha must not be empty"),
        ):
            fault = session.refused("review/start", target=target)
            assert fault == {"code": -32600, "message": text}
        params = {"threadId": "01a1f922-93a0-7952-91e3-cdf2de04410c", "target": UNCOMMITTED}
        with pytest.raises(AssertionError, match="thread not found: 01a1f922"):
            client.call("review/start", params)
        assert session.refused("review/start", target={"type": "zzz"})["code"] == -32600


def test_a_review_is_not_steered_and_ends_with_an_interrupt(place: Place) -> None:
    with ResponsesServer([{"sh": "sleep 60"}]) as server:
        place.configure(server)
        with connect(place) as client:
            session = Session(place, client)
            target = {"type": "commit", "sha": "1234567890abc", "title": "T"}
            turn_id = session.review(target)["turn"]["id"]
            started: dict[str, Any] = {}
            while started.get("item", {}).get("type") != "commandExecution":
                started = client.wait_for("item/started")
            words = [{"type": "text", "text": "go"}]
            fault = session.refused("turn/steer", expectedTurnId=turn_id, input=words)
            assert fault == {
                "code": -32600,
                "message": "cannot steer a review turn",
                "data": {
                    "message": "cannot steer a review turn",
                    "codexErrorInfo": {"activeTurnNotSteerable": {"turnKind": "review"}},
                    "additionalDetails": None,
                    "misalignment": None,
                },
            }
            second = session.refused("review/start", target=UNCOMMITTED)
            assert second["message"] == "a turn is already running in this thread"
            client.notifications.clear()
            client.call("turn/interrupt", {"threadId": session.thread, "turnId": turn_id})
            told = session.told(turn_id)
    left = [short(message) for message in told if message["method"] == "item/completed"]
    assert left[-2:] == ["item/completed exitedReviewMode", "item/completed agentMessage"]
    assert told[-1]["params"]["turn"]["status"] == "interrupted"
    message = next(one for one in told if short(one) == "item/completed agentMessage")
    assert message["params"]["item"]["text"] == INTERRUPTED
