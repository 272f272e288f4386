"""The walk every tool call takes before it runs: admit, ask, refuse."""

from __future__ import annotations

from quire.core.admit import Allow, Ask, Facts, Forbid, admit
from quire.core.errors import ToolError
from quire.core.ports import Invocation, ToolContext


class Gate:
    """Judges calls. Where a question would be asked and nobody can answer, the call is refused
    and the model is told so."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def admit(self, invocation: Invocation, ctx: ToolContext) -> None:
        """Return when the call may run. Raises `ToolError` with the refusal for the model."""
        match admit(invocation.action, ctx.turn, self._facts):
            case Allow():
                return
            case Ask(_, refusal):
                message = refusal
            case Forbid(message):
                pass
        invocation.declined(ctx, message)
        raise ToolError(message)
