"""From the core's words to the app-server's, and back where a client may send them.

Everything here is pure. Shapes are those of Codex 0.169 (`protocol/rpc`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import get_args

from msgspec.structs import replace

from quire.protocol import policy as core
from quire.protocol import thread as words
from quire.protocol.quoting import command_line
from quire.protocol.rpc import items as wire
from quire.protocol.rpc import values
from quire.protocol.rpc.faults import (
    CodexErrorDetail,
    CodexErrorInfo,
    CodexErrorWord,
    HttpFailure,
    ThreadTokenUsage,
    TokenUsageBreakdown,
    TurnError,
)
from quire.server.errors import InvalidRequest

Actions = Callable[[str], tuple[wire.CommandAction, ...]]
"""What a script does, part by part, for people: gets the text that the shell runs."""

_ERROR_WORDS: dict[str, CodexErrorWord] = {word: word for word in get_args(CodexErrorWord)}


def no_actions(script: str) -> tuple[wire.CommandAction, ...]:
    """An `Actions` that does not look into the script."""
    return (wire.UnknownCommandAction(command=script),)


def item_view(
    item: words.ThreadItem,
    *,
    started_at_ms: int | None = None,
    completed_at_ms: int | None = None,
    actions: Actions = no_actions,
) -> wire.ThreadItem | None:
    """An item as clients see it; None for one that has no item of its own on the wire (a plan
    is `turn/plan/updated`, an error is `warning`)."""
    view = _view(item, actions)
    if view is None:
        return None
    return replace(view, started_at_ms=started_at_ms, completed_at_ms=completed_at_ms)


def opening_view(
    item: words.ThreadItem, *, started_at_ms: int, actions: Actions = no_actions
) -> wire.ThreadItem | None:
    """How an item looks in its `item/started`: what is streamed begins empty, and a command has
    neither output nor end."""
    match item:
        case words.AgentMessageItem():
            item = replace(item, text="")
        case words.ReasoningItem():
            item = replace(item, summary=(), content=())
        case words.CommandExecutionItem():
            item = replace(
                item, status="inProgress", aggregated_output="", exit_code=None, duration_ms=None
            )
        case words.FileChangeItem():
            item = replace(item, status="inProgress")
        case _:
            pass
    return item_view(item, started_at_ms=started_at_ms, actions=actions)


def _view(item: words.ThreadItem, actions: Actions) -> wire.ThreadItem | None:
    match item:
        case words.UserMessageItem():
            content = _content(item)
            return wire.UserMessageThreadItem(id=item.id, client_id=item.client_id, content=content)
        case words.AgentMessageItem():
            return wire.AgentMessageThreadItem(id=item.id, text=item.text)
        case words.ReasoningItem():
            return wire.ReasoningThreadItem(id=item.id, summary=item.summary, content=item.content)
        case words.CommandExecutionItem():
            return _command(item, actions)
        case words.FileChangeItem():
            changes = tuple(map(file_change_view, item.changes))
            return wire.FileChangeThreadItem(id=item.id, changes=changes, status=item.status)
        case words.ImageViewItem():
            return wire.ImageViewThreadItem(id=item.id, path=item.path)
        case words.EnteredReviewItem():
            return wire.EnteredReviewModeThreadItem(id=item.id, review=item.review)
        case words.ExitedReviewItem():
            return wire.ExitedReviewModeThreadItem(id=item.id, review=item.review)
        case words.TodoListItem() | words.ErrorItem():
            return None


def _content(item: words.UserMessageItem) -> tuple[wire.UserInput, ...]:
    text = (wire.TextUserInput(text=item.text),) if item.text or not item.images else ()
    return (*text, *(_image(source) for source in item.images))


def _image(source: str) -> wire.UserInput:
    if source.startswith(("data:", "http://", "https://")):
        return wire.ImageUserInput(url=source)
    return wire.LocalImageUserInput(path=source)


def _command(item: words.CommandExecutionItem, actions: Actions) -> wire.ThreadItem:
    return wire.CommandExecutionThreadItem(
        id=item.id,
        command=command_line(item.command),
        cwd=item.cwd,
        process_id=item.process_id,
        source=item.source,
        status=item.status,
        command_actions=command_actions(item.command, item.cwd, actions),
        aggregated_output=item.aggregated_output or None,
        exit_code=item.exit_code,
        duration_ms=item.duration_ms,
    )


def command_actions(
    command: tuple[str, ...], cwd: str, actions: Actions
) -> tuple[wire.CommandAction, ...]:
    """The actions of a command vector; what it reads is named by its absolute path."""
    return tuple(_rooted(action, cwd) for action in actions(script_of(command)))


def _rooted(action: wire.CommandAction, cwd: str) -> wire.CommandAction:
    if isinstance(action, wire.ReadCommandAction):
        return replace(action, path=os.path.normpath(os.path.join(cwd, action.path)))
    return action


def script_of(command: tuple[str, ...]) -> str:
    """The text that the shell of this vector runs; the quoted line when it is no shell's."""
    match command:
        case (_, "-lc" | "-c", script):
            return script
        case _:
            return command_line(command)


def file_change_view(change: words.FileChange) -> wire.FileUpdateChange:
    kind: wire.PatchChangeKind
    match change.kind:
        case "add":
            kind = wire.AddPatchChangeKind()
        case "delete":
            kind = wire.DeletePatchChangeKind()
        case "update":
            kind = wire.UpdatePatchChangeKind(move_path=change.move_path)
    return wire.FileUpdateChange(path=change.path, kind=kind, diff=change.diff)


def error_view(error: words.ErrorInfo, details: str | None = None) -> TurnError:
    """`details` is the cause, for people who want to know."""
    return TurnError(
        message=error.message, codex_error_info=error_code_view(error), additional_details=details
    )


def error_code_view(error: words.ErrorInfo) -> CodexErrorInfo:
    """A word, or an object for the faults that carry an HTTP status."""
    http = HttpFailure(http_status_code=error.http_status)
    match error.code:
        case "httpConnectionFailed":
            return CodexErrorDetail(http_connection_failed=http)
        case "responseStreamConnectionFailed":
            return CodexErrorDetail(response_stream_connection_failed=http)
        case "responseStreamDisconnected":
            return CodexErrorDetail(response_stream_disconnected=http)
        case "responseTooManyFailedAttempts":
            return CodexErrorDetail(response_too_many_failed_attempts=http)
        case code:
            return _ERROR_WORDS.get(code, "other")


def usage_view(
    total: words.Usage, last: words.Usage, context_window: int | None
) -> ThreadTokenUsage:
    """Token counts of the thread and of its newest response."""
    return ThreadTokenUsage(
        total=_breakdown(total), last=_breakdown(last), model_context_window=context_window
    )


def _breakdown(usage: words.Usage) -> TokenUsageBreakdown:
    return TokenUsageBreakdown(
        total_tokens=usage.total_tokens,
        input_tokens=usage.input_tokens,
        cached_input_tokens=usage.cached_input_tokens,
        cache_write_input_tokens=usage.cache_write_input_tokens,
        output_tokens=usage.output_tokens,
        reasoning_output_tokens=usage.reasoning_output_tokens,
    )


def sandbox_view(policy: core.SandboxPolicy) -> values.SandboxPolicy:
    match policy.mode:
        case "danger-full-access":
            return values.DangerFullAccessSandboxPolicy()
        case "read-only":
            return values.ReadOnlySandboxPolicy()
        case "workspace-write":
            return values.WorkspaceWriteSandboxPolicy(
                writable_roots=policy.writable_roots,
                network_access=policy.network_access,
                exclude_tmpdir_env_var=policy.exclude_tmpdir_env_var,
                exclude_slash_tmp=policy.exclude_slash_tmp,
            )


def sandbox_policy(view: values.SandboxPolicy) -> core.SandboxPolicy:
    """What a client asked for. A client that runs the server in a sandbox of its own gets no
    second one. Raises `InvalidRequest` for a writable root that is not absolute, and for a
    read-only policy with the network, which Quire does not have."""
    match view:
        case values.DangerFullAccessSandboxPolicy() | values.ExternalSandboxSandboxPolicy():
            return core.SandboxPolicy(mode="danger-full-access")
        case values.ReadOnlySandboxPolicy():
            if view.network_access:
                raise InvalidRequest(
                    "sandbox policy readOnly has no network here; use workspaceWrite"
                )
            return core.SandboxPolicy(mode="read-only")
        case values.WorkspaceWriteSandboxPolicy():
            for root in view.writable_roots:
                if not os.path.isabs(root):
                    raise InvalidRequest(f"Invalid request: writable root {root} is not absolute")
            return core.SandboxPolicy(
                mode="workspace-write",
                writable_roots=view.writable_roots,
                network_access=view.network_access,
                exclude_tmpdir_env_var=view.exclude_tmpdir_env_var,
                exclude_slash_tmp=view.exclude_slash_tmp,
            )
