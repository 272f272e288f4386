"""What is published while a thread runs: every record, and live-only events beside them.

Deltas are lossy: a slow reader may miss some. Records and the other live events are not.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from quire.protocol.policy import Permissions
from quire.protocol.records import Record
from quire.protocol.thread import ErrorInfo, ThreadItem


class ItemStarted(Struct, frozen=True):
    turn_id: str
    item: ThreadItem
    started_at_ms: int


class ItemUpdated(Struct, frozen=True):
    turn_id: str
    item: ThreadItem


class AgentMessageDelta(Struct, frozen=True):
    turn_id: str
    item_id: str
    delta: str


class ReasoningDelta(Struct, frozen=True):
    turn_id: str
    item_id: str
    delta: str


class CommandOutputDelta(Struct, frozen=True):
    turn_id: str
    item_id: str
    delta: str


class FileTexts(Struct, frozen=True):
    """The content of one file before and after a change; None where it was not there."""

    path: str
    before: bytes | None
    after: bytes | None


class FilesPatched(Struct, frozen=True):
    """A patch was applied. For those who keep account of what a turn changed."""

    turn_id: str
    files: tuple[FileTexts, ...]


class StreamError(Struct, frozen=True):
    """A request failed and is tried again: `message` is `Reconnecting... 1/5 (cause)`."""

    turn_id: str
    message: str
    info: ErrorInfo


class Warned(Struct, frozen=True):
    """A warning for people about this thread; it changes nothing in the conversation."""

    message: str


Delta = AgentMessageDelta | ReasoningDelta | CommandOutputDelta


class ReviewedCommand(Struct, frozen=True):
    """`command` as it is displayed."""

    command: str
    cwd: str


class ReviewedPatch(Struct, frozen=True):
    cwd: str
    files: tuple[str, ...]


class ReviewedPermissions(Struct, frozen=True):
    """More than the sandbox gives, for the rest of the turn."""

    permissions: Permissions
    reason: str | None


class AutoReviewed(Struct, frozen=True, kw_only=True):
    """An automatic reviewer decides about item `item_id`: told when it begins and when it ends.
    `aborted` and `timedOut`: there was no verdict, and the action did not run. Times in
    milliseconds since the epoch."""

    id: str
    turn_id: str
    item_id: str
    action: ReviewedCommand | ReviewedPatch | ReviewedPermissions
    started_at_ms: int
    status: Literal["inProgress", "approved", "denied", "timedOut", "aborted"] = "inProgress"
    completed_at_ms: int = 0
    risk_level: Literal["low", "medium", "high", "critical"] | None = None
    user_authorization: Literal["unknown", "low", "medium", "high"] | None = None
    rationale: str | None = None

    @property
    def sentence(self) -> str:
        """How it ended, for people (Codex 0.169)."""
        if self.status in ("approved", "denied"):
            judged = f"risk: {self.risk_level}, authorization: {self.user_authorization}"
            return f"Automatic approval review {self.status} ({judged}): {self.rationale}"
        return self.rationale or "Automatic approval review was stopped"


LiveEvent = ItemStarted | ItemUpdated | Delta | FilesPatched | StreamError | Warned | AutoReviewed
Event = Record | LiveEvent
