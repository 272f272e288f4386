"""Items for people as `item_completed` lines hold them (Codex 0.169).

The `type` is in PascalCase, paths of folders and images are `file://` URLs, words are in
snake_case. `TodoList` and `Error` are ours: Codex does not store such items.
"""

from __future__ import annotations

from msgspec import Raw

from quire.protocol.thread import (
    AgentMessageItem,
    CommandExecutionItem,
    EnteredReviewItem,
    ErrorItem,
    ExitedReviewItem,
    FileChange,
    FileChangeItem,
    ImageViewItem,
    ReasoningItem,
    ThreadItem,
    TodoListItem,
    UserMessageItem,
)

Payload = dict[str, object]

_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/-._~+:@")


def item_payload(item: ThreadItem) -> Payload:
    """The `item` member of an `item_completed` line. Pure and total."""
    match item:
        case CommandExecutionItem():
            return _command(item)
        case FileChangeItem():
            return {
                "type": "FileChange",
                "id": item.id,
                "changes": {change.path: _change(change) for change in item.changes},
                "status": snake(item.status),
                "stdout": item.stdout,
                "stderr": item.stderr,
            }
        case UserMessageItem():
            return _user_message(item)
        case AgentMessageItem():
            text = {"type": "Text", "text": item.text}
            return {"type": "AgentMessage", "id": item.id, "content": [text]}
        case ReasoningItem():
            return {
                "type": "Reasoning",
                "id": item.id,
                "summary_text": item.summary,
                "raw_content": item.content,
            }
        case TodoListItem():
            return {"type": "TodoList", "id": item.id, "steps": item.steps}
        case ImageViewItem():
            return {"type": "ImageView", "id": item.id, "path": file_url(item.path)}
        case EnteredReviewItem():
            return {
                "type": "EnteredReviewMode",
                "id": item.id,
                "target": Raw(item.target.encode() or b"null"),
                "user_facing_hint": item.review,
            }
        case ExitedReviewItem():
            # `review` is ours: the text depends on more than what Codex stores.
            return {
                "type": "ExitedReviewMode",
                "id": item.id,
                "review_output": Raw(item.output.encode() or b"null"),
                "review": item.review,
            }
        case ErrorItem():
            return {"type": "Error", "id": item.id, "message": item.message}


def snake(word: str) -> str:
    """`inProgress` becomes `in_progress`."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in word)


def file_url(path: str) -> str:
    """`/a b` becomes `file:///a%20b`. Bytes of a file name that are no UTF-8 survive."""
    try:
        data = path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        data = path.encode("utf-8", "replace")
    return "file://" + "".join(chr(b) if b in _PLAIN else f"%{b:02X}" for b in data)


def _command(item: CommandExecutionItem) -> Payload:
    script = item.command[-1] if item.command else ""
    duration = None
    if item.duration_ms is not None:
        seconds, milliseconds = divmod(item.duration_ms, 1000)
        duration = {"secs": seconds, "nanos": milliseconds * 1_000_000}
    return {
        "type": "CommandExecution",
        "id": item.id,
        "process_id": item.process_id,
        "command": item.command,
        "cwd": file_url(item.cwd),
        "parsed_cmd": [{"type": "unknown", "cmd": script}],
        "source": snake(item.source),
        "status": snake(item.status),
        "aggregated_output": item.aggregated_output,
        "exit_code": item.exit_code,
        "duration": duration,
    }


def _change(change: FileChange) -> Payload:
    if change.kind == "update":
        return {"type": "update", "unified_diff": change.diff, "move_path": change.move_path}
    return {"type": change.kind, "content": change.diff}


def _user_message(item: UserMessageItem) -> Payload:
    content: list[Payload] = [{"type": "local_image", "path": path} for path in item.images]
    content.append({"type": "text", "text": item.text, "text_elements": []})
    return {"type": "UserMessage", "id": item.id, "content": content}
