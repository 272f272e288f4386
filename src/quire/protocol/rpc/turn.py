"""`turn/*` of the app-server: turns, how they start, are steered and stopped (Codex 0.169)."""

from __future__ import annotations

from typing import Literal

from msgspec import Raw, Struct, field

from quire.protocol.rpc.faults import TurnError
from quire.protocol.rpc.items import ThreadItem, UserInput
from quire.protocol.rpc.method import Method, Notification
from quire.protocol.rpc.values import (
    ApprovalsReviewer,
    AskForApproval,
    CollaborationMode,
    MultiAgentMode,
    Personality,
    ReasoningEffort,
    ReasoningSummary,
    SandboxPolicy,
    json_null,
)
from quire.protocol.thread import TurnStatus

TurnItemsView = Literal["notLoaded", "summary", "full"]
"""`summary`: the turn's user message and last agent message."""


class Turn(Struct, frozen=True, kw_only=True, rename="camel"):
    """`started_at`, `completed_at` in seconds since the epoch."""

    id: str
    root_turn_id: str | None = None
    items: tuple[ThreadItem, ...] = ()
    items_view: TurnItemsView = "full"
    status: TurnStatus
    error: TurnError | None = None
    started_at: int | None = None
    completed_at: int | None = None
    duration_ms: int | None = None


class AdditionalContextEntry(Struct, frozen=True, kw_only=True, rename="camel"):
    kind: Literal["untrusted", "application"]
    value: str
    name: str | None = None


class TurnToolOutput(Struct, frozen=True, kw_only=True, rename="camel"):
    """What another program says, with the authority of a tool's output."""

    name: str
    output: str | tuple[Raw, ...]
    namespace: str | None = None
    retain: bool = False


class TurnStartParams(Struct, frozen=True, kw_only=True, rename="camel"):
    """All but `output_schema` (a JSON Schema, for this turn only) hold for later turns too."""

    thread_id: str
    input: tuple[UserInput, ...]
    client_user_message_id: str | None = None
    cwd: str | None = None
    approval_policy: AskForApproval | None = None
    approvals_reviewer: ApprovalsReviewer | None = None
    sandbox_policy: SandboxPolicy | None = None
    model: str | None = None
    service_tier: str | None = None
    effort: ReasoningEffort | None = None
    summary: ReasoningSummary | None = None
    personality: Personality | None = None
    output_schema: Raw = field(default_factory=json_null)
    parent_turn_id: str | None = None
    root_turn_id: str | None = None
    additional_context: dict[str, AdditionalContextEntry] | None = None
    permissions: str | None = None
    runtime_workspace_roots: tuple[str, ...] | None = None
    collaboration_mode: CollaborationMode | None = None
    multi_agent_mode: MultiAgentMode | None = None
    tool_output: TurnToolOutput | None = None


class TurnStartResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    turn: Turn


class TurnSteerParams(Struct, frozen=True, kw_only=True, rename="camel"):
    """More input for the turn that runs, which must be `expected_turn_id`."""

    thread_id: str
    expected_turn_id: str
    input: tuple[UserInput, ...]
    client_user_message_id: str | None = None
    additional_context: dict[str, AdditionalContextEntry] | None = None


class TurnSteerResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    turn_id: str


class TurnInterruptParams(Struct, frozen=True, kw_only=True, rename="camel"):
    thread_id: str
    turn_id: str


class TurnInterruptResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    pass


class TurnStartedNotification(Struct, frozen=True, kw_only=True, rename="camel"):
    thread_id: str
    turn: Turn


class TurnCompletedNotification(Struct, frozen=True, kw_only=True, rename="camel"):
    """The turn with the items of its `summary` view."""

    thread_id: str
    turn: Turn


class TurnDiffUpdatedNotification(Struct, frozen=True, kw_only=True, rename="camel"):
    """All that the turn changed so far, as one git diff."""

    thread_id: str
    turn_id: str
    diff: str


class TurnPlanStep(Struct, frozen=True, kw_only=True, rename="camel"):
    step: str
    status: Literal["pending", "inProgress", "completed"]


class TurnPlanUpdatedNotification(Struct, frozen=True, kw_only=True, rename="camel"):
    thread_id: str
    turn_id: str
    explanation: str | None = None
    plan: tuple[TurnPlanStep, ...]


TURN_STARTED = Notification("turn/started", TurnStartedNotification)
TURN_COMPLETED = Notification("turn/completed", TurnCompletedNotification)
TURN_DIFF_UPDATED = Notification("turn/diff/updated", TurnDiffUpdatedNotification)
TURN_PLAN_UPDATED = Notification("turn/plan/updated", TurnPlanUpdatedNotification)

METHODS = (
    Method("turn/start", TurnStartParams, TurnStartResponse),
    Method("turn/steer", TurnSteerParams, TurnSteerResponse),
    Method("turn/interrupt", TurnInterruptParams, TurnInterruptResponse),
)
NOTIFICATIONS = (TURN_STARTED, TURN_COMPLETED, TURN_DIFF_UPDATED, TURN_PLAN_UPDATED)
