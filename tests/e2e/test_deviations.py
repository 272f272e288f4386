"""Where `quire exec` differs from Codex 0.169 on purpose: a test for each row of
docs/design/002-compatibility.md that no other test shows."""

from __future__ import annotations

import json
import re
import signal
from base64 import b64decode
from pathlib import Path

import pytest

from quire.testing.responses_server import ResponsesServer
from tests.e2e.played import Played, call, patch, play, ran, words_of
from tests.e2e.quire import Place

GIF = b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
FULL = ("-s", "danger-full-access")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def kinds(played: Played) -> list[str]:
    """The events in short: `started item_0`, `error`, …"""
    shown: list[str] = []
    for event in played.events:
        item = event.get("item")
        word = event["type"].removeprefix("item.")
        shown.append(f"{word} {item['id']}" if item else word)
    return shown


def test_the_note_names_tests_that_exist() -> None:
    tests = Path(__file__).resolve().parents[1]
    note = (tests.parent / "docs/design/002-compatibility.md").read_text("utf-8")
    named = set(re.findall(r"\btest_\w+\b(?!\.py)", note))
    known = {
        name
        for file in tests.rglob("test_*.py")
        for name in re.findall(r"(?m)^ *(?:async )?def (test_\w+)", file.read_text("utf-8"))
    }
    own = set(re.findall(r"(?m)^def (test_\w+)", Path(__file__).read_text("utf-8")))
    assert named <= known
    assert own - named == {"test_the_note_names_tests_that_exist"}


# --- events ------------------------------------------------------------------------------------


def test_errors_carry_a_code(place: Place) -> None:
    with ResponsesServer([{"status": 400, "error": {"error": {"message": "no"}}}]) as server:
        place.configure(server)
        *_, error, failed = place.exec("go").events
    assert (error["code"], error["http_status"]) == ("badRequest", 400)
    assert (failed["error"]["code"], failed["error"]["http_status"]) == ("badRequest", 400)


def test_a_command_that_the_sandbox_stopped_is_shown(place: Place) -> None:
    played = play(place, [{"sh": "echo x > new.txt"}, {"text": "done"}])
    assert kinds(played)[2:4] == ["started item_0", "completed item_0"]
    (item,) = played.result.items("command_execution")
    assert (item["exit_code"], item["status"]) == (1, "failed")


def test_commands_that_run_together_start_together_and_in_order(place: Place) -> None:
    calls = [{"sh": "sleep 0.3; echo slow"}, {"sh": "echo quick"}]
    played = play(place, [calls, {"text": "done"}])
    assert kinds(played)[2:6] == [
        "started item_0",
        "started item_1",
        "completed item_1",
        "completed item_0",
    ]


def test_a_broken_stream_is_reported_before_its_calls_run(place: Place) -> None:
    played = play(place, [{"sh": "echo once", "cut_after": 5}, {"text": "done"}])
    assert kinds(played)[2:5] == ["error", "started item_0", "completed item_0"]


def test_a_refusal_is_said(place: Place) -> None:
    content = [{"type": "refusal", "refusal": "I will not."}]
    message = {"type": "message", "id": "m", "role": "assistant", "content": content}
    played = play(place, [{"raw": message}])
    (item,) = played.result.items("agent_message")
    assert item["text"] == "I will not."


def test_trust_gives_no_right_to_write(place: Place) -> None:
    trust = f'[projects."{place.repo}"]\ntrust_level = "trusted"\n'
    played = play(place, [{"sh": "touch x"}, {"text": "done"}], config=trust)
    assert "Read-only file system" in str(played.outputs[0])


# --- requests ----------------------------------------------------------------------------------


def test_an_output_stands_right_behind_its_call(place: Place) -> None:
    played = play(place, [[{"sh": "true"}, {"text": "meanwhile"}], {"text": "done"}])
    types = [item["type"] for item in played.bodies[1]["input"]]
    assert types[-3:] == ["function_call", "function_call_output", "message"]


def test_what_a_model_said_is_sent_back_as_it_came(place: Place) -> None:
    odd = {"type": "mystery", "id": "x", "odd": [1, {"a": None}]}
    thought = {"type": "reasoning", "id": "r", "summary": [], "encrypted_content": "e"}
    spoken = {"type": "function_call", "call_id": "c", "name": "none", "arguments": "{}", "more": 1}
    items = [odd, thought, spoken]
    played = play(place, [[{"raw": item} for item in items], {"text": "done"}])
    assert played.bodies[1]["input"][-4:-1] == items


def test_no_request_tells_who_you_are_or_what_you_work_on(place: Place) -> None:
    place.git("remote", "add", "origin", "https://example.invalid/secret.git")
    with ResponsesServer([{"text": "ok"}]) as server:
        place.configure(server)
        place.exec("go")
        (request,) = server.requests
        body = json.loads(bytes(request.body))
    head = place.git("rev-parse", "HEAD").strip()
    said = json.dumps([body, request.headers])
    assert "installation" not in said
    assert "example.invalid" not in said
    assert head not in said


def test_threads_of_one_folder_and_forks_share_their_first_message(place: Place) -> None:
    with ResponsesServer([{"text": str(number)} for number in range(3)]) as server:
        place.configure(server)
        thread = place.exec("one").events[0]["thread_id"]
        place.exec("two")
        place.exec("fork", thread, "three")
        firsts = {json.dumps(request.json()["input"][0]) for request in server.requests}
    assert len(firsts) == 1


def test_a_time_zone_and_a_shell_that_change_are_told(place: Place) -> None:
    with ResponsesServer([{"text": "one"}, {"text": "two"}]) as server:
        place.configure(server)
        place.exec("one")
        place.env |= {"TZ": "Europe/Berlin", "SHELL": "/bin/sh"}
        place.exec("resume", "--last", "two")
        told = words_of(server.requests[1].json())[-2]
    assert "<timezone>Europe/Berlin</timezone>" in told
    assert "<shell>sh</shell>" in told
    assert "<filesystem>" not in told


def test_developer_instructions_that_change_are_told(place: Place) -> None:
    with ResponsesServer([{"text": "one"}, {"text": "two"}]) as server:
        place.configure(server)
        place.exec("-c", "developer_instructions=Old.", "one")
        place.exec("-c", "developer_instructions=New.", "resume", "--last", "two")
        told = words_of(server.requests[1].json(), "developer")
    assert [text for text in told if text in ("Old.", "New.")] == ["Old.", "New."]


def test_another_model_goes_on_with_the_same_instructions(place: Place) -> None:
    with ResponsesServer([{"text": "one"}, {"text": "two"}]) as server:
        place.configure(server)
        place.exec("one")
        second = place.exec("-m", "acme-1", "resume", "--last", "two")
        before, after = (request.json() for request in server.requests)
    assert after["input"][: len(before["input"])] == before["input"]
    assert words_of(after, "developer") == words_of(before, "developer")
    assert len(second.items("error")) == 1, "only that the model is not known"


def test_an_image_is_named_by_its_whole_path_and_sent_as_it_is(place: Place) -> None:
    (place.repo / "sub").mkdir()
    (place.repo / "a.gif").write_bytes(GIF)
    with ResponsesServer([{"text": "ok"}]) as server:
        place.configure(server)
        result = place.exec("-C", "sub", "-i", "a.gif", "look")
        content = server.requests[0].json()["input"][-1]["content"]
    assert result.code == 0, "-i takes one value, so that the prompt may follow"
    assert content[0]["text"] == f'<image name=[Image #1] path="{place.repo}/a.gif">'
    assert content[1]["image_url"].startswith("data:image/gif;base64,R0lGOD")


# --- calls -------------------------------------------------------------------------------------


def test_calls_that_no_tool_takes_are_answered_in_words(place: Place) -> None:
    action = {"type": "exec", "command": ["ls"]}
    shell = {"type": "local_shell_call", "id": "l", "call_id": "c1", "action": action}
    bare = {"type": "function_call", "id": "f", "call_id": "c2", "name": "exec_command"}
    script = [{"custom": "exec_command", "input": "ls"}, {"raw": shell}, {"raw": bare}]
    played = play(place, [*script, {"text": "done"}])
    assert played.outputs == [
        "unsupported custom tool call: exec_command",
        "unsupported call: local_shell",
        "failed to parse function arguments: the call is malformed",
    ]


def test_a_second_call_of_the_same_id_is_left_out(place: Place) -> None:
    calls = [{"sh": "echo 1", "call_id": "c"}, {"sh": "echo 2", "call_id": "c"}]
    played = play(place, [calls, {"text": "done"}])
    assert played.outputs == [ran(0, 1, "1\n")]


def test_patches_are_taken_in_every_form(place: Place) -> None:
    text = patch("*** Add File: new.txt\n+one\n")
    script = [call("apply_patch", {"input": text}), {"text": "done"}]
    played = play(place, script, "-s", "workspace-write")
    assert "Success. Updated the following files:\nA new.txt\n" in str(played.outputs[0])


def test_unknown_models_are_offered_the_patch_tool(place: Place) -> None:
    played = play(place, [{"text": "ok"}], "-m", "acme-1")
    tools = {tool.get("name"): tool["type"] for tool in played.bodies[0]["tools"]}
    assert tools["apply_patch"] == "function"


def test_commands_find_apply_patch(place: Place) -> None:
    text = patch("*** Add File: new.txt\n+one\n")
    played = play(place, [{"sh": f"apply_patch '{text}'; cat new.txt"}, {"text": "ok"}], *FULL)
    told = str(played.outputs[0])
    assert told.endswith("Success. Updated the following files:\nA new.txt\none\n")


def test_without_a_sandbox_there_is_nothing_to_escalate_from(place: Place) -> None:
    escalated = {"sh": "echo hi", "args": {"sandbox_permissions": "require_escalated"}}
    played = play(place, [escalated, {"text": "done"}], *FULL)
    assert played.outputs == [ran(0, 1, "hi\n")]


def test_an_array_is_no_set_of_arguments(place: Place) -> None:
    played = play(place, [call("exec_command", '["ls"]'), {"text": "done"}])
    assert str(played.outputs[0]).startswith("failed to parse function arguments: invalid type")


# --- the command line --------------------------------------------------------------------------


def test_an_empty_prompt_costs_no_request(place: Place) -> None:
    with ResponsesServer([]) as server:
        place.configure(server)
        result = place.exec("")
        assert server.requests == []
    assert result.code == 1
    result.assert_one_line("the prompt is empty")


def test_a_switch_may_be_said_twice(place: Place) -> None:
    with ResponsesServer([{"text": "ok"}]) as server:
        place.configure(server)
        assert place.exec("--json", "--experimental-json", "go").code == 0


def test_an_sdk_that_ends_a_run_is_told_no_more(place: Place) -> None:
    with ResponsesServer([{"sh": "echo up; sleep 30"}]) as server:
        place.configure(server)
        process = place.start("exec", "--experimental-json", "wait")
        assert process.stdout is not None
        started = [process.stdout.readline() for _ in range(3)]
        process.terminate()
        rest, err = process.communicate(timeout=10)
    assert json.loads(started[-1])["type"] == "item.started"
    assert (rest, err, process.returncode) == (b"", b"", 143)
    assert "aborted by user" in place.rollouts()[0].read_text()


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        (("resume",), 2, "needs the ID of a thread, or --last"),
        (("resume", "no-such-name", "x"), 1, "no rollout found for thread id no-such-name"),
        (("resume", "--last", "a", "b"), 2, "unexpected argument 'b'"),
        (("-p", "nowhere", "x"), 1, "nowhere.config.toml does not exist"),
        (("-c", "model_reasoning_effort=bogus", "x"), 1, "expected none, minimal"),
    ],
)
def test_what_cannot_be_meant_is_one_line(
    place: Place, words: tuple[str, ...], code: int, part: str
) -> None:
    with ResponsesServer([]) as server:
        place.configure(server)
        result = place.exec(*words)
        assert server.requests == [], "and starts nothing else"
    assert (result.code, result.out) == (code, "")
    result.assert_one_line(part)


def test_resume_and_fork_take_more(place: Place) -> None:
    with ResponsesServer([{"text": str(number)} for number in range(4)]) as server:
        place.configure(server)
        new = place.exec("resume", "--last", "one")
        assert "There is no thread of this folder yet" in new.err
        place.exec("resume", "--last", "two", stdin=b"data")
        assert words_of(server.requests[1].json())[-1] == "two\n\n<stdin>\ndata\n</stdin>"
        fork = place.exec("fork", "--last", "three")
        assert fork.events[0]["thread_id"] != new.events[0]["thread_id"]
        late = place.exec("resume", "--last", "-s", "workspace-write", "four")
        assert (fork.code, late.code) == (0, 0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_turn_says_so(place: Place, number: signal.Signals) -> None:
    with ResponsesServer([{"sh": "echo up; sleep 30"}, {"text": "back"}]) as server:
        place.configure(server)
        process = place.start("exec", "--json", "wait")
        assert process.stdout is not None
        started = [process.stdout.readline() for _ in range(3)]
        process.send_signal(number)
        lines = [*started, *process.communicate(timeout=10)[0].splitlines()]
        place.exec("resume", "--last", "go on")
        items = server.requests[1].json()["input"]
    events = [json.loads(line) for line in lines]
    assert [event["type"] for event in events[3:]] == ["item.completed", "error", "turn.failed"]
    assert events[-1]["error"] == {"message": "interrupted", "code": "interrupted"}
    assert process.returncode == 128 + number
    assert items[-3]["output"].endswith(" seconds\naborted by user")
    assert items[-2]["content"][0]["text"].startswith("<turn_aborted>")
