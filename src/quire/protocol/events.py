"""What is published while a thread runs: every record, and live-only events beside them.

Deltas are lossy: a slow reader may miss some. Records and the other live events are not.
"""

from __future__ import annotations

from msgspec import Struct

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
LiveEvent = ItemStarted | ItemUpdated | Delta | FilesPatched | StreamError | Warned
Event = Record | LiveEvent
