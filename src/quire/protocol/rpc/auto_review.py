"""`item/autoApprovalReview/*`: a reviewer decides in a person's place (Codex 0.169)."""

from __future__ import annotations

from typing import Literal

from msgspec import Raw, Struct

from quire.protocol.rpc.approvals import RequestPermissionProfile
from quire.protocol.rpc.method import Method, Notification

GuardianApprovalReviewStatus = Literal["inProgress", "approved", "denied", "timedOut", "aborted"]


class CommandGuardianApprovalReviewAction(
    Struct, frozen=True, kw_only=True, tag="command", tag_field="type"
):
    source: Literal["shell", "unifiedExec"]
    command: str
    cwd: str


class ApplyPatchGuardianApprovalReviewAction(
    Struct, frozen=True, kw_only=True, tag="applyPatch", tag_field="type"
):
    cwd: str
    files: tuple[str, ...]


class NetworkAccessGuardianApprovalReviewAction(
    Struct, frozen=True, kw_only=True, tag="networkAccess", tag_field="type"
):
    target: str
    host: str
    protocol: Literal["http", "https", "socks5Tcp", "socks5Udp"]
    port: int


class RequestPermissionsGuardianApprovalReviewAction(
    Struct, frozen=True, kw_only=True, tag="requestPermissions", tag_field="type"
):
    reason: str | None = None
    permissions: RequestPermissionProfile


GuardianApprovalReviewAction = (
    CommandGuardianApprovalReviewAction
    | ApplyPatchGuardianApprovalReviewAction
    | NetworkAccessGuardianApprovalReviewAction
    | RequestPermissionsGuardianApprovalReviewAction
)


class GuardianApprovalReview(Struct, frozen=True, kw_only=True, rename="camel"):
    """The verdict, as far as there is one."""

    status: GuardianApprovalReviewStatus
    risk_level: Literal["low", "medium", "high", "critical"] | None = None
    user_authorization: Literal["unknown", "low", "medium", "high"] | None = None
    rationale: str | None = None


class ItemGuardianApprovalReviewStartedNotification(
    Struct, frozen=True, kw_only=True, rename="camel"
):
    """`target_item_id` is the item that waits for the verdict."""

    thread_id: str
    turn_id: str
    started_at_ms: int
    review_id: str
    target_item_id: str | None = None
    review: GuardianApprovalReview
    action: GuardianApprovalReviewAction


class ItemGuardianApprovalReviewCompletedNotification(
    Struct, frozen=True, kw_only=True, rename="camel"
):
    thread_id: str
    turn_id: str
    started_at_ms: int
    completed_at_ms: int
    review_id: str
    target_item_id: str | None = None
    decision_source: Literal["agent"] = "agent"
    review: GuardianApprovalReview
    action: GuardianApprovalReviewAction


class GuardianWarningNotification(Struct, frozen=True, kw_only=True, rename="camel"):
    thread_id: str
    message: str


class ThreadApproveGuardianDeniedActionParams(Struct, frozen=True, kw_only=True, rename="camel"):
    """`event` is what was told of the denial; of its members the `id` counts, the review's."""

    thread_id: str
    event: Raw


class ThreadApproveGuardianDeniedActionResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    pass


AUTO_REVIEW_STARTED = Notification(
    "item/autoApprovalReview/started", ItemGuardianApprovalReviewStartedNotification
)
AUTO_REVIEW_COMPLETED = Notification(
    "item/autoApprovalReview/completed", ItemGuardianApprovalReviewCompletedNotification
)
GUARDIAN_WARNING = Notification("guardianWarning", GuardianWarningNotification)

NOTIFICATIONS = (AUTO_REVIEW_STARTED, AUTO_REVIEW_COMPLETED, GUARDIAN_WARNING)
METHODS = (
    Method(
        "thread/approveGuardianDeniedAction",
        ThreadApproveGuardianDeniedActionParams,
        ThreadApproveGuardianDeniedActionResponse,
    ),
)
