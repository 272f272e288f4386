"""The walk every tool call takes before it runs: admit, ask, refuse."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from quire.core.admit import Ask, Facts, Forbid, admit, review
from quire.core.errors import AgentError, ToolError, UsageError
from quire.core.ports import (
    Accepted,
    Action,
    Approver,
    CommandAction,
    CommandRules,
    Declined,
    Invocation,
    NoAction,
    PatchAction,
    Permitter,
    ToolContext,
)
from quire.core.unsandboxed import unsandboxed
from quire.protocol.events import Warned

Key = tuple[str, ...]


class Gate:
    """Judges the calls of one thread, and remembers what was accepted for it. Where a question
    would be asked and there is no `approver`, the call is refused and the model is told so. What
    `permits` has granted, calls run under."""

    def __init__(
        self,
        facts: Facts,
        rules: CommandRules | None = None,
        approver: Approver | None = None,
        permits: Permitter | None = None,
    ) -> None:
        self._facts = facts
        self._rules = rules
        self._approver = approver
        self._permits = permits
        self._accepted: set[Key] = set()

    async def admit(self, invocation: Invocation, ctx: ToolContext, call_id: str) -> ToolContext:
        """Return when the call may run, with the context to run it in. Raises `ToolError` with
        the refusal for the model; a cancellation withdraws the question."""
        action, narrow, strict = invocation.action, ctx, None
        if self._permits is not None and not isinstance(action, NoAction):
            action = _settled(action, ctx, self._permits)
            ctx = self._permits.widened(narrow)
            strict = self._permits.reviewed(ctx)
        verdict = admit(action, ctx.turn, self._facts)
        if isinstance(verdict, Forbid):
            invocation.declined(ctx, verdict.message)
            raise ToolError(verdict.message)
        if strict is not None:
            verdict = review(action, verdict)
        if isinstance(verdict, Ask):
            await self._ask(verdict, invocation, strict or ctx, call_id)
            if self._permits is not None and verdict.additional is not None:
                ctx = self._permits.widened(narrow, verdict.additional)
        return unsandboxed(ctx) if verdict.unsandboxed else ctx

    async def _ask(
        self, question: Ask, invocation: Invocation, ctx: ToolContext, call_id: str
    ) -> None:
        keys = _keys(question)
        if self._accepted.issuperset(keys) and not question.afresh:
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


def _settled(action: Action, ctx: ToolContext, permits: Permitter) -> Action:
    """What remains to be asked for: of what a command asks for itself, what is not granted yet.
    Raises `ToolError` for what nobody can grant."""
    if not isinstance(action, CommandAction) or action.additional is None:
        return action
    wanted = permits.pinned(action.additional, ctx)
    return replace(action, additional=None if permits.covers(wanted, ctx) else wanted)


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
            more = () if command.additional is None else (repr(command.additional),)
            return {("command", rights, command.cwd, *command.argv, *more)}
        case PatchAction(paths):
            return {("file", path) for path in paths}
