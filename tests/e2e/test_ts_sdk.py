"""The official TypeScript SDK (`@openai/codex-sdk`) drives Quire as it drives Codex."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quire.testing.responses_server import ResponsesServer
from tests.e2e.clients import (
    PATCH,
    REFUSAL,
    SCHEMA,
    Json,
    World,
    needs_npm,
    play,
    sleeping,
    unique_sleep,
    until,
)

HERE = Path(__file__).parent / "ts_sdk"

pytestmark = needs_npm(HERE)


class SdkWorld(World):
    """With the SDK to drive the binary."""

    def drive(self, *steps: Json, config: Json | None = None) -> list[Any]:
        """Run the steps (see `drive.mjs`) and give their results."""
        options = {"workingDirectory": str(self.project), "sandboxMode": "workspace-write"}
        options["approvalPolicy"] = "never"
        job: Json = {
            "binary": self.binary,
            "env": self.env,
            "steps": [step | {"options": options | step.get("options", {})} for step in steps],
        }
        if config is not None:
            job["config"] = config
        return self.node(HERE / "drive.mjs", job)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[SdkWorld]:
    with ResponsesServer() as server:
        yield SdkWorld(tmp_path, server)
        assert server.complaints == []


def test_a_turn_runs_a_command_and_answers(world: SdkWorld) -> None:
    (turn,) = world.drive(
        {"input": play({"sh": "echo hello > out.txt && cat out.txt"}, {"text": "Wrote out.txt."})}
    )
    assert world.file("out.txt") == "hello\n"
    assert re.fullmatch(r"[0-9a-f-]{36}", turn["id"])
    assert turn["finalResponse"] == "Wrote out.txt."
    (item,) = [item for item in turn["items"] if item["type"] == "command_execution"]
    assert "echo hello" in item["command"]
    assert (item["aggregated_output"].strip(), item["exit_code"], item["status"]) == (
        "hello",
        0,
        "completed",
    )
    assert turn["usage"] == {
        "input_tokens": 2000,
        "cached_input_tokens": 0,
        "cache_write_input_tokens": 0,
        "output_tokens": 100,
        "reasoning_output_tokens": 0,
    }


def test_events_stream_in_order(world: SdkWorld) -> None:
    steps = [[{"reasoning": "**Looking around**\n\nLet me see."}, {"sh": "echo one; exit 3"}]]
    (turn,) = world.drive({"input": play(*steps, {"text": "It failed."}), "stream": True})
    events = [event for event in turn["events"] if event.get("item", {}).get("type") != "error"]
    assert [
        event["type"] + (":" + event["item"]["type"] if "item" in event else "") for event in events
    ] == [
        "thread.started",
        "turn.started",
        "item.completed:reasoning",
        "item.started:command_execution",
        "item.completed:command_execution",
        "item.completed:agent_message",
        "turn.completed",
    ]
    reasoning, started, ended = (event["item"] for event in events[2:5])
    assert "Looking around" in reasoning["text"]
    assert started["id"] == ended["id"] and started["status"] == "in_progress"
    assert (ended["status"], ended["exit_code"]) == ("failed", 3)


def test_structured_output_reaches_the_model_as_a_format(world: SdkWorld) -> None:
    answer = {"status": "ok", "count": 2}
    (turn,) = world.drive({"input": play({"json": answer}), "schema": SCHEMA})
    assert json.loads(turn["finalResponse"]) == answer
    asked = world.asked()["text"]["format"]
    assert (asked["type"], asked["schema"]) == ("json_schema", SCHEMA)


def test_a_thread_goes_on_live_and_after_a_resume(world: SdkWorld) -> None:
    count = play({"count": "turns"})
    first, second = world.drive(
        {"input": play({"text": "Hello."}), "thread": "a"}, {"input": count, "thread": "a"}
    )
    (third,) = world.drive({"input": count, "resume": first["id"]})
    assert first["id"] == second["id"] == third["id"]
    assert [turn["finalResponse"] for turn in (first, second, third)] == [
        "Hello.",
        "turns=2",
        "turns=3",
    ]
    (rollout,) = (world.home / "sessions").rglob("*.jsonl")
    name = str(rollout.relative_to(world.home / "sessions"))
    assert re.fullmatch(rf"\d{{4}}/\d\d/\d\d/rollout-[0-9T-]+-{first['id']}\.jsonl", name)


def test_a_patch_is_a_file_change(world: SdkWorld) -> None:
    (turn,) = world.drive({"input": play({"patch": PATCH}, {"text": "Patched."})})
    assert (world.file("added.md"), world.file("README.md")) == ("line one\n", "# Demo\n")
    (item,) = [item for item in turn["items"] if item["type"] == "file_change"]
    assert item["status"] == "completed"
    assert {(os.path.basename(one["path"]), one["kind"]) for one in item["changes"]} == {
        ("added.md", "add"),
        ("README.md", "update"),
    }


def test_input_of_several_parts_and_an_image(world: SdkWorld) -> None:
    parts = [
        {"type": "text", "text": "Look at it."},
        {"type": "text", "text": play({"text": "Seen."})},
        {"type": "local_image", "path": world.image()},
    ]
    (turn,) = world.drive({"input": parts})
    assert turn["finalResponse"] == "Seen."
    (image,) = world.images()
    assert image.startswith("data:image/png;base64,")
    assert any(text.startswith("Look at it.\n\nPlease") for text in world.texts())


def test_config_overrides_and_options_reach_the_request(world: SdkWorld) -> None:
    overrides = {"model_reasoning_summary": "detailed", "developer_instructions": 'Say "so".'}
    world.drive(
        {"input": play({"text": "x"}), "options": {"modelReasoningEffort": "high"}},
        config=overrides,
    )
    asked = world.asked()
    assert (asked["reasoning"]["effort"], asked["reasoning"]["summary"]) == ("high", "detailed")
    assert 'Say "so".' in world.texts()


def test_failures_are_errors_with_their_cause(world: SdkWorld) -> None:
    outside = {"workingDirectory": str(world.root)}
    refused, stray = world.drive({"input": play(REFUSAL)}, {"input": "x", "options": outside})
    assert "bad thing" in refused["error"]
    assert re.search("git|trusted", stray["error"])
    assert len(world.server.requests) == 1


def test_an_abort_ends_the_run_and_its_command(world: SdkWorld) -> None:
    length = unique_sleep()
    (turn,) = world.drive(
        {
            "input": play({"sh": f"touch running; sleep {length}"}, {"text": "too late"}),
            "stream": True,
            "abortAt": str(world.project / "running"),
        }
    )
    assert "abort" in turn["error"].lower()
    assert turn["endedAt"] - turn["abortedAt"] < 3000
    until(lambda: not sleeping(length), 5)
    assert len(world.server.requests) == 1
