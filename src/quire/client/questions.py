"""Questions of the server, and the callbacks that answer them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Literal, TypeVar

import msgspec
from msgspec import Struct

from quire.client.connection import Question, Unanswered
from quire.protocol.rpc.approvals import (
    COMMAND_APPROVAL,
    FILE_CHANGE_APPROVAL,
    PERMISSIONS_APPROVAL,
    USER_INPUT,
    AdditionalFileSystemPermissions,
    AdditionalPermissionProfile,
    CommandExecutionAmendment,
    CommandExecutionApprovalDecision,
    CommandExecutionRequestApprovalParams,
    CommandExecutionRequestApprovalResponse,
    FileChangeRequestApprovalParams,
    FileChangeRequestApprovalResponse,
    GrantedPermissionProfile,
    PathFileSystemPath,
    PermissionsRequestApprovalParams,
    PermissionsRequestApprovalResponse,
    ToolRequestUserInputAnswer,
    ToolRequestUserInputParams,
    ToolRequestUserInputResponse,
)
from quire.protocol.rpc.elicitation import (
    FORM_ELICITATION,
    McpServerElicitationRequestParams,
    McpServerElicitationRequestResponse,
)
from quire.protocol.rpc.items import FileUpdateChange

Decision = CommandExecutionApprovalDecision
"""`accept`; `acceptForSession`: the same is not asked again in this thread; `decline`: the model is
told and the turn goes on; `cancel`: the turn ends; or `ApprovalRequest.always`."""

ApprovalParams = (
    CommandExecutionRequestApprovalParams
    | FileChangeRequestApprovalParams
    | PermissionsRequestApprovalParams
)
_Params = TypeVar("_Params", bound=Struct)
_WORDS: tuple[Decision, ...] = ("accept", "acceptForSession", "decline", "cancel")


class ApprovalRequest(Struct, frozen=True, kw_only=True):
    """May this be done? `command` and `cwd` are those of a `command`, `changes` those of a
    `patch`; `permissions` stand in `params`, which is the question as it came. `decisions` are
    the answers that fit."""

    kind: Literal["command", "patch", "permissions"]
    thread_id: str
    turn_id: str
    item_id: str
    reason: str | None
    command: str | None = None
    cwd: str | None = None
    changes: tuple[FileUpdateChange, ...] = ()
    decisions: tuple[Decision, ...] = _WORDS
    params: ApprovalParams

    @property
    def wishes(self) -> tuple[str, ...]:
        """What is asked for beyond the sandbox, a line each: `write /folder`, `the network`."""
        match self.params:
            case PermissionsRequestApprovalParams(permissions=asked):
                return _wishes(asked)
            case CommandExecutionRequestApprovalParams(additional_permissions=asked) if asked:
                return _wishes(asked)
            case _:
                return ()

    @property
    def always(self) -> CommandExecutionAmendment | None:
        """The decision that also remembers the command as a rule, where it is offered."""
        for decision in self.decisions:
            match decision:
                case CommandExecutionAmendment(accept_with_execpolicy_amendment=rule) if rule:
                    return decision
                case _:
                    pass
        return None


Approve = Callable[[ApprovalRequest], Awaitable[Decision]]
Answers = Mapping[str, str | Sequence[str]]
"""Answers by the id of their question."""
AnswerInput = Callable[[ToolRequestUserInputParams], Awaitable[Answers]]
Elicit = Callable[
    [McpServerElicitationRequestParams], Awaitable[McpServerElicitationRequestResponse]
]


class Callbacks(Struct, frozen=True):
    """Who answers. What is None is declined."""

    approve: Approve | None = None
    answer: AnswerInput | None = None
    elicit: Elicit | None = None

    def over(self, others: Callbacks) -> Callbacks:
        """These, and those of `others` where there are none."""
        return Callbacks(
            self.approve or others.approve,
            self.answer or others.answer,
            self.elicit or others.elicit,
        )


Request = ApprovalRequest | ToolRequestUserInputParams | McpServerElicitationRequestParams
Changes = Callable[[str, str], tuple[FileUpdateChange, ...]]
"""What a patch would change, by thread and item."""


def read(question: Question, changes: Changes) -> Request:
    """Raises `Unanswered` for a question that has no words here."""
    try:
        match question.method:
            case COMMAND_APPROVAL.name:
                return _command(_decode(question, CommandExecutionRequestApprovalParams))
            case FILE_CHANGE_APPROVAL.name:
                patch = _decode(question, FileChangeRequestApprovalParams)
                return _patch(patch, changes(patch.thread_id, patch.item_id))
            case PERMISSIONS_APPROVAL.name:
                return _permissions(_decode(question, PermissionsRequestApprovalParams))
            case USER_INPUT.name:
                return _decode(question, ToolRequestUserInputParams)
            case FORM_ELICITATION.name:
                return msgspec.json.decode(question.params, type=McpServerElicitationRequestParams)
            case _:
                raise Unanswered(f"this client has no answer to {question.method}")
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise Unanswered(f"{question.method} cannot be read: {exc}") from None


def answerable(request: Request, callbacks: Callbacks) -> bool:
    """True when a callback can answer `request`."""
    if isinstance(request, ApprovalRequest):
        return callbacks.approve is not None
    if isinstance(request, ToolRequestUserInputParams):
        return callbacks.answer is not None
    return callbacks.elicit is not None


async def answer(request: Request, callbacks: Callbacks) -> Struct:
    """The result for the server. Raises what the callback raises, and `TypeError` for a decision
    that does not fit."""
    if isinstance(request, ApprovalRequest):
        decide = callbacks.approve
        return _decided(request, "decline" if decide is None else await decide(request))
    if isinstance(request, ToolRequestUserInputParams):
        return _answered({} if callbacks.answer is None else await callbacks.answer(request))
    if callbacks.elicit is None:
        return McpServerElicitationRequestResponse(action="decline")
    return await callbacks.elicit(request)


def refused(request: Request) -> Struct:
    """The answer that ends the turn, for when a callback failed."""
    if isinstance(request, ApprovalRequest):
        return _decided(request, "cancel")
    if isinstance(request, ToolRequestUserInputParams):
        return _answered({})
    return McpServerElicitationRequestResponse(action="cancel")


def _decided(request: ApprovalRequest, decision: Decision) -> Struct:
    if not isinstance(decision, CommandExecutionAmendment) and decision not in _WORDS:
        raise TypeError(f"approve: {decision!r} is no decision; use one of request.decisions")
    if isinstance(request.params, CommandExecutionRequestApprovalParams):
        return CommandExecutionRequestApprovalResponse(decision=decision)
    if isinstance(decision, CommandExecutionAmendment):
        raise TypeError("approve: only a command can be remembered as a rule")
    if isinstance(request.params, FileChangeRequestApprovalParams):
        return FileChangeRequestApprovalResponse(decision=decision)
    return _granted(request.params, decision)


def _granted(params: PermissionsRequestApprovalParams, decision: str) -> Struct:
    """All that was asked for, or nothing."""
    asked = params.permissions
    granted = GrantedPermissionProfile()
    if decision in ("accept", "acceptForSession"):
        granted = GrantedPermissionProfile(network=asked.network, file_system=asked.file_system)
    scope = "session" if decision == "acceptForSession" else "turn"
    return PermissionsRequestApprovalResponse(permissions=granted, scope=scope)


def _wishes(asked: AdditionalPermissionProfile) -> tuple[str, ...]:
    files = asked.file_system or AdditionalFileSystemPermissions()
    named = [("read", path) for path in files.read or ()]
    named += [("write", path) for path in files.write or ()]
    for entry in files.entries or ():
        if entry.access != "deny":
            place = entry.path
            path = place.path if isinstance(place, PathFileSystemPath) else _json(place)
            named.append((entry.access, path))
    network = asked.network is not None and asked.network.enabled
    lines = [f"{access} {path}" for access, path in named]
    return tuple(dict.fromkeys([*lines, "the network"] if network else lines))


def _json(place: Struct) -> str:
    return msgspec.json.encode(place).decode()


def _answered(answers: Answers) -> ToolRequestUserInputResponse:
    return ToolRequestUserInputResponse(
        answers={
            name: ToolRequestUserInputAnswer(
                answers=(given,) if isinstance(given, str) else tuple(given)
            )
            for name, given in answers.items()
        }
    )


def _decode(question: Question, params: type[_Params]) -> _Params:
    return msgspec.json.decode(question.params, type=params)


def _command(params: CommandExecutionRequestApprovalParams) -> ApprovalRequest:
    return ApprovalRequest(
        kind="command",
        thread_id=params.thread_id,
        turn_id=params.turn_id,
        item_id=params.item_id,
        reason=params.reason,
        command=params.command,
        cwd=params.cwd,
        decisions=params.available_decisions or _WORDS,
        params=params,
    )


def _patch(
    params: FileChangeRequestApprovalParams, changes: tuple[FileUpdateChange, ...]
) -> ApprovalRequest:
    return ApprovalRequest(
        kind="patch",
        thread_id=params.thread_id,
        turn_id=params.turn_id,
        item_id=params.item_id,
        reason=params.reason,
        changes=changes,
        params=params,
    )


def _permissions(params: PermissionsRequestApprovalParams) -> ApprovalRequest:
    return ApprovalRequest(
        kind="permissions",
        thread_id=params.thread_id,
        turn_id=params.turn_id,
        item_id=params.item_id,
        reason=params.reason,
        cwd=params.cwd,
        params=params,
    )
