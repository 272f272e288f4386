"""`--approve-for-me` and the app-server's automatic reviews, in real processes (row A11)."""

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

ESCALATED = {"sandbox_permissions": "require_escalated", "justification": "it must"}
ALLOW = {"json": {"outcome": "allow", "risk_level": "low", "rationale": "It was asked for."}}
DENY = {"json": {"outcome": "deny", "risk_level": "high", "rationale": "Nobody asked for it."}}
DONE = {"text": "done"}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    Daemon(str(made.home)).stop()


def escalated(script: str) -> list[dict[str, Any]]:
    return [{"sh": script, "args": ESCALATED}]


def bodies(server: ResponsesServer) -> list[dict[str, Any]]:
    return [json.loads(bytes(request.body)) for request in server.requests]


def told(body: dict[str, Any]) -> str:
    return next(i["output"] for i in reversed(body["input"]) if i["type"].endswith("_output"))


def test_exec_runs_what_the_reviewer_allows(place: Place, tmp_path: Path) -> None:
    outside = Path.home() / "allowed.txt"
    script = escalated(f"echo yes > '{outside}' && cat '{outside}'")
    look = {"sh": f"echo no > '{place.repo}/x'; cat README.md"}
    with ResponsesServer([script, look, ALLOW, DONE]) as server:
        place.configure(server)
        result = place.exec("--approve-for-me", "write it")
        server.assert_done()
        first, asked, looked, last = bodies(server)
    outside.unlink()
    assert result.code == 0, result.err
    assert told(last).endswith("Output:\nyes\n")
    names = [tool["name"] for tool in asked["tools"]]
    assert names == ["exec_command", "write_stdin", "view_image"]
    assert asked["text"]["format"]["schema"]["properties"]["outcome"]["enum"] == ["allow", "deny"]
    assert "request_user_input" not in [tool["name"] for tool in first["tools"]]
    # The reviewer looks, and writes nothing.
    assert "Read-only file system" in told(looked)
    assert "# demo" in told(looked)
    assert not (place.repo / "x").exists()


def test_exec_tells_a_denial_and_ends_after_three(place: Place) -> None:
    script = [step for n in range(3) for step in (escalated(f"echo {n}"), DENY)]
    with ResponsesServer(script) as server:
        place.configure(server)
        result = place.exec("--approve-for-me", "go")
        server.assert_done()
    assert result.code == 1
    assert result.events[-1]["type"] == "turn.failed"
    assert "rejected too many approval requests" in result.events[-1]["error"]["message"]
    errors = [item["message"] for item in result.items("error")]
    assert next(text for text in errors if "Nobody asked for it." in text).startswith(
        "Automatic approval review denied (risk: high, authorization: unknown)"
    )


def test_exec_without_a_reviewer_runs_nothing(place: Place) -> None:
    broken = {"status": 400, "error": {"message": "no such thing"}}
    with ResponsesServer([escalated("echo > /quire-unreviewed"), broken, DONE]) as server:
        place.configure(server)
        result = place.exec("--approve-for-me", "go")
        output = told(bodies(server)[-1])
    assert result.code == 0, result.err
    assert "no review was available" in output
    assert "risk" not in output
    assert not Path("/quire-unreviewed").exists()


def test_an_allow_rule_does_not_take_the_reviewer_out_of_the_sandbox(place: Place) -> None:
    rules = place.home / "rules"
    rules.mkdir(parents=True)
    (rules / "default.rules").write_text('prefix_rule(pattern=["touch"], decision="allow")\n')
    look = {"sh": f"touch '{place.repo}/made'"}
    with ResponsesServer([escalated("echo yes"), look, DENY, DONE]) as server:
        place.configure(server)
        place.exec("--approve-for-me", "go")
        server.assert_done()
    assert not (place.repo / "made").exists()


def test_the_app_server_tells_reviews_and_takes_an_overruling(place: Place) -> None:
    script = [escalated("echo one"), DENY, DONE, escalated("echo one"), DONE]
    with ResponsesServer(script) as server:
        place.configure(server)
        done = place.run("app-server", "daemon", "start")
        assert done.code == 0, done.err
        with RpcClient(json.loads(done.out)["socketPath"]) as client:
            settings = {"approvalPolicy": "on-request", "approvalsReviewer": "auto_review"}
            started = client.call("thread/start", {"cwd": str(place.repo), **settings})
            thread = {"threadId": started["thread"]["id"]}
            words = [{"type": "text", "text": "go", "text_elements": []}]
            client.call("turn/start", {**thread, "input": words})
            began = client.wait_for("item/autoApprovalReview/started")
            ended = client.wait_for("item/autoApprovalReview/completed")
            client.wait_for("turn/completed")
            for message in client.notifications:
                check_message("server", message)
            for kind, params in (("started", began), ("completed", ended)):
                name = f"item/autoApprovalReview/{kind}"
                check_message("server", {"method": name, "params": params})
            assert began["review"]["status"] == "inProgress"
            assert ended["review"]["status"] == "denied"
            assert ended["action"]["command"] == "/bin/bash -lc 'echo one'"
            approve = "thread/approveGuardianDeniedAction"
            event = {"id": ended["reviewId"], "status": "denied"}
            assert client.call(approve, {**thread, "event": event}) == {}
            with pytest.raises(AssertionError, match="no denied action to approve"):
                client.call(approve, {**thread, "event": event})
            client.call("turn/start", {**thread, "input": words})
            client.wait_for("turn/completed")
            server.assert_done()
            last = bodies(server)[-1]
    assert told(last).endswith("Output:\none\n")
    texts = [item["content"][0]["text"] for item in last["input"] if item.get("role") == "user"]
    assert any(text.startswith("<user_approved_action>") for text in texts)
