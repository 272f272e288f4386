"""Messages that wait for their turn: the first one starts when its thread becomes idle (row L8).

A turn that a person interrupts does not start the next message: they wanted things to stop. The
message waits for the next turn's end, or until it is started by hand (Codex 0.169).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

import msgspec

from quire.core.errors import QuireError, RolloutError, UsageError
from quire.protocol.local import TurnStartParams
from quire.protocol.records import TurnCompleted
from quire.protocol.rpc.items import UserInput
from quire.protocol.rpc.thread_queue import THREAD_QUEUE_CHANGED, ThreadQueueChangedNotification
from quire.protocol.stored import QueuedMessage
from quire.server.errors import RpcError
from quire.server.hub import ThreadHub
from quire.server.hubs import Hubs
from quire.server.settings_views import input_parts


class MessageStore(Protocol):
    """The queues of all threads: implemented by `rollout.queue`. Every call raises `UsageError`
    for a thread or message that cannot be, `RolloutError` when the disk refuses."""

    def list(self, thread_id: str) -> tuple[QueuedMessage, ...]: ...

    def add(
        self, thread_id: str, content: bytes, client_message_id: str, metadata: bytes = b"null"
    ) -> QueuedMessage: ...

    def update(
        self, thread_id: str, message_id: str, content: bytes, metadata: bytes | None = None
    ) -> QueuedMessage: ...

    def delete(self, thread_id: str, message_id: str) -> bool:
        """False when it does not wait."""
        ...

    def reorder(self, thread_id: str, message_ids: Sequence[str]) -> None: ...

    def take(self, thread_id: str, message_id: str | None = None) -> QueuedMessage | None:
        """Take out the first, or the named one; of several takers one gets it."""
        ...

    def put_back(self, thread_id: str, message: QueuedMessage) -> None: ...


class Queues:
    """The queues of the threads of a server."""

    def __init__(self, hubs: Hubs, store: MessageStore) -> None:
        self._hubs = hubs
        self.store = store

    def changed(self, thread_id: str) -> None:
        """Tell those who watch the thread."""
        hub = self._hubs.get(thread_id)
        if hub is not None:
            told = ThreadQueueChangedNotification(thread_id=thread_id)
            hub.tell(THREAD_QUEUE_CHANGED, told)

    def wake(self, thread_id: str) -> None:
        """Start what waits first, if the thread is loaded and idle."""
        hub = self._hubs.get(thread_id)
        if hub is not None and hub.loaded.thread.state.turn_id is None:
            hub.keep(asyncio.create_task(self._next(hub)))

    async def start(self, hub: ThreadHub, message_id: str | None = None) -> str | None:
        """Start a turn with the first message, or the named one; the turn's id, None when nothing
        waits. A message that cannot be started waits again. Raises `UsageError`, `RpcError` and
        `RolloutError`."""
        thread_id = hub.loaded.id
        message = self.store.take(thread_id, message_id)
        if message is None:
            return None
        self.changed(thread_id)
        try:
            started = await self._hubs.threads.start_turn(
                TurnStartParams(
                    thread_id=thread_id,
                    input=input_parts(queued_input(message)),
                    client_id=message.client_message_id,
                )
            )
        except (QuireError, RpcError):
            self.store.put_back(thread_id, message)
            self.changed(thread_id)
            raise
        return started.turn_id

    async def _next(self, hub: ThreadHub) -> None:
        try:
            if hub.loaded.thread.state.turn_id is None:
                await self.start(hub)
        except UsageError:
            pass  # Somebody else started a turn: the message waits for its end.
        except (QuireError, RpcError) as exc:
            hub.warn(f"a queued message could not be started: {exc}")

    def turn_ended(self, hub: ThreadHub, end: TurnCompleted) -> None:
        """Start what waits first once the turn is over."""
        if end.status != "interrupted" and hub.loaded.opened.info.path is not None:
            hub.keep(asyncio.create_task(self._after_turn(hub)))

    async def _after_turn(self, hub: ThreadHub) -> None:
        # Its end is told, and its task is about to end.
        await hub.loaded.thread.idle()
        await self._next(hub)


def queued_input(message: QueuedMessage) -> tuple[UserInput, ...]:
    """Raises `RolloutError` for input that no client of ours queued."""
    try:
        return msgspec.json.decode(message.input, type=tuple[UserInput, ...])
    except msgspec.DecodeError as exc:
        raise RolloutError(f"the queued message {message.id} is damaged: {exc}") from None
