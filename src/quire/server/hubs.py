"""The loaded threads of a server, each with its hub: opened, watched, unloaded when idle."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from quire.core.errors import QuireError
from quire.protocol.local import (
    ThreadForkParams,
    ThreadResumeParams,
    ThreadStartParams,
)
from quire.protocol.records import TurnCompleted
from quire.protocol.rpc.thread import THREAD_CLOSED, ThreadClosedNotification
from quire.server.errors import InvalidRequest
from quire.server.hub import ThreadHub, Translator
from quire.server.threads import Threads

UNLOAD_SECONDS = 30 * 60.0
"""A thread that nobody watches and in which nothing runs is unloaded after this time (row J10)."""
_LOOK_SECONDS = 60.0


class Hubs:
    """Hubs by thread id. `translator` makes one for the thread of an id."""

    def __init__(
        self,
        threads: Threads,
        translator: Callable[[str], Translator],
        unload_seconds: float = UNLOAD_SECONDS,
    ) -> None:
        self.threads = threads
        self._translator = translator
        self._unload_seconds = unload_seconds
        self._hubs: dict[str, ThreadHub] = {}
        self._closing: dict[str, asyncio.Task[None]] = {}
        self._watch: asyncio.Task[None] | None = None
        self._turn_ended: list[Callable[[ThreadHub, TurnCompleted], None]] = []

    def on_turn_end(self, callback: Callable[[ThreadHub, TurnCompleted], None]) -> None:
        """Call back when a turn has ended and all were told, in any thread opened from now on."""
        self._turn_ended.append(callback)

    def start(self, params: ThreadStartParams) -> ThreadHub:
        return self._hub(self.threads.start(params).id)

    def resume(self, params: ThreadResumeParams) -> ThreadHub:
        """Raises `InvalidRequest` while the thread is being unloaded (Codex 0.169's words)."""
        if params.thread_id in self._closing:
            raise InvalidRequest(
                f"thread {params.thread_id} is closing; retry thread/resume after the thread is "
                "closed"
            )
        return self._hub(self.threads.resume(params).id)

    def fork(self, params: ThreadForkParams) -> ThreadHub:
        return self._hub(self.threads.fork(params).id)

    @property
    def loaded(self) -> tuple[ThreadHub, ...]:
        return tuple(self._hubs.values())

    def get(self, thread_id: str) -> ThreadHub | None:
        return self._hubs.get(thread_id)

    def find(self, thread_id: str) -> ThreadHub:
        """Raises `InvalidRequest` when it is not loaded (Codex 0.169's words)."""
        hub = self._hubs.get(thread_id)
        if hub is None:
            raise InvalidRequest(f"thread not found: {thread_id}")
        return hub

    async def unload(self, thread_id: str) -> None:
        """End its turn and its commands, and close its log. Cancelled, it goes on alone: a thread
        that is half closed could neither be used nor resumed."""
        closing = self._closing.get(thread_id)
        if closing is None:
            hub = self._hubs.get(thread_id)
            if hub is None:
                return
            closing = self._closing[thread_id] = asyncio.create_task(self._close(hub))
            closing.add_done_callback(lambda _: self._closing.pop(thread_id, None))
        await asyncio.shield(closing)

    async def _close(self, hub: ThreadHub) -> None:
        await hub.drop_tasks()  # What they still write is before the end of the log.
        thread_id = hub.loaded.id
        del self._hubs[thread_id]
        await self.threads.close(thread_id)
        hub.tell(THREAD_CLOSED, ThreadClosedNotification(thread_id=thread_id))

    async def aclose(self) -> None:
        """Unload all, also when the log of one cannot be closed, which is raised then."""
        if self._watch is not None:
            self._watch.cancel()
        ids = {*self._hubs, *self._closing}
        unloading = (self.unload(thread_id) for thread_id in ids)
        for fault in await asyncio.gather(*unloading, return_exceptions=True):
            if fault is not None:
                raise fault

    def _hub(self, thread_id: str) -> ThreadHub:
        hub = self._hubs.get(thread_id)
        if hub is None:
            hub = ThreadHub(self.threads.find(thread_id), self._translator(thread_id))
            for callback in self._turn_ended:
                hub.on_turn_end(partial(callback, hub))
            self._hubs[thread_id] = hub
            if self._watch is None or self._watch.done():
                self._watch = asyncio.create_task(self._unload_idle())
        return hub

    async def _unload_idle(self) -> None:
        while self._hubs:
            await asyncio.sleep(min(_LOOK_SECONDS, self._unload_seconds))
            now = time.monotonic()
            for thread_id, hub in tuple(self._hubs.items()):
                if hub.idle and now - hub.idle_since >= self._unload_seconds:
                    with suppress(QuireError):  # A log that cannot be closed is said when used.
                        await self.unload(thread_id)
