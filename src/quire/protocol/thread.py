"""What people see: threads, turns and their items, as clients draw them.

Names follow the app-server's `ThreadItem` (Codex 0.169). Paths are absolute; times are
milliseconds since the epoch; outputs are text in which invalid UTF-8 became U+FFFD.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

ItemStatus = Literal["inProgress", "completed", "failed", "declined"]
TurnStatus = Literal["inProgress", "completed", "interrupted", "failed"]
CommandSource = Literal["agent", "userShell", "unifiedExecStartup", "unifiedExecInteraction"]
ChangeKind = Literal["add", "delete", "update"]
StepStatus = Literal["pending", "in_progress", "completed"]


class UserMessageItem(Struct, frozen=True, tag="userMessage", tag_field="type"):
    id: str
    text: str
    images: tuple[str, ...] = ()
    client_id: str | None = None


class AgentMessageItem(Struct, frozen=True, tag="agentMessage", tag_field="type"):
    id: str
    text: str


class ReasoningItem(Struct, frozen=True, tag="reasoning", tag_field="type"):
    id: str
    summary: tuple[str, ...] = ()
    content: tuple[str, ...] = ()


class CommandExecutionItem(Struct, frozen=True, tag="commandExecution", tag_field="type"):
    """`command` is the argument vector as displayed (`/bin/bash -lc 'text'`); `process_id` is
    the session id told to the model. `aggregated_output` holds at most about 1 MiB."""

    id: str
    command: tuple[str, ...]
    cwd: str
    status: ItemStatus = "inProgress"
    process_id: str | None = None
    source: CommandSource = "unifiedExecStartup"
    aggregated_output: str = ""
    exit_code: int | None = None
    duration_ms: int | None = None


class FileChange(Struct, frozen=True):
    """One changed file. `diff` is a unified diff for an update, the whole text otherwise."""

    path: str
    kind: ChangeKind
    diff: str = ""
    move_path: str | None = None


class FileChangeItem(Struct, frozen=True, tag="fileChange", tag_field="type"):
    id: str
    changes: tuple[FileChange, ...]
    status: ItemStatus = "inProgress"
    stdout: str = ""
    stderr: str = ""


class PlanStep(Struct, frozen=True):
    step: str
    status: StepStatus


class TodoListItem(Struct, frozen=True, tag="todoList", tag_field="type"):
    id: str
    steps: tuple[PlanStep, ...]


class ImageViewItem(Struct, frozen=True, tag="imageView", tag_field="type"):
    id: str
    path: str


class EnteredReviewItem(Struct, frozen=True, tag="enteredReviewMode", tag_field="type"):
    """A review began. `review` says in a few words of what; `target` is its target as JSON."""

    id: str
    review: str
    target: str = ""


class ExitedReviewItem(Struct, frozen=True, tag="exitedReviewMode", tag_field="type"):
    """A review ended. `review` is its text for people; `output` is a `protocol.review`
    `ReviewOutput` as JSON, empty when the reviewer gave no answer."""

    id: str
    review: str
    output: str = ""


class ErrorItem(Struct, frozen=True, tag="error", tag_field="type"):
    """Something a person should know about that did not end the turn."""

    id: str
    message: str


ThreadItem = (
    UserMessageItem
    | AgentMessageItem
    | ReasoningItem
    | CommandExecutionItem
    | FileChangeItem
    | TodoListItem
    | ImageViewItem
    | EnteredReviewItem
    | ExitedReviewItem
    | ErrorItem
)


class Usage(Struct, frozen=True):
    """Token counts of one response, or sums of them."""

    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_output_tokens: int = 0
    total_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.cached_input_tokens + other.cached_input_tokens,
            self.cache_write_input_tokens + other.cache_write_input_tokens,
            self.output_tokens + other.output_tokens,
            self.reasoning_output_tokens + other.reasoning_output_tokens,
            self.total_tokens + other.total_tokens,
        )


class ErrorInfo(Struct, frozen=True):
    """Why a turn failed. `code` is one of the app-server's `codexErrorInfo` words (Codex 0.169):
    contextWindowExceeded, usageLimitExceeded, rateLimitExceeded, serverOverloaded, modelNotFound,
    unauthorized, badRequest, internalServerError, sandboxError, httpConnectionFailed,
    responseStreamConnectionFailed, responseStreamDisconnected, responseTooManyFailedAttempts,
    other."""

    message: str
    code: str = "other"
    http_status: int | None = None
