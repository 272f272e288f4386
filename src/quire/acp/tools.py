"""Items of a turn as tool calls: title, kind, places, content."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Sequence

from acp.helpers import ToolCallContentVariant, text_block, tool_content
from acp.schema import (
    FileEditToolCallContent,
    ToolCallLocation,
    ToolCallProgress,
    ToolCallStart,
    ToolCallStatus,
    ToolKind,
)
from msgspec import Struct

from quire.acp.diffs import edits
from quire.client.items import CommandExecution, FileChange, ThreadItem
from quire.protocol.rpc.items import (
    CommandAction,
    FileUpdateChange,
    ImageViewThreadItem,
    ListFilesCommandAction,
    McpToolCallThreadItem,
    ReadCommandAction,
    SearchCommandAction,
    WebSearchThreadItem,
)
from quire.protocol.thread import ItemStatus

MAX_OUTPUT = 64 * 1024
"""Characters of a command's output that are shown; of more, the last."""

Content = list[ToolCallContentVariant]


class Shown(Struct, frozen=True, kw_only=True):
    """An item as a client shows it."""

    title: str
    kind: ToolKind
    status: ToolCallStatus
    content: Content
    locations: list[ToolCallLocation] = []


def shown(item: ThreadItem) -> Shown | None:
    """None for items that are no tool calls."""
    match item:
        case CommandExecution():
            return Shown(
                title=command_title(item.command),
                kind=_command_kind(item.command_actions),
                status=_status(item.status),
                content=output_content(item.aggregated_output or ""),
                locations=_read_places(item.command_actions),
            )
        case FileChange():
            return _patch(item.changes, _status(item.status))
        case McpToolCallThreadItem():
            title = f"{item.server}: {item.tool}"
            return Shown(title=title, kind="other", status=_status(item.status), content=[])
        case WebSearchThreadItem():
            return Shown(title=item.query, kind="fetch", status="completed", content=[])
        case ImageViewThreadItem(path=path):
            return Shown(
                title=f"Look at {os.path.basename(path)}",
                kind="read",
                status="completed",
                content=[],
                locations=[ToolCallLocation(path=path)],
            )
        case _:
            return None


def start(item_id: str, view: Shown) -> ToolCallStart:
    return ToolCallStart(
        session_update="tool_call",
        tool_call_id=item_id,
        title=view.title,
        kind=view.kind,
        status=view.status,
        content=view.content or None,
        locations=view.locations or None,
    )


def progress(
    item_id: str, status: ToolCallStatus | None = None, content: Content | None = None
) -> ToolCallProgress:
    """What changed: `content` takes the place of what was there."""
    return ToolCallProgress(
        session_update="tool_call_update",
        tool_call_id=item_id,
        status=status,
        content=content,
    )


def output_content(output: str) -> Content:
    """A command's output, fenced."""
    if not output:
        return []
    cut = output if len(output) <= MAX_OUTPUT else f"…\n{output[-MAX_OUTPUT:]}"
    fence = "```"
    while fence in cut:
        fence += "`"
    end = "" if cut.endswith("\n") else "\n"
    return [tool_content(text_block(f"{fence}\n{cut}{end}{fence}"))]


def patch_content(changes: Iterable[FileUpdateChange]) -> Content:
    return [
        FileEditToolCallContent(type="diff", path=e.path, old_text=e.old, new_text=e.new)
        for e in edits(changes)
    ]


def patch_title(changes: Sequence[FileUpdateChange]) -> str:
    names = dict.fromkeys(os.path.basename(change.path) for change in changes)
    return f"Edit {', '.join(names)}"


def command_title(command: str) -> str:
    """The command without the shell around it, on one line."""
    first, _, more = _script(command).strip().partition("\n")
    return f"{first} …" if more else first


def _script(command: str) -> str:
    try:
        words = shlex.split(command)
    except ValueError:
        return command
    return words[2] if len(words) == 3 and words[1] in ("-c", "-lc") else command


def _patch(changes: Sequence[FileUpdateChange], status: ToolCallStatus) -> Shown:
    return Shown(
        title=patch_title(changes),
        kind="edit",
        status=status,
        content=patch_content(changes),
        locations=[ToolCallLocation(path=e.path, line=e.line) for e in edits(changes)],
    )


def _status(status: ItemStatus) -> ToolCallStatus:
    match status:
        case "inProgress":
            return "in_progress"
        case "completed":
            return "completed"
        case _:
            return "failed"


def _command_kind(actions: Sequence[CommandAction]) -> ToolKind:
    kinds = {type(action) for action in actions}
    if kinds == {ReadCommandAction}:
        return "read"
    if kinds and kinds <= {SearchCommandAction, ListFilesCommandAction}:
        return "search"
    return "execute"


def _read_places(actions: Iterable[CommandAction]) -> list[ToolCallLocation]:
    return [ToolCallLocation(path=a.path) for a in actions if isinstance(a, ReadCommandAction)]
