"""Questions about commands and patches as elicitations."""

from __future__ import annotations

from mcp_types import ClientCapabilities, ElicitRequest, ElicitRequestFormParams, ElicitResult

from quire.client.questions import ApprovalRequest, Decision

MAX_SHOWN = 8000
"""Characters of a patch that a question shows."""

ONCE, SESSION, ALWAYS, DECLINE, CANCEL = "once", "session", "always", "decline", "cancel"
_NAMES = {
    ONCE: "Allow once",
    SESSION: "Allow for this thread",
    ALWAYS: "Always allow",
    DECLINE: "Decline, and go on",
    CANCEL: "Decline, and stop",
}


def can_ask(capabilities: ClientCapabilities | None) -> bool:
    """True for clients that show forms: those that name no mode are of a time with no other."""
    elicitation = None if capabilities is None else capabilities.elicitation
    return elicitation is not None and (elicitation.form is not None or elicitation.url is None)


def elicitation(request: ApprovalRequest) -> ElicitRequest:
    """A form with one field, which may be left out: to accept it is to allow once."""
    words = [ONCE, SESSION, DECLINE, CANCEL]
    if request.always is not None:
        words.insert(2, ALWAYS)
    decision = {
        "type": "string",
        "title": "Decision",
        "oneOf": [{"const": word, "title": _NAMES[word]} for word in words],
        "default": ONCE,
    }
    params = ElicitRequestFormParams(
        message=message(request),
        requested_schema={"type": "object", "properties": {"decision": decision}},
    )
    return ElicitRequest(params=params)


def message(request: ApprovalRequest) -> str:
    if request.kind == "command":
        lines = [f"Run this command in {request.cwd}?", "", f"    {request.command}"]
    elif request.kind == "patch":
        lines = ["Apply this patch?"]
        for change in request.changes:
            lines += ["", change.path, change.diff]
    else:
        lines = [f"Give more permissions in {request.cwd}?"]
    if request.reason:
        lines += ["", f"Reason: {request.reason}"]
    text = "\n".join(lines)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}\n… (the rest is left out)"


def decision(answer: ElicitResult, request: ApprovalRequest) -> Decision:
    """What is no answer of ours declines."""
    if answer.action != "accept":
        return "cancel" if answer.action == "cancel" else "decline"
    match (answer.content or {}).get("decision", ONCE):
        case "once":
            return "accept"
        case "session":
            return "acceptForSession"
        case "always":
            return request.always or "decline"
        case "cancel":
            return "cancel"
        case _:
            return "decline"
