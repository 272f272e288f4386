"""Who answers what a turn asks: a person at a client, or the automatic reviewer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from quire.core.ports import (
    Answer,
    ApprovalRequest,
    Approver,
    Granted,
    InputRequest,
    PermissionRequest,
    ToolContext,
)
from quire.server.threads import Loaded

if TYPE_CHECKING:
    from quire.server.auto_review import AutoReviewer


def auto_reviewer(find: Callable[[str], Loaded], person: Approver | None = None) -> AutoReviewer:
    """Decides for the turns that say so; `find` gives the loaded thread of an id."""
    from quire.rollout.ids import UuidSource
    from quire.server.auto_review import AutoReviewer

    return AutoReviewer(person, find, UuidSource().new)


class Approvals:
    """Implements `core.ports.Approver`. The reviewer is loaded when it is first needed."""

    def __init__(self, person: Approver, find: Callable[[str], Loaded]) -> None:
        self._person = person
        self._find = find
        self._reviewer: AutoReviewer | None = None

    async def decide(self, request: ApprovalRequest, ctx: ToolContext) -> Answer:
        if ctx.turn.approvals_reviewer != "auto_review":
            return await self._person.decide(request, ctx)
        return await self._loaded().decide(request, ctx)

    async def ask(self, request: InputRequest, ctx: ToolContext) -> dict[str, tuple[str, ...]]:
        return await self._person.ask(request, ctx)

    async def permit(self, request: PermissionRequest, ctx: ToolContext) -> Granted:
        if ctx.turn.approvals_reviewer != "auto_review":
            return await self._person.permit(request, ctx)
        return await self._loaded().permit(request, ctx)

    def _loaded(self) -> AutoReviewer:
        if self._reviewer is None:
            self._reviewer = auto_reviewer(self._find, self._person)
        return self._reviewer

    def overrule(self, thread_id: str, review_id: str) -> str | None:
        """See `AutoReviewer.overrule`."""
        return None if self._reviewer is None else self._reviewer.overrule(thread_id, review_id)
