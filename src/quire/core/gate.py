"""The walk every tool call takes before it runs: admit, ask, refuse."""

from __future__ import annotations

import asyncio

from quire.core.admit import Allow, Ask, Facts, Forbid, admit
from quire.core.errors import AgentError, ToolError, UsageError
from quire.core.ports import (
    Accepted,
    Approver,
    CommandAction,
    CommandRules,
    Declined,
    Invocation,
    PatchAction,
    ToolContext,
)
from quire.core.unsandboxed import Unsandboxed
from quire.protocol.events import Warned

Key = tuple[str, ...]


class Gate:
    """Judges the calls of one thread, and remembers what was accepted for it. Where a question
    would be asked and there is no `approver`, the call is refused and the model is told so."""

    def __init__(
        self, facts: Facts, rules: CommandRules | None = None, approver: Approver | None = None
    ) -> None:
        self._facts = facts
        self._rules = rules
        self._approver = approver
        self._accepted: set[Key] = set()

    async def admit(self, invocation: Invocation, ctx: ToolContext, call_id: str) -> ToolContext:
        """Return when the call may run, with the context to run it in. Raises `ToolError` with
        the refusal for the model; a cancellation withdraws the question."""
        match admit(invocation.action, ctx.turn, self._facts):
            case Allow(unsandboxed):
                return Unsandboxed(ctx) if unsandboxed else ctx
            case Ask() as question:
                await self._ask(question, invocation, ctx, call_id)
                return Unsandboxed(ctx) if question.unsandboxed else ctx
            case Forbid(message):
                invocation.declined(ctx, message)
                raise ToolError(message)

    async def _ask(
        self, question: Ask, invocation: Invocation, ctx: ToolContext, call_id: str
    ) -> None:
        keys = _keys(question)
        if self._accepted.issuperset(keys):
            return
        if self._approver is None:
            invocation.declined(ctx, question.refusal)
            raise ToolError(question.refusal)
        invocation.proposed(ctx)
        try:
            answer = await self._approver.decide(question.request(call_id), ctx)
        except (asyncio.CancelledError, AgentError):
            invocation.declined(ctx, question.declined)
            raise
        match answer:
            case Accepted(for_session, remember):
                if for_session:
                    self._accepted.update(keys)
                if remember and self._rules is not None:
                    _remember(self._rules, remember, ctx)
            case Declined(message):
                invocation.declined(ctx, question.declined)
                raise ToolError(message or question.declined)


def _remember(rules: CommandRules, prefixes: tuple[tuple[str, ...], ...], ctx: ToolContext) -> None:
    """What was accepted runs, also when the rule cannot be stored."""
    try:
        rules.remember(prefixes)
    except UsageError as exc:
        ctx.publish(Warned(str(exc)))


def _keys(question: Ask) -> set[Key]:
    """What "for this session" covers: the same command in the same folder with the same rights,
    or these files."""
    match question.action:
        case CommandAction() as command:
            rights = "unsandboxed" if question.unsandboxed else "sandboxed"
            return {("command", rights, command.cwd, *command.argv)}
        case PatchAction(paths):
            return {("file", path) for path in paths}
