"""`review/start` (row V6)."""

from __future__ import annotations

from msgspec.structs import replace

from quire.protocol.local import ThreadSettings, ThreadStartParams
from quire.protocol.rpc.items import TextUserInput, UserMessageThreadItem
from quire.protocol.rpc.review import ReviewStartParams, ReviewStartResponse
from quire.protocol.rpc.thread import THREAD_STARTED, ThreadStartedNotification
from quire.review.targets import review_title
from quire.server.errors import InvalidRequest
from quire.server.hub import ThreadHub
from quire.server.hubs import Hubs
from quire.server.reviews import Reviews
from quire.server.routes import Caller, Routes, route
from quire.server.thread_views import loaded_view
from quire.server.threads import Loaded
from quire.server.turn_views import started_turn


class ReviewCalls:
    """Answers about reviews."""

    def __init__(self, hubs: Hubs, reviews: Reviews) -> None:
        self._hubs = hubs
        self._reviews = reviews

    def routes(self) -> Routes:
        return {"review/start": route(ReviewStartParams, self.start)}

    async def start(self, params: ReviewStartParams, caller: Caller) -> ReviewStartResponse:
        """A review in the thread itself, or (`detached`) in a new one with its settings, which
        clients without the experimental capability do not know of. Raises `InvalidRequest` for a
        thread that is not loaded, an empty target, and while a turn runs."""
        asked = self._hubs.find(params.thread_id)
        detached = params.delivery == "detached"
        if detached and not caller.experimental:
            raise InvalidRequest("Invalid request: unknown variant `detached`, expected `inline`")

        def beside() -> Loaded:
            return self._watched(self._beside(asked, caller), caller)

        place = beside if detached else None
        here = asked.loaded if detached else self._watched(asked, caller)
        started = await self._reviews.start(here, params.target, place)
        title = TextUserInput(text=review_title(params.target))
        told = UserMessageThreadItem(id=started.turn_id, content=(title,))
        turn = replace(started_turn(started.turn_id), items=(told,))
        return ReviewStartResponse(turn=turn, review_thread_id=started.thread_id)

    def _watched(self, hub: ThreadHub, caller: Caller) -> Loaded:
        """The thread, whose events this caller gets after the answer to its call."""
        hub.join(caller.client)
        hub.hold()
        caller.after_reply(hub.release)
        return hub.loaded

    def _beside(self, hub: ThreadHub, caller: Caller) -> ThreadHub:
        """A new thread for the same folder, with the same model and rights."""
        context = hub.loaded.context
        settings = ThreadSettings(
            cwd=context.cwd,
            model=context.model,
            workspace_roots=context.workspace_roots,
            originator=caller.name,
        )
        beside = self._hubs.start(ThreadStartParams(settings=settings))
        beside.loaded.context = context
        started = ThreadStartedNotification(thread=loaded_view(beside))
        caller.after_reply(lambda: caller.notify(THREAD_STARTED, started))
        return beside
