"""One loaded thread and the clients that watch it."""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import Callable
from typing import Protocol

from msgspec import Raw, Struct

from quire.protocol.events import Event, FilesPatched
from quire.protocol.records import ItemCompleted, TurnCompleted, TurnStarted
from quire.protocol.rpc.method import Notification, ServerRequest
from quire.protocol.rpc.server import WARNING, WarningNotification
from quire.protocol.rpc.thread import (
    THREAD_STATUS_CHANGED,
    ActiveThreadStatus,
    IdleThreadStatus,
    SystemErrorThreadStatus,
    ThreadActiveFlag,
    ThreadStatus,
    ThreadStatusChangedNotification,
)
from quire.protocol.rpc.turn import TURN_DIFF_UPDATED, TurnDiffUpdatedNotification
from quire.protocol.thread import UserMessageItem
from quire.server.frames import notification
from quire.server.questions import Questions
from quire.server.routes import Client
from quire.server.threads import Loaded
from quire.server.turn_diff import TurnDiff

Told = list[tuple[Notification, Struct]]


class Translator(Protocol):
    """Core events to the notifications that clients get. It keeps state for one thread."""

    def take(self, event: Event) -> Told: ...


class ThreadHub:
    """Implements `core.thread.Listener`: what happens in the thread is encoded once and handed
    to every client that watches."""

    def __init__(self, loaded: Loaded, translator: Translator) -> None:
        self.loaded = loaded
        self.clients: list[Client] = []
        self.questions = Questions(loaded.id, self._status_may_have_changed)
        self.preview = ""
        self.resumed = len(loaded.thread.state.prompt) > 0
        self.updated_at = time.time()
        self.idle_since = time.monotonic()
        self._translator = translator
        self._diff = TurnDiff(loaded.context.cwd)
        self._shown_diff = ""
        self._holds = 0
        self._held: Told = []
        self._status: ThreadStatus = IdleThreadStatus()
        self._failed = False
        self._ended: list[Callable[[], None]] = []
        self._turn_ended: list[Callable[[TurnCompleted], None]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        loaded.thread.attach(self)

    @property
    def status(self) -> ThreadStatus:
        if self.loaded.thread.state.turn_id is None:
            return SystemErrorThreadStatus() if self._failed else IdleThreadStatus()
        return ActiveThreadStatus(active_flags=self.questions.flags)

    @property
    def idle(self) -> bool:
        """True when nobody watches and no turn runs."""
        return not self.clients and self.loaded.thread.state.turn_id is None

    # --- events ----------------------------------------------------------------------------

    def put(self, event: Event) -> None:
        if isinstance(event, TurnStarted):
            self._failed = False
            self._diff, self._shown_diff = TurnDiff(self.loaded.context.cwd), ""
            self._status_may_have_changed()
        elif isinstance(event, FilesPatched):
            self._diff.add(event.files)
            self._tell_diff(event.turn_id)
        elif isinstance(event, ItemCompleted):
            self.updated_at = time.time()
            if not self.preview and isinstance(event.item, UserMessageItem):
                self.preview = event.item.text
        told = self._translator.take(event)
        if isinstance(event, TurnCompleted):
            self.idle_since = time.monotonic()
            self._failed = event.status == "failed"
            self._status_may_have_changed()
        for kind, params in told:
            self.tell(kind, params)
        if isinstance(event, TurnCompleted):
            for callback in self._turn_ended:
                callback(event)

    def _tell_diff(self, turn_id: str) -> None:
        text = self._diff.text()
        if text != self._shown_diff:
            self._shown_diff = text
            told = TurnDiffUpdatedNotification(thread_id=self.loaded.id, turn_id=turn_id, diff=text)
            self.tell(TURN_DIFF_UPDATED, told)

    def end(self) -> None:
        """The thread was closed."""
        for task in tuple(self._tasks):
            task.cancel()
        for callback in self._ended:
            callback()

    def on_end(self, callback: Callable[[], None]) -> None:
        self._ended.append(callback)

    def on_turn_end(self, callback: Callable[[TurnCompleted], None]) -> None:
        """Call back when a turn has ended and all were told."""
        self._turn_ended.append(callback)

    def tell(self, kind: Notification, params: Struct) -> None:
        """Tell every client that watches."""
        if self._holds:
            self._held.append((kind, params))
        elif self.clients:
            frame = notification(kind, params)
            for client in self.clients:
                client.forward(kind, frame)

    def keep(self, task: asyncio.Task[None]) -> None:
        """Keep a task that nobody waits for until it is done."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def drop_tasks(self) -> None:
        """End what is done for the thread beside its turns, before its log is closed."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def warn(self, message: str) -> None:
        """Tell a person something about this thread."""
        self.tell(WARNING, WarningNotification(thread_id=self.loaded.id, message=message))

    def hold(self) -> None:
        """Keep back what happens until `release`, of every call that holds: the answer to a call
        comes before what the call set off."""
        self._holds += 1

    def release(self) -> None:
        self._holds -= 1
        if self._holds:
            return
        held, self._held = self._held, []
        for kind, params in held:
            self.tell(kind, params)

    # --- clients ---------------------------------------------------------------------------

    def join(self, client: Client) -> None:
        """Watch from now on."""
        if client in self.clients or client.gone:
            return
        self.clients.append(client)
        # A client lives longer than the threads that it looked at.
        still_there = weakref.ref(self)
        client.on_close(lambda: _left_by(still_there(), client))

    def leave(self, client: Client) -> bool:
        """Stop watching. False when it did not watch."""
        if client not in self.clients:
            return False
        self.clients.remove(client)
        self.questions.left(client)
        self.idle_since = time.monotonic()
        return True

    async def ask(self, kind: ServerRequest, params: Struct, flag: ThreadActiveFlag) -> Raw | None:
        """Put a question to all who watch; the first answer."""
        return await self.questions.ask(kind, params, flag, tuple(self.clients))

    def _status_may_have_changed(self) -> None:
        status = self.status
        if status != self._status:
            self._status = status
            params = ThreadStatusChangedNotification(thread_id=self.loaded.id, status=status)
            self.tell(THREAD_STATUS_CHANGED, params)


def _left_by(hub: ThreadHub | None, client: Client) -> None:
    if hub is not None:
        hub.leave(client)
