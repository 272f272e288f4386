"""The items of a turn, and what a person sends: `ThreadItem` and `UserInput` of Codex 0.169.

Times are milliseconds since the epoch; paths are absolute.
"""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, Raw, Struct, UnsetType, field

from quire.protocol.rpc.values import json_null
from quire.protocol.thread import CommandSource, ItemStatus

ImageDetail = Literal["auto", "low", "high", "original"]
MessagePhase = Literal["commentary", "partial_answer", "final_answer"]
McpToolCallStatus = Literal["inProgress", "completed", "failed"]


class ByteRange(Struct, frozen=True, kw_only=True):
    """A half-open range of UTF-8 bytes."""

    start: int
    end: int


class TextElement(Struct, frozen=True, kw_only=True, rename="camel"):
    """A part of a text that the client shows in its own way."""

    byte_range: ByteRange
    placeholder: str | None = None


class TextUserInput(Struct, frozen=True, kw_only=True, tag="text", tag_field="type"):
    text: str
    text_elements: tuple[TextElement, ...] = ()


class ImageUserInput(
    Struct, frozen=True, kw_only=True, rename="camel", tag="image", tag_field="type"
):
    """An image by its URL (a data URL too), or by the id of a file known to the provider."""

    url: str | UnsetType = UNSET
    file_id: str | UnsetType = UNSET
    detail: ImageDetail | None = None


class LocalImageUserInput(Struct, frozen=True, kw_only=True, tag="localImage", tag_field="type"):
    path: str
    detail: ImageDetail | None = None


class AudioUserInput(
    Struct, frozen=True, kw_only=True, rename="camel", tag="audio", tag_field="type"
):
    url: str | UnsetType = UNSET
    file_id: str | UnsetType = UNSET


class LocalAudioUserInput(Struct, frozen=True, kw_only=True, tag="localAudio", tag_field="type"):
    path: str


class SkillUserInput(Struct, frozen=True, kw_only=True, tag="skill", tag_field="type"):
    name: str
    path: str


class MentionUserInput(Struct, frozen=True, kw_only=True, tag="mention", tag_field="type"):
    name: str
    path: str


UserInput = (
    TextUserInput
    | ImageUserInput
    | LocalImageUserInput
    | AudioUserInput
    | LocalAudioUserInput
    | SkillUserInput
    | MentionUserInput
)


class ReadCommandAction(Struct, frozen=True, kw_only=True, tag="read", tag_field="type"):
    """The command shows a file. `name` is the last part of its path."""

    command: str
    name: str
    path: str


class ListFilesCommandAction(Struct, frozen=True, kw_only=True, tag="listFiles", tag_field="type"):
    command: str
    path: str | None = None


class SearchCommandAction(Struct, frozen=True, kw_only=True, tag="search", tag_field="type"):
    command: str
    query: str | None = None
    path: str | None = None


class UnknownCommandAction(Struct, frozen=True, kw_only=True, tag="unknown", tag_field="type"):
    command: str


CommandAction = (
    ReadCommandAction | ListFilesCommandAction | SearchCommandAction | UnknownCommandAction
)


class AddPatchChangeKind(Struct, frozen=True, kw_only=True, tag="add", tag_field="type"):
    """A new file; its `diff` is the whole text."""


class DeletePatchChangeKind(Struct, frozen=True, kw_only=True, tag="delete", tag_field="type"):
    """A file that goes; its `diff` is the text it had."""


class UpdatePatchChangeKind(Struct, frozen=True, kw_only=True, tag="update", tag_field="type"):
    move_path: str | None = None


PatchChangeKind = AddPatchChangeKind | DeletePatchChangeKind | UpdatePatchChangeKind


class FileUpdateChange(Struct, frozen=True, kw_only=True):
    path: str
    kind: PatchChangeKind
    diff: str


class HookPromptFragment(Struct, frozen=True, kw_only=True, rename="camel"):
    text: str
    hook_run_id: str


class McpToolCallResult(Struct, frozen=True, kw_only=True, rename="camel"):
    """What an MCP tool answered; its content blocks are passed on unread."""

    content: tuple[Raw, ...]
    structured_content: Raw = field(default_factory=json_null)
    meta: Raw = field(name="_meta", default_factory=json_null)


class McpToolCallError(Struct, frozen=True, kw_only=True):
    message: str


class SearchWebSearchAction(Struct, frozen=True, kw_only=True, tag="search", tag_field="type"):
    query: str | None = None
    queries: tuple[str, ...] | None = None


class OpenPageWebSearchAction(Struct, frozen=True, kw_only=True, tag="openPage", tag_field="type"):
    url: str | None = None


class FindInPageWebSearchAction(
    Struct, frozen=True, kw_only=True, tag="findInPage", tag_field="type"
):
    url: str | None = None
    pattern: str | None = None


class OtherWebSearchAction(Struct, frozen=True, kw_only=True, tag="other", tag_field="type"):
    """An action of a kind that has no words here."""


WebSearchAction = (
    SearchWebSearchAction
    | OpenPageWebSearchAction
    | FindInPageWebSearchAction
    | OtherWebSearchAction
)


class UserMessageThreadItem(
    Struct, frozen=True, kw_only=True, rename="camel", tag="userMessage", tag_field="type"
):
    """`client_id` is the `clientUserMessageId` that it was sent with."""

    id: str
    client_id: str | None = None
    content: tuple[UserInput, ...]
    started_at_ms: int | None = None
    completed_at_ms: int | None = None


class HookPromptThreadItem(
    Struct, frozen=True, kw_only=True, rename="camel", tag="hookPrompt", tag_field="type"
):
    id: str
    fragments: tuple[HookPromptFragment, ...]
    started_at_ms: int | None = None
    completed_at_ms: int | None = None


class AgentMessageThreadItem(
    Struct, frozen=True, kw_only=True, rename="camel", tag="agentMessage", tag_field="type"
):
    """`moderation`, `memory_citation`, `delivery` and `questions` are always null here."""

    moderation: None = None
    id: str
    text: str
    phase: MessagePhase | None = None
    memory_citation: None = None
    delivery: None = None
    questions: None = None
    started_at_ms: int | None = None
    completed_at_ms: int | None = None


class PlanThreadItem(
    Struct, frozen=True, kw_only=True, rename="camel", tag="plan", tag_field="type"
):
    id: str
    text: str
    started_at_ms: int | None = None
    completed_at_ms: int | None = None


class ReasoningThreadItem(
    Struct, frozen=True, kw_only=True, rename="camel", tag="reasoning", tag_field="type"
):
    id: str
    summary: tuple[str, ...] = ()
    content: tuple[str, ...] = ()
    started_at_ms: int | None = None
    completed_at_ms: int | None = None


class CommandExecutionThreadItem(
    Struct, frozen=True, kw_only=True, rename="camel", tag="commandExecution", tag_field="type"
):
    """`command` is a shell-quoted line. A command without output has `aggregatedOutput` null."""

    id: str
    plugin_id: None = None
    script_path: None = None
    command: str
    cwd: str
    process_id: str | None = None
    source: CommandSource = "agent"
    status: ItemStatus
    command_actions: tuple[CommandAction, ...]
    aggregated_output: str | None = None
    exit_code: int | None = None
    duration_ms: int | None = None
    started_at_ms: int | None = None
    completed_at_ms: int | None = None


class FileChangeThreadItem(
    Struct, frozen=True, kw_only=True, rename="camel", tag="fileChange", tag_field="type"
):
    id: str
    changes: tuple[FileUpdateChange, ...]
    status: ItemStatus
    started_at_ms: int | None = None
    completed_at_ms: int | None = None


class McpToolCallThreadItem(
    Struct, frozen=True, kw_only=True, rename="camel", tag="mcpToolCall", tag_field="type"
):
    id: str
    server: str
    tool: str
    status: McpToolCallStatus
    arguments: Raw
    app_context: None = None
    mcp_app_ui: None = None
    plugin_id: str | None = None
    read_only_hint: bool | None = None
    result: McpToolCallResult | None = None
    error: McpToolCallError | None = None
    duration_ms: int | None = None
    started_at_ms: int | None = None
    completed_at_ms: int | None = None


class WebSearchThreadItem(
    Struct, frozen=True, kw_only=True, rename="camel", tag="webSearch", tag_field="type"
):
    id: str
    query: str
    action: WebSearchAction | None = None
    results: tuple[Raw, ...] | None = None
    started_at_ms: int | None = None
    completed_at_ms: int | None = None


class ImageViewThreadItem(
    Struct, frozen=True, kw_only=True, rename="camel", tag="imageView", tag_field="type"
):
    id: str
    path: str
    started_at_ms: int | None = None
    completed_at_ms: int | None = None


class EnteredReviewModeThreadItem(
    Struct, frozen=True, kw_only=True, rename="camel", tag="enteredReviewMode", tag_field="type"
):
    """`review` names what is reviewed, for people."""

    id: str
    review: str
    started_at_ms: int | None = None
    completed_at_ms: int | None = None


class ExitedReviewModeThreadItem(
    Struct, frozen=True, kw_only=True, rename="camel", tag="exitedReviewMode", tag_field="type"
):
    """`review` is the review as text."""

    id: str
    review: str
    started_at_ms: int | None = None
    completed_at_ms: int | None = None


class ContextCompactionThreadItem(
    Struct, frozen=True, kw_only=True, rename="camel", tag="contextCompaction", tag_field="type"
):
    id: str
    started_at_ms: int | None = None
    completed_at_ms: int | None = None


ThreadItem = (
    UserMessageThreadItem
    | HookPromptThreadItem
    | AgentMessageThreadItem
    | PlanThreadItem
    | ReasoningThreadItem
    | CommandExecutionThreadItem
    | FileChangeThreadItem
    | McpToolCallThreadItem
    | WebSearchThreadItem
    | ImageViewThreadItem
    | EnteredReviewModeThreadItem
    | ExitedReviewModeThreadItem
    | ContextCompactionThreadItem
)
