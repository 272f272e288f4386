"""`quire acp` over its standard streams, driven by the client of the protocol's own library."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from acp import PROTOCOL_VERSION, RequestError, run_agent, spawn_agent_process
from acp.client.connection import ClientSideConnection
from acp.helpers import (
    embedded_text_resource,
    image_block,
    resource_block,
    resource_link_block,
    text_block,
)
from acp.schema import (
    AudioContentBlock,
    ClientCapabilities,
    FileEditToolCallContent,
    ToolCallProgress,
    ToolCallStart,
)

from quire.acp.agent import QuireAgent
from quire.client import Quire
from quire.testing.responses_server import ResponsesServer
from tests.e2e.acp_editor import Editor
from tests.e2e.quire import QUIRE, Place
from tests.loops import in_loop

HELLO = b'{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":1}}\n'
ESCALATE = {"sandbox_permissions": "require_escalated", "justification": "it must"}
PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"
    "AAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture
def server() -> Iterator[ResponsesServer]:
    with ResponsesServer([]) as server:
        yield server


@pytest.fixture
def place(tmp_path: Path, server: ResponsesServer) -> Place:
    place = Place(tmp_path)
    place.configure(server)
    return place


@contextlib.asynccontextmanager
async def spoken(place: Place, editor: Editor, **meta: Any) -> AsyncIterator[ClientSideConnection]:
    """The command as a process, after `initialize`."""
    client: Any = editor
    async with spawn_agent_process(
        client,
        *QUIRE,
        "acp",
        env=place.environment(),
        cwd=place.repo,
        transport_kwargs={"stderr": None},
    ) as (connection, _):
        await hello(connection, meta)
        yield connection


@contextlib.asynccontextmanager
async def agent(place: Place, editor: Editor, **meta: Any) -> AsyncIterator[ClientSideConnection]:
    """The agent in this process, over a pair of sockets: most of what is tested is the same, and
    a process of its own takes a second to load the protocol's library."""
    client: Any = editor
    ours, theirs = socket.socketpair()
    here = await asyncio.open_connection(sock=ours)
    there = await asyncio.open_connection(sock=theirs)
    async with Quire(home=str(place.home), cwd=str(place.repo), env=place.environment()) as quire:
        served = asyncio.create_task(
            run_agent(QuireAgent(quire), there[1], there[0], use_unstable_protocol=True)
        )
        connection = ClientSideConnection(client, here[1], here[0], use_unstable_protocol=True)
        try:
            await hello(connection, meta)
            yield connection
        finally:
            await connection.close()
            here[1].close()
            await served
            there[1].close()


async def hello(connection: ClientSideConnection, meta: dict[str, Any]) -> None:
    capabilities = ClientCapabilities(field_meta=meta or None)
    await connection.initialize(PROTOCOL_VERSION, client_capabilities=capabilities)


async def opened(connection: ClientSideConnection, place: Place) -> str:
    return (await connection.new_session(str(place.repo), mcp_servers=[])).session_id


@in_loop
async def test_it_says_what_it_can(place: Place) -> None:
    async with agent(place, Editor()) as connection:
        said = await connection.initialize(99)
        assert said.protocol_version == PROTOCOL_VERSION
        assert said.auth_methods == []
        can = said.agent_capabilities
        assert can is not None and can.load_session and can.prompt_capabilities is not None
        assert can.prompt_capabilities.image and can.prompt_capabilities.embedded_context
        with pytest.raises(RequestError):
            await connection.authenticate("password")


@in_loop
async def test_a_prompt_streams_and_ends(place: Place, server: ResponsesServer) -> None:
    editor = Editor()
    place.configure(server, "[tools.update_plan]\nenabled = true\n")
    steps = [{"step": "look", "status": "in_progress"}, {"step": "do", "status": "pending"}]
    server.swap(
        [
            [{"reasoning": "Hm, let me look."}, {"sh": "echo hi; sleep 0.3; echo there; exit 3"}],
            {"call": "update_plan", "args": {"plan": steps}},
            {"text": "All is as it should be, more or less."},
        ]
    )
    async with spoken(place, editor) as connection:
        session = await opened(connection, place)
        done = await connection.prompt(session, [text_block("go")])
        assert done.stop_reason == "end_turn"
        assert editor.text() == "All is as it should be, more or less."
        assert len(editor.kind("agent_message_chunk")) > 1
        assert editor.text("agent_thought_chunk") == "Hm, let me look."
        start, *more = tool_calls(editor)
        assert isinstance(start, ToolCallStart)
        assert (start.kind, start.status) == ("execute", "in_progress")
        assert start.title.startswith("echo hi")
        assert more[-1].status == "failed"
        assert more[-1].content[0].content.text == "```\nhi\nthere\n```"
        assert more[0].status is None and "hi" in more[0].content[0].content.text
        plan = editor.kind("plan")[-1]
        assert [(e.content, e.status) for e in plan.entries] == [
            ("look", "in_progress"),
            ("do", "pending"),
        ]
        assert editor.kind("usage_update")[-1].used == 1050
        await editor.until("available_commands_update")
        commands = editor.kind("available_commands_update")[0].available_commands
        assert "review" in [command.name for command in commands]


def tool_calls(editor: Editor) -> list[Any]:
    return [u for u in editor.updates if isinstance(u, ToolCallStart | ToolCallProgress)]


@in_loop
async def test_a_client_with_terminals_is_told_of_them(
    place: Place, server: ResponsesServer
) -> None:
    editor = Editor()
    server.swap([{"sh": "echo hi"}, {"text": "ok"}])
    async with agent(place, editor, terminal_output=True) as connection:
        session = await opened(connection, place)
        await connection.prompt(session, [text_block("go")])
    start, *more = tool_calls(editor)
    assert start.content[0].terminal_id == start.tool_call_id
    assert start.field_meta["terminal_info"]["cwd"] == str(place.repo)
    output = [u.field_meta["terminal_output"]["data"] for u in more[:-1]]
    assert "".join(output) == "hi\n"
    assert more[-1].field_meta["terminal_exit"]["exit_code"] == 0


@in_loop
async def test_patches_are_diffs(place: Place, server: ResponsesServer) -> None:
    editor = Editor()
    (place.repo / "a.txt").write_text("one\ntwo\nthree\n")
    patch = (
        "*** Begin Patch\n*** Update File: a.txt\n@@\n one\n-two\n+2\n three\n"
        "*** Add File: b.txt\n+new\n*** End Patch\n"
    )
    server.swap([{"patch": patch}, {"text": "ok"}])
    async with agent(place, editor) as connection:
        session = await opened(connection, place)
        await connection.prompt(session, [text_block("go")])
    start, *more = tool_calls(editor)
    assert (start.kind, start.title, more[-1].status) == ("edit", "Edit a.txt, b.txt", "completed")
    found = {Path(c.path).name: (c.old_text, c.new_text) for c in more[-1].content}
    assert found["b.txt"] == (None, "new\n")
    assert found["a.txt"] == ("one\ntwo\nthree\n", "one\n2\nthree\n")
    assert [Path(one.path).name for one in start.locations] == ["a.txt", "b.txt"]


@in_loop
async def test_permissions(place: Place, server: ResponsesServer) -> None:
    editor = Editor()
    outside = place.repo.parent / "outside.txt"
    patch = {"patch": f"*** Begin Patch\n*** Add File: {outside}\n+hi\n*** End Patch\n"}
    async with spoken(place, editor) as connection:
        session = await opened(connection, place)
        server.swap([{"sh": "echo out", "args": ESCALATE}, patch, {"text": "ok"}])
        await connection.prompt(session, [text_block("go")])
        (command, options), (change, _) = editor.asked
        assert (command.title, command.kind) == ("echo out", "execute")
        assert command.content is not None and "it must" in str(command.content)
        kinds = [option.kind for option in options]
        assert kinds[0] == "allow_once" and kinds[-1] == "reject_once"
        assert "allow_always" in kinds
        (diff,) = change.content or []
        assert isinstance(diff, FileEditToolCallContent)
        assert (diff.path, diff.old_text, diff.new_text) == (str(outside), None, "hi\n")
        assert outside.read_text() == "hi\n"
        ids = [update.tool_call_id for update in tool_calls(editor)]
        assert command.tool_call_id in ids and change.tool_call_id in ids

        editor.choice = "reject"
        server.swap([{"sh": "touch gone", "args": ESCALATE}, {"text": "went on"}])
        done = await connection.prompt(session, [text_block("again")])
        assert done.stop_reason == "end_turn" and not (place.repo / "gone").exists()
        assert tool_calls(editor)[-1].status == "failed"

        editor.choice = "allow-session"
        server.swap([*[{"sh": "echo twice", "args": ESCALATE}] * 2, {"text": "ok"}])
        before = len(editor.asked)
        await connection.prompt(session, [text_block("again")])
        assert len(editor.asked) == before + 1

        editor.choice = "cancelled"
        server.swap([{"sh": "touch gone", "args": ESCALATE}, {"text": "never"}])
        done = await connection.prompt(session, [text_block("again")])
        assert done.stop_reason == "cancelled"


@pytest.mark.parametrize(("choice", "told"), [("answer-0", "Blue"), ("reject", "was cancelled")])
@in_loop
async def test_questions_of_the_model(
    place: Place, server: ResponsesServer, choice: str, told: str
) -> None:
    editor = Editor()
    editor.choice = choice
    options = [{"label": "Blue", "description": "sky"}, {"label": "Red", "description": "rose"}]
    question = {"id": "c", "header": "Colour", "question": "Which colour?", "options": options}
    asking = {"call": "request_user_input", "args": {"questions": [question]}}
    server.swap([asking, {"text": "ok"}])
    place.configure(server, "[features]\ndefault_mode_request_user_input = true\n")
    async with agent(place, editor) as connection:
        session = await opened(connection, place)
        await connection.prompt(session, [text_block("go")])
    ((call, offered),) = editor.asked
    assert call.title == "Which colour?"
    assert [option.name for option in offered] == ["Blue", "Red", "No answer"]
    assert told in str(server.requests[-1].json()["input"][-1])


@in_loop
async def test_cancel(place: Place, server: ResponsesServer) -> None:
    editor = Editor()
    async with agent(place, editor) as connection:
        session = await opened(connection, place)
        for step in ({"sh": "sleep 30"}, {"sh": "echo out", "args": ESCALATE}):
            editor.updates.clear()
            editor.asked.clear()
            editor.choice = "wait"
            server.swap([step, {"text": "never"}])
            prompting = asyncio.create_task(connection.prompt(session, [text_block("go")]))
            await editor.until("asked" if "args" in step else "tool_call")
            with pytest.raises(RequestError, match="still running"):
                await connection.prompt(session, [text_block("me too")])
            await connection.cancel(session)
            async with asyncio.timeout(10):
                assert (await prompting).stop_reason == "cancelled"
        server.swap([{"text": "back"}])
        assert (await connection.prompt(session, [text_block("go")])).stop_reason == "end_turn"


@in_loop
async def test_what_a_prompt_may_hold(place: Place, server: ResponsesServer) -> None:
    editor = Editor()
    server.swap([{"text": "ok"}])
    async with agent(place, editor) as connection:
        session = await opened(connection, place)
        await connection.prompt(
            session,
            [
                text_block("look"),
                image_block(PNG, "image/png"),
                resource_link_block("a.txt", f"file://{place.repo}/a%20b.txt"),
                resource_block(embedded_text_resource("file:///x.py", "print(1)\n")),
            ],
        )
        body = bytes(server.requests[0].body).decode()
        assert f"data:image/png;base64,{PNG}" in body
        assert f"[a.txt]({place.repo}/a b.txt)" in body
        assert '<context ref=\\"file:///x.py\\">\\nprint(1)\\n\\n</context>' in body
        audio = AudioContentBlock(
            type="audio", data=base64.b64encode(b"x").decode(), mime_type="a/b"
        )
        with pytest.raises(RequestError):
            await connection.prompt(session, [audio])


@in_loop
async def test_modes_and_models(place: Place, server: ResponsesServer) -> None:
    editor = Editor()
    async with agent(place, editor) as connection:
        session = await connection.new_session(str(place.repo), mcp_servers=[])
        assert session.modes is not None
        assert session.modes.current_mode_id == "workspace-write"
        assert [mode.id for mode in session.modes.available_modes] == [
            "read-only",
            "workspace-write",
            "full-access",
        ]
        options = {option.id: option for option in session.config_options or []}
        assert set(options) == {"mode", "model", "thought_level"}

        server.swap([{"sh": "touch a"}, {"text": "ok"}])
        await connection.prompt(session.session_id, [text_block("go")])
        assert (place.repo / "a").exists()

        await connection.set_session_mode(session.session_id, "read-only")
        assert (
            editor.kind("config_option_update")[-1].config_options[0].current_value == "read-only"
        )
        server.swap([{"sh": "touch b"}, {"text": "ok"}])
        await connection.prompt(session.session_id, [text_block("go")])
        assert not (place.repo / "b").exists()

        changed = await connection.set_config_option("mode", session.session_id, "full-access")
        assert changed is not None and changed.config_options[0].current_value == "full-access"
        assert editor.kind("current_mode_update")[-1].current_mode_id == "full-access"
        outside = place.home / "outside"
        server.swap([{"sh": f"touch {outside}"}, {"text": "ok"}])
        await connection.prompt(session.session_id, [text_block("go")])
        assert outside.exists() and not editor.asked

        model = next(o.value for o in options["model"].options if o.value != "gpt-5.5")
        await connection.set_config_option("model", session.session_id, model)
        await connection.set_config_option("thought_level", session.session_id, "low")
        server.swap([{"text": "ok"}])
        await connection.prompt(session.session_id, [text_block("go")])
        body = server.requests[-1].json()
        assert (body["model"], body["reasoning"]["effort"]) == (model, "low")
        for option, value in (("mode", "no"), ("model", "no"), ("colour", "red")):
            with pytest.raises(RequestError):
                await connection.set_config_option(option, session.session_id, value)


@in_loop
async def test_sessions_are_listed_loaded_resumed_forked_and_closed(
    place: Place, server: ResponsesServer
) -> None:
    editor = Editor()
    server.swap([[{"reasoning": "Hm."}, {"sh": "echo hi"}], {"text": "first answer"}])
    async with agent(place, editor) as connection:
        session = await opened(connection, place)
        await connection.prompt(session, [text_block("first words")])
    editor = Editor()
    server.swap([{"text": f"answer {n}"} for n in range(4)])
    async with agent(place, editor) as connection:
        listed = (await connection.list_sessions(cwd=str(place.repo))).sessions
        assert [(one.session_id, one.title) for one in listed] == [(session, "first words")]
        loaded = await connection.load_session(str(place.repo), session, mcp_servers=[])
        assert loaded is not None and loaded.modes is not None
        kinds = [update.session_update for update in editor.updates]
        assert kinds[:4] == [
            "user_message_chunk",
            "agent_thought_chunk",
            "tool_call",
            "agent_message_chunk",
        ]
        assert editor.text("user_message_chunk") == "first words"
        assert editor.kind("tool_call")[0].status == "completed"
        await connection.prompt(session, [text_block("more")])
        assert b"first words" in bytes(server.requests[-1].body)
        fork = (await connection.fork_session(session, str(place.repo))).session_id
        await connection.prompt(fork, [text_block("other")])
        assert b"first words" in bytes(server.requests[-1].body)
        await connection.close_session(session)
        with pytest.raises(RequestError, match="Invalid params"):
            await connection.prompt(session, [text_block("gone")])
        await connection.resume_session(session, str(place.repo))
        await connection.prompt(session, [text_block("back")])
        with pytest.raises(RequestError, match="invalid session id"):
            await connection.load_session(str(place.repo), "unknown", mcp_servers=[])


@in_loop
async def test_a_failing_turn_is_an_error_with_its_reason(
    place: Place, server: ResponsesServer
) -> None:
    editor = Editor()
    server.swap(
        [{"status": 400, "error": "no such thing"}, {"status": 401, "error": "who?", "times": 9}]
    )
    async with agent(place, editor) as connection:
        session = await opened(connection, place)
        with pytest.raises(RequestError, match="no such thing"):
            await connection.prompt(session, [text_block("go")])
        with pytest.raises(RequestError) as caught:
            await connection.prompt(session, [text_block("go")])
        assert caught.value.code == -32000


@in_loop
async def test_a_review_command(place: Place, server: ResponsesServer) -> None:
    editor = Editor()
    (place.repo / "README.md").write_text("# changed\n")
    findings = {
        "findings": [],
        "overall_correctness": "patch is correct",
        "overall_explanation": "Nothing is wrong with it.",
        "overall_confidence_score": 0.9,
    }
    server.swap([{"json": findings}])
    async with agent(place, editor) as connection:
        session = await opened(connection, place)
        await connection.prompt(session, [text_block("/review")])
    assert "Nothing is wrong with it." in editor.text()


def test_it_ends_with_its_client(place: Place) -> None:
    done = place.run("acp", stdin=b"")
    assert (done.code, done.out) == (0, "")
    assert place.run("acp", "words").code == 2
    place.home.joinpath("config.toml").write_text("sandbox_mode = 5\n")
    done = place.run("acp", stdin=b"")
    assert done.code == 1
    done.assert_one_line("sandbox_mode")


def test_without_its_package_it_says_what_to_install(place: Place) -> None:
    """The package is hidden by a name that cannot be imported."""
    code = "import sys; sys.modules['acp'] = None; sys.argv = ['quire', 'acp']\n"
    code += "from quire.__main__ import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code], env=place.environment(), capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr == ("error: quire acp needs more than the base: pip install 'quire[acp]'\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it(place: Place, number: signal.Signals) -> None:
    """With its client still there."""
    process = place.start("acp", stdin=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(HELLO)
    process.stdin.flush()
    assert b"agentInfo" in process.stdout.readline()
    process.send_signal(number)
    assert process.wait(10) == 128 + number
    process.communicate()
