"""The official Python SDK (PyPI `openai-codex`) drives `quire app-server`: turns and threads."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai_codex import (
    ApprovalMode,
    AsyncCodex,
    Codex,
    ExternalMessage,
    ImageInput,
    InvalidRequestError,
    LocalImageInput,
    Sandbox,
    TextInput,
    TransportClosedError,
)
from openai_codex.generated.v2_all import ReasoningEffort
from pydantic import BaseModel

from quire.testing.responses_server import ResponsesServer
from tests.e2e.clients import (
    PATCH,
    PNG,
    REFUSAL,
    SCHEMA,
    TARGET,
    World,
    play,
    sleeping,
    unique_sleep,
    until,
)
from tests.e2e.py_sdk import codex, config, follow, item, kinds, pipes, start


class Answered(BaseModel, extra="allow"):
    """Any result, as it is."""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with ResponsesServer() as server:
        yield World(tmp_path, server)
        assert server.complaints == []


def test_the_server_introduces_itself(world: World) -> None:
    with codex(world) as client:
        info = client.metadata
    assert info.serverInfo is not None and info.serverInfo.name == "codex_python_sdk"
    agent = info.userAgent or ""
    assert agent.startswith("codex_python_sdk/0.169.0 (")
    assert TARGET is not None or " quire/" in agent


def test_a_turn_runs_a_command_and_answers(world: World) -> None:
    work = [{"reasoning": "**Plan**\n\nwrite"}, {"sh": "echo hello > out.txt && cat out.txt"}]
    with codex(world) as client:
        turn = start(client).run(play(work, {"text": "Wrote out.txt."}))
    assert world.file("out.txt") == "hello\n"
    assert (turn.status.value, turn.final_response) == ("completed", "Wrote out.txt.")
    assert kinds(turn.items) == ["userMessage", "reasoning", "commandExecution", "agentMessage"]
    command = item(turn.items, "commandExecution")
    assert "echo hello" in command.command
    assert command.cwd.root == str(world.project)
    assert (command.aggregated_output.strip(), command.exit_code) == ("hello", 0)
    assert command.status.value == "completed" and command.duration_ms is not None
    assert turn.usage is not None
    assert (turn.usage.total.total_tokens, turn.usage.last.total_tokens) == (2100, 1050)
    assert turn.started_at and turn.completed_at and turn.duration_ms is not None


def test_a_turn_streams_every_notification_typed(world: World) -> None:
    text = "streamed in many small pieces"
    with codex(world) as client:
        turn = start(client).turn(play({"sh": "echo one; exit 3"}, {"text": text, "chunk": 4}))
        events = list(follow(turn))
    methods = [event.method for event in events]
    assert methods[0] == "turn/started" and methods[-1] == "turn/completed"
    deltas = [one.payload.delta for one in events if one.method == "item/agentMessage/delta"]
    assert "".join(deltas) == text and len(deltas) >= 5
    items = [
        (event.method, event.payload.item.root)
        for event in events
        if event.method in ("item/started", "item/completed")
    ]
    started, ended = (one for method, one in items if one.type == "commandExecution")
    assert started.id == ended.id and started.status.value == "inProgress"
    assert (ended.status.value, ended.exit_code) == ("failed", 3)
    assert "thread/tokenUsage/updated" in methods


def test_structured_output_reaches_the_model_as_a_format(world: World) -> None:
    answer = {"status": "ok", "count": 2}
    with codex(world) as client:
        turn = start(client).run(play({"json": answer}), output_schema=SCHEMA)
    assert json.loads(turn.final_response or "") == answer
    asked = world.asked()["text"]["format"]
    assert (asked["type"], asked["schema"]) == ("json_schema", SCHEMA)


def test_images_reach_the_model(world: World) -> None:
    address = "data:image/png;base64," + base64.b64encode(PNG).decode()
    parts = [TextInput(play({"text": "Seen."})), LocalImageInput(world.image())]
    with codex(world) as client:
        turn = start(client).run([*parts, ImageInput(address)])
    assert turn.final_response == "Seen."
    local, given = world.images()
    assert local.startswith("data:image/png;base64,") and given == address


def test_a_patch_is_a_file_change_with_its_diff(world: World) -> None:
    with codex(world) as client:
        turn = start(client).turn(play({"patch": PATCH}, {"text": "Patched."}))
        events = list(follow(turn))
    assert (world.file("added.md"), world.file("README.md")) == ("line one\n", "# Demo\n")
    items = [event.payload.item for event in events if event.method == "item/completed"]
    change = item(items, "fileChange")
    assert change.status.value == "completed"
    assert {one.kind.root.type for one in change.changes} == {"add", "update"}
    assert any("+# Demo" in one.diff for one in change.changes)
    diffs = [event.payload.diff for event in events if event.method == "turn/diff/updated"]
    assert "+# Demo" in diffs[-1] and "+line one" in diffs[-1]


def test_a_read_only_sandbox_refuses_to_write(world: World) -> None:
    with codex(world) as client:
        thread = start(client, Sandbox.read_only)
        thread.run(play({"sh": "echo x > no.txt"}, {"text": "It cannot."}))
        assert "Read-only file system" in world.outputs() and world.file("no.txt") is None
        thread.run(play({"sh": "echo x > yes.txt"}, {"text": "x"}), sandbox=Sandbox.workspace_write)
    assert world.file("yes.txt") == "x\n"


def test_options_of_threads_and_turns_reach_the_request(world: World) -> None:
    with codex(world, 'model_reasoning_effort="high"') as client:
        thread = start(
            client,
            base_instructions="You are terse.",
            developer_instructions='Say "so".',
            config={"model_reasoning_summary": "detailed", "features": {"of_tomorrow": True}},
        )
        thread.run(play({"text": "x"}))
        thread.run(play({"text": "y"}), effort=ReasoningEffort("low"), model="gpt-5.4")
    first, second = world.asked(0), world.asked(1)
    assert (first["model"], second["model"]) == ("gpt-5.5", "gpt-5.4")
    assert (first["reasoning"]["effort"], second["reasoning"]["effort"]) == ("high", "low")
    assert first["reasoning"]["summary"] == second["reasoning"]["summary"] == "detailed"
    assert {"You are terse.", 'Say "so".'} <= set(world.texts())


def test_what_another_program_says_is_refused_not_lost(world: World) -> None:
    with codex(world) as client, pytest.raises(InvalidRequestError, match="toolOutput"):
        start(client).run(ExternalMessage("watcher", "The build is red."))
    assert world.server.requests == []


def test_a_failed_turn_raises_and_the_thread_lives_on(world: World) -> None:
    with codex(world) as client:
        thread = start(client)
        with pytest.raises(RuntimeError, match="bad thing"):
            thread.run(play(REFUSAL))
        assert thread.run(play({"text": "alive"})).final_response == "alive"


def test_a_thread_is_resumed_in_a_new_process(world: World) -> None:
    with codex(world) as client:
        thread = start(client)
        thread.run(play({"sh": "echo one"}, {"text": "Hello."}))
    with codex(world) as client:
        resumed = client.thread_resume(thread.id)
        assert resumed.id == thread.id
        assert resumed.run(play({"count": "turns"})).final_response == "turns=2"
        read = resumed.read(include_turns=True).thread
    first, second = read.turns
    assert kinds(first.items) == ["userMessage", "commandExecution", "agentMessage"]
    assert kinds(second.items) == ["userMessage", "agentMessage"]


def test_a_resumed_thread_is_read_backwards(world: World) -> None:
    """With members that this version of the SDK does not know yet."""

    def call(client: Codex, method: str, **params: Any) -> dict[str, Any]:
        params["threadId"] = thread.id
        answered = client._client.request(method, params, response_model=Answered)
        return answered.model_extra or {}

    with codex(world) as client:
        thread = start(client)
        thread.run(play({"sh": "echo one"}, {"text": "Hello."}))
        thread.run(play({"text": "Goodbye."}))
    with codex(world) as client:
        first = {"limit": 1, "itemsView": "full"}
        resumed = call(client, "thread/resume", excludeTurns=True, initialTurnsPage=first)
        back: dict[str, Any] = {"sortDirection": "desc", "limit": 2}
        cursor = resumed["itemsBackwardsCursor"]
        items = call(client, "thread/items/list", cursor=cursor, **back)["data"]
        cursor = resumed["turnsBackwardsCursor"]
        turns = call(client, "thread/turns/list", cursor=cursor, **back)["data"]
        page = resumed["initialTurnsPage"]
        rest = call(client, "thread/turns/list", cursor=page["nextCursor"], **back)["data"]
    assert resumed["thread"]["turns"] == []
    assert [one["item"]["type"] for one in items] == ["agentMessage", "userMessage"]
    assert items[0]["item"]["text"] == "Goodbye."
    assert [item["type"] for item in page["data"][0]["items"]] == ["userMessage", "agentMessage"]
    assert [turn["id"] for turn in turns] == [page["data"][0]["id"], rest[0]["id"]]


def test_a_fork_has_the_history_and_goes_its_own_way(world: World) -> None:
    count = play({"count": "turns"})
    with codex(world) as client:
        thread = start(client)
        thread.run(play({"text": "Hello."}))
        fork = client.thread_fork(thread.id)
        assert fork.id != thread.id
        answers = [one.run(count).final_response for one in (fork, fork, thread)]
        assert answers == ["turns=2", "turns=3", "turns=2"]
        assert len(thread.read(include_turns=True).thread.turns) == 2


def test_threads_are_listed_named_and_archived(world: World) -> None:
    with codex(world) as client:
        threads = [start(client) for _ in range(3)]
        for number, thread in enumerate(threads):
            thread.run(f"Prompt {number}. " + play({"text": "x"}))
        threads[1].set_name("my thread")

        def listed(**options: Any) -> list[str]:
            return [one.id for one in client.thread_list(**options).data]

        ids = [thread.id for thread in threads]
        assert sorted(listed()) == sorted(ids)
        (named,) = [one for one in client.thread_list().data if one.id == ids[1]]
        assert (named.name, named.cwd.root) == ("my thread", str(world.project))
        assert named.preview.startswith("Prompt 1.")
        page = client.thread_list(limit=2)
        rest = client.thread_list(limit=2, cursor=page.next_cursor)
        assert sorted(one.id for one in [*page.data, *rest.data]) == sorted(ids)
        assert rest.next_cursor is None
        assert listed(search_term="Prompt 2") == [ids[2]]
        client.thread_archive(ids[0])
        assert sorted(listed()) == sorted(ids[1:]) and listed(archived=True) == [ids[0]]
        client.thread_unarchive(ids[0])
        assert sorted(listed()) == sorted(ids)


def test_a_turn_is_interrupted_while_the_model_streams(world: World) -> None:
    with codex(world) as client:
        thread = start(client)
        turn = thread.turn(play({"text": "word " * 400, "chunk": 5, "stall_after": 40}))
        last = None
        asked = False
        for last in follow(turn):
            if last.method == "item/agentMessage/delta" and not asked:
                asked = True
                turn.interrupt()
        assert last is not None and last.payload.turn.status.value == "interrupted"
        assert thread.run(play({"text": "alive"})).final_response == "alive"


def test_a_turn_is_interrupted_while_a_command_runs(world: World) -> None:
    length = unique_sleep()
    with codex(world) as client:
        thread = start(client)
        turn = thread.turn(play({"sh": f"touch running; sleep {length}"}, {"text": "too late"}))
        until(lambda: sleeping(length))
        turn.interrupt()
        assert turn.run().status.value == "interrupted"
        until(lambda: not sleeping(length))
        assert len(world.server.requests) == 1


def test_a_running_turn_is_steered(world: World) -> None:
    with codex(world) as client:
        thread = start(client)
        wait = "touch running; until [ -e go ]; do sleep 0.02; done"
        turn = thread.turn(play({"sh": wait}, {"text": "Done."}))
        until(lambda: world.file("running") is not None)
        assert turn.steer("Also mention BANANA.").turn_id == turn.id
        (world.project / "go").touch()
        assert turn.run().final_response == "Done."
    assert "Also mention BANANA." in world.texts()


def test_another_turn_joins_the_one_that_runs(world: World) -> None:
    with codex(world) as client:
        thread = start(client)
        wait = "touch running; until [ -e go ]; do sleep 0.02; done"
        turn = thread.turn(play({"sh": wait}, {"text": "Done."}))
        until(lambda: world.file("running") is not None)
        joined = thread.turn("Also mention BANANA.")
        assert joined.id == turn.id
        (world.project / "go").touch()
        assert turn.run().final_response == joined.run().final_response == "Done."
    assert "Also mention BANANA." in world.texts()


def test_six_threads_run_at_once(world: World) -> None:
    """Each command waits for those of the other five."""
    seen = "[ $(ls met | wc -l) = 6 ]"

    async def drive() -> list[str | None]:
        async with AsyncCodex(config(world)) as client:
            options: dict[str, Any] = {"sandbox": Sandbox.workspace_write}
            options["approval_mode"] = ApprovalMode.deny_all
            with pipes(client._client._sync):
                threads = [await client.thread_start(**options) for _ in range(6)]
                wait = f"mkdir -p met; touch met/%d; until {seen}; do sleep 0.05; done"
                runs = [
                    thread.run(play({"sh": wait % number}, {"text": f"agent {number}"}))
                    for number, thread in enumerate(threads)
                ]
                return [turn.final_response for turn in await asyncio.gather(*runs)]

    assert asyncio.run(drive()) == [f"agent {number}" for number in range(6)]


def test_a_server_that_dies_is_told_and_its_thread_resumes(world: World) -> None:
    with codex(world) as client:
        thread = start(client)
        thread.run(play({"text": "Hello."}))
        turn = thread.turn(play({"text": "word " * 100, "stall_after": 30}))
        world.server.wait_for_requests(2)
        process = client._client._proc
        assert process is not None
        process.kill()
        with pytest.raises(TransportClosedError):
            turn.run()
    with codex(world) as client:
        resumed = client.thread_resume(thread.id)
        assert resumed.run(play({"count": "turns"})).final_response == "turns=3"


def test_closing_the_client_ends_what_it_runs(world: World) -> None:
    length = unique_sleep()
    with codex(world) as client:
        start(client).turn(play({"sh": f"sleep {length}"}, {"text": "too late"}))
        until(lambda: sleeping(length))
    until(lambda: not sleeping(length))
    assert len(world.server.requests) == 1


def test_models_are_listed_with_their_efforts(world: World) -> None:
    with codex(world) as client:
        models = client.models().data
        hidden = client.models(include_hidden=True).data
    assert models and all(model.id and model.supported_reasoning_efforts for model in models)
    assert [model.is_default for model in models].count(True) == 1
    assert {model.id for model in models} <= {model.id for model in hidden}


def test_an_account_is_read_logged_in_and_out(world: World) -> None:
    with codex(world) as client:
        before = client.account()
        assert (before.account, before.requires_openai_auth) == (None, False)
        client.login_api_key("sk-test-key")
        assert (world.home / "auth.json").stat().st_mode & 0o777 == 0o600
        client.logout()
        assert not (world.home / "auth.json").exists()
