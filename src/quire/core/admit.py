"""May this run? A pure verdict over what a call wants to do and what the policy says."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from quire.core.errors import create_process_error
from quire.core.ports import Action, CommandAction, PatchAction
from quire.core.writable import patch_refusal
from quire.protocol.policy import TurnContext
from quire.protocol.quoting import command_line

ESCALATION_UNDER_NEVER = (
    "approval policy is Never; reject command — you cannot ask for escalated permissions if the "
    "approval policy is Never"
)
FORCED_RM = "rm -f style commands are not permitted. Use a safer approach"


class Allow(Struct, frozen=True):
    """Run it under the turn's sandbox policy."""


class Ask(Struct, frozen=True):
    """A person must decide. `refusal` is what the model is told when nobody can."""

    reason: str
    refusal: str


class Forbid(Struct, frozen=True):
    """Refused; `message` is the output that the model gets (Codex 0.169's words)."""

    message: str


Verdict = Allow | Ask | Forbid


class Facts(Struct, frozen=True):
    """What the verdict needs to know of the world: `forced_rm` tells whether a shell script
    holds a forced `rm`, `writable` whether a path may be written under the turn's policy."""

    forced_rm: Callable[[str], bool]
    writable: Callable[[str, TurnContext], bool]


def admit(action: Action, turn: TurnContext, facts: Facts) -> Verdict:
    """Codex 0.169, rows A2, A10, T5, T9. Pure but for the two facts it asks for."""
    match action:
        case CommandAction():
            return _admit_command(action, turn, facts)
        case PatchAction(paths):
            if all(facts.writable(path, turn) for path in paths):
                return Allow()
            refusal = patch_refusal(turn.sandbox)
            return _ask(turn, "the patch writes outside the writable roots", refusal)
        case _:
            return Allow()


def _admit_command(action: CommandAction, turn: TurnContext, facts: Facts) -> Verdict:
    if facts.forced_rm(action.script):
        refusal = f"`{command_line(action.argv)}` rejected: {FORCED_RM}"
        return _ask(turn, "a forced rm", create_process_error(refusal))
    if action.escalated and turn.sandbox.mode != "danger-full-access":
        return _ask(turn, action.justification or "", ESCALATION_UNDER_NEVER)
    return Allow()


def _ask(turn: TurnContext, reason: str, refusal: str) -> Verdict:
    return Forbid(refusal) if turn.approval_policy == "never" else Ask(reason, refusal)
