"""`thread/approveGuardianDeniedAction`: a person overrules the automatic reviewer (row A11)."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import Struct

from quire.protocol.rpc.auto_review import (
    ThreadApproveGuardianDeniedActionParams,
    ThreadApproveGuardianDeniedActionResponse,
)
from quire.server.errors import InvalidRequest
from quire.server.hubs import Hubs
from quire.server.routes import Caller, Routes, route


class _Denial(Struct, frozen=True):
    """The part of Codex's `GuardianAssessmentEvent` that counts: what was denied is remembered
    here, and not believed from a client."""

    id: str


class AutoReviewCalls:
    """Answers about automatic reviews. `overrule` takes a thread and a review, and gives what the
    model is told, or None when nothing was denied so."""

    def __init__(self, hubs: Hubs, overrule: Callable[[str, str], str | None]) -> None:
        self._hubs = hubs
        self._overrule = overrule

    def routes(self) -> Routes:
        return {
            "thread/approveGuardianDeniedAction": route(
                ThreadApproveGuardianDeniedActionParams, self.approve
            )
        }

    async def approve(
        self, params: ThreadApproveGuardianDeniedActionParams, caller: Caller
    ) -> ThreadApproveGuardianDeniedActionResponse:
        """Exactly the denied action may run once; the model learns of it with its next request.
        Raises `InvalidRequest` for what was not denied in this thread."""
        hub = self._hubs.find(params.thread_id)
        try:
            denial = msgspec.json.decode(params.event, type=_Denial)
        except msgspec.DecodeError as exc:
            raise InvalidRequest(f"invalid Guardian denial event: {exc}") from None
        told = self._overrule(params.thread_id, denial.id)
        if told is None:
            raise InvalidRequest(f"no denied action to approve: {denial.id}")
        hub.loaded.thread.tell_model(told)
        return ThreadApproveGuardianDeniedActionResponse()
