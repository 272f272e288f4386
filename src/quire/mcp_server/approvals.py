"""Questions about commands and patches, and those of the model, as forms."""

from __future__ import annotations

from mcp_types import ClientCapabilities, ElicitRequestFormParams, ElicitResult

from quire.client.events import UserInputRequest
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


def approval_form(request: ApprovalRequest) -> ElicitRequestFormParams:
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
    return ElicitRequestFormParams(
        message=message(request),
        requested_schema={"type": "object", "properties": {"decision": decision}},
    )


def message(request: ApprovalRequest) -> str:
    if request.kind == "command":
        lines = [f"Run this command in {request.cwd}?", "", f"    {request.command}"]
    elif request.kind == "patch":
        lines = ["Apply this patch?"]
        for change in request.changes:
            lines += ["", change.path, change.diff]
    else:
        lines = [f"Give more permissions in {request.cwd}?"]
    if request.wishes:
        lines += ["", "It asks for:", *(f"- {wish}" for wish in request.wishes)]
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


def input_form(request: UserInputRequest) -> ElicitRequestFormParams:
    """The model's questions, a field each."""
    fields: dict[str, object] = {}
    for question in request.questions:
        field: dict[str, object] = {
            "type": "string",
            "title": question.header,
            "description": question.question,
        }
        if question.options:
            field["oneOf"] = [
                {"const": option.label, "title": f"{option.label}: {option.description}"}
                for option in question.options
            ]
        fields[question.id] = field
    return ElicitRequestFormParams(
        message="\n".join(question.question for question in request.questions),
        requested_schema={"type": "object", "properties": fields, "required": list(fields)},
    )


def input_answers(answer: ElicitResult, request: UserInputRequest) -> dict[str, str]:
    """Answers by the id of their question; none when the person did not want to."""
    given = answer.content if answer.action == "accept" else None
    names = [question.id for question in request.questions]
    return {name: str(value) for name, value in (given or {}).items() if name in names}
