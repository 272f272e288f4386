"""The pure part of `quire acp`: diffs, titles, prompts, settings, updates."""

from __future__ import annotations

import difflib

import pytest
from acp.exceptions import RequestError
from acp.schema import (
    AgentMessageChunk,
    AudioContentBlock,
    BlobResourceContents,
    EmbeddedResourceContentBlock,
    ImageContentBlock,
    ResourceContentBlock,
    TextContentBlock,
    ToolCallProgress,
)
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from quire.acp.content import file_path, user_input
from quire.acp.diffs import Edit, edits, hunks
from quire.acp.modes import choose, config_options, settings
from quire.acp.session import review_target
from quire.acp.tools import MAX_OUTPUT, command_title, output_content, shown
from quire.acp.updates import Updates, replay
from quire.client.events import (
    AgentMessageDelta,
    CommandOutputDelta,
    ItemCompleted,
    ItemStarted,
    ReasoningSummaryPart,
    Warned,
)
from quire.client.items import (
    AgentMessage,
    CommandExecution,
    Reasoning,
    Text,
    UserMessage,
)
from quire.protocol.policy import ReasoningEffort
from quire.protocol.review import (
    BaseBranchReviewTarget,
    CommitReviewTarget,
    CustomReviewTarget,
    UncommittedChangesReviewTarget,
)
from quire.protocol.rpc.items import (
    AddPatchChangeKind,
    DeletePatchChangeKind,
    FileUpdateChange,
    ImageUserInput,
    ListFilesCommandAction,
    LocalImageUserInput,
    MentionUserInput,
    ReadCommandAction,
    TextUserInput,
    UpdatePatchChangeKind,
)
from quire.protocol.rpc.models import Model, ReasoningEffortOption
from quire.protocol.rpc.thread import IdleThreadStatus, Thread, ThreadStartResponse
from quire.protocol.rpc.values import WorkspaceWriteSandboxPolicy
from quire.protocol.thread import ItemStatus

LINES = st.lists(
    st.sampled_from(["a\n", "b\n", "-c\n", "+d\n", "\n", "@@ e\n", "\\ f\n", " g\r\n"])
)


# --- diffs -----------------------------------------------------------------------------------


@given(LINES, LINES)
def test_hunks_hold_what_changed_and_what_stands_around(old: list[str], new: list[str]) -> None:
    diff = "".join(difflib.unified_diff(old, new, "a", "b", n=10_000))
    found = hunks(diff)
    if old == new:
        assert found == []
    else:
        assert [(hunk.old, hunk.new) for hunk in found] == [("".join(old), "".join(new))]


@given(LINES, LINES)
def test_hunks_are_parts_of_the_texts(old: list[str], new: list[str]) -> None:
    for hunk in hunks("".join(difflib.unified_diff(old, new, "a", "b", n=1))):
        assert hunk.old in "".join(old) and hunk.new in "".join(new)
        assert "".join(new[hunk.line - 1 :]).startswith(hunk.new)


@given(st.text())
def test_any_text_is_read_as_a_diff(text: str) -> None:
    hunks(text)


def test_the_last_line_may_have_no_end() -> None:
    (hunk,) = hunks("@@ -1,2 +1,2 @@\n one\n-two\n\\ No newline at end of file\n+2\n")
    assert (hunk.old, hunk.new) == ("one\ntwo", "one\n2\n")


def test_edits_of_each_kind() -> None:
    change = "@@ -3 +4 @@\n-x\n+y\n"
    assert edits(
        [
            FileUpdateChange(path="/new", kind=AddPatchChangeKind(), diff="text\n"),
            FileUpdateChange(path="/old", kind=DeletePatchChangeKind(), diff="text\n"),
            FileUpdateChange(path="/a", kind=UpdatePatchChangeKind(), diff=change),
            FileUpdateChange(path="/a", kind=UpdatePatchChangeKind(move_path="/b"), diff=change),
            FileUpdateChange(path="/a", kind=UpdatePatchChangeKind(move_path="/c"), diff=""),
        ]
    ) == [
        Edit("/new", None, "text\n"),
        Edit("/old", "text\n", ""),
        Edit("/a", "x\n", "y\n", 4),
        Edit("/b", "x\n", "y\n", 4),
    ]


# --- tool calls ------------------------------------------------------------------------------


def test_titles_are_the_command_without_its_shell() -> None:
    assert command_title("/bin/bash -lc 'ls -la'") == "ls -la"
    assert command_title("git status") == "git status"
    assert command_title("/bin/sh -c 'one\ntwo'") == "one …"
    assert command_title("broken 'quote") == "broken 'quote"


def test_a_command_that_only_reads_is_shown_as_reading() -> None:
    reading = replace(
        command("completed"),
        command_actions=(ReadCommandAction(command="cat a", name="a", path="/a"),),
    )
    view = shown(reading)
    assert view is not None
    assert (view.kind, [place.path for place in view.locations]) == ("read", ["/a"])
    looking = shown(command("completed"))
    assert looking is not None and looking.kind == "search"


def test_output_is_fenced_and_cut() -> None:
    assert output_content("") == []
    (block,) = output_content("a ```` b")
    assert "'`````\\na ```` b\\n`````'" in str(block)
    (block,) = output_content("x" * (2 * MAX_OUTPUT))
    assert len(str(block)) < MAX_OUTPUT + 300


# --- prompts ---------------------------------------------------------------------------------


def test_uris_of_files() -> None:
    assert file_path("file:///a%20b") == "/a b"
    assert file_path("file://localhost/a") == "/a"
    assert file_path("/a") == "/a"
    assert file_path("file://elsewhere/a") is None
    assert file_path("https://x/a") is None


def test_images_and_resources() -> None:
    blob = BlobResourceContents(uri="file:///x.png", blob="QQ==", mime_type="image/png")
    other = BlobResourceContents(uri="file:///d/x.pdf", blob="QQ==", mime_type="application/pdf")
    assert user_input(
        [
            ImageContentBlock(type="image", data="", mime_type="image/png", uri="file:///a.png"),
            ImageContentBlock(type="image", data="", mime_type="image/png", uri="https://x/a.png"),
            ResourceContentBlock(type="resource_link", name="n", uri="https://x/y"),
            EmbeddedResourceContentBlock(type="resource", resource=blob),
            EmbeddedResourceContentBlock(type="resource", resource=other),
        ]
    ) == [
        LocalImageUserInput(path="/a.png"),
        ImageUserInput(url="https://x/a.png"),
        TextUserInput(text="[n](https://x/y)"),
        ImageUserInput(url="data:image/png;base64,QQ=="),
        MentionUserInput(name="x.pdf", path="/d/x.pdf"),
    ]


def test_review_commands() -> None:
    def target(text: str) -> object:
        return review_target([TextUserInput(text=text)])

    assert target("/review") == UncommittedChangesReviewTarget()
    assert target(" /review for leaks ") == CustomReviewTarget("for leaks")
    assert target("/review-branch main") == BaseBranchReviewTarget("main")
    assert target("/review-commit abc") == CommitReviewTarget("abc")
    assert target("/review-branch") is None
    assert target("/reviewer") is None
    assert target("please /review") is None


# --- settings --------------------------------------------------------------------------------


def model(name: str, *efforts: ReasoningEffort) -> Model:
    return Model(
        id=name,
        model=name,
        display_name=name.upper(),
        description="",
        hidden=False,
        supported_reasoning_efforts=tuple(
            ReasoningEffortOption(reasoning_effort=effort, description="") for effort in efforts
        ),
        default_reasoning_effort=efforts[0],
        input_modalities=("text",),
        is_default=False,
    )


ROOTS = WorkspaceWriteSandboxPolicy(writable_roots=("/more",))
OPENED = ThreadStartResponse(
    thread=Thread(
        id="t",
        session_id="t",
        preview="",
        ephemeral=False,
        model_provider="p",
        created_at=1,
        updated_at=1,
        status=IdleThreadStatus(),
        cwd="/",
        cli_version="0",
        source="vscode",
    ),
    model="one",
    model_provider="p",
    cwd="/",
    approval_policy="on-request",
    sandbox=ROOTS,
    reasoning_effort="high",
)
MODELS = (model("one", "low", "high"), model("two", "medium"))


def test_what_was_not_chosen_is_not_sent() -> None:
    assert settings(OPENED).turn() == {}


def test_the_effort_follows_the_model() -> None:
    chosen = settings(OPENED)
    assert choose(chosen, "model", "two", MODELS) is None
    assert chosen.turn() == {"model": "two", "effort": "medium"}
    assert [option.current_value for option in config_options(chosen, MODELS)] == [
        "workspace-write",
        "two",
        "medium",
    ]


def test_a_mode_brings_its_sandbox_and_policy() -> None:
    chosen = settings(OPENED)
    assert choose(chosen, "mode", "full-access", MODELS) is None
    assert chosen.turn().get("approval_policy") == "never"
    assert choose(chosen, "mode", "workspace-write", MODELS) is None
    assert chosen.turn() == {"sandbox": ROOTS, "approval_policy": "on-request"}


@pytest.mark.parametrize("option", ["mode", "model", "thought_level", "colour"])
def test_unknown_values_are_refused_with_a_reason(option: str) -> None:
    chosen = settings(OPENED)
    assert "no" in (choose(chosen, option, "nothing", MODELS) or "")
    assert chosen.turn() == {}


# --- updates ---------------------------------------------------------------------------------


def command(status: ItemStatus, output: str | None = None) -> CommandExecution:
    return CommandExecution(
        id="c",
        command="bash -lc ls",
        cwd="/",
        status=status,
        command_actions=(ListFilesCommandAction(command="ls"),),
        aggregated_output=output,
    )


def delta(text: str) -> AgentMessageDelta:
    return AgentMessageDelta(thread_id="t", turn_id="u", item_id="m", delta=text)


def completed(item: AgentMessage | Reasoning | CommandExecution) -> ItemCompleted:
    return ItemCompleted(thread_id="t", turn_id="u", item=item, completed_at_ms=1)


@pytest.mark.parametrize(
    ("deltas", "told"),
    [
        (["who", "le"], "whole"),
        (["who"], "whole"),
        ([], "whole"),
        (["ho"], "ho\n\nwhole"),
    ],
)
def test_a_message_is_told_whole_whatever_was_streamed(deltas: list[str], told: str) -> None:
    updates = Updates()
    events = [*map(delta, deltas), completed(AgentMessage(id="m", text="whole"))]
    chunks = [update for event in events for update in updates.take(event)]
    texts = [chunk.content for chunk in chunks if isinstance(chunk, AgentMessageChunk)]
    assert "".join(text.text for text in texts if isinstance(text, TextContentBlock)) == told


def test_growing_output_is_told_now_and_then() -> None:
    now = 0.0
    updates = Updates(now=lambda: now)
    started = ItemStarted(thread_id="t", turn_id="u", item=command("inProgress"), started_at_ms=1)
    (start,) = updates.take(started)
    told: list[ToolCallProgress] = []
    for _ in range(100):
        now += 0.01
        grown = CommandOutputDelta(thread_id="t", turn_id="u", item_id="c", delta="x")
        told += [one for one in updates.take(grown) if isinstance(one, ToolCallProgress)]
    assert 8 <= len(told) <= 12
    (end,) = updates.take(completed(command("completed", "x" * 100)))
    assert isinstance(end, ToolCallProgress) and end.status == "completed"
    assert "x" * 100 in str(end.content)
    assert start.session_update == "tool_call"


def test_thoughts_and_warnings() -> None:
    updates = Updates()
    part = ReasoningSummaryPart(thread_id="t", turn_id="u", item_id="r", summary_index=0)
    assert list(updates.take(part)) == []
    (thought,) = updates.take(completed(Reasoning(id="r", summary=("one", "two"))))
    assert "'one\\n\\ntwo'" in str(thought)
    (warned,) = updates.take(Warned(thread_id="t", message="careful"))
    assert "careful" in str(warned)


def test_a_stored_thread_is_told_in_order() -> None:
    told = list(
        replay(
            [
                UserMessage(id="1", content=(Text(text="do"), ImageUserInput(url="data:x"))),
                Reasoning(id="2", content=("hm",)),
                Reasoning(id="3"),
                command("inProgress"),
                AgentMessage(id="5", text="done"),
            ]
        )
    )
    assert [one.session_update for one in told] == [
        "user_message_chunk",
        "agent_thought_chunk",
        "tool_call",
        "agent_message_chunk",
    ]
    assert "failed" in str(told[2])


def test_audio_is_refused() -> None:
    with pytest.raises(RequestError):
        user_input([AudioContentBlock(type="audio", data="QQ==", mime_type="audio/wav")])
