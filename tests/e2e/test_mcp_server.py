"""`quire mcp-server`, driven by the client of the official SDK: as a process, and in this one."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp_types import CallToolResult, ElicitRequestFormParams, ElicitResult, InputRequiredResult

from quire.client import Quire
from quire.mcp_server.server import make_server
from quire.testing.responses_server import ResponsesServer
from tests.e2e.quire import QUIRE, Place
from tests.loops import in_loop

HELLO = (
    b'{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18",'
    b'"capabilities":{},"clientInfo":{"name":"x","version":"1"}}}\n'
)
ESCALATE = {"sandbox_permissions": "require_escalated", "justification": "it must"}
Modes = pytest.mark.parametrize("mode", ["legacy", "auto"])
"""With questions as requests of the server, and with questions as results (2026-07-28)."""


class Person:
    """Answers every question with the same words, and keeps what was asked."""

    def __init__(
        self, action: str = "accept", decision: str | None = None, field: str = "decision"
    ) -> None:
        self.action = action
        self.decision = decision
        self.field = field
        self.asked: list[ElicitRequestFormParams] = []

    async def __call__(self, context: Any, params: Any) -> ElicitResult:
        self.asked.append(params)
        content = None if self.decision is None else {self.field: self.decision}
        return ElicitResult.model_validate({"action": self.action, "content": content})


@pytest.fixture
def server() -> Iterator[ResponsesServer]:
    with ResponsesServer([]) as server:
        yield server


@pytest.fixture
def place(tmp_path: Path, server: ResponsesServer) -> Place:
    place = Place(tmp_path)
    place.configure(server)
    return place


def quire(place: Place) -> Quire:
    return Quire(home=str(place.home), cwd=str(place.repo), env=place.environment())


@contextlib.asynccontextmanager
async def client(
    place: Place, person: Person | None = None, mode: str = "auto"
) -> AsyncIterator[Client]:
    async with (
        quire(place) as opened,
        Client(make_server(opened), elicitation_callback=person, mode=mode) as connected,
    ):
        yield connected


def task(place: Place, prompt: str = "go", **more: object) -> dict[str, Any]:
    given = {"prompt": prompt, "cwd": str(place.repo), "sandbox": "workspace-write"}
    return given | {"approval-policy": "on-request"} | more


def structured(result: CallToolResult) -> tuple[str, str]:
    """(thread, content), which the text says too."""
    found = result.structured_content
    assert found is not None
    assert [block.text for block in result.content if block.type == "text"] == [found["content"]]
    return found["threadId"], found["content"]


@Modes
@in_loop
async def test_a_task_and_a_reply(place: Place, server: ResponsesServer, mode: str) -> None:
    server.swap([{"sh": "touch made"}, {"text": "first"}, {"text": "second"}])
    told: list[str | None] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        told.append(message)

    async with client(place, mode=mode) as connected:
        tools = {tool.name: tool for tool in (await connected.list_tools()).tools}
        assert set(tools) == {"quire", "quire-reply"}
        result = await connected.call_tool("quire", task(place), progress_callback=note)
        thread, content = structured(result)
        assert (content, result.is_error) == ("first", False)
        assert (place.repo / "made").exists()
        reply = {"threadId": thread, "prompt": "more"}
        assert structured(await connected.call_tool("quire-reply", reply)) == (thread, "second")
        assert b"touch made" in bytes(server.requests[-1].body)
    assert told and "touch made" in str(told[0]) and told[-1] == "first"


@in_loop
async def test_over_standard_streams(place: Place, server: ResponsesServer) -> None:
    server.swap([{"sh": "echo out", "args": ESCALATE}, {"text": "done"}, {"text": "again"}])
    person = Person()
    command, *words = QUIRE
    parameters = StdioServerParameters(
        command=command,
        args=[*words, "mcp-server"],
        env=place.environment(),
        cwd=place.repo,
    )
    async with Client(parameters, elicitation_callback=person) as connected:
        thread, content = structured(await connected.call_tool("quire", task(place)))
        assert content == "done" and len(person.asked) == 1
    async with Client(parameters, mode="legacy") as connected:
        reply = {"threadId": thread, "prompt": "more"}
        assert structured(await connected.call_tool("quire-reply", reply)) == (thread, "again")


@Modes
@pytest.mark.parametrize(
    ("action", "decision", "made"),
    [
        ("accept", None, True),
        ("accept", "once", True),
        ("accept", "decline", False),
        ("accept", "nonsense", False),
        ("decline", None, False),
    ],
)
@in_loop
async def test_questions_are_elicited(
    place: Place, server: ResponsesServer, mode: str, action: str, decision: str, made: bool
) -> None:
    outside = place.repo.parent / "outside.txt"
    patch = f"*** Begin Patch\n*** Add File: {outside}\n+hi\n*** End Patch\n"
    server.swap([{"sh": "touch made", "args": ESCALATE}, {"patch": patch}, {"text": "ok"}])
    person = Person(action, decision)
    async with client(place, person, mode) as connected:
        result = await connected.call_tool("quire", task(place))
    assert structured(result)[1] == "ok"
    assert ((place.repo / "made").exists(), outside.exists()) == (made, made)
    command, change = (asked.message for asked in person.asked)
    assert "touch made" in command and "Reason: it must" in command
    assert str(outside) in change and "hi" in change


@Modes
@in_loop
async def test_cancel_in_a_question_ends_the_turn(
    place: Place, server: ResponsesServer, mode: str
) -> None:
    server.swap([{"sh": "touch made", "args": ESCALATE}, {"text": "never"}])
    async with client(place, Person("cancel"), mode) as connected:
        result = await connected.call_tool("quire", task(place))
    assert result.is_error and "interrupted" in structured(result)[1]


@Modes
@in_loop
async def test_who_cannot_be_asked_declines(
    place: Place, server: ResponsesServer, mode: str
) -> None:
    server.swap([{"sh": "touch made", "args": ESCALATE}, {"text": "went on"}])
    async with client(place, mode=mode) as connected:
        result = await connected.call_tool("quire", task(place))
    assert structured(result)[1] == "went on" and not (place.repo / "made").exists()


ASK = {
    "questions": [
        {
            "id": "colour",
            "header": "Colour",
            "question": "Which colour?",
            "options": [
                {"label": "Blue", "description": "as the sky"},
                {"label": "Red", "description": "as the rose"},
            ],
        }
    ]
}


@Modes
@pytest.mark.parametrize(("action", "told"), [("accept", "Blue"), ("decline", "was cancelled")])
@in_loop
async def test_questions_of_the_model_are_a_form(
    place: Place, server: ResponsesServer, mode: str, action: str, told: str
) -> None:
    server.swap([{"call": "request_user_input", "args": ASK}, {"text": "ok"}])
    person = Person(action, "Blue", "colour")
    allowed = {"features.default_mode_request_user_input": True}
    async with client(place, person, mode) as connected:
        await connected.call_tool("quire", task(place, config=allowed))
    (asked,) = person.asked
    assert asked.message == "Which colour?"
    field = asked.requested_schema["properties"]["colour"]
    assert [option["const"] for option in field["oneOf"]] == ["Blue", "Red"]
    assert told in str(server.requests[-1].json()["input"][-1])


@in_loop
async def test_for_this_thread_is_asked_once(place: Place, server: ResponsesServer) -> None:
    server.swap([*[{"sh": "echo twice", "args": ESCALATE}] * 2, {"text": "ok"}])
    person = Person("accept", "session")
    async with client(place, person) as connected:
        await connected.call_tool("quire", task(place))
    assert len(person.asked) == 1


@Modes
@in_loop
async def test_a_call_that_is_given_up_interrupts_its_turn(
    place: Place, server: ResponsesServer, mode: str
) -> None:
    server.swap([{"sh": "sleep 30"}, {"text": "never"}])
    async with quire(place) as opened, Client(make_server(opened), mode=mode) as connected:
        calling = asyncio.create_task(connected.call_tool("quire", task(place)))
        await asyncio.to_thread(server.wait_for_requests, 1)
        await until(lambda: status(opened), "inProgress")
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        await until(lambda: status(opened), "interrupted")
        server.swap([{"text": "alive"}])
        assert structured(await connected.call_tool("quire", task(place)))[1] == "alive"


async def status(opened: Quire) -> str:
    """Of the newest turn of the only thread that is loaded."""
    (thread_id,) = (await opened.call("thread/loaded/list", {}, dict))["data"]
    params = {"threadId": thread_id, "includeTurns": True}
    found = await opened.call("thread/read", params, dict)
    return found["thread"]["turns"][-1]["status"]


async def until(look: Callable[[], Awaitable[str]], wanted: str) -> None:
    async with asyncio.timeout(10):
        while await look() != wanted:
            await asyncio.sleep(0.05)


@in_loop
async def test_a_turn_waits_for_its_answer_and_not_for_ever(
    place: Place, server: ResponsesServer
) -> None:
    server.swap([{"sh": "touch made", "args": ESCALATE}, {"text": "never"}])
    async with (
        quire(place) as opened,
        Client(make_server(opened, 0.1), elicitation_callback=Person()) as connected,
    ):
        asked = await connected.session.call_tool("quire", task(place), allow_input_required=True)
        assert isinstance(asked, InputRequiredResult)
        await until(lambda: status(opened), "interrupted")
        late = await connected.call_tool("quire", task(place), request_state=asked.request_state)
        assert late.is_error and "call the tool anew" in str(late.content)
    assert not (place.repo / "made").exists()


@pytest.mark.parametrize(
    ("tool", "given", "said"),
    [
        ("quire", {}, "missing required field `prompt`"),
        ("quire", {"prompt": 5}, "$.prompt"),
        ("quire", {"prompt": "x", "colour": "red"}, "colour"),
        ("quire", {"prompt": "x", "sandbox": "none"}, "$.sandbox"),
        ("quire", {"prompt": "x", "approval-policy": "maybe"}, "neither on-request nor never"),
        ("quire", {"prompt": "x", "config": {"sandbox_mode": 5}}, "sandbox_mode"),
        ("quire-reply", {"prompt": "x", "threadId": "unknown"}, "invalid session id"),
        ("nothing", {}, "there is no tool"),
    ],
)
@in_loop
async def test_wrong_calls_are_results_that_say_why(
    place: Place, tool: str, given: dict[str, Any], said: str
) -> None:
    async with client(place) as connected:
        result = await connected.call_tool(tool, given)
    assert result.is_error and said in str(result.content)


@in_loop
async def test_a_failing_turn_names_its_thread(place: Place, server: ResponsesServer) -> None:
    server.swap([{"status": 400, "error": "no such thing"}])
    async with client(place) as connected:
        result = await connected.call_tool("quire", task(place))
    assert result.is_error and "no such thing" in structured(result)[1]


def test_it_ends_with_its_client(place: Place) -> None:
    done = place.run("mcp-server", stdin=b"")
    assert (done.code, done.out) == (0, "")


def test_without_its_package_it_says_what_to_install(place: Place) -> None:
    code = "import sys; sys.modules['mcp'] = None; sys.argv = ['quire', 'mcp-server']\n"
    code += "from quire.__main__ import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code], env=place.environment(), capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr == (
        "error: quire mcp-server needs more than the base: pip install 'quire[mcp]'\n"
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it(place: Place, number: signal.Signals) -> None:
    """With its client still there."""
    process = place.start("mcp-server", stdin=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(HELLO)
    process.stdin.flush()
    assert b"serverInfo" in process.stdout.readline()
    process.send_signal(number)
    assert process.wait(10) == 128 + number
    process.communicate()
