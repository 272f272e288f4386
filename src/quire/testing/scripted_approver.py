"""A person that answers questions by a script, through the `Approver` port."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Literal

from quire.core.ports import (
    Accepted,
    Answer,
    ApprovalRequest,
    Declined,
    Granted,
    InputRequest,
    PermissionRequest,
    ToolContext,
)
from quire.protocol.policy import ApprovalsReviewer

Reply = Answer | Literal["silence"]
"""`silence`: the person says nothing, until the turn is cancelled."""


class ScriptedApprover:
    """Answers the n-th question with the n-th reply, and later ones with the last; without any it
    declines. `grants` are for what the model asks to be permitted, in the same way; without any,
    nothing is granted. `asked` holds the questions in their order, `withdrawn` the items of those
    that were cancelled, `reviewers` who should answer approvals; `waiting` is set once a question
    is met with silence."""

    def __init__(
        self,
        replies: Sequence[Reply] = (),
        answers: dict[str, tuple[str, ...]] | None = None,
        grants: Sequence[Granted] = (),
    ) -> None:
        self.asked: list[ApprovalRequest | InputRequest | PermissionRequest] = []
        self.withdrawn: list[str] = []
        self.reviewers: list[ApprovalsReviewer] = []
        self.waiting = asyncio.Event()
        self._replies = list(replies)
        self._answers = answers or {}
        self._grants = list(grants)

    async def decide(self, request: ApprovalRequest, ctx: ToolContext) -> Answer:
        self.asked.append(request)
        self.reviewers.append(ctx.turn.approvals_reviewer)
        reply: Reply = Declined()
        if self._replies:
            reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        await asyncio.sleep(0)
        if isinstance(reply, Accepted | Declined):
            return reply
        self.waiting.set()
        try:
            return await asyncio.Future()
        except asyncio.CancelledError:
            self.withdrawn.append(request.item_id)
            raise

    async def ask(self, request: InputRequest, ctx: ToolContext) -> dict[str, tuple[str, ...]]:
        self.asked.append(request)
        await asyncio.sleep(0)
        return self._answers

    async def permit(self, request: PermissionRequest, ctx: ToolContext) -> Granted:
        self.asked.append(request)
        await asyncio.sleep(0)
        if not self._grants:
            return Granted()
        return self._grants.pop(0) if len(self._grants) > 1 else self._grants[0]
