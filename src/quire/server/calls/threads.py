"""`thread/*`: open, watch and leave threads (row J8)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from quire.core.errors import QuireError, UsageError
from quire.protocol import local
from quire.protocol.policy import TurnContext, approval_words
from quire.protocol.rpc.thread import (
    THREAD_STARTED,
    ThreadForkParams,
    ThreadForkResponse,
    ThreadLoadedListParams,
    ThreadLoadedListResponse,
    ThreadResumeParams,
    ThreadResumeResponse,
    ThreadStartedNotification,
    ThreadStartParams,
    ThreadStartResponse,
    ThreadUnsubscribeParams,
    ThreadUnsubscribeResponse,
)
from quire.protocol.rpc.turn import Turn
from quire.protocol.rpc.values import ActivePermissionProfile
from quire.protocol.stored import StoredThread
from quire.server.errors import InvalidRequest
from quire.server.hub import ThreadHub
from quire.server.hubs import Hubs
from quire.server.resumed import turns_needed, with_pages
from quire.server.routes import Caller, Client, Routes, route
from quire.server.settings_views import thread_settings
from quire.server.stored_settings import as_before, changes_as_before, last_context
from quire.server.thread_views import loaded_view
from quire.server.views import sandbox_view

if TYPE_CHECKING:
    from quire.server.history import Histories
    from quire.server.library import ThreadLibrary

_Response = TypeVar("_Response", bound=ThreadStartResponse)


class Stored(Protocol):
    """What is stored of threads."""

    @property
    def library(self) -> ThreadLibrary: ...
    @property
    def histories(self) -> Histories: ...


class ThreadCalls:
    """Answers about loaded threads."""

    def __init__(self, hubs: Hubs, stored: Stored) -> None:
        self._hubs = hubs
        self._stored_threads = stored

    def routes(self) -> Routes:
        return {
            "thread/start": route(ThreadStartParams, self.start),
            "thread/resume": route(ThreadResumeParams, self.resume),
            "thread/fork": route(ThreadForkParams, self.fork),
            "thread/unsubscribe": route(ThreadUnsubscribeParams, self.unsubscribe),
            "thread/loaded/list": route(ThreadLoadedListParams, self.list_loaded),
        }

    async def start(self, params: ThreadStartParams, caller: Caller) -> ThreadStartResponse:
        settings = thread_settings(params, caller.name)
        hub = self._hubs.start(
            local.ThreadStartParams(ephemeral=params.ephemeral or False, settings=settings)
        )
        hub.join(caller.client)
        caller.after_reply(lambda: _started(hub, caller.client))
        return _response(ThreadStartResponse, hub, None, ())

    async def resume(self, params: ThreadResumeParams, caller: Caller) -> ThreadResumeResponse:
        """A thread that is loaded already is joined: its settings stay as they are."""
        if params.history is not None or (params.path is not None and not params.thread_id):
            raise InvalidRequest("thread/resume: only a threadId can be resumed")
        given = thread_settings(params, caller.name)
        hub = self._hubs.get(params.thread_id) or self._load(params.thread_id, given)
        hub.join(caller.client)
        turns = self._turns(hub, turns_needed(params))
        caller.after_reply(lambda: hub.questions.joined(caller.client))
        shown = () if params.exclude_turns else turns
        response = _response(ThreadResumeResponse, hub, self._stored(hub), shown)
        return with_pages(response, turns, params.initial_turns_page)

    async def fork(self, params: ThreadForkParams, caller: Caller) -> ThreadForkResponse:
        given = thread_settings(params, caller.name)
        last = self._last(params.thread_id)
        settings = given if last is None else as_before(given, last, same_model=False)
        hub = self._hubs.fork(
            local.ThreadForkParams(
                thread_id=params.thread_id,
                ephemeral=params.ephemeral,
                settings=settings,
                last_turn_id=params.last_turn_id,
                before_turn_id=params.before_turn_id,
            )
        )
        if last is not None:
            hub.loaded.revise(changes_as_before(given, last, same_model=False))
        hub.join(caller.client)
        caller.after_reply(lambda: _started(hub, caller.client))
        turns = () if params.exclude_turns else self._turns(hub)
        return _response(ThreadForkResponse, hub, self._stored(hub), turns)

    async def unsubscribe(
        self, params: ThreadUnsubscribeParams, caller: Caller
    ) -> ThreadUnsubscribeResponse:
        hub = self._hubs.get(params.thread_id)
        if hub is None:
            return ThreadUnsubscribeResponse(status="notLoaded")
        left = hub.leave(caller.client)
        return ThreadUnsubscribeResponse(status="unsubscribed" if left else "notSubscribed")

    async def list_loaded(
        self, params: ThreadLoadedListParams, caller: Caller
    ) -> ThreadLoadedListResponse:
        """Ids in order; the cursor is the last one of the page before."""
        ids = sorted(hub.loaded.id for hub in self._hubs.loaded)
        if params.cursor is not None:
            ids = [thread_id for thread_id in ids if thread_id > params.cursor]
        limit = len(ids) if params.limit is None else max(params.limit, 1)
        cursor = ids[limit - 1] if len(ids) > limit else None
        return ThreadLoadedListResponse(data=tuple(ids[:limit]), next_cursor=cursor)

    def _load(self, thread_id: str, given: local.ThreadSettings) -> ThreadHub:
        """Load a stored thread, with the settings of its last turn where none are given."""
        self._refuse_archived(thread_id)
        last = self._last(thread_id)
        if last is None:
            return self._hubs.resume(local.ThreadResumeParams(thread_id=thread_id, settings=given))
        settings = as_before(given, last, same_model=True)
        try:
            hub = self._hubs.resume(
                local.ThreadResumeParams(thread_id=thread_id, settings=settings)
            )
        except UsageError:  # Its model is not there any more: the configured one goes on.
            settings = as_before(given, last, same_model=False)
            hub = self._hubs.resume(
                local.ThreadResumeParams(thread_id=thread_id, settings=settings)
            )
        same_model = hub.loaded.context.model == last.model
        hub.loaded.revise(changes_as_before(given, last, same_model=same_model))
        return hub

    def _last(self, thread_id: str) -> TurnContext | None:
        try:
            return last_context(self._stored_threads.library.records(thread_id))
        except QuireError:
            return None  # What is wrong with it is told when it is opened.

    def _refuse_archived(self, thread_id: str) -> None:
        try:
            stored = self._stored_threads.library.thread(thread_id)
        except QuireError:
            return
        if stored.archived:
            raise InvalidRequest(
                f"session {thread_id} is archived. Run `quire unarchive {thread_id}` "
                "to unarchive it first."
            )

    def _turns(self, hub: ThreadHub, newest: int | None = None) -> tuple[Turn, ...]:
        if hub.loaded.opened.info.path is None:
            return ()
        return self._stored_threads.histories.turns(hub.loaded.id, newest)

    def _stored(self, hub: ThreadHub) -> StoredThread | None:
        try:
            return self._stored_threads.library.thread(hub.loaded.id)
        except QuireError:
            return None  # It is ephemeral, or nothing happened in it yet.


def _started(hub: ThreadHub, client: Client) -> None:
    client.notify(THREAD_STARTED, ThreadStartedNotification(thread=loaded_view(hub)))
    for text in hub.loaded.opened.info.warnings:
        hub.warn(text)


def _active_profile(info: local.ThreadInfo, context: TurnContext) -> ActivePermissionProfile | None:
    """The permission profile in force; none once a turn has brought a sandbox of its own."""
    if info.permission_profile is None or info.sandbox != context.sandbox:
        return None
    name, parent = info.permission_profile
    return ActivePermissionProfile(id=name, extends=parent)


def _response(
    kind: type[_Response], hub: ThreadHub, stored: StoredThread | None, turns: tuple[Turn, ...]
) -> _Response:
    context = hub.loaded.context
    return kind(
        thread=loaded_view(hub, stored, turns),
        model=context.model,
        model_provider=context.model_provider,
        service_tier=context.service_tier,
        cwd=context.cwd,
        runtime_workspace_roots=context.workspace_roots,
        instruction_sources=hub.loaded.opened.instruction_sources,
        approval_policy=approval_words(context.approval_policy),
        approvals_reviewer=context.approvals_reviewer,
        sandbox=sandbox_view(context.sandbox),
        active_permission_profile=_active_profile(hub.loaded.opened.info, context),
        reasoning_effort=context.effort,
    )
