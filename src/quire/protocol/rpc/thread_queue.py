"""`thread/queue/*` of the app-server: input that waits for its turn (Codex 0.169)."""

from __future__ import annotations

from msgspec import Struct

from quire.protocol.rpc.items import UserInput
from quire.protocol.rpc.method import Method, Notification
from quire.protocol.rpc.turn import Turn


class QueuedSubmission(Struct, frozen=True, kw_only=True, rename="camel"):
    id: str
    client_user_message_id: str
    input: tuple[UserInput, ...]
    responsesapi_client_metadata: dict[str, str] | None = None


class ThreadQueueAddParams(Struct, frozen=True, kw_only=True, rename="camel"):
    thread_id: str
    client_user_message_id: str
    input: tuple[UserInput, ...]
    responsesapi_client_metadata: dict[str, str] | None = None


class ThreadQueueAddResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    queued_submission: QueuedSubmission


class ThreadQueueListParams(Struct, frozen=True, kw_only=True, rename="camel"):
    thread_id: str
    cursor: str | None = None
    limit: int | None = None


class ThreadQueueListResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    data: tuple[QueuedSubmission, ...]
    next_cursor: str | None = None


class ThreadQueueUpdateParams(Struct, frozen=True, kw_only=True, rename="camel"):
    thread_id: str
    queued_submission_id: str
    input: tuple[UserInput, ...]
    responsesapi_client_metadata: dict[str, str] | None = None


class ThreadQueueUpdateResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    queued_submission: QueuedSubmission


class ThreadQueueDeleteParams(Struct, frozen=True, kw_only=True, rename="camel"):
    thread_id: str
    queued_submission_id: str


class ThreadQueueDeleteResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    deleted: bool


class ThreadQueueReorderParams(Struct, frozen=True, kw_only=True, rename="camel"):
    """All ids that wait, in their new order."""

    thread_id: str
    queued_submission_ids: tuple[str, ...]


class ThreadQueueReorderResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    pass


class ThreadQueueStartParams(Struct, frozen=True, kw_only=True, rename="camel"):
    """Start a turn with this submission, or with the first that waits."""

    thread_id: str
    queued_submission_id: str | None = None


class ThreadQueueStartResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    turn: Turn


class ThreadQueueChangedNotification(Struct, frozen=True, kw_only=True, rename="camel"):
    thread_id: str


THREAD_QUEUE_CHANGED = Notification("thread/queue/changed", ThreadQueueChangedNotification)

METHODS = (
    Method("thread/queue/add", ThreadQueueAddParams, ThreadQueueAddResponse, True),
    Method("thread/queue/list", ThreadQueueListParams, ThreadQueueListResponse, True),
    Method("thread/queue/update", ThreadQueueUpdateParams, ThreadQueueUpdateResponse, True),
    Method("thread/queue/delete", ThreadQueueDeleteParams, ThreadQueueDeleteResponse, True),
    Method("thread/queue/reorder", ThreadQueueReorderParams, ThreadQueueReorderResponse, True),
    Method("thread/queue/start", ThreadQueueStartParams, ThreadQueueStartResponse, True),
)
NOTIFICATIONS = (THREAD_QUEUE_CHANGED,)
