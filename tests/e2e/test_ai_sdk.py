"""The AI SDK's provider for Codex (npm `ai-sdk-provider-codex-cli`) drives Quire, in both modes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quire.testing.responses_server import ResponsesServer
from tests.e2e.clients import (
    ESCALATE,
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

HERE = Path(__file__).parent / "npm_clients"
EXEC: Json = {"sandboxMode": "workspace-write", "approvalMode": "never"}
SERVER: Json = {"sandboxPolicy": "workspace-write", "approvalPolicy": "never"}

pytestmark = needs_npm(HERE)


class SdkWorld(World):
    """With the SDK to drive the binary."""

    def drive(self, mode: str, *steps: Json, **settings: Any) -> list[Any]:
        """Run the steps (see `ai_sdk.mjs`) and give their results."""
        job: Json = {"binary": self.binary, "env": self.env, "mode": mode, "steps": steps}
        defaults = EXEC if mode == "exec" else SERVER
        job["settings"] = {"cwd": str(self.project)} | defaults | settings
        return self.node(HERE / "ai_sdk.mjs", job)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[SdkWorld]:
    with ResponsesServer() as server:
        yield SdkWorld(tmp_path, server)
        assert server.complaints == []


both_modes = pytest.mark.parametrize("mode", ["exec", "appServer"])


def of_type(result: Json, kind: str) -> list[Json]:
    parts = result.get("parts") or result["content"]
    return [part for part in parts if part["type"] == kind]


@both_modes
def test_text_is_generated_with_a_command(world: SdkWorld, mode: str) -> None:
    prompt = play({"sh": "echo hello | tee out.txt"}, {"text": "Wrote it."})
    (result,) = world.drive(mode, {"do": "generate", "prompt": prompt})
    assert result.get("error") is None, result
    assert (result["text"], world.file("out.txt")) == ("Wrote it.", "hello\n")
    assert result["finishReason"] == "stop"
    assert result["usage"]["inputTokens"] >= 1000 and result["usage"]["outputTokens"] >= 50
    (call,) = of_type(result, "tool-call")
    done = of_type(result, "tool-result")[-1]
    assert call["toolCallId"] == done["toolCallId"] and "echo hello" in str(call["input"])
    assert "hello" in str(done["output"]) and "completed" in str(done["output"])


@both_modes
def test_text_streams_with_reasoning_and_a_patch(world: SdkWorld, mode: str) -> None:
    text = "streamed in many small pieces"
    work = [{"reasoning": "**Looking around**"}, {"patch": PATCH}]
    (result,) = world.drive(
        mode, {"do": "stream", "prompt": play(work, {"text": text, "chunk": 4})}
    )
    assert result.get("error") is None, result
    assert (world.file("added.md"), world.file("README.md")) == ("line one\n", "# Demo\n")
    deltas = [part["text"] for part in of_type(result, "text-delta")]
    assert "".join(deltas) == result["text"] == text
    assert len(deltas) >= (5 if mode == "appServer" else 1)
    if mode == "appServer":  # the provider shows no reasoning of an exec run
        reasoning = "".join(part["text"] for part in of_type(result, "reasoning-delta"))
        assert "Looking around" in reasoning
    assert "README.md" in str(of_type(result, "tool-call"))
    assert [part["type"] for part in result["parts"]][-1] == "finish"


@both_modes
def test_an_object_is_generated_by_its_schema(world: SdkWorld, mode: str) -> None:
    answer = {"status": "ok", "count": 2}
    step = {"do": "object", "prompt": play({"json": answer}), "schema": SCHEMA}
    (result,) = world.drive(mode, step)
    assert result.get("object") == answer, result
    asked = world.asked()["text"]["format"]
    assert asked["type"] == "json_schema" and asked["schema"]["required"] == ["status", "count"]


@both_modes
def test_an_image_reaches_the_model(world: SdkWorld, mode: str) -> None:
    step = {"do": "generate", "prompt": play({"text": "Seen."}), "image": world.image()}
    (result,) = world.drive(mode, step)
    assert result.get("text") == "Seen.", result
    (image,) = world.images()
    assert image.startswith("data:image/png;base64,")


@both_modes
def test_settings_and_options_reach_the_request(world: SdkWorld, mode: str) -> None:
    effort = "reasoningEffort" if mode == "exec" else "effort"
    options = {effort: "high", "configOverrides": {"developer_instructions": 'Say "so".'}}
    step = {"do": "generate", "prompt": play({"text": "x"}), "model": "gpt-5.4", "options": options}
    (result,) = world.drive(mode, step)
    assert result.get("text") == "x", result
    asked = world.asked()
    assert (asked["model"], asked["reasoning"]["effort"]) == ("gpt-5.4", "high")
    assert 'Say "so".' in world.texts()


@both_modes
def test_a_failure_is_an_error_with_its_cause(world: SdkWorld, mode: str) -> None:
    (refused,) = world.drive(mode, {"do": "generate", "prompt": play(REFUSAL)})
    told = {"exec": "Codex CLI exited with code 1", "appServer": "bad thing"}  # its own words
    assert told[mode] in refused["error"]


@both_modes
def test_an_abort_ends_the_run_and_its_command(world: SdkWorld, mode: str) -> None:
    length = unique_sleep()
    step = {
        "do": "stream",
        "prompt": play({"sh": f"touch running; sleep {length}"}, {"text": "too late"}),
        "abortAt": str(world.project / "running"),
    }
    world.drive(mode, step)
    until(lambda: not sleeping(length))
    assert world.file("running") is not None
    assert len(world.server.requests) == 1


@both_modes
def test_models_are_listed(world: SdkWorld, mode: str) -> None:
    (listed,) = world.drive(mode, {"do": "models"})
    assert listed.get("error") is None, listed
    assert listed["defaultModel"]["id"] in [model["id"] for model in listed["models"]]


def test_threads_persist_between_calls_and_processes(world: SdkWorld) -> None:
    count = play({"count": "turns"})
    first, second, alone = world.drive(
        "appServer",
        {
            "do": "generate",
            "prompt": play({"text": "Hello."}),
            "options": {"threadMode": "persistent"},
        },
        {"do": "generate", "prompt": count, "options": {"threadId": "THREAD"}},
        {"do": "generate", "prompt": count},
    )
    assert (first.get("text"), second.get("text"), alone.get("text")) == (
        "Hello.",
        "turns=2",
        "turns=1",
    )
    assert first["thread"] == second["thread"] != alone["thread"]
    (third,) = world.drive(
        "appServer", {"do": "generate", "prompt": count, "options": {"threadId": first["thread"]}}
    )
    assert third.get("text") == "turns=3", third


@pytest.mark.parametrize(("decision", "written"), [("accept", True), ("decline", False)])
def test_a_command_is_asked_about(world: SdkWorld, decision: str, written: bool) -> None:
    path = world.root / "outside.txt"
    prompt = play({"sh": f"echo yes > {path}", "args": ESCALATE}, {"text": "After it."})
    step = {"do": "stream", "prompt": prompt, "decision": decision}
    (result,) = world.drive("appServer", step, approvalPolicy="on-request")
    assert result.get("text") == "After it.", result
    (asked,) = result["asked"]
    assert asked["method"] == "item/commandExecution/requestApproval"
    assert f"echo yes > {path}" in asked["params"]["command"]
    assert path.exists() is written


def test_without_an_answer_of_its_own_the_provider_declines(world: SdkWorld) -> None:
    prompt = play({"patch": PATCH}, {"text": "After it."})
    settings = {"approvalPolicy": "on-request", "sandboxPolicy": "read-only"}
    (result,) = world.drive("appServer", {"do": "generate", "prompt": prompt}, **settings)
    assert result.get("text") == "After it.", result
    assert world.file("added.md") is None and "rejected" in world.outputs()


def test_a_message_is_injected_into_a_running_turn(world: SdkWorld) -> None:
    running, go = world.project / "running", world.project / "go"
    wait = f"touch {running}; until [ -e {go} ]; do sleep 0.02; done"
    inject = {"at": str(running), "text": "Also mention BANANA.", "then": str(go)}
    step = {"do": "stream", "prompt": play({"sh": wait}, {"text": "Done."}), "inject": inject}
    (result,) = world.drive("appServer", step)
    assert result.get("text") == "Done.", result
    assert "Also mention BANANA." in world.texts()
