"""Automatic reviews as clients are told of them (Codex 0.169)."""

from __future__ import annotations

from msgspec import Struct

from quire.protocol.events import AutoReviewed, ReviewedCommand, ReviewedPatch, ReviewedPermissions
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
    RequestPermissionsGuardianApprovalReviewAction,
)
from quire.protocol.rpc.method import Notification
from quire.server.permissions import permissions_asked


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
    match event.action:
        case ReviewedCommand(command, cwd):
            return CommandGuardianApprovalReviewAction(
                source="unifiedExec", command=command, cwd=cwd
            )
        case ReviewedPermissions(permissions, reason):
            return RequestPermissionsGuardianApprovalReviewAction(
                reason=reason, permissions=permissions_asked(permissions)
            )
        case ReviewedPatch(cwd, files):
            return ApplyPatchGuardianApprovalReviewAction(cwd=cwd, files=files)
