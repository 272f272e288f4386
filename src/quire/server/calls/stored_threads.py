"""`thread/*`: list, read, name, put aside, delete stored threads (rows D5-D8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from msgspec import Struct, UnsetType

from quire.core.errors import QuireError, UsageError
from quire.protocol.records import GitInfo
from quire.protocol.rpc.method import Notification
from quire.protocol.rpc.thread import (
    THREAD_ARCHIVED,
    THREAD_DELETED,
    THREAD_NAME_UPDATED,
    THREAD_UNARCHIVED,
    Thread,
    ThreadArchivedNotification,
    ThreadArchiveParams,
    ThreadArchiveResponse,
    ThreadDeletedNotification,
    ThreadDeleteParams,
    ThreadDeleteResponse,
    ThreadListParams,
    ThreadListResponse,
    ThreadMetadataGitInfoUpdateParams,
    ThreadMetadataUpdateParams,
    ThreadMetadataUpdateResponse,
    ThreadNameUpdatedNotification,
    ThreadReadParams,
    ThreadReadResponse,
    ThreadSetNameParams,
    ThreadSetNameResponse,
    ThreadUnarchivedNotification,
    ThreadUnarchiveParams,
    ThreadUnarchiveResponse,
)
from quire.protocol.stored import INTERACTIVE_SOURCES, ListQuery, StoredThread
from quire.server.calls.blocking import Blocking
from quire.server.errors import InvalidRequest
from quire.server.history import Histories, not_loaded
from quire.server.hubs import Hubs
from quire.server.library import ThreadLibrary
from quire.server.routes import Caller, Routes, route
from quire.server.thread_views import loaded_view, stored_view

DEFAULT_PAGE = 25
TellAll = Callable[[Notification, Struct], None]
"""Tells every client of the server, whatever it watches."""


class StoredThreadCalls:
    """Answers about threads on the disk, loaded or not."""

    def __init__(
        self, hubs: Hubs, library: ThreadLibrary, histories: Histories, tell: TellAll
    ) -> None:
        self._hubs = hubs
        self._library = library
        self._histories = histories
        self._tell = tell
        self._blocking = Blocking(2)

    def routes(self) -> Routes:
        return {
            "thread/list": route(ThreadListParams, self.list_threads),
            "thread/read": route(ThreadReadParams, self.read),
            "thread/name/set": route(ThreadSetNameParams, self.set_name),
            "thread/metadata/update": route(ThreadMetadataUpdateParams, self.update_metadata),
            "thread/archive": route(ThreadArchiveParams, self.archive),
            "thread/unarchive": route(ThreadUnarchiveParams, self.unarchive),
            "thread/delete": route(ThreadDeleteParams, self.delete),
        }

    async def list_threads(self, params: ThreadListParams, caller: Caller) -> ThreadListResponse:
        cwds = (params.cwd,) if isinstance(params.cwd, str) else params.cwd or ()
        query = ListQuery(
            archived=params.archived or False,
            cwds=cwds,
            model_providers=params.model_providers or (),
            source_kinds=params.source_kinds or INTERACTIVE_SOURCES,
            search_term=params.search_term,
            excluded_ids=params.excluded_thread_ids or (),
            sort_key=_sort_key(params),
            descending=params.sort_direction != "asc",
            cursor=params.cursor,
            limit=DEFAULT_PAGE if params.limit is None else params.limit,
        )
        page = await self._blocking.run(lambda: self._library.list(query))
        return ThreadListResponse(
            data=tuple(self._view(stored) for stored in page.threads),
            next_cursor=page.next_cursor,
            backwards_cursor=page.backwards_cursor,
        )

    async def read(self, params: ThreadReadParams, caller: Caller) -> ThreadReadResponse:
        hub = self._hubs.get(params.thread_id)
        if hub is None:
            try:
                stored = self._stored(params.thread_id)
            except UsageError:
                raise not_loaded(params.thread_id) from None
            turns = await self._histories.fetch(params.thread_id) if params.include_turns else ()
            return ThreadReadResponse(thread=stored_view(stored, turns=turns))
        turns = await self._histories.fetch(params.thread_id) if params.include_turns else ()
        known = self._known(params.thread_id)
        return ThreadReadResponse(thread=loaded_view(hub, known, turns))

    async def set_name(self, params: ThreadSetNameParams, caller: Caller) -> ThreadSetNameResponse:
        name = self._library.rename(params.thread_id, params.name)
        told = ThreadNameUpdatedNotification(thread_id=params.thread_id, thread_name=name)
        caller.after_reply(lambda: self._tell(THREAD_NAME_UPDATED, told))
        return ThreadSetNameResponse()

    async def update_metadata(
        self, params: ThreadMetadataUpdateParams, caller: Caller
    ) -> ThreadMetadataUpdateResponse:
        """An absent member stays as it is; null removes it."""
        given = params.git_info
        if given is None:
            raise InvalidRequest("thread metadata update must include at least one field")
        if given == ThreadMetadataGitInfoUpdateParams():
            raise InvalidRequest("gitInfo must include at least one field")
        stored = self._stored(params.thread_id)
        now = stored.git or GitInfo()
        git = GitInfo(
            commit_hash=_changed(now.commit_hash, given.sha),
            branch=_changed(now.branch, given.branch),
            repository_url=_changed(now.repository_url, given.origin_url),
        )
        self._library.set_metadata(params.thread_id, git)
        return ThreadMetadataUpdateResponse(thread=self._view(self._stored(params.thread_id)))

    async def archive(self, params: ThreadArchiveParams, caller: Caller) -> ThreadArchiveResponse:
        """A loaded thread is unloaded first: its turn and its commands end."""
        kept = self._is_kept(params.thread_id)
        await self._hubs.unload(params.thread_id)
        if kept:
            self._library.archive(params.thread_id)
        told = ThreadArchivedNotification(thread_id=params.thread_id)
        caller.after_reply(lambda: self._tell(THREAD_ARCHIVED, told))
        return ThreadArchiveResponse()

    async def unarchive(
        self, params: ThreadUnarchiveParams, caller: Caller
    ) -> ThreadUnarchiveResponse:
        self._library.unarchive(params.thread_id)
        told = ThreadUnarchivedNotification(thread_id=params.thread_id)
        caller.after_reply(lambda: self._tell(THREAD_UNARCHIVED, told))
        return ThreadUnarchiveResponse(thread=self._view(self._stored(params.thread_id)))

    async def delete(self, params: ThreadDeleteParams, caller: Caller) -> ThreadDeleteResponse:
        """For good. A loaded thread is unloaded first."""
        kept = self._is_kept(params.thread_id)
        await self._hubs.unload(params.thread_id)
        if kept:
            self._library.delete(params.thread_id)
        told = ThreadDeletedNotification(thread_id=params.thread_id)
        caller.after_reply(lambda: self._tell(THREAD_DELETED, told))
        return ThreadDeleteResponse()

    def _stored(self, thread_id: str) -> StoredThread:
        """Raises `UsageError` when it is not there, `RolloutError` when it is unreadable."""
        return self._library.thread(thread_id)

    def _is_kept(self, thread_id: str) -> bool:
        """False for a loaded thread in which nothing happened yet: it has no file. Raises what
        `_stored` does for a thread that is not loaded."""
        try:
            self._stored(thread_id)
        except UsageError:
            if self._hubs.get(thread_id) is None:
                raise
            return False
        return True

    def _known(self, thread_id: str) -> StoredThread | None:
        try:
            return self._library.thread(thread_id)
        except QuireError:
            return None  # It is ephemeral, or nothing happened in it yet.

    def _view(self, stored: StoredThread) -> Thread:
        hub = self._hubs.get(stored.id)
        return stored_view(stored, hub.status if hub is not None else None)


def _sort_key(params: ThreadListParams) -> Literal["created_at", "updated_at"]:
    return "updated_at" if params.sort_key in ("updated_at", "recency_at") else "created_at"


def _changed(now: str | None, given: str | UnsetType | None) -> str | None:
    return now if isinstance(given, UnsetType) else given
