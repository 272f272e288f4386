"""The words of the app-server against the peer's schema and against what it was heard to say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from quire.protocol.rpc import catalog
from quire.protocol.rpc.experimental import FIELDS
from quire.protocol.rpc.thread import ThreadStartResponse
from quire.protocol.rpc.turn import TurnStartParams
from quire.server.schema_words import words
from tests.protocol_schema import PEER, Conversation, check_message

HEARD = Path(PEER).parent / "codex_0_169_turns.jsonl"
UNLISTED = {"getAuthStatus", "gitDiffToRemote"}
"""Methods of the peer that its generated schema leaves out."""


def heard() -> list[tuple[str, dict[str, Any]]]:
    lines = HEARD.read_text("utf-8").splitlines()
    return [(line[0], json.loads(line[2:])) for line in lines]


def test_what_the_peer_said_is_right_by_both_schemas() -> None:
    talk = Conversation()
    for side, message in heard():
        (talk.client if side == ">" else talk.server)(message)


def test_what_the_peer_said_reads_and_writes_unchanged() -> None:
    """Decoded with our types and encoded again, nothing is lost, added or renamed."""
    told = {kind.name: kind.params for kind in catalog.NOTIFICATIONS}
    asked = {kind.name: kind.params for kind in catalog.REQUESTS}
    answers = {method.name: method.result for method in catalog.METHODS}
    waiting: dict[int, str] = {}
    compared = 0
    for side, message in heard():
        if side == ">":
            waiting[message.get("id", -1)] = message.get("method", "")
            continue
        if "method" in message:
            kinds = asked if "id" in message else told
            kind, value = kinds[message["method"]], message["params"]
        else:
            kind, value = answers[waiting[message["id"]]], message["result"]
        again = msgspec.json.encode(msgspec.json.decode(json.dumps(value), type=kind))
        assert json.loads(again) == value
        compared += 1
    assert compared > 60


@pytest.mark.parametrize("method", catalog.METHODS, ids=lambda method: method.name)
def test_a_method_is_one_of_the_peer(method: catalog.Method) -> None:
    known = json.loads(PEER.read_text("utf-8"))["methods"]
    if method.name in UNLISTED:
        return
    assert known[method.name]["experimental"] == method.experimental


def test_notifications_and_requests_are_the_peers() -> None:
    known = json.loads(PEER.read_text("utf-8"))
    assert {kind.name for kind in catalog.NOTIFICATIONS} <= known["notifications"].keys()
    assert {kind.name for kind in catalog.REQUESTS} <= known["requests"].keys()


def test_deltas_and_nothing_that_ends_may_be_dropped() -> None:
    lossy = {kind.name for kind in catalog.NOTIFICATIONS if kind.lossy}
    assert {"item/agentMessage/delta", "item/commandExecution/outputDelta"} <= lossy
    assert not {name for name in lossy if name.endswith(("started", "completed", "resolved"))}


@pytest.mark.parametrize(
    "message",
    [
        {"method": "turn/unheardOf", "params": {}},
        {"method": "warning", "params": {"message": "x", "colour": "red"}},
        {"method": "warning", "params": {"threadId": "t"}},
        {"method": "warning", "params": {"message": "x"}, "jsonrpc": "2.0"},
        {"method": "thread/status/changed", "params": {"threadId": "t", "status": "idle"}},
        {"id": 1, "error": {"code": "-32600", "message": "no"}},
    ],
)
def test_a_wrong_message_is_found(message: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        check_message("server", message)


def test_a_wrong_answer_is_found() -> None:
    with pytest.raises(AssertionError, match="turnId"):
        check_message("server", {"id": 1, "result": {"turn_id": "t"}}, answers="turn/steer")


def test_params_may_hold_what_is_not_known() -> None:
    text = '{"threadId":"t","input":[],"futureKnob":{"a":[1]},"outputSchema":{"type":"object"}}'
    params = msgspec.json.decode(text, type=TurnStartParams)
    assert bytes(params.output_schema) == b'{"type":"object"}'


def test_a_policy_is_a_word_or_a_table() -> None:
    table = {"sandbox_approval": True, "rules": False, "mcp_elicitations": True}
    for policy in ("never", "on-request", {"granular": table}):
        text = json.dumps({"threadId": "t", "input": [], "approvalPolicy": policy})
        msgspec.json.decode(text, type=TurnStartParams)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(
            '{"threadId":"t","input":[],"approvalPolicy":"sometimes"}', type=TurnStartParams
        )


def test_absent_members_are_told_as_null() -> None:
    fields = ThreadStartResponse.__struct_encode_fields__
    answer = next(message for side, message in heard() if message.get("id") == 2 and side == "<")
    assert set(answer["result"]) == set(fields)


def test_members_for_experimental_clients_are_the_peers() -> None:
    marked = json.loads(PEER.read_text("utf-8"))["experimental_members"]
    own = words(experimental=True).definitions
    expected: dict[str, set[str]] = {}
    for name, members in marked.items():
        properties = own.get(name, {}).get("properties")
        if isinstance(properties, dict) and (ours := properties.keys() & members):
            expected[name] = ours
    assert {name: set(members) for name, members in FIELDS.items()} == expected
