"""`thread/queue/*`: messages that wait for their turn (row L8, Codex 0.169)."""

from __future__ import annotations

import msgspec

from quire.core.errors import UsageError
from quire.protocol.rpc.items import UserInput
from quire.protocol.rpc.thread_queue import (
    QueuedSubmission,
    ThreadQueueAddParams,
    ThreadQueueAddResponse,
    ThreadQueueDeleteParams,
    ThreadQueueDeleteResponse,
    ThreadQueueListParams,
    ThreadQueueListResponse,
    ThreadQueueReorderParams,
    ThreadQueueReorderResponse,
    ThreadQueueStartParams,
    ThreadQueueStartResponse,
    ThreadQueueUpdateParams,
    ThreadQueueUpdateResponse,
)
from quire.protocol.stored import QueuedMessage
from quire.server.calls.pages import page
from quire.server.errors import InternalError, InvalidRequest
from quire.server.hubs import Hubs
from quire.server.library import ThreadLibrary
from quire.server.queues import Queues, queued_input
from quire.server.routes import Caller, Routes, route
from quire.server.settings_views import input_parts
from quire.server.turn_views import started_turn


class QueueCalls:
    """Answers about the queues of threads, loaded or stored."""

    def __init__(self, hubs: Hubs, library: ThreadLibrary, queues: Queues) -> None:
        self._hubs = hubs
        self._library = library
        self._queues = queues
        self._store = queues.store

    def routes(self) -> Routes:
        return {
            "thread/queue/add": route(ThreadQueueAddParams, self.add),
            "thread/queue/list": route(ThreadQueueListParams, self.list_messages),
            "thread/queue/update": route(ThreadQueueUpdateParams, self.update),
            "thread/queue/delete": route(ThreadQueueDeleteParams, self.delete),
            "thread/queue/reorder": route(ThreadQueueReorderParams, self.reorder),
            "thread/queue/start": route(ThreadQueueStartParams, self.start),
        }

    async def add(self, params: ThreadQueueAddParams, caller: Caller) -> ThreadQueueAddResponse:
        """It starts at once when the thread is loaded and idle."""
        self._check(params.thread_id)
        content = _content(params.input)
        metadata = msgspec.json.encode(params.responsesapi_client_metadata)
        message = self._store.add(
            params.thread_id, content, params.client_user_message_id, metadata
        )
        caller.after_reply(lambda: self._added(params.thread_id))
        return ThreadQueueAddResponse(queued_submission=_view(message))

    async def list_messages(
        self, params: ThreadQueueListParams, caller: Caller
    ) -> ThreadQueueListResponse:
        self._check(params.thread_id)
        waiting = self._store.list(params.thread_id)
        shown, cursor = page(waiting, params.cursor, params.limit, "queued submissions")
        return ThreadQueueListResponse(data=tuple(map(_view, shown)), next_cursor=cursor)

    async def update(
        self, params: ThreadQueueUpdateParams, caller: Caller
    ) -> ThreadQueueUpdateResponse:
        """Without new metadata it keeps what it has."""
        self._check(params.thread_id)
        given = params.responsesapi_client_metadata
        metadata = None if given is None else msgspec.json.encode(given)
        message = self._store.update(
            params.thread_id, params.queued_submission_id, _content(params.input), metadata
        )
        caller.after_reply(lambda: self._queues.changed(params.thread_id))
        return ThreadQueueUpdateResponse(queued_submission=_view(message))

    async def delete(
        self, params: ThreadQueueDeleteParams, caller: Caller
    ) -> ThreadQueueDeleteResponse:
        self._check(params.thread_id)
        deleted = self._store.delete(params.thread_id, params.queued_submission_id)
        if deleted:
            caller.after_reply(lambda: self._queues.changed(params.thread_id))
        return ThreadQueueDeleteResponse(deleted=deleted)

    async def reorder(
        self, params: ThreadQueueReorderParams, caller: Caller
    ) -> ThreadQueueReorderResponse:
        self._check(params.thread_id)
        self._store.reorder(params.thread_id, params.queued_submission_ids)
        caller.after_reply(lambda: self._queues.changed(params.thread_id))
        return ThreadQueueReorderResponse()

    async def start(
        self, params: ThreadQueueStartParams, caller: Caller
    ) -> ThreadQueueStartResponse:
        """Raises `InvalidRequest` when nothing waits, while a turn runs, and for a thread that is
        not loaded."""
        self._check(params.thread_id)
        waiting = self._store.list(params.thread_id)
        wanted = params.queued_submission_id
        if wanted is not None and all(message.id != wanted for message in waiting):
            raise InvalidRequest(f"queued submission not found: {wanted}")
        if not waiting:
            raise InvalidRequest("queue is empty")
        hub = self._hubs.find(params.thread_id)
        if hub.loaded.thread.state.turn_id is not None:
            raise InvalidRequest("thread already has an active or pending turn")
        hub.join(caller.client)
        hub.hold()
        caller.after_reply(hub.release)
        turn_id = await self._queues.start(hub, wanted)
        if turn_id is None:  # Another process was faster.
            raise InvalidRequest("queue is empty")
        return ThreadQueueStartResponse(turn=started_turn(turn_id))

    def _added(self, thread_id: str) -> None:
        self._queues.changed(thread_id)
        self._queues.wake(thread_id)

    def _check(self, thread_id: str) -> None:
        """Raises an error unless the thread is there and has a place on the disk."""
        hub = self._hubs.get(thread_id)
        if hub is not None:
            if hub.loaded.opened.info.path is None:
                raise InvalidRequest(
                    f"ephemeral thread does not support queued submissions: {thread_id}"
                )
            return
        try:
            self._library.thread(thread_id)
        except UsageError as exc:
            raise InternalError(f"failed to read thread: {exc}") from None


def _content(words: tuple[UserInput, ...]) -> bytes:
    """Raises `InvalidRequest` for what no turn can be started with."""
    if not words:
        raise InvalidRequest("only user input can be added to the user-message queue")
    input_parts(words)
    return msgspec.json.encode(words)


def _view(message: QueuedMessage) -> QueuedSubmission:
    return QueuedSubmission(
        id=message.id,
        client_user_message_id=message.client_message_id,
        input=queued_input(message),
        responsesapi_client_metadata=msgspec.json.decode(
            message.metadata, type=dict[str, str] | None
        ),
    )
