"""May this run? A pure verdict over what a call wants to do and what the policy says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from quire.core.errors import create_process_error
from quire.core.ports import (
    Action,
    ApprovalRequest,
    CommandAction,
    Judgement,
    PatchAction,
)
from quire.core.writable import patch_refusal
from quire.protocol.policy import ApprovalPolicy, GranularApproval, Permissions, TurnContext
from quire.protocol.quoting import command_line

ESCALATION_UNDER_NEVER = (
    "approval policy is Never; reject command — you cannot ask for escalated permissions if the "
    "approval policy is Never"
)
FORCED_RM = "rm -f style commands are not permitted. Use a safer approach"
DECLINED_COMMAND = create_process_error("rejected by user")
DECLINED_PATCH = "patch rejected by user"


class Allow(Struct, frozen=True):
    """Run it under the turn's sandbox policy, or without a sandbox where a rule allows that."""

    unsandboxed: bool = False


class Ask(Struct, frozen=True, kw_only=True):
    """A person must decide. `refusal` is what the model is told when nobody can, `declined` what
    it is told when the person says no. Accepted, it runs `unsandboxed`, or in the sandbox with
    what is `additional`. `afresh`: also when it was accepted for the whole thread before."""

    action: CommandAction | PatchAction
    reason: str | None
    refusal: str
    declined: str
    kind: Literal["sandbox", "rule", "permissions"] = "sandbox"
    unsandboxed: bool = False
    amendment: tuple[tuple[str, ...], ...] = ()
    additional: Permissions | None = None
    afresh: bool = False

    def request(self, item_id: str) -> ApprovalRequest:
        return ApprovalRequest(
            item_id=item_id, action=self.action, reason=self.reason, amendment=self.amendment
        )


class Forbid(Struct, frozen=True):
    """Refused; `message` is the output that the model gets (Codex 0.169's words)."""

    message: str


Verdict = Allow | Ask | Forbid


class Facts(Struct, frozen=True):
    """What the verdict needs to know of the world: `judge` gives the rules' judgement of a
    command, `writable` whether a path may be written under the turn's policy."""

    judge: Callable[[CommandAction], Judgement]
    writable: Callable[[str, TurnContext], bool]


def admit(action: Action, turn: TurnContext, facts: Facts) -> Verdict:
    """Codex 0.169, rows A2, A10, T5, T9. Pure but for the two facts it asks for."""
    match action:
        case CommandAction():
            return _admit_command(action, turn, facts.judge(action))
        case PatchAction(paths):
            if all(facts.writable(path, turn) for path in paths):
                return Allow()
            ask = Ask(
                action=action,
                reason=None,
                refusal=patch_refusal(turn.sandbox),
                declined=DECLINED_PATCH,
            )
            return _put(ask, turn)
        case _:
            return Allow()


def review(action: Action, verdict: Allow | Ask) -> Allow | Ask:
    """What must be asked when all that would run is reviewed first."""
    if isinstance(verdict, Ask):
        return replace(verdict, afresh=True)
    match action:
        case CommandAction():
            action = replace(action, escalated=verdict.unsandboxed)  # A rule may have said so.
            declined = DECLINED_COMMAND
        case PatchAction():
            declined = DECLINED_PATCH
        case _:
            return verdict
    return Ask(
        action=action,
        reason=None,
        refusal=declined,
        declined=declined,
        unsandboxed=verdict.unsandboxed,
        afresh=True,
    )


def _admit_command(action: CommandAction, turn: TurnContext, judged: Judgement) -> Verdict:
    """The strictest wins: what a rule forbids, then what must be asked, then what a rule allows."""
    escalated = action.escalated and turn.sandbox.mode != "danger-full-access"
    if judged.decision == "forbidden":
        return Forbid(create_process_error(_rejected(action, judged.reason or _FORBIDDEN)))
    if judged.decision == "prompt":
        refusal = create_process_error(_rejected(action, judged.reason or _PROMPT))
        reason = judged.reason or action.justification
        ask = replace(_command(action, reason, refusal, judged), kind="rule")
    elif judged.forced_rm:
        refusal = create_process_error(_rejected(action, FORCED_RM))
        ask = _command(action, action.justification, refusal, judged)
    elif judged.decision == "allow":
        return Allow(unsandboxed=True)
    elif escalated or action.additional is not None:
        ask = _command(action, action.justification, ESCALATION_UNDER_NEVER, judged)
    else:
        return Allow()
    return _put(ask, turn)


_FORBIDDEN = "blocked by policy"
_PROMPT = "approval required by policy rule, but the approval policy is never"


def _rejected(action: CommandAction, why: str) -> str:
    return f"`{command_line(action.argv)}` rejected: {why}"


def _command(action: CommandAction, reason: str | None, refusal: str, judged: Judgement) -> Ask:
    return Ask(
        action=action,
        reason=reason,
        refusal=refusal,
        declined=DECLINED_COMMAND,
        unsandboxed=action.escalated,
        amendment=judged.amendment,
        additional=action.additional,
    )


def _put(ask: Ask, turn: TurnContext) -> Verdict:
    return ask if may_ask(turn.approval_policy, ask.kind) else Forbid(ask.refusal)


def may_ask(policy: ApprovalPolicy, kind: Literal["sandbox", "rule", "permissions"]) -> bool:
    """True when the policy lets a person be asked about this."""
    if isinstance(policy, GranularApproval):
        if kind == "permissions":
            return policy.request_permissions
        return policy.rules if kind == "rule" else policy.sandbox_approval
    return policy != "never"
