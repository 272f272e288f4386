"""Calls that are wrong in every way: each is answered, and the server goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quire.testing.responses_server import ResponsesServer
from tests.protocol.program import CLIENT, Program
from tests.wrong_params import wrong_calls

MEGABYTE = 1024 * 1024


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    with ResponsesServer() as model, Program(tmp_path / "home", model) as server:
        yield server


@pytest.fixture
def greeted(program: Program) -> Program:
    program.initialize()
    return program


def alive(program: Program) -> bool:
    return program.call("thread/loaded/list", {})["data"] == []


def exchange(program: Program, calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Send all at once; the answers in the order of the calls."""
    for call in calls:
        program.send(call, sound=False)
    answers: dict[object, dict[str, Any]] = {}
    while len(answers) < len(calls):
        message = program.next()
        if "method" not in message:
            answers[message["id"]] = message
    return [answers[call["id"]] for call in calls]


# --- wrong parameters --------------------------------------------------------------------------


def test_every_method_answers_every_wrong_type(greeted: Program) -> None:
    wrong = [one for one in wrong_calls() if one.method != "initialize"]
    assert len(wrong) > 2000
    for first in range(0, len(wrong), 500):
        calls = [
            {"id": f"call {number}", "method": one.method, "params": one.params}
            for number, one in enumerate(wrong[first : first + 500], first)
        ]
        for call, answer in zip(calls, exchange(greeted, calls), strict=True):
            error = answer["error"]
            assert error["code"] == -32600, (call, error)
            assert error["message"].startswith("Invalid request: "), (call, error)
    assert alive(greeted)
    assert greeted.errors == ""


def test_initialize_with_wrong_types(program: Program) -> None:
    for one in wrong_calls():
        if one.method == "initialize":
            error = program.fault("initialize", one.params)
            assert error["code"] == -32600
            assert error["message"].startswith("Invalid request: "), one.params
    program.initialize()
    assert alive(program)


def test_no_method_before_initialize(program: Program) -> None:
    methods = sorted({one.method for one in wrong_calls()} - {"initialize"})
    calls = [{"id": method, "method": method, "params": {}} for method in methods]
    for answer in exchange(program, calls):
        assert answer["error"] == {"code": -32600, "message": "Not initialized"}
    program.initialize()
    assert alive(program)


def test_unknown_members_everywhere(greeted: Program) -> None:
    greeted.expect(1, "thread/loaded/list")
    greeted.write(
        b'{"id":1,"later":[1],"jsonrpc":"2.0","method":"thread/loaded/list",'
        b'"params":{"a":{"b":[null]}}}\n'
    )
    assert greeted.next()["result"]["data"] == []


# --- wrong frames ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"{",
        b"}{",
        b"nonsense",
        b"\x00\x01\x02",
        b"\xff\xfe\xfd",
        b'{"id":1,"method":"thread/list","params":',
        b'[{"id":1,"method":"thread/loaded/list","params":{}}]',
        b'{"id":null,"method":"thread/loaded/list","params":{}}',
        b'{"id":[1],"method":"thread/loaded/list","params":{}}',
        b'{"id":{},"method":"thread/loaded/list","params":{}}',
        b'{"id":true,"method":"thread/loaded/list","params":{}}',
        b'{"id":1.5,"method":"thread/loaded/list","params":{}}',
        b'{"id":1,"method":7,"params":{}}',
        b'{"id":1,"result":{}}',
        b'{"id":"x","error":{"code":1,"message":"no"}}',
        b"[" * 10_000,
        b'{"a":' * 10_000,
        b"\r\n\r\n\t",
    ],
)
def test_frames_that_are_no_calls(greeted: Program, data: bytes) -> None:
    greeted.write(data + b"\n")
    assert alive(greeted)
    answered = [message for message in greeted.heard[1:] if message.get("id") is not None]
    assert len(answered) == 1


def test_a_deep_value_in_a_call(greeted: Program) -> None:
    deep = b"[" * 5000 + b"]" * 5000
    greeted.write(b'{"id":99,"method":"thread/list","params":{"cwd":' + deep + b"}}\n")
    assert alive(greeted)


def test_text_that_is_no_unicode(greeted: Program) -> None:
    greeted.write(b'{"id":9,"method":"thread/read","params":{"threadId":"\xff"}}\n')
    greeted.write(b'{"id":10,"method":"thread/read","params":{"threadId":"\\ud800"}}\n')
    assert alive(greeted)


def test_a_large_frame_is_taken_and_a_huge_one_is_refused(greeted: Program) -> None:
    words = "x" * (8 * MEGABYTE)
    error = greeted.fault("thread/read", {"threadId": words})
    assert error["code"] == -32600
    assert len(error["message"]) < 1000
    huge = b'{"id":5,"method":"' + b"x" * (65 * MEGABYTE) + b'"}\n'
    greeted.write(huge)
    refused = greeted.next()
    assert (refused["id"], refused["error"]["code"]) == (None, -32600)
    assert "longer than" in refused["error"]["message"]
    assert alive(greeted)


def test_a_frame_in_small_pieces(greeted: Program) -> None:
    greeted.expect(77, "thread/loaded/list")
    for byte in b'{"id":77,"method":"thread/loaded/list","params":{}}\n':
        greeted.write(bytes([byte]))
    assert greeted.result(77) == {"data": [], "nextCursor": None}


# --- ids ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [0, -1, 2**53, 2**63 - 1, "", "a b", "é", "x" * 10_000])
def test_ids_come_back_as_they_were(greeted: Program, given: int | str) -> None:
    call = {"id": given, "method": "thread/loaded/list", "params": {}}
    (answer,) = exchange(greeted, [call])
    assert answer["id"] == given
    assert type(answer["id"]) is type(given)


def test_an_id_twice_is_answered_twice(greeted: Program) -> None:
    call = json.dumps({"id": "same", "method": "thread/loaded/list", "params": {}})
    greeted.write(f"{call}\n{call}\n".encode())
    for _ in range(2):
        greeted.expect("same", "thread/loaded/list")
        assert greeted.next() == {"id": "same", "result": {"data": [], "nextCursor": None}}


def test_answers_to_questions_that_nobody_asked(greeted: Program) -> None:
    for given in (0, 1, 2**40, -1):
        greeted.send({"id": given, "result": {"decision": "accept"}}, sound=False)
    assert alive(greeted)


# --- many --------------------------------------------------------------------------------------


def test_200_calls_at_once(greeted: Program, tmp_path: Path) -> None:
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("thread/loaded/list", {}),
        ("thread/start", {"ephemeral": True, "cwd": str(tmp_path)}),
        ("fs/getMetadata", {"path": str(tmp_path)}),
        ("model/list", {"limit": 1}),
        ("config/read", {}),
        ("nothing/like/it", {}),
        ("thread/read", {"threadId": "x"}),
        ("thread/list", {"limit": 1}),
    ]
    calls = [
        {"id": f"call {number}", "method": method, "params": params}
        for number, (method, params) in enumerate(kinds * 25)
    ]
    answers = exchange(greeted, calls)
    assert sum("result" in answer for answer in answers) == 150
    assert {a["error"]["code"] for a in answers if "error" in a} == {-32600}


def test_what_was_asked_before_the_end_of_input_is_answered(greeted: Program) -> None:
    slow = {"command": ["sh", "-c", "sleep 0.5; echo done"]}
    asked = [greeted.ask("command/exec", slow), greeted.ask("thread/loaded/list", {})]
    greeted.end_input()
    assert greeted.result(asked[1])["data"] == []
    assert greeted.result(asked[0])["stdout"] == "done\n"
    assert greeted.close() == 0


def test_a_client_of_another_name(program: Program) -> None:
    """What clients call themselves is text, whatever it holds."""
    name = 'é"\n\x1b[31m' + "n" * 500
    result = program.call("initialize", {"clientInfo": {**CLIENT, "name": name}})
    assert result["userAgent"].startswith(name)
    assert alive(program)
