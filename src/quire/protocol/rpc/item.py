"""`item/*` notifications of the app-server: the life of an item, and deltas (Codex 0.169)."""

from __future__ import annotations

from msgspec import Struct

from quire.protocol.rpc.items import FileUpdateChange, ThreadItem
from quire.protocol.rpc.method import Notification


class ItemStartedNotification(Struct, frozen=True, kw_only=True, rename="camel"):
    item: ThreadItem
    thread_id: str
    turn_id: str
    started_at_ms: int


class ItemCompletedNotification(Struct, frozen=True, kw_only=True, rename="camel"):
    """At most one for every `item/started`: none where the turn ended before the item did."""

    item: ThreadItem
    thread_id: str
    turn_id: str
    content_token_count: int | None = None
    completed_at_ms: int


class AgentMessageDeltaNotification(Struct, frozen=True, kw_only=True, rename="camel"):
    thread_id: str
    turn_id: str
    item_id: str
    delta: str


class PlanDeltaNotification(Struct, frozen=True, kw_only=True, rename="camel"):
    thread_id: str
    turn_id: str
    item_id: str
    delta: str


class ReasoningSummaryTextDeltaNotification(Struct, frozen=True, kw_only=True, rename="camel"):
    thread_id: str
    turn_id: str
    item_id: str
    delta: str
    summary_index: int


class ReasoningSummaryPartAddedNotification(Struct, frozen=True, kw_only=True, rename="camel"):
    thread_id: str
    turn_id: str
    item_id: str
    summary_index: int


class ReasoningTextDeltaNotification(Struct, frozen=True, kw_only=True, rename="camel"):
    thread_id: str
    turn_id: str
    item_id: str
    delta: str
    content_index: int


class CommandExecutionOutputDeltaNotification(Struct, frozen=True, kw_only=True, rename="camel"):
    thread_id: str
    turn_id: str
    item_id: str
    delta: str


class TerminalInteractionNotification(Struct, frozen=True, kw_only=True, rename="camel"):
    """The model wrote `stdin` to a command that runs."""

    thread_id: str
    turn_id: str
    item_id: str
    process_id: str
    stdin: str


class FileChangePatchUpdatedNotification(Struct, frozen=True, kw_only=True, rename="camel"):
    """What a patch that is still being written changes so far."""

    thread_id: str
    turn_id: str
    item_id: str
    changes: tuple[FileUpdateChange, ...]


class McpToolCallProgressNotification(Struct, frozen=True, kw_only=True, rename="camel"):
    thread_id: str
    turn_id: str
    item_id: str
    message: str


ITEM_STARTED = Notification("item/started", ItemStartedNotification)
ITEM_COMPLETED = Notification("item/completed", ItemCompletedNotification)
AGENT_MESSAGE_DELTA = Notification(
    "item/agentMessage/delta", AgentMessageDeltaNotification, lossy=True
)
PLAN_DELTA = Notification("item/plan/delta", PlanDeltaNotification, lossy=True)
REASONING_SUMMARY_DELTA = Notification(
    "item/reasoning/summaryTextDelta", ReasoningSummaryTextDeltaNotification, lossy=True
)
REASONING_SUMMARY_PART = Notification(
    "item/reasoning/summaryPartAdded", ReasoningSummaryPartAddedNotification, lossy=True
)
REASONING_DELTA = Notification(
    "item/reasoning/textDelta", ReasoningTextDeltaNotification, lossy=True
)
COMMAND_OUTPUT_DELTA = Notification(
    "item/commandExecution/outputDelta", CommandExecutionOutputDeltaNotification, lossy=True
)
TERMINAL_INTERACTION = Notification(
    "item/commandExecution/terminalInteraction", TerminalInteractionNotification
)
PATCH_UPDATED = Notification(
    "item/fileChange/patchUpdated", FileChangePatchUpdatedNotification, lossy=True
)
MCP_PROGRESS = Notification(
    "item/mcpToolCall/progress", McpToolCallProgressNotification, lossy=True
)

NOTIFICATIONS = (
    ITEM_STARTED,
    ITEM_COMPLETED,
    AGENT_MESSAGE_DELTA,
    PLAN_DELTA,
    REASONING_SUMMARY_DELTA,
    REASONING_SUMMARY_PART,
    REASONING_DELTA,
    COMMAND_OUTPUT_DELTA,
    TERMINAL_INTERACTION,
    PATCH_UPDATED,
    MCP_PROGRESS,
)
