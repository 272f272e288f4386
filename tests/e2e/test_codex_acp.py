"""The ACP adapter for Codex (npm `@agentclientprotocol/codex-acp`) runs `quire app-server`."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from acp import PROTOCOL_VERSION, spawn_agent_process
from acp.client.connection import ClientSideConnection
from acp.helpers import embedded_text_resource, image_block, resource_block, text_block
from acp.schema import (
    AllowedOutcome,
    ClientCapabilities,
    FileEditToolCallContent,
    RequestPermissionResponse,
)

from quire.testing.responses_server import ResponsesServer
from tests.e2e.acp_editor import Editor
from tests.e2e.clients import (
    ESCALATE,
    PATCH,
    PNG,
    REFUSAL,
    World,
    needs_npm,
    node,
    play,
    sleeping,
    unique_sleep,
    until,
)
from tests.loops import in_loop

HERE = Path(__file__).parent / "npm_clients"
ADAPTER = HERE / "node_modules" / "@agentclientprotocol" / "codex-acp" / "dist" / "index.js"

pytestmark = needs_npm(HERE)


class Person(Editor):
    """Chooses among the options of a question by their id, else by their kind."""

    async def request_permission(
        self, session_id: str, tool_call: Any, options: Any, **kwargs: Any
    ) -> RequestPermissionResponse:
        self.asked.append((tool_call, options))
        named = [one.option_id for one in options if self.choice in (one.option_id, one.kind)]
        outcome = AllowedOutcome(outcome="selected", option_id=named[0])
        return RequestPermissionResponse(outcome=outcome)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with ResponsesServer() as server:
        yield World(tmp_path, server)
        assert server.complaints == []


@contextlib.asynccontextmanager
async def adapter(world: World, editor: Editor) -> AsyncIterator[ClientSideConnection]:
    """The adapter as a process with the binary as its Codex, after `initialize`."""
    client: Any = editor
    command = node()
    assert command is not None
    env = world.env | {"CODEX_PATH": world.binary, "MODEL_PROVIDER": "mock", "NO_BROWSER": "1"}
    async with spawn_agent_process(
        client,
        command,
        str(ADAPTER),
        env=env,
        cwd=world.project,
        # At the end of its input it ends the app-server at once, but lingers itself.
        transport_kwargs={"stderr": None, "shutdown_timeout": 0.5},
    ) as (connection, _):
        said = await connection.initialize(
            PROTOCOL_VERSION, client_capabilities=ClientCapabilities()
        )
        assert said.agent_capabilities is not None and said.agent_capabilities.load_session
        yield connection


async def opened(connection: ClientSideConnection, world: World, mode: str = "agent") -> str:
    session = await connection.new_session(str(world.project), mcp_servers=[])
    if mode != "agent":
        await connection.set_session_mode(session.session_id, mode)
    return session.session_id


def said(*steps: object) -> list[Any]:
    """A prompt that tells the scripted model what to answer."""
    return [text_block(play(*steps))]


@in_loop
async def test_a_prompt_streams_and_ends(world: World) -> None:
    editor = Person()
    work = [{"reasoning": "**Looking around**"}, {"sh": "echo hello | tee out.txt; exit 3"}]
    async with adapter(world, editor) as connection:
        session = await opened(connection, world)
        done = await connection.prompt(
            session, said(work, {"text": "All done, more or less.", "chunk": 5})
        )
    assert done.stop_reason == "end_turn"
    assert editor.text() == "All done, more or less."
    assert len(editor.kind("agent_message_chunk")) >= 3
    assert "Looking around" in editor.text("agent_thought_chunk")
    (call,) = editor.kind("tool_call")
    assert (call.kind, call.title) == ("execute", "echo hello | tee out.txt; exit 3")
    updates = editor.kind("tool_call_update")
    assert updates[-1].status == "failed" and world.file("out.txt") == "hello\n"
    assert editor.kind("usage_update")[-1].used == 1050
    assert editor.kind("available_commands_update")


@in_loop
async def test_a_patch_is_shown_as_diffs(world: World) -> None:
    editor = Person()
    async with adapter(world, editor) as connection:
        session = await opened(connection, world)
        await connection.prompt(session, said({"patch": PATCH}, {"text": "ok"}))
    (call,) = editor.kind("tool_call")
    assert call.kind == "edit"
    diffs = [part for part in call.content if isinstance(part, FileEditToolCallContent)]
    assert {(Path(one.path).name, one.old_text, one.new_text) for one in diffs} == {
        ("README.md", "# demo\n", "# Demo\n"),
        ("added.md", None, "line one\n"),
    }
    assert editor.kind("tool_call_update")[-1].status == "completed"
    assert world.file("added.md") == "line one\n"


@pytest.mark.parametrize(
    ("choice", "written", "reason"),
    [
        ("allow_once", True, "end_turn"),
        ("decline", False, "end_turn"),  # Codex does not offer it
        ("cancel", False, "cancelled"),
    ],
)
@in_loop
async def test_a_command_is_asked_about(
    world: World, choice: str, written: bool, reason: str
) -> None:
    editor = Person()
    editor.choice = choice
    path = world.root / "outside.txt"
    command = {"sh": f"echo yes > {path}", "args": ESCALATE}
    async with adapter(world, editor) as connection:
        session = await opened(connection, world, "workspace-write")
        prompt = said(command, {"text": "After it."})
        done = await connection.prompt(session, prompt)
    ((asked, options),) = editor.asked
    assert f"echo yes > {path}" in str(asked)
    assert {"allow_once", "reject_once"} <= {option.kind for option in options}
    assert path.exists() is written
    assert done.stop_reason == reason


@in_loop
async def test_in_its_first_mode_a_reviewer_decides(world: World) -> None:
    editor = Person()
    path = world.root / "outside.txt"
    verdict = {"risk_level": "low", "user_authorization": "high", "outcome": "allow"}
    verdict["rationale"] = "Asked for."
    command = {"sh": f"echo yes > {path}", "args": ESCALATE}
    world.server.swap([command, {"json": verdict}, {"text": "Done."}, {"text": "A title"}])
    async with adapter(world, editor) as connection:
        session = await opened(connection, world)
        await connection.prompt(session, [text_block("Write the file.")])
    assert editor.asked == [] and path.read_text() == "yes\n"


@in_loop
async def test_a_patch_of_a_read_only_session_is_asked_about(world: World) -> None:
    editor = Person()
    editor.choice = "allow_once"
    async with adapter(world, editor) as connection:
        session = await opened(connection, world, "read-only")
        await connection.prompt(session, said({"patch": PATCH}, {"text": "ok"}))
    assert len(editor.asked) == 1 and world.file("added.md") == "line one\n"


@in_loop
async def test_a_cancel_ends_the_turn_and_its_command(world: World) -> None:
    length = unique_sleep()
    editor = Person()
    async with adapter(world, editor) as connection:
        session = await opened(connection, world)
        prompt = said({"sh": f"sleep {length}"}, {"text": "too late"})
        turn = asyncio.create_task(connection.prompt(session, prompt))
        await asyncio.to_thread(until, lambda: sleeping(length))
        await connection.cancel(session)
        assert (await turn).stop_reason == "cancelled"
        await asyncio.to_thread(until, lambda: not sleeping(length))
        done = await connection.prompt(session, said({"text": "alive"}))
    assert done.stop_reason == "end_turn" and editor.text() == "alive"


@in_loop
async def test_a_session_is_listed_and_loaded_by_a_new_process(world: World) -> None:
    async with adapter(world, Person()) as connection:
        session = await opened(connection, world)
        prompt = said({"sh": "echo one"}, {"text": "Hello."})
        await connection.prompt(session, prompt)
    editor = Person()
    async with adapter(world, editor) as connection:
        listed = await connection.list_sessions(cwd=str(world.project))
        assert session in [one.session_id for one in listed.sessions]
        await connection.load_session(str(world.project), session, mcp_servers=[])
        await editor.until("agent_message_chunk")
        assert editor.text() == "Hello."
        assert "Please do the scripted work." in editor.text("user_message_chunk")
        assert [call.title for call in editor.kind("tool_call")] == ["echo one"]
        await connection.prompt(session, said({"count": "turns"}))
        assert editor.text().endswith("turns=2")


@in_loop
async def test_a_session_is_forked(world: World) -> None:
    editor = Person()
    async with adapter(world, editor) as connection:
        session = await opened(connection, world)
        await connection.prompt(session, said({"text": "Hello."}))
        fork = await connection.fork_session(session, str(world.project), mcp_servers=[])
        assert fork.session_id != session
        await connection.prompt(fork.session_id, said({"count": "turns"}))
    assert editor.text().endswith("turns=2")


@in_loop
async def test_pictures_and_files_reach_the_model(world: World) -> None:
    picture = image_block(base64.b64encode(PNG).decode(), "image/png")
    note = resource_block(embedded_text_resource("file:///notes.txt", "Mind the gap."))
    async with adapter(world, Person()) as connection:
        session = await opened(connection, world)
        await connection.prompt(session, [picture, note, text_block(play({"text": "Seen."}))])
    number = next(n for n in range(len(world.server.requests)) if world.images(n))
    assert world.images(number)[0].startswith("data:image/png;base64,")
    assert "Mind the gap." in "".join(world.texts(number))


@in_loop
async def test_a_model_and_its_effort_are_chosen(world: World) -> None:
    async with adapter(world, Person()) as connection:
        session = await opened(connection, world)
        await connection.set_config_option("model", session, "gpt-5.6-sol")
        await connection.set_config_option("reasoning_effort", session, "high")
        await connection.prompt(session, said({"text": "x"}))
    asked = [world.asked(number) for number in range(len(world.server.requests))]
    chosen = [(one["model"], one["reasoning"]["effort"]) for one in asked]
    assert ("gpt-5.6-sol", "high") in chosen


@in_loop
async def test_a_failure_of_the_model_is_told(world: World) -> None:
    editor = Person()
    async with adapter(world, editor) as connection:
        session = await opened(connection, world)
        failed = await connection.prompt(session, said(REFUSAL))
        assert failed.stop_reason == "end_turn" and "bad thing" in editor.text()
        done = await connection.prompt(session, said({"text": "alive"}))
    assert done.stop_reason == "end_turn"


@in_loop
async def test_commands_of_the_adapter_answer(world: World) -> None:
    editor = Person()
    async with adapter(world, editor) as connection:
        session = await opened(connection, world)
        await connection.prompt(session, [text_block("/status")])
        assert "gpt-5.5" in editor.text() and str(world.project) in editor.text()
    assert world.server.requests == []
