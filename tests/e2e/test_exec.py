"""`quire exec` from outside: real processes, real HTTP, a real sandbox, real files."""

from __future__ import annotations

import json
import os
import signal
import time
from base64 import b64decode
from pathlib import Path

import pytest

from quire.testing.responses_server import ResponsesServer
from tests.e2e.quire import Place

PNG = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9"
    "awAAAABJRU5ErkJggg=="
)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def input_of(server: ResponsesServer, index: int = -1) -> list[dict]:
    return json.loads(bytes(server.requests[index].body))["input"]


def outputs(server: ResponsesServer) -> list[str]:
    return [item["output"] for item in input_of(server) if item["type"].endswith("_output")]


def test_the_main_job(place: Place) -> None:
    patch = "*** Begin Patch\n*** Update File: README.md\n@@\n-# demo\n+# Demo\n*** End Patch\n"
    script = [{"sh": "cat README.md"}, {"patch": patch}, {"sh": "cat README.md"}, {"text": "Done."}]
    with ResponsesServer(script) as server:
        place.configure(server)
        result = place.exec("-s", "workspace-write", "capitalise the title")
        server.assert_done()
    assert result.code == 0, result.err
    kinds = [event["type"] for event in result.events]
    assert kinds[:2] == ["thread.started", "turn.started"]
    assert kinds[-1] == "turn.completed"
    assert [item["aggregated_output"] for item in result.items("command_execution")] == [
        "# demo\n",
        "# Demo\n",
    ]
    (change,) = result.items("file_change")
    assert change["changes"] == [{"path": str(place.repo / "README.md"), "kind": "update"}]
    assert (place.repo / "README.md").read_text() == "# Demo\n"
    assert result.items("agent_message")[-1]["text"] == "Done."
    assert sorted(os.listdir(place.repo)) == [".git", "README.md"], "nothing else is left behind"


def test_the_final_message_alone_is_on_stdout(place: Place) -> None:
    with ResponsesServer([{"text": "All fine."}]) as server:
        place.configure(server)
        result = place.run("exec", "say so")
    assert (result.code, result.out) == (0, "All fine.\n")
    assert "quire" in result.err
    assert "tokens used" in result.err


def test_last_message_file_and_schema(place: Place) -> None:
    schema = place.repo.parent / "schema.json"
    schema.write_text('{"type": "object", "properties": {"a": {"type": "string"}}}')
    with ResponsesServer([{"json": {"a": "b"}}]) as server:
        place.configure(server)
        out = place.repo.parent / "last.txt"
        result = place.exec("--output-schema", str(schema), "-o", str(out), "go")
        body = json.loads(bytes(server.requests[0].body))
    assert result.code == 0
    assert json.loads(out.read_text()) == {"a": "b"}
    assert body["text"]["format"] == {
        "type": "json_schema",
        "strict": True,
        "name": "codex_output_schema",
        "schema": json.loads(schema.read_text()),
    }


def test_the_prompt_from_stdin_and_with_piped_input(place: Place) -> None:
    with ResponsesServer([{"text": "a"}, {"text": "b"}]) as server:
        place.configure(server)
        assert place.exec(stdin=b"from the pipe\n").code == 0
        assert place.exec("sum up", stdin=b"data\n").code == 0
        first, second = (input_of(server, index)[-1]["content"][0]["text"] for index in (0, 1))
    assert first == "from the pipe\n"
    assert second == "sum up\n\n<stdin>\ndata\n</stdin>"


def test_a_pipe_that_stays_silent_is_not_waited_for(place: Place) -> None:
    read, write = os.pipe()
    with ResponsesServer([{"text": "ok"}]) as server:
        place.configure(server)
        process = place.start("exec", "go", stdin=read)
        _, err = process.communicate(timeout=30)
    os.close(read)
    os.close(write)
    assert process.returncode == 0
    assert b"it was not read" in err


def test_commands_do_not_see_keys(place: Place) -> None:
    place.env |= {"MY_TOKEN": "t0ps3cret", "PLAIN": "visible"}
    with ResponsesServer([{"sh": "env"}, {"text": "ok"}]) as server:
        place.configure(server)
        result = place.exec("go")
        (output,) = outputs(server)
    assert "PLAIN=visible" in output
    assert "CODEX_SANDBOX_NETWORK_DISABLED=1" in output
    for secret in ("sk-secret-value", "t0ps3cret"):
        assert secret not in output
        assert secret not in result.out + result.err
        assert all(secret not in path.read_text() for path in place.rollouts())


def test_read_only_is_the_default(place: Place) -> None:
    with ResponsesServer([{"sh": "echo x > new.txt"}, {"text": "no"}]) as server:
        place.configure(server)
        result = place.exec("write")
        (output,) = outputs(server)
    assert result.code == 0
    assert "Read-only file system" in output
    assert not (place.repo / "new.txt").exists()


def test_resume_continues_and_fork_copies(place: Place) -> None:
    with ResponsesServer([{"text": str(n)} for n in range(4)]) as server:
        place.configure(server)
        thread = place.exec("one").events[0]["thread_id"]
        again = place.exec("resume", thread, "two")
        last = place.exec("resume", "--last", "three")
        fork = place.exec("fork", thread, "four")
        inputs = [input_of(server, index) for index in range(4)]
        keys = [json.loads(bytes(r.body))["prompt_cache_key"] for r in server.requests]
    assert again.events[0]["thread_id"] == last.events[0]["thread_id"] == thread
    assert fork.events[0]["thread_id"] != thread
    assert inputs[1][: len(inputs[0])] == inputs[0], "a resume extends what was sent"
    assert inputs[2][: len(inputs[1])] == inputs[1]
    assert [item["content"][0]["text"] for item in inputs[3] if item["role"] == "assistant"] == [
        "0",
        "1",
        "2",
    ]
    assert keys[0] == keys[1] == keys[2] != keys[3]
    assert again.events[-1]["usage"]["input_tokens"] == 2000, "usage is that of the thread"


def test_ephemeral_leaves_no_file(place: Place) -> None:
    with ResponsesServer([{"text": "ok"}]) as server:
        place.configure(server)
        assert place.exec("--ephemeral", "go").code == 0
    assert place.rollouts() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_turn_and_the_command(place: Place, number: signal.Signals) -> None:
    with ResponsesServer([{"sh": "echo up; sleep 30; echo late > late.txt"}]) as server:
        place.configure(server)
        process = place.start("exec", "--json", "-s", "workspace-write", "wait")
        assert process.stdout is not None
        for line in process.stdout:
            if b"item.started" in line:
                break
        time.sleep(0.3)
        started = time.monotonic()
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
        took = time.monotonic() - started
    assert process.returncode == 128 + number, err
    assert took < 3
    assert b"Traceback" not in err
    assert b'"code":"interrupted"' in out
    (log,) = place.rollouts()
    assert "aborted by user" in log.read_text()
    with ResponsesServer([{"text": "back"}]) as server:
        place.configure(server)
        assert place.exec("resume", "--last", "go on").code == 0


def test_a_killed_run_resumes_and_leaves_nothing_running(place: Place) -> None:
    marker = f"sleep 4{os.getpid()}"
    with ResponsesServer([{"sh": f"setsid {marker} & {marker}"}]) as server:
        place.configure(server)
        process = place.start("exec", "--json", "-s", "danger-full-access", "wait")
        assert process.stdout is not None
        for line in process.stdout:
            if b"item.started" in line:
                break
        deadline = time.monotonic() + 10
        while running(marker) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        process.kill()
        process.communicate(timeout=10)
    deadline = time.monotonic() + 5
    while running(marker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert running(marker) == 0
    with ResponsesServer([{"text": "back"}]) as server:
        place.configure(server)
        result = place.exec("resume", "--last", "go on")
        shown = input_of(server)
    assert result.code == 0, result.err
    assert any("process ended before" in str(item.get("output")) for item in shown)


def running(command: str) -> int:
    count = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        count += words[:2] == [word.encode() for word in command.split()]
    return count


def test_an_image_reaches_the_model_and_a_missing_one_is_told(place: Place) -> None:
    image = place.repo / "p.png"
    image.write_bytes(PNG)
    with ResponsesServer([{"text": "seen"}]) as server:
        place.configure(server)
        result = place.exec("-i", f"{image},{place.repo}/none.png", "look")
        parts = input_of(server)[-1]["content"]
    assert result.code == 0
    assert parts[0]["text"] == f'<image name=[Image #1] path="{image}">'
    assert parts[1]["image_url"].startswith("data:image/png;base64,")
    assert "none.png" in parts[3]["text"]
    assert parts[-1]["text"] == "look"


def test_the_plan_is_shown_when_it_is_enabled(place: Place) -> None:
    plan = {"plan": [{"step": "a", "status": "completed"}]}
    with ResponsesServer([{"call": "update_plan", "args": plan}, {"text": "ok"}]) as server:
        place.configure(server, "[tools.update_plan]\nenabled = true\n")
        result = place.exec("go")
        assert outputs(server) == ["Plan updated"]
    kinds = [event["item"]["type"] for event in result.events if event["type"] == "item.started"]
    assert kinds == ["todo_list"]
    assert result.items("todo_list")[-1]["items"] == [{"text": "a", "completed": True}]


def test_a_first_request_is_small(place: Place) -> None:
    with ResponsesServer([{"text": "ok"}]) as server:
        place.configure(server)
        assert place.exec("go").code == 0
        assert len(bytes(server.requests[0].body)) <= 16 * 1024


def test_help_and_version(place: Place) -> None:
    assert place.run("--version").out.startswith("quire ")
    assert "Usage: quire COMMAND" in place.run().out
    assert "--output-schema" in place.run("exec", "--help").out
