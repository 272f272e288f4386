"""What is stored: the records of a thread's log, in the order they happened.

State is a pure fold over records; nothing else is saved. `rollout/lines.py` maps each record to
one line of the rollout file (Codex 0.169's JSONL) and back.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from quire.protocol.items import HistoryItem
from quire.protocol.policy import TurnContext
from quire.protocol.thread import ErrorInfo, ThreadItem, TurnStatus, Usage

ItemOrigin = Literal["user", "model", "tool", "fragment", "note"]


class GitInfo(Struct, frozen=True):
    commit_hash: str | None = None
    branch: str | None = None
    repository_url: str | None = None


class SessionMeta(Struct, frozen=True, kw_only=True):
    """The first record of every log. `timestamp` is ISO 8601, UTC, milliseconds.

    `base_instructions` is the text of the first developer message; its message id derives from
    the text, so a prompt's first item is the same in every thread."""

    thread_id: str
    timestamp: str
    cwd: str
    originator: str = "quire_exec"
    cli_version: str = ""
    source: str = "exec"
    model_provider: str = ""
    base_instructions: str = ""
    workspace_roots: tuple[str, ...] = ()
    forked_from: str | None = None
    git: GitInfo | None = None
    context_window: int | None = None


class TurnStarted(Struct, frozen=True):
    """`started_at` is in seconds since the epoch; `context_window` in tokens."""

    turn_id: str
    started_at: int
    context_window: int


class TurnSettings(Struct, frozen=True):
    turn_id: str
    context: TurnContext


class FragmentsChanged(Struct, frozen=True):
    """Which context the model has been told of: fragment key to rendered text. `full` replaces
    what was known, otherwise it updates it (an empty text removes a key)."""

    state: dict[str, str]
    full: bool = False


class ItemAdded(Struct, frozen=True):
    """An item entered the conversation. Outputs are logged in the order they happened."""

    item: HistoryItem
    origin: ItemOrigin = "note"
    turn_id: str | None = None


class ItemCompleted(Struct, frozen=True):
    """An item for people is final. Times in milliseconds since the epoch."""

    turn_id: str
    item: ThreadItem
    started_at_ms: int
    completed_at_ms: int


class ResponseCompleted(Struct, frozen=True):
    """One model response ended. `thread_usage` is the sum over the thread, this one included."""

    turn_id: str
    response_id: str
    usage: Usage
    thread_usage: Usage


class TurnCompleted(Struct, frozen=True, kw_only=True):
    """`started_at`, `completed_at` in seconds since the epoch."""

    turn_id: str
    status: TurnStatus
    error: ErrorInfo | None = None
    last_agent_message: str | None = None
    started_at: int = 0
    completed_at: int = 0
    duration_ms: int = 0


class TurnsReverted(Struct, frozen=True):
    """Turn `before_turn_id` and all later ones no longer count (`protocol/revert.py`). Without
    it, as Codex writes it, the turns of the last `messages` of a person do not."""

    before_turn_id: str | None
    messages: int = 0


Record = (
    SessionMeta
    | TurnStarted
    | TurnSettings
    | FragmentsChanged
    | ItemAdded
    | ItemCompleted
    | ResponseCompleted
    | TurnCompleted
    | TurnsReverted
)
