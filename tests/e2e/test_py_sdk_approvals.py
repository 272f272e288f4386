"""The official Python SDK (PyPI `openai-codex`) drives `quire app-server`: questions and errors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai_codex import ApprovalMode, InvalidRequestError, JsonRpcError, Sandbox
from openai_codex.client import CodexClient
from openai_codex.generated.v2_all import ItemCompletedNotification, TurnCompletedNotification
from pydantic import BaseModel

from quire.testing.responses_server import ResponsesServer
from tests.e2e.clients import ESCALATE, World, play
from tests.e2e.py_sdk import codex, config, follow, item, pipes

COMMAND = "item/commandExecution/requestApproval"
FILES = "item/fileChange/requestApproval"
PATCH = "*** Begin Patch\n*** Add File: asked.md\n+one\n*** End Patch\n"
NO_THREAD = "01a1f7e4-0000-7000-8000-000000000000"


class Answered(BaseModel, extra="allow"):
    """Any result."""


class Person:
    """Answers each question with the next of the decisions; keeps the questions."""

    def __init__(self, *decisions: str) -> None:
        self._decisions = list(decisions)
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def answer(self, method: str, params: dict[str, Any] | None) -> dict[str, Any]:
        self.asked.append((method, params or {}))
        return {"decision": self._decisions.pop(0)}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with ResponsesServer() as server:
        yield World(tmp_path, server)
        assert server.complaints == []


@contextlib.contextmanager
def asking(world: World, person: Person) -> Iterator[CodexClient]:
    """The SDK's typed client, which alone lets its caller answer questions."""
    with CodexClient(config(world), approval_handler=person.answer) as client, pipes(client):
        client.initialize()
        yield client


def start(world: World, client: CodexClient, sandbox: str = "workspace-write") -> str:
    options: dict[str, Any] = {
        "cwd": str(world.project),
        "sandbox": sandbox,
        "approvalPolicy": "on-request",
    }
    return client.thread_start(options).thread.id


def run(client: CodexClient, thread: str, prompt: str) -> tuple[str, list[Any]]:
    """The status that a turn ends with, and its items."""
    turn = client.turn_start(thread, prompt).turn.id
    client.register_turn_notifications(turn)
    items: list[Any] = []
    while True:
        event = client.next_turn_notification(turn)
        if isinstance(event.payload, ItemCompletedNotification):
            items.append(event.payload.item)
        if isinstance(event.payload, TurnCompletedNotification):
            client.unregister_turn_notifications(turn)
            return event.payload.turn.status.value, items


def outside(world: World) -> tuple[Path, str]:
    """A file that the sandbox protects, and a prompt whose command asks to write it."""
    path = world.root / "outside.txt"
    command = {"sh": f"echo yes >> {path}", "args": ESCALATE}
    return path, play(command, {"text": "After the decision."})


@pytest.mark.parametrize(
    ("decision", "status", "written"),
    [
        ("accept", "completed", True),
        ("decline", "completed", False),
        ("cancel", "interrupted", False),
    ],
)
def test_a_command_is_asked_about(world: World, decision: str, status: str, written: bool) -> None:
    path, prompt = outside(world)
    person = Person(decision)
    with asking(world, person) as client:
        thread = start(world, client)
        ended, items = run(client, thread, prompt)
        ((method, asked),) = person.asked
        (turn,) = client.thread_read(thread, include_turns=True).thread.turns
    assert (ended, turn.status.value, path.exists()) == (status, status, written)
    assert method == COMMAND and f"echo yes >> {path}" in asked["command"]
    assert (asked["threadId"], asked["turnId"], asked["reason"]) == (thread, turn.id, "it must")
    assert asked["cwd"] == str(world.project)
    command = item(items, "commandExecution")
    assert command.id == asked["itemId"]
    assert command.status.value == ("completed" if written else "declined")
    assert len(world.server.requests) == (1 if decision == "cancel" else 2)
    if decision == "decline":
        assert "rejected" in world.outputs()


def test_what_was_accepted_for_the_session_is_not_asked_again(world: World) -> None:
    path, prompt = outside(world)
    person = Person("acceptForSession")
    with asking(world, person) as client:
        thread = start(world, client)
        assert [run(client, thread, prompt)[0] for _ in range(2)] == ["completed", "completed"]
    assert path.read_text() == "yes\nyes\n" and len(person.asked) == 1


@pytest.mark.parametrize(("decision", "written"), [("accept", True), ("decline", False)])
def test_a_patch_in_a_read_only_sandbox_is_asked_about(
    world: World, decision: str, written: bool
) -> None:
    person = Person(decision)
    with asking(world, person) as client:
        thread = start(world, client, "read-only")
        assert run(client, thread, play({"patch": PATCH}, {"text": "ok"}))[0] == "completed"
    ((method, asked),) = person.asked
    assert method == FILES and asked["threadId"] == thread and asked["itemId"]
    assert (world.file("asked.md") == "one\n") is written


def test_the_default_approval_mode_lets_a_reviewer_decide(world: World) -> None:
    """`thread_start` of the SDK asks for it unless told otherwise."""
    path = world.root / "outside.txt"
    verdict = {"risk_level": "low", "user_authorization": "high", "outcome": "allow"}
    verdict["rationale"] = "Asked for."
    command = {"sh": f"echo yes > {path}", "args": ESCALATE}
    world.server.swap([command, {"json": verdict}, {"text": "Done."}])
    with codex(world) as client:
        thread = client.thread_start(sandbox=Sandbox.workspace_write)
        events = list(follow(thread.turn("Write the file.")))
    assert events[-1].payload.turn.status.value == "completed"
    assert path.read_text() == "yes\n"
    world.server.assert_done()


def test_deny_all_asks_nobody(world: World) -> None:
    path, prompt = outside(world)
    with codex(world) as client:
        thread = client.thread_start(
            sandbox=Sandbox.workspace_write, approval_mode=ApprovalMode.deny_all
        )
        assert thread.run(prompt).final_response == "After the decision."
    assert not path.exists() and "approval policy" in world.outputs()


@pytest.mark.parametrize(
    ("method", "params", "words"),
    [
        ("turn/start", {"threadId": NO_THREAD, "input": []}, f"thread not found: {NO_THREAD}"),
        ("turn/start", {"threadId": NO_THREAD}, "missing field `input`"),
        ("thread/read", {"threadId": "x", "includeTurns": False}, "invalid thread id"),
        ("no/such", {}, "unknown variant `no/such`"),
        ("thread/resume", {"threadId": NO_THREAD}, "no rollout found"),
    ],
)
def test_refusals_are_typed_errors(
    world: World, method: str, params: dict[str, Any], words: str
) -> None:
    with asking(world, Person()) as client:
        with pytest.raises(JsonRpcError, match=words) as refused:
            client.request(method, params, response_model=Answered)
        assert client.model_list().data, "the connection goes on"
    assert isinstance(refused.value, InvalidRequestError)
