"""Events of a thread as notifications: the order and shapes of the peer, and no other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from quire.protocol import events as live
from quire.protocol import records, thread
from quire.server.events import Translator
from tests.protocol_schema import PEER, check_message

HEARD = Path(PEER).parent / "codex_0_169_turns.jsonl"
SERVED = {"thread/started", "thread/status/changed", "turn/diff/updated", "serverRequest/resolved"}
"""What the server of a thread tells of itself: no event of the core stands behind it."""


def told(stream: list[live.Event]) -> list[dict[str, Any]]:
    translator = Translator("th", lambda: 5)
    return [
        {"method": kind.name, "params": json.loads(msgspec.json.encode(params))}
        for event in stream
        for kind, params in translator.take(event)
    ]


def heard_turn(number: int) -> list[dict[str, Any]]:
    """The notifications of a turn of the peer."""
    turns: list[list[dict[str, Any]]] = []
    for line in HEARD.read_text("utf-8").splitlines():
        message = json.loads(line[2:])
        if line[0] == "<" and "method" in message and "id" not in message:
            if message["method"] == "turn/started":
                turns.append([])
            if turns and message["method"] not in SERVED:
                turns[-1].append(message)
    return turns[number]


def shape(value: Any) -> Any:
    """What is where, without the values."""
    if isinstance(value, dict):
        if value.get("type") in ("unknown", "listFiles"):
            return "action"
        return {key: shape(part) for key, part in value.items()}
    if isinstance(value, list):
        return [shape(part) for part in value]
    return type(value).__name__


def command(status: thread.ItemStatus, **more: Any) -> thread.CommandExecutionItem:
    argv = ("/bin/bash", "-lc", "echo hello")
    return thread.CommandExecutionItem("c", argv, "/srv", status, "86335", **more)


def patch(status: thread.ItemStatus) -> thread.FileChangeItem:
    update = thread.FileChange("/srv/a.txt", "update", "@@ -1 +1 @@\n-a\n+b\n")
    return thread.FileChangeItem("f", (update, thread.FileChange("/srv/n", "add", "x\n")), status)


def plan(*steps: tuple[str, thread.StepStatus]) -> thread.TodoListItem:
    return thread.TodoListItem("p", tuple(thread.PlanStep(*step) for step in steps))


def completed(item: thread.ThreadItem) -> records.ItemCompleted:
    return records.ItemCompleted("t", item, 1, 2)


USED = records.ResponseCompleted("t", "r", thread.Usage(), thread.Usage())
FAILED = command("failed", aggregated_output="no\n", exit_code=2, duration_ms=0)
TURN: list[live.Event] = [
    records.TurnStarted("t", 1, 258_400),
    completed(thread.UserMessageItem("u", "please do it")),
    live.ReasoningDelta("t", "rs", "**Plan** it"),
    completed(thread.ReasoningItem("rs", ("**Plan** it",))),
    live.AgentMessageDelta("t", "m1", "I will."),
    completed(thread.AgentMessageItem("m1", "I will.")),
    live.ItemStarted("t", plan(("one", "in_progress"), ("two", "pending")), 1),
    USED,
    live.ItemStarted("t", command("inProgress"), 1),
    live.CommandOutputDelta("t", "c", "done\n"),
    completed(command("completed", aggregated_output="done\n", exit_code=0, duration_ms=1)),
    USED,
    live.ItemStarted("t", patch("inProgress"), 1),
    completed(patch("completed")),
    USED,
    live.ItemUpdated("t", plan(("one", "completed"), ("two", "completed"))),
    USED,
    live.ItemStarted("t", msgspec.structs.replace(command("inProgress"), id="c2"), 1),
    completed(msgspec.structs.replace(FAILED, id="c2")),
    USED,
    live.AgentMessageDelta("t", "m2", "All done."),
    completed(thread.AgentMessageItem("m2", "All done.")),
    USED,
    records.TurnCompleted(turn_id="t", status="completed", completed_at=2, duration_ms=3),
]


def test_a_turn_is_told_as_the_peer_tells_it() -> None:
    ours, theirs = told(TURN), heard_turn(0)
    assert [message["method"] for message in ours] == [message["method"] for message in theirs]
    for mine, other in zip(ours, theirs, strict=True):
        assert shape(mine["params"]) == shape(other["params"]), mine["method"]


def test_a_failed_turn_is_told_as_the_peer_tells_it() -> None:
    cause = thread.ErrorInfo("cut", "responseStreamDisconnected")
    error = thread.ErrorInfo("too much demand", "internalServerError")
    ours = told(
        [
            records.TurnStarted("t", 1, 258_400),
            completed(thread.UserMessageItem("u", "please do it")),
            live.StreamError("t", "Reconnecting... 1/1 (too much demand)", cause),
            records.TurnCompleted(turn_id="t", status="failed", error=error, completed_at=2),
        ]
    )
    assert [shape(message["params"]) for message in ours] == [
        shape(message["params"]) for message in heard_turn(1)
    ]
    retry = ours[3]["params"]["error"]
    assert retry["message"] == "Reconnecting... 1/1"
    assert retry["additionalDetails"] == "too much demand"


def test_an_interrupted_turn_shows_no_last_message() -> None:
    ours = told(
        [
            records.TurnStarted("t", 1, 258_400),
            completed(thread.AgentMessageItem("m", "begun")),
            records.TurnCompleted(turn_id="t", status="interrupted", completed_at=2),
        ]
    )
    assert shape(ours[-1]["params"]) == shape(heard_turn(3)[-1]["params"])
    assert ours[-1]["params"]["turn"]["itemsView"] == "notLoaded"


def test_another_part_of_a_summary_is_announced() -> None:
    ours = told([live.ReasoningDelta("t", "r", part) for part in ("one", "\n\n", "two")])
    assert [(message["method"], message["params"].get("summaryIndex")) for message in ours] == [
        ("item/started", None),
        ("item/reasoning/summaryPartAdded", 0),
        ("item/reasoning/summaryTextDelta", 0),
        ("item/reasoning/summaryPartAdded", 1),
        ("item/reasoning/summaryTextDelta", 1),
    ]


def test_a_warning_and_an_error_item_are_warnings() -> None:
    ours = told([live.Warned("careful"), completed(thread.ErrorItem("e", "oh"))])
    assert [(m["method"], m["params"]["message"]) for m in ours] == [
        ("warning", "careful"),
        ("warning", "oh"),
    ]


@given(st.lists(st.sampled_from(TURN[1:]), max_size=30))
def test_any_stream_is_right_and_announces_each_item_once(stream: list[live.Event]) -> None:
    announced: list[str] = []
    for message in told([TURN[0], *stream]):
        check_message("server", message)
        if message["method"] == "item/started":
            announced.append(message["params"]["item"]["id"])
        if message["method"] in ("item/completed", "item/agentMessage/delta"):
            params = message["params"]
            assert (params.get("itemId") or params["item"]["id"]) in announced
    assert len(announced) == len(set(announced))
