"""What joins threads to a connection: events to who reads them, questions to who answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

import msgspec
from msgspec import Raw, Struct

from quire.client.channel import Channel
from quire.client.connection import Connection, Handler, Params, Question
from quire.client.errors import ConnectionLost
from quire.client.events import (
    ItemCompleted,
    ItemStarted,
    QuestionDeclined,
    Told,
    TurnCompleted,
    about,
)
from quire.client.feed import Feed
from quire.client.questions import Callbacks, Request, answer, answerable, read, refused
from quire.protocol.rpc.approvals import (
    SERVER_REQUEST_RESOLVED,
    ServerRequestResolvedNotification,
)
from quire.protocol.rpc.items import FileChangeThreadItem, FileUpdateChange

Notify = Callable[[str, Raw], None]
_Result = TypeVar("_Result")


class Link:
    """A connection and the threads that are used over it. `notify` is told what concerns no
    thread."""

    def __init__(
        self, channel: Channel, callbacks: Callbacks, notify: Notify | None = None
    ) -> None:
        self._callbacks = callbacks
        self._of_threads: dict[str, Callbacks] = {}
        self._feeds: dict[str, list[Feed]] = {}
        self._patches: dict[tuple[str, str], FileChangeThreadItem] = {}
        self._notify = notify
        self._lost = False
        self._connection = Connection(channel, Handler(self._told, self._asked, self._end))

    async def call(self, method: str, params: Params, result_type: type[_Result]) -> _Result:
        """Raises `ClientError`s."""
        return await self._connection.call(method, params, result_type)

    async def initialized(self) -> None:
        await self._connection.notify("initialized")

    def answer_for(self, thread_id: str, callbacks: Callbacks) -> None:
        """Ask these about the thread."""
        self._of_threads[thread_id] = callbacks.over(self._callbacks)

    def forget(self, thread_id: str) -> None:
        self._of_threads.pop(thread_id, None)

    def feed(self, thread_id: str) -> Feed:
        """The thread's events from now on, until `drop`."""
        feed = Feed()
        if self._lost:
            feed.fail(ConnectionLost("the connection is closed"))
        self._feeds.setdefault(thread_id, []).append(feed)
        return feed

    def drop(self, thread_id: str, feed: Feed) -> None:
        feeds = self._feeds.get(thread_id, [])
        if feed in feeds:
            feeds.remove(feed)
        if not feeds:
            self._feeds.pop(thread_id, None)

    async def aclose(self) -> None:
        await self._connection.aclose()

    # --- what the connection calls -----------------------------------------------------------

    def _told(self, method: str, params: Raw) -> None:
        if method == SERVER_REQUEST_RESOLVED.name:
            self._resolved(params)
            return
        found = about(method, params)
        if found is None:
            if self._notify is not None:
                # Called by the loop: what it raises is the loop's to report, and ends no reading.
                asyncio.get_running_loop().call_soon(self._notify, method, params)
            return
        thread_id, told = found
        if told.kind in (ItemStarted, ItemCompleted, TurnCompleted):
            self._note_patch(told)
        feeds = [self._feeds.get(thread_id, [])] if thread_id is not None else self._feeds.values()
        for feed in [one for some in feeds for one in some]:
            feed.put(told)

    def _resolved(self, params: Raw) -> None:
        resolved = msgspec.json.decode(params, type=ServerRequestResolvedNotification)
        self._connection.withdraw(resolved.request_id)

    def _note_patch(self, told: Told) -> None:
        """Keep what patches under way change: a question about one names only its item."""
        match told.decode():
            case ItemStarted(item=FileChangeThreadItem() as item, thread_id=thread_id):
                self._patches[thread_id, item.id] = item
            case ItemCompleted(item=FileChangeThreadItem() as item, thread_id=thread_id):
                self._patches.pop((thread_id, item.id), None)
            case TurnCompleted(thread_id=thread_id):
                for key in [key for key in self._patches if key[0] == thread_id]:
                    del self._patches[key]
            case _:
                pass

    def _changes(self, thread_id: str, item_id: str) -> tuple[FileUpdateChange, ...]:
        item = self._patches.get((thread_id, item_id))
        return () if item is None else item.changes

    async def _asked(self, question: Question) -> Struct:
        request = read(question, self._changes)
        thread_id, feeds = request.thread_id, self._feeds.get(request.thread_id, [])
        callbacks = self._of_threads.get(thread_id, self._callbacks)
        if not answerable(request, callbacks):
            declined = QuestionDeclined(
                thread_id=thread_id, turn_id=request.turn_id, request=request
            )
            for feed in feeds:
                feed.put(declined)
        try:
            return await answer(request, callbacks)
        except Exception as exc:
            self._failed(request, exc)
            return refused(request)

    def _failed(self, request: Request, exc: Exception) -> None:
        """A callback raised: whoever runs the turn is told, else the loop's handler."""
        feeds = self._feeds.get(request.thread_id, [])
        for feed in feeds:
            feed.fail(exc)
        if not feeds:
            message = "a callback failed, and nobody runs its thread"
            context = {"message": message, "exception": exc}
            asyncio.get_running_loop().call_exception_handler(context)

    def _end(self) -> None:
        self._lost = True
        for feeds in self._feeds.values():
            for feed in feeds:
                feed.fail(ConnectionLost("the server is gone"))
