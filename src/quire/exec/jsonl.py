"""`quire exec --json`: one JSON line per event, in the shape of Codex 0.169 (rows E5, E6).

Deviation: `error` and `turn.failed` carry a `code` (a `codexErrorInfo` word) beside the message.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

import msgspec
from msgspec import Struct

from quire.protocol.events import (
    AutoReviewed,
    Event,
    ItemStarted,
    ItemUpdated,
    StreamError,
    Warned,
)
from quire.protocol.local import ThreadInfo
from quire.protocol.quoting import command_line
from quire.protocol.records import ItemCompleted, ResponseCompleted, TurnCompleted, TurnStarted
from quire.protocol.thread import (
    AgentMessageItem,
    CommandExecutionItem,
    ErrorInfo,
    ErrorItem,
    FileChangeItem,
    ReasoningItem,
    ThreadItem,
    TodoListItem,
    Usage,
)

_STATUS = {
    "inProgress": "in_progress",
    "completed": "completed",
    "failed": "failed",
    "declined": "declined",
}


class TextEntry(Struct, frozen=True):
    id: str
    type: str
    text: str


class ErrorEntry(Struct, frozen=True):
    id: str
    type: str
    message: str


class CommandEntry(Struct, frozen=True):
    id: str
    type: str
    command: str
    aggregated_output: str
    exit_code: int | None
    status: str


class ChangeEntry(Struct, frozen=True):
    path: str
    kind: str


class FileChangeEntry(Struct, frozen=True):
    id: str
    type: str
    changes: tuple[ChangeEntry, ...]
    status: str


class TodoEntry(Struct, frozen=True):
    text: str
    completed: bool


class TodoListEntry(Struct, frozen=True):
    id: str
    type: str
    items: tuple[TodoEntry, ...]


Entry = TextEntry | ErrorEntry | CommandEntry | FileChangeEntry | TodoListEntry


class ExecUsage(Struct, frozen=True):
    input_tokens: int
    cached_input_tokens: int
    cache_write_input_tokens: int
    output_tokens: int
    reasoning_output_tokens: int


class Failure(Struct, frozen=True, omit_defaults=True):
    message: str
    code: str | None = None
    http_status: int | None = None


class Line(Struct, frozen=True, omit_defaults=True):
    """One line of the stream; members that do not apply are left out."""

    type: str
    thread_id: str | None = None
    item: Entry | None = None
    usage: ExecUsage | None = None
    message: str | None = None
    error: Failure | None = None
    code: str | None = None
    http_status: int | None = None


class JsonLines:
    """Folds the events of a thread into lines. `write` gets each line, newline included."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._encoder = msgspec.json.Encoder()
        self._ids: dict[str, str] = {}
        self._plan: TodoListItem | None = None
        self._usage = Usage()

    def thread_started(self, thread_id: str) -> None:
        self._put(Line("thread.started", thread_id=thread_id))

    def warning(self, message: str) -> None:
        """Something to know that does not end the turn: an `error` item (row E9)."""
        self._item("item.completed", ErrorItem(f"warning-{len(self._ids)}", message))

    def event(self, event: Event) -> None:
        match event:
            case TurnStarted():
                self._put(Line("turn.started"))
            case ItemStarted(_, item):
                self._item("item.started", item)
                if isinstance(item, TodoListItem):
                    self._plan = item
            case ItemUpdated(_, item):
                self._item("item.updated", item)
                if isinstance(item, TodoListItem):
                    self._plan = item
            case ItemCompleted(_, item):
                self._item("item.completed", item)
            case StreamError(_, message, info):
                self._put(
                    Line("error", message=message, code=info.code, http_status=info.http_status)
                )
            case Warned(message):
                self.warning(message)
            case AutoReviewed(status=status) if status not in ("inProgress", "approved"):
                self.warning(event.sentence)
            case ResponseCompleted():
                self._usage = event.thread_usage
            case TurnCompleted():
                self._turn_completed(event)
            case _:
                pass

    def _turn_completed(self, event: TurnCompleted) -> None:
        if event.status == "completed":
            self._finish_plan()
            usage = ExecUsage(
                self._usage.input_tokens,
                self._usage.cached_input_tokens,
                self._usage.cache_write_input_tokens,
                self._usage.output_tokens,
                self._usage.reasoning_output_tokens,
            )
            self._put(Line("turn.completed", usage=usage))
            return
        error = event.error or ErrorInfo("interrupted", code="interrupted")
        self._put(
            Line("error", message=error.message, code=error.code, http_status=error.http_status)
        )
        self._finish_plan()
        failure = Failure(error.message, error.code, error.http_status)
        self._put(Line("turn.failed", error=failure))

    def _finish_plan(self) -> None:
        """The plan is completed with its turn: right before the line that ends it."""
        if self._plan is not None:
            self._item("item.completed", self._plan)
            self._plan = None

    def _item(self, kind: str, item: ThreadItem) -> None:
        known = self._ids.get(item.id)
        entry = _entry(known or f"item_{len(self._ids)}", item)
        if entry is None:
            return
        self._ids[item.id] = entry.id
        self._put(Line(kind, item=entry))

    def _put(self, line: Line) -> None:
        self._write(self._encoder.encode(line) + b"\n")


def _entry(entry_id: str, item: ThreadItem) -> Entry | None:
    """The item as `exec --json` shows it; None for kinds that it does not show."""
    match item:
        case AgentMessageItem():
            return TextEntry(entry_id, "agent_message", item.text)
        case ReasoningItem():
            # Raw reasoning, which some open models send, is not shown.
            return (
                TextEntry(entry_id, "reasoning", "\n".join(item.summary)) if item.summary else None
            )
        case CommandExecutionItem():
            return CommandEntry(
                entry_id,
                "command_execution",
                command_line(item.command),
                item.aggregated_output,
                item.exit_code,
                _STATUS[item.status],
            )
        case FileChangeItem():
            changes = tuple(ChangeEntry(change.path, change.kind) for change in item.changes)
            return FileChangeEntry(entry_id, "file_change", changes, _STATUS[item.status])
        case TodoListItem():
            todo = tuple(TodoEntry(step.step, step.status == "completed") for step in item.steps)
            return TodoListEntry(entry_id, "todo_list", todo)
        case ErrorItem():
            return ErrorEntry(entry_id, "error", item.message)
        case _:
            return None


class JsonDisplay:
    """Shows a run as JSON lines on `stream`."""

    wants_deltas = False

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lines = JsonLines(self._write)

    def opened(self, info: ThreadInfo, warnings: tuple[str, ...]) -> None:
        self._lines.thread_started(info.id)
        for warning in warnings:
            self._lines.warning(warning)

    def event(self, event: Event) -> None:
        self._lines.event(event)

    def closed(self, final_message: str | None) -> None:
        self._stream.flush()

    def _write(self, line: bytes) -> None:
        # Each line at once: whoever reads them acts on them.
        self._stream.write(line)
        self._stream.flush()
