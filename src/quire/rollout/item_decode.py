"""Items for people back from `item_completed` lines: the reverse of `items.py`."""

from __future__ import annotations

from typing import Literal
from urllib.parse import unquote

from msgspec import Raw, Struct

from quire.protocol.records import ItemCompleted
from quire.protocol.thread import (
    AgentMessageItem,
    CommandExecutionItem,
    CommandSource,
    EnteredReviewItem,
    ErrorItem,
    ExitedReviewItem,
    FileChange,
    FileChangeItem,
    ImageViewItem,
    ItemStatus,
    PlanStep,
    ReasoningItem,
    ThreadItem,
    TodoListItem,
    UserMessageItem,
)

_STATUS: dict[str, ItemStatus] = {
    "in_progress": "inProgress",
    "completed": "completed",
    "failed": "failed",
    "declined": "declined",
}
_SOURCE: dict[str, CommandSource] = {
    "agent": "agent",
    "user_shell": "userShell",
    "unified_exec_startup": "unifiedExecStartup",
    "unified_exec_interaction": "unifiedExecInteraction",
}


class _InputPart(Struct, frozen=True):
    """A part of a person's message: `text`, `local_image`, or a kind not drawn here."""

    type: str
    text: str = ""
    path: str = ""


class _UserMessage(Struct, frozen=True, tag="UserMessage"):
    id: str
    content: tuple[_InputPart, ...] = ()

    def item(self) -> ThreadItem:
        return UserMessageItem(
            self.id,
            "".join(part.text for part in self.content if part.type == "text"),
            tuple(part.path for part in self.content if part.type == "local_image"),
        )


class _TextPart(Struct, frozen=True):
    text: str = ""


class _AgentMessage(Struct, frozen=True, tag="AgentMessage"):
    id: str
    content: tuple[_TextPart, ...] = ()

    def item(self) -> ThreadItem:
        return AgentMessageItem(self.id, "".join(part.text for part in self.content))


class _Reasoning(Struct, frozen=True, tag="Reasoning"):
    id: str
    summary_text: tuple[str, ...] = ()
    raw_content: tuple[str, ...] = ()

    def item(self) -> ThreadItem:
        return ReasoningItem(self.id, self.summary_text, self.raw_content)


class _Duration(Struct, frozen=True):
    secs: int = 0
    nanos: int = 0


class _CommandExecution(Struct, frozen=True, tag="CommandExecution"):
    id: str
    command: tuple[str, ...]
    cwd: str = ""
    process_id: str | None = None
    source: str = "agent"
    status: str = "completed"
    aggregated_output: str | None = None
    exit_code: int | None = None
    duration: _Duration | None = None

    def item(self) -> ThreadItem:
        took = self.duration
        return CommandExecutionItem(
            id=self.id,
            command=self.command,
            cwd=_path(self.cwd),
            status=_STATUS.get(self.status, "completed"),
            process_id=self.process_id,
            source=_SOURCE.get(self.source, "agent"),
            aggregated_output=self.aggregated_output or "",
            exit_code=self.exit_code,
            duration_ms=took.secs * 1000 + took.nanos // 1_000_000 if took else None,
        )


class _Change(Struct, frozen=True):
    type: Literal["add", "delete", "update"]
    content: str = ""
    unified_diff: str = ""
    move_path: str | None = None


class _FileChange(Struct, frozen=True, tag="FileChange"):
    id: str
    changes: dict[str, _Change]
    status: str = "completed"
    stdout: str | None = None
    stderr: str | None = None

    def item(self) -> ThreadItem:
        changes = tuple(
            FileChange(path, change.type, change.unified_diff or change.content, change.move_path)
            for path, change in self.changes.items()
        )
        status = _STATUS.get(self.status, "completed")
        return FileChangeItem(self.id, changes, status, self.stdout or "", self.stderr or "")


class _TodoList(Struct, frozen=True, tag="TodoList"):
    id: str
    steps: tuple[PlanStep, ...] = ()

    def item(self) -> ThreadItem:
        return TodoListItem(self.id, self.steps)


class _ImageView(Struct, frozen=True, tag="ImageView"):
    id: str
    path: str

    def item(self) -> ThreadItem:
        return ImageViewItem(self.id, _path(self.path))


class _EnteredReviewMode(Struct, frozen=True, tag="EnteredReviewMode"):
    id: str
    user_facing_hint: str = ""
    target: Raw = Raw()

    def item(self) -> ThreadItem:
        return EnteredReviewItem(self.id, self.user_facing_hint, _json(self.target))


class _ExitedReviewMode(Struct, frozen=True, tag="ExitedReviewMode"):
    id: str
    review: str | None = None
    review_output: Raw = Raw()

    def item(self) -> ThreadItem:
        output = _json(self.review_output)
        text = _review_text(output) if self.review is None else self.review
        return ExitedReviewItem(self.id, text, output)


class _Error(Struct, frozen=True, tag="Error"):
    id: str
    message: str = ""

    def item(self) -> ThreadItem:
        return ErrorItem(self.id, self.message)


class ItemCompletedPayload(Struct, frozen=True):
    """The payload of an `item_completed` line whose item is of a kind known here."""

    turn_id: str
    item: (
        _UserMessage
        | _AgentMessage
        | _Reasoning
        | _CommandExecution
        | _FileChange
        | _TodoList
        | _ImageView
        | _EnteredReviewMode
        | _ExitedReviewMode
        | _Error
    )
    started_at_ms: int = 0
    completed_at_ms: int = 0

    def record(self) -> ItemCompleted:
        return ItemCompleted(
            self.turn_id, self.item.item(), self.started_at_ms, self.completed_at_ms
        )


def _json(raw: Raw) -> str:
    """The text of a member; empty when it is absent, null, or no UTF-8."""
    text = bytes(raw).decode("utf-8", "replace")
    return "" if text == "null" else text


def _review_text(output: str) -> str:
    """What people saw of a review that Codex stored."""
    import msgspec

    from quire.protocol.review import ReviewOutput, review_text

    try:
        return review_text(msgspec.json.decode(output, type=ReviewOutput) if output else None)
    except msgspec.DecodeError:
        return review_text(None)


def _path(url: str) -> str:
    """The path of a `file://` URL; anything else is a path already."""
    if not url.startswith("file://"):
        return url
    return unquote(url[len("file://") :], errors="surrogateescape")
