"""Automatic reviews as clients are told of them (Codex 0.169)."""

from __future__ import annotations

from msgspec import Struct

from quire.protocol.events import AutoReviewed, ReviewedCommand
from quire.protocol.rpc.auto_review import (
    AUTO_REVIEW_COMPLETED,
    AUTO_REVIEW_STARTED,
    GUARDIAN_WARNING,
    ApplyPatchGuardianApprovalReviewAction,
    CommandGuardianApprovalReviewAction,
    GuardianApprovalReview,
    GuardianApprovalReviewAction,
    GuardianWarningNotification,
    ItemGuardianApprovalReviewCompletedNotification,
    ItemGuardianApprovalReviewStartedNotification,
)
from quire.protocol.rpc.method import Notification


def auto_review_told(thread_id: str, event: AutoReviewed) -> list[tuple[Notification, Struct]]:
    """A review begins, or it ends; its end is also told as a sentence."""
    review = GuardianApprovalReview(
        status=event.status,
        risk_level=event.risk_level,
        user_authorization=event.user_authorization,
        rationale=event.rationale,
    )
    if event.status == "inProgress":
        started = ItemGuardianApprovalReviewStartedNotification(
            thread_id=thread_id,
            turn_id=event.turn_id,
            started_at_ms=event.started_at_ms,
            review_id=event.id,
            target_item_id=event.item_id,
            review=review,
            action=_action(event),
        )
        return [(AUTO_REVIEW_STARTED, started)]
    completed = ItemGuardianApprovalReviewCompletedNotification(
        thread_id=thread_id,
        turn_id=event.turn_id,
        started_at_ms=event.started_at_ms,
        completed_at_ms=event.completed_at_ms,
        review_id=event.id,
        target_item_id=event.item_id,
        review=review,
        action=_action(event),
    )
    warning = GuardianWarningNotification(thread_id=thread_id, message=event.sentence)
    return [(GUARDIAN_WARNING, warning), (AUTO_REVIEW_COMPLETED, completed)]


def _action(event: AutoReviewed) -> GuardianApprovalReviewAction:
    if isinstance(event.action, ReviewedCommand):
        return CommandGuardianApprovalReviewAction(
            source="unifiedExec", command=event.action.command, cwd=event.action.cwd
        )
    return ApplyPatchGuardianApprovalReviewAction(cwd=event.action.cwd, files=event.action.files)
