"""The community's Python SDK (PyPI `openai-codex-sdk`) drives `quire exec` as it drives Codex."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai_codex_sdk import AbortController, AbortError, Codex
from openai_codex_sdk.errors import CodexExecError, ThreadRunError
from openai_codex_sdk.thread import Thread
from openai_codex_sdk.types import UnknownThreadEvent, UnknownThreadItem

from quire.testing.responses_server import ResponsesServer
from tests.e2e.clients import (
    REFUSAL,
    SCHEMA,
    World,
    play,
    sleeping,
    unique_sleep,
    until,
)
from tests.loops import in_loop


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with ResponsesServer() as server:
        yield World(tmp_path, server)
        assert server.complaints == []


def codex(world: World) -> Codex:
    return Codex({"codex_path_override": world.binary, "env": world.env})


def start(world: World, **options: Any) -> Thread:
    return codex(world).start_thread(settings(world) | options)


def settings(world: World) -> dict[str, Any]:
    return {
        "working_directory": str(world.project),
        "sandbox_mode": "workspace-write",
        "approval_policy": "never",
    }


def item(items: list[Any], kind: str) -> Any:
    (found,) = [one for one in items if one.type == kind]
    return found


@in_loop
async def test_a_turn_runs_a_command_and_answers(world: World) -> None:
    thread = start(world)
    turn = await thread.run(play({"sh": "echo hello | tee out.txt"}, {"text": "Wrote it."}))
    assert (turn.final_response, world.file("out.txt")) == ("Wrote it.", "hello\n")
    command = item(turn.items, "command_execution")
    assert "echo hello" in command.command and command.aggregated_output.strip() == "hello"
    assert (command.exit_code, command.status) == (0, "completed")
    assert turn.usage is not None
    assert (turn.usage.input_tokens, turn.usage.output_tokens) == (2000, 100)
    assert thread.id is not None


@in_loop
async def test_events_stream_in_order_and_are_known(world: World) -> None:
    thread = start(world)
    work = [{"reasoning": "**Looking**"}, {"sh": "exit 3"}]
    streamed = await thread.run_streamed(play(work, {"text": "Failed."}))
    events: list[Any] = [event async for event in streamed.events]
    assert not any(isinstance(event, UnknownThreadEvent) for event in events)
    items = [event.item for event in events if event.type.startswith("item.")]
    assert not any(isinstance(one, UnknownThreadItem) for one in items)
    assert [
        event.type + (f":{event.item.type}" if event.type.startswith("item.") else "")
        for event in events
    ] == [
        "thread.started",
        "turn.started",
        "item.completed:reasoning",
        "item.started:command_execution",
        "item.completed:command_execution",
        "item.completed:agent_message",
        "turn.completed",
    ]


@in_loop
async def test_structured_output_reaches_the_model_as_a_format(world: World) -> None:
    answer = {"status": "ok", "count": 2}
    turn = await start(world).run(play({"json": answer}), {"output_schema": SCHEMA})
    assert json.loads(turn.final_response) == answer
    assert world.asked()["text"]["format"]["schema"] == SCHEMA


@in_loop
async def test_a_thread_goes_on_live_and_after_a_resume(world: World) -> None:
    thread = start(world)
    await thread.run(play({"text": "Hello."}))
    count = play({"count": "turns"})
    assert (await thread.run(count)).final_response == "turns=2"
    resumed = codex(world).resume_thread(thread.id or "", settings(world))
    assert (await resumed.run(count)).final_response == "turns=3"
    assert resumed.id == thread.id


@in_loop
async def test_parts_and_an_image_reach_the_model(world: World) -> None:
    parts: Any = [
        {"type": "text", "text": "Look at it."},
        {"type": "text", "text": play({"text": "Seen."})},
        {"type": "local_image", "path": world.image()},
    ]
    assert (await start(world).run(parts)).final_response == "Seen."
    (image,) = world.images()
    assert image.startswith("data:image/png;base64,")


@in_loop
async def test_options_reach_the_run(world: World) -> None:
    other = world.root / "other"
    other.mkdir()
    thread = start(
        world,
        model="gpt-5.4",
        model_reasoning_effort="high",
        additional_directories=[str(other)],
        network_access_enabled=True,
        web_search_enabled=False,
    )
    await thread.run(play({"sh": f"echo x > {other}/file"}, {"text": "x"}))
    assert (other / "file").read_text() == "x\n"
    asked = world.asked()
    assert (asked["model"], asked["reasoning"]["effort"]) == ("gpt-5.4", "high")


@in_loop
async def test_failures_are_errors_with_their_cause(world: World) -> None:
    with pytest.raises(ThreadRunError, match="bad thing"):
        await start(world).run(play(REFUSAL))
    with pytest.raises(CodexExecError, match=r"git|trusted"):
        await start(world, working_directory=str(world.root)).run("x")


@in_loop
async def test_an_abort_ends_the_run_and_its_command(world: World) -> None:
    length = unique_sleep()
    abort = AbortController()
    prompt = play({"sh": f"sleep {length}"}, {"text": "too late"})
    run = asyncio.create_task(start(world).run(prompt, {"signal": abort.signal}))
    await asyncio.to_thread(until, lambda: sleeping(length))
    abort.abort("enough")
    with pytest.raises(AbortError, match="enough"):
        await run
    await asyncio.to_thread(until, lambda: not sleeping(length))
    assert len(world.server.requests) == 1
