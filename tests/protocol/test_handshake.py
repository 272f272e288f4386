"""P001-P018: the handshake, and messages that are wrong."""

from __future__ import annotations

import pytest

from tests.protocol.conftest import NewProgram
from tests.protocol.program import CLIENT, Program

UNKNOWN = "01a1f929-a04b-7532-81c5-b8d0bff3f0e3"


def test_p001_initialize_tells_who_answers(new_program: NewProgram) -> None:
    program = new_program()
    said = program.initialize()
    assert said["userAgent"].startswith("suite/0.169.0 (")
    assert said["userAgent"].endswith("(suite; 1.2.3)")
    assert said["codexHome"] == str(program.home)
    assert said["platformFamily"] == "unix"


def test_p002_nothing_goes_before_initialize(new_program: NewProgram) -> None:
    program = new_program()
    error = program.fault("model/list", {}, sound=True)
    assert error == {"code": -32600, "message": "Not initialized"}
    program.initialize()
    assert program.call("model/list", {})["data"]


def test_p003_initialize_only_once(program: Program) -> None:
    error = program.fault("initialize", {"clientInfo": CLIENT}, sound=True)
    assert error == {"code": -32600, "message": "Already initialized"}


def test_p004_initialize_needs_a_client(new_program: NewProgram) -> None:
    program = new_program()
    error = program.fault("initialize", {})
    assert error["message"] == "Invalid request: missing field `clientInfo`"
    program.initialize()


def test_p005_answers_have_no_jsonrpc_member(program: Program) -> None:
    program.call("thread/loaded/list", {})
    answer = program.heard[-1]
    assert set(answer) == {"id", "result"}


def test_p006_an_unknown_method(program: Program) -> None:
    error = program.fault("nothing/like/it", {})
    assert error["code"] == -32600
    assert error["message"].startswith(
        "Invalid request: unknown variant `nothing/like/it`, expected one of `initialize`, "
    )


def test_p007_missing_params(program: Program) -> None:
    error = program.fault("thread/start")
    assert error == {"code": -32600, "message": "Invalid request: missing field `params`"}


@pytest.mark.parametrize(
    ("method", "params", "words"),
    [
        ("thread/read", {}, "missing field `threadId`"),
        ("thread/read", {"threadId": 5}, "invalid type: integer `5`, expected a string"),
        ("thread/start", {"ephemeral": 1.5}, "invalid type: floating point `1.5`, expected a bo"),
        (
            "thread/start",
            {"sandbox": "bogus"},
            "unknown variant `bogus`, expected one of `read-only`, `workspace-write`, `danger",
        ),
        ("thread/list", {"limit": -1}, "invalid value: integer `-1`, expected u32"),
        (
            "turn/start",
            {"threadId": UNKNOWN, "input": [{"type": "bogus"}]},
            "unknown variant `bogus`, expected one of `text`, `image`, `localImage`",
        ),
        (
            "turn/start",
            {"threadId": UNKNOWN, "input": [], "sandboxPolicy": {}},
            "missing field `type`",
        ),
        ("thread/list", {"cwd": 5}, "data did not match any variant of untagged enum"),
    ],
)
def test_p008_params_that_are_wrong(
    program: Program, method: str, params: dict, words: str
) -> None:
    error = program.fault(method, params)
    assert error["code"] == -32600
    assert error["message"].startswith(f"Invalid request: {words}")


def test_p009_unknown_members_are_passed_over(program: Program) -> None:
    asked = program.ask("thread/loaded/list", {"later": {"members": 1}}, sound=False)
    assert program.result(asked)["data"] == []


def test_p010_ids_may_be_text(program: Program) -> None:
    program.send({"id": "a text", "method": "thread/loaded/list", "params": {}})
    assert program.result("a text")["data"] == []


@pytest.mark.parametrize("line", ["not json", "[]", "5", '{"id": 77}', "{}", '{"method": 5}', ""])
def test_p011_what_is_no_message_is_passed_over(program: Program, line: str) -> None:
    program.write(line.encode() + b"\n")
    program.call("thread/loaded/list", {})
    assert [set(message) for message in program.heard[-1:]] == [{"id", "result"}]


def test_p012_notifications_of_the_client_have_no_answer(program: Program) -> None:
    program.send({"method": "initialized"})
    program.call("thread/loaded/list", {})
    assert program.heard[-1]["result"]["data"] == []


def test_p013_notifications_tell_when(program: Program) -> None:
    program.call("thread/start", {"ephemeral": True})
    told = program.wait_for("thread/started")
    assert isinstance(told["emittedAtMs"], int)
    assert "id" not in told


def test_p014_a_client_may_leave_notifications_out(new_program: NewProgram) -> None:
    program = new_program()
    program.initialize(optOutNotificationMethods=["thread/started"])
    program.call("thread/start", {"ephemeral": True})
    program.call("thread/loaded/list", {})
    assert "thread/started" not in program.words()


def test_p015_experimental_methods_are_for_experimental_clients(new_program: NewProgram) -> None:
    program = new_program()
    program.initialize(experimental=False)
    error = program.fault("server/diagnostics", {})
    message = "server/diagnostics requires experimentalApi capability"
    assert error == {"code": -32600, "message": message}


def test_p016_experimental_members_too(new_program: NewProgram) -> None:
    program = new_program()
    program.initialize(experimental=False)
    error = program.fault("thread/start", {"permissions": ":read-only"})
    message = "thread/start.permissions requires experimentalApi capability"
    assert error == {"code": -32600, "message": message}


def test_p017_the_end_of_input_is_its_end(new_program: NewProgram) -> None:
    program = new_program()
    program.initialize()
    assert program.close() == 0


def test_p018_many_calls_at_once(program: Program) -> None:
    asked = [program.ask("model/list", {"limit": 1}) for _ in range(50)]
    assert [len(program.result(one)["data"]) for one in reversed(asked)] == [1] * 50
