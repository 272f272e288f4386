"""Questions about commands and patches, and those of the model, as permissions to give."""

from __future__ import annotations

import os

from acp.helpers import text_block, tool_content
from acp.schema import (
    AllowedOutcome,
    PermissionOption,
    RequestPermissionResponse,
    ToolCallLocation,
    ToolCallUpdate,
)

from quire.acp.diffs import edits
from quire.acp.tools import Content, command_title, patch_content, patch_title
from quire.client.events import UserInputRequest
from quire.client.questions import ApprovalRequest, Decision
from quire.protocol.rpc.approvals import ToolRequestUserInputQuestion as UserInputQuestion

ONCE, SESSION, ALWAYS, REJECT = "allow-once", "allow-session", "allow-always", "reject"


def options(request: ApprovalRequest) -> list[PermissionOption]:
    """Allow once, allow for as long as the session lasts, allow and remember as a rule (where
    that is offered), reject."""
    what = "these changes" if request.kind == "patch" else "this"
    found = [
        PermissionOption(option_id=ONCE, name="Allow once", kind="allow_once"),
        PermissionOption(
            option_id=SESSION, name=f"Allow {what} in this session", kind="allow_always"
        ),
        PermissionOption(option_id=REJECT, name="Reject", kind="reject_once"),
    ]
    rule = _rule(request)
    if rule is not None:
        name = f"Always allow {rule}"
        found.insert(2, PermissionOption(option_id=ALWAYS, name=name, kind="allow_always"))
    return found


def tool_call(request: ApprovalRequest) -> ToolCallUpdate:
    """The call that is asked about, with all that is needed to judge it."""
    reason: Content = []
    if request.reason:
        reason = [tool_content(text_block(request.reason))]
    if request.wishes:
        lines = "\n".join(f"- {wish}" for wish in request.wishes)
        reason.append(tool_content(text_block(f"Asks for:\n{lines}")))
    if request.kind == "patch":
        return ToolCallUpdate(
            tool_call_id=request.item_id,
            title=patch_title(request.changes),
            kind="edit",
            status="pending",
            content=[*reason, *patch_content(request.changes)],
            locations=[ToolCallLocation(path=e.path, line=e.line) for e in edits(request.changes)],
        )
    if request.kind == "permissions":
        return ToolCallUpdate(
            tool_call_id=request.item_id,
            title=f"More permissions in {os.path.basename(request.cwd or '')}",
            kind="other",
            status="pending",
            content=reason,
        )
    return ToolCallUpdate(
        tool_call_id=request.item_id,
        title=command_title(request.command or ""),
        kind="execute",
        status="pending",
        content=reason or None,
        raw_input={"command": request.command, "cwd": request.cwd},
    )


def decision(response: RequestPermissionResponse, request: ApprovalRequest) -> Decision:
    """A prompt that was cancelled meanwhile ends the turn; what is no option of ours declines."""
    outcome = response.outcome
    if not isinstance(outcome, AllowedOutcome):
        return "cancel"
    match outcome.option_id:
        case "allow-once":
            return "accept"
        case "allow-session":
            return "acceptForSession"
        case "allow-always":
            return request.always or "decline"
        case _:
            return "decline"


def _rule(request: ApprovalRequest) -> str | None:
    amendment = request.always
    choice = None if amendment is None else amendment.accept_with_execpolicy_amendment
    if choice is None:
        return None
    several = choice.execpolicy_amendments or (choice.execpolicy_amendment,)
    return ", ".join(f"`{' '.join(words)}`" for words in several)


def choices(question: UserInputQuestion) -> list[PermissionOption]:
    """The answers that the model offers; the way out is not to choose."""
    found = [
        PermissionOption(option_id=f"answer-{number}", name=option.label, kind="allow_once")
        for number, option in enumerate(question.options or ())
    ]
    return [*found, PermissionOption(option_id=REJECT, name="No answer", kind="reject_once")]


def question_call(request: UserInputRequest, question: UserInputQuestion) -> ToolCallUpdate:
    """A question of the model as a call to be shown."""
    lines = [f"- **{option.label}**: {option.description}" for option in question.options or ()]
    return ToolCallUpdate(
        tool_call_id=f"{request.item_id}-{question.id}",
        title=question.question,
        kind="other",
        status="pending",
        content=[tool_content(text_block("\n".join(lines)))] if lines else None,
    )


def choice(response: RequestPermissionResponse, question: UserInputQuestion) -> str | None:
    """The answer that was chosen; None for none."""
    outcome = response.outcome
    if isinstance(outcome, AllowedOutcome):
        for number, option in enumerate(question.options or ()):
            if outcome.option_id == f"answer-{number}":
                return option.label
    return None
