"""Questions of the core, put to the clients of a thread (rows A3, A4, T11)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

import msgspec
from msgspec import UNSET, Raw, Struct

from quire.core.ports import (
    Accepted,
    Answer,
    ApprovalRequest,
    CommandAction,
    Declined,
    Granted,
    InputRequest,
    PermissionRequest,
    ToolContext,
)
from quire.protocol.ops import Interrupt
from quire.protocol.quoting import command_line
from quire.protocol.rpc.approvals import (
    COMMAND_APPROVAL,
    FILE_CHANGE_APPROVAL,
    PERMISSIONS_APPROVAL,
    USER_INPUT,
    CommandExecutionAmendment,
    CommandExecutionApprovalDecision,
    CommandExecutionRequestApprovalParams,
    CommandExecutionRequestApprovalResponse,
    ExecpolicyAmendmentChoice,
    FileChangeApprovalDecision,
    FileChangeRequestApprovalParams,
    FileChangeRequestApprovalResponse,
    PermissionsRequestApprovalParams,
    PermissionsRequestApprovalResponse,
    ToolRequestUserInputOption,
    ToolRequestUserInputParams,
    ToolRequestUserInputQuestion,
    ToolRequestUserInputResponse,
)
from quire.server.hub import ThreadHub
from quire.server.permissions import granted, permissions_asked, reason_for
from quire.server.views import Actions, command_actions

ENVIRONMENT = "local"
FindHub = Callable[[str], ThreadHub]


class ClientApprover:
    """Implements `core.ports.Approver` for all threads of a server."""

    def __init__(self, find: FindHub, actions: Actions) -> None:
        self._find = find
        self._actions = actions

    async def decide(self, request: ApprovalRequest, ctx: ToolContext) -> Answer:
        hub = self._find(ctx.thread_id)
        if isinstance(request.action, CommandAction):
            params = self._command(request, request.action, ctx)
            raw = await hub.ask(COMMAND_APPROVAL, params, "waitingOnApproval")
            decision = _decoded(raw, CommandExecutionRequestApprovalResponse)
        else:
            changes = FileChangeRequestApprovalParams(
                thread_id=ctx.thread_id,
                turn_id=ctx.turn_id,
                item_id=request.item_id,
                started_at_ms=ctx.now_ms(),
                reason=request.reason,
            )
            raw = await hub.ask(FILE_CHANGE_APPROVAL, changes, "waitingOnApproval")
            decision = _decoded(raw, FileChangeRequestApprovalResponse)
        return await _answer(None if decision is None else decision.decision, hub)

    async def ask(self, request: InputRequest, ctx: ToolContext) -> dict[str, tuple[str, ...]]:
        params = ToolRequestUserInputParams(
            thread_id=ctx.thread_id,
            turn_id=ctx.turn_id,
            item_id=request.item_id,
            questions=tuple(
                ToolRequestUserInputQuestion(
                    id=question.id,
                    header=question.header,
                    question=question.question,
                    is_other=True,
                    options=tuple(
                        ToolRequestUserInputOption(
                            label=option.label, description=option.description
                        )
                        for option in question.options
                    )
                    or None,
                )
                for question in request.questions
            ),
        )
        hub = self._find(ctx.thread_id)
        raw = await hub.ask(USER_INPUT, params, "waitingOnUserInput")
        given = _decoded(raw, ToolRequestUserInputResponse)
        if given is None:
            return {}
        return {name: answer.answers for name, answer in given.answers.items()}

    async def permit(self, request: PermissionRequest, ctx: ToolContext) -> Granted:
        params = PermissionsRequestApprovalParams(
            thread_id=ctx.thread_id,
            turn_id=ctx.turn_id,
            item_id=request.item_id,
            environment_id=ENVIRONMENT,
            started_at_ms=ctx.now_ms(),
            cwd=ctx.turn.cwd,
            reason=request.reason,
            permissions=permissions_asked(request.permissions),
        )
        raw = await self._find(ctx.thread_id).ask(PERMISSIONS_APPROVAL, params, "waitingOnApproval")
        answer = _decoded(raw, PermissionsRequestApprovalResponse)
        return Granted() if answer is None else granted(answer)

    def _command(
        self, request: ApprovalRequest, action: CommandAction, ctx: ToolContext
    ) -> CommandExecutionRequestApprovalParams:
        more = action.additional
        return CommandExecutionRequestApprovalParams(
            kind="command",
            thread_id=ctx.thread_id,
            turn_id=ctx.turn_id,
            item_id=request.item_id,
            started_at_ms=ctx.now_ms(),
            environment_id=ENVIRONMENT,
            reason=request.reason if more is None else reason_for(more, request.reason),
            command=command_line(action.argv),
            cwd=action.cwd,
            command_actions=command_actions(action.argv, action.cwd, self._actions),
            proposed_execpolicy_amendment=request.amendment[0] if request.amendment else None,
            additional_permissions=None if more is None else permissions_asked(more),
            available_decisions=_decisions(request.amendment) if more is None else _ONCE,
        )


_ONCE: tuple[CommandExecutionApprovalDecision, ...] = ("accept", "cancel")
"""Codex 0.169 offers no more for a command that asks for more inside its sandbox."""


def _decisions(
    amendment: tuple[tuple[str, ...], ...],
) -> tuple[CommandExecutionApprovalDecision, ...]:
    if not amendment:
        return ("accept", "acceptForSession", "decline", "cancel")
    choice = ExecpolicyAmendmentChoice(
        execpolicy_amendment=amendment[0],
        execpolicy_amendments=amendment if len(amendment) > 1 else UNSET,
    )
    remember = CommandExecutionAmendment(accept_with_execpolicy_amendment=choice)
    return ("accept", "acceptForSession", remember, "decline", "cancel")


_Decided = TypeVar("_Decided", bound=Struct)


def _decoded(raw: Raw | None, result: type[_Decided]) -> _Decided | None:
    """What the client answered; None for an error and for what cannot be understood."""
    if raw is None:
        return None
    try:
        return msgspec.json.decode(raw, type=result)
    except msgspec.DecodeError:
        return None


async def _answer(
    decision: CommandExecutionApprovalDecision | FileChangeApprovalDecision | None, hub: ThreadHub
) -> Answer:
    """What cannot be understood is a refusal."""
    match decision:
        case "accept":
            return Accepted()
        case "acceptForSession":
            return Accepted(for_session=True)
        case CommandExecutionAmendment(accept_with_execpolicy_amendment=choice) if choice:
            several = choice.execpolicy_amendments
            return Accepted(remember=several or (choice.execpolicy_amendment,))
        case "cancel":
            await _interrupted(hub)
        case _:
            pass
    return Declined()


async def _interrupted(hub: ThreadHub) -> None:
    """End the turn that asked. This call is part of it, and is cancelled with it."""
    hub.keep(asyncio.create_task(hub.loaded.thread.submit(Interrupt())))
    await asyncio.Future()
