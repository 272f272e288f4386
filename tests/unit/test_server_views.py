"""Views of core words: each is right by the peer's schema, whatever the item holds."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quire.protocol import policy
from quire.protocol import thread as words
from quire.protocol.rpc import items as wire
from quire.protocol.rpc import values
from quire.protocol.rpc.item import ItemCompletedNotification
from quire.protocol.rpc.server import ErrorNotification
from quire.server import views
from quire.server.errors import InvalidRequest
from tests.protocol_schema import check_message

TEXT = st.text(max_size=12)
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
STATUS = st.sampled_from(["inProgress", "completed", "failed", "declined"])
CHANGES = st.lists(
    st.builds(
        words.FileChange,
        path=TEXT,
        kind=st.sampled_from(["add", "delete", "update"]),
        diff=TEXT,
        move_path=st.none() | TEXT,
    ),
    max_size=3,
).map(tuple)
ITEMS: st.SearchStrategy[words.ThreadItem] = st.one_of(
    st.builds(words.UserMessageItem, TEXT, TEXT, TEXTS, st.none() | TEXT),
    st.builds(words.AgentMessageItem, TEXT, TEXT),
    st.builds(words.ReasoningItem, TEXT, TEXTS, TEXTS),
    st.builds(
        words.CommandExecutionItem,
        id=TEXT,
        command=TEXTS,
        cwd=TEXT,
        status=STATUS,
        process_id=st.none() | TEXT,
        source=st.sampled_from(
            ["agent", "userShell", "unifiedExecStartup", "unifiedExecInteraction"]
        ),
        aggregated_output=TEXT,
        exit_code=st.none() | st.integers(-1, 255),
        duration_ms=st.none() | st.integers(0, 10**9),
    ),
    st.builds(words.FileChangeItem, TEXT, CHANGES, STATUS, TEXT, TEXT),
    st.builds(words.ImageViewItem, TEXT, TEXT),
    st.builds(words.EnteredReviewItem, TEXT, TEXT, TEXT),
    st.builds(words.ExitedReviewItem, TEXT, TEXT, TEXT),
)
CODES = st.sampled_from(
    [
        *("contextWindowExceeded", "rateLimitExceeded", "unauthorized", "other", "unheardOf"),
        *("httpConnectionFailed", "responseStreamConnectionFailed"),
        *("responseStreamDisconnected", "responseTooManyFailedAttempts"),
    ]
)


def on_the_wire(value: msgspec.Struct) -> dict[str, Any]:
    return json.loads(msgspec.json.encode(value))


@given(ITEMS, st.none() | st.integers(0, 2**50), st.integers(0, 2**50))
def test_every_item_is_right(item: words.ThreadItem, started: int | None, ended: int) -> None:
    view = views.item_view(item, started_at_ms=started, completed_at_ms=ended)
    assert view is not None
    told = ItemCompletedNotification(item=view, thread_id="t", turn_id="u", completed_at_ms=ended)
    check_message("server", {"method": "item/completed", "params": on_the_wire(told)})


@given(st.builds(words.ErrorInfo, TEXT, CODES, st.none() | st.integers(100, 599)))
def test_every_error_is_right(error: words.ErrorInfo) -> None:
    told = ErrorNotification(
        error=views.error_view(error), will_retry=False, thread_id="t", turn_id="u"
    )
    check_message("server", {"method": "error", "params": on_the_wire(told)})


def test_a_fault_of_a_connection_tells_its_status() -> None:
    error = words.ErrorInfo("gone", "responseTooManyFailedAttempts", 503)
    assert on_the_wire(views.error_view(error))["codexErrorInfo"] == {
        "responseTooManyFailedAttempts": {"httpStatusCode": 503}
    }
    assert views.error_code_view(words.ErrorInfo("x", "unheardOf")) == "other"


def test_a_plan_and_an_error_are_no_items() -> None:
    plan = words.TodoListItem("p", (words.PlanStep("one", "pending"),))
    assert views.item_view(plan) is None
    assert views.item_view(words.ErrorItem("e", "oh")) is None


def test_a_command_is_shown_as_the_line_that_runs_it() -> None:
    asked: list[str] = []

    def actions(script: str) -> tuple[wire.CommandAction, ...]:
        asked.append(script)
        return (wire.ReadCommandAction(command=script, name="a.txt", path="a.txt"),)

    item = words.CommandExecutionItem("c", ("/bin/bash", "-lc", "cat a.txt"), "/srv")
    view = views.item_view(item, actions=actions)
    assert isinstance(view, wire.CommandExecutionThreadItem)
    assert view.command == "/bin/bash -lc 'cat a.txt'"
    assert asked == ["cat a.txt"]
    assert view.command_actions == (
        wire.ReadCommandAction(command="cat a.txt", name="a.txt", path="/srv/a.txt"),
    )
    assert view.aggregated_output is None
    assert views.script_of(("git", "log", "a b")) == "git log 'a b'"


def test_images_of_a_message_follow_its_text() -> None:
    view = views.item_view(words.UserMessageItem("u", "look", ("/a.png", "data:image/png;x")))
    assert isinstance(view, wire.UserMessageThreadItem)
    assert view.content == (
        wire.TextUserInput(text="look"),
        wire.LocalImageUserInput(path="/a.png"),
        wire.ImageUserInput(url="data:image/png;x"),
    )


@given(
    st.builds(
        policy.SandboxPolicy,
        mode=st.just("workspace-write"),
        writable_roots=st.lists(TEXT.map(lambda name: f"/{name}"), max_size=2).map(tuple),
        network_access=st.booleans(),
        exclude_tmpdir_env_var=st.booleans(),
        exclude_slash_tmp=st.booleans(),
    )
    | st.sampled_from([policy.SandboxPolicy(), policy.SandboxPolicy(mode="danger-full-access")])
)
def test_a_sandbox_policy_comes_back_as_it_went(sandbox: policy.SandboxPolicy) -> None:
    text = msgspec.json.encode(views.sandbox_view(sandbox))
    assert views.sandbox_policy(msgspec.json.decode(text, type=values.SandboxPolicy)) == sandbox


@pytest.mark.parametrize(
    "view",
    [
        values.WorkspaceWriteSandboxPolicy(writable_roots=("sub",)),
        values.ReadOnlySandboxPolicy(network_access=True),
    ],
)
def test_a_sandbox_that_cannot_be_is_refused(view: values.SandboxPolicy) -> None:
    with pytest.raises(InvalidRequest):
        views.sandbox_policy(view)
