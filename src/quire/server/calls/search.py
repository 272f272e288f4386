"""`fuzzyFileSearch`: matching runs in threads; only the latest query of a session is answered."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Protocol

from quire.protocol.rpc.method import Empty
from quire.protocol.rpc.search import (
    SEARCH_COMPLETED,
    SEARCH_UPDATED,
    FuzzyFileSearchParams,
    FuzzyFileSearchResponse,
    FuzzyFileSearchResult,
    FuzzyFileSearchSessionCompletedNotification,
    FuzzyFileSearchSessionStartParams,
    FuzzyFileSearchSessionStopParams,
    FuzzyFileSearchSessionUpdatedNotification,
    FuzzyFileSearchSessionUpdateParams,
)
from quire.server.calls.blocking import Blocking, shown
from quire.server.calls.per_client import PerClient
from quire.server.errors import InternalError, InvalidRequest
from quire.server.fuzzy import LIMIT, Corpus, Match
from quire.server.routes import Caller, Client, Routes, route

KEPT_SECONDS = 3.0
"""How long the names below a folder are taken to be the same by single searches."""
MAX_SESSIONS = 16
"""Sessions of one client."""
MAX_ROOTS = 64

_KEPT_ROOTS = 4
_THREADS = 2
_NO_ROOTS = "failed to start fuzzy file search session: at least one search directory is required"

Named = tuple[str, Corpus]
"""A root as the client named it, and what is below it."""


class FileLister(Protocol):
    """The files of a folder."""

    async def files(self, root: str) -> Sequence[str]:
        """Paths relative to `root` (absolute) of what a person would look for: without what git
        ignores, and within limits. Empty when there is no such folder. May be cancelled."""
        ...


class SearchCalls:
    """Answers `fuzzyFileSearch` and its sessions. `cwd` is what relative roots are below."""

    def __init__(self, lister: FileLister, cwd: str) -> None:
        self._lister = lister
        self._cwd = cwd
        self._blocking = Blocking(_THREADS)
        self._clients = PerClient[_Client](_Client, _Client.end)
        self._kept: dict[str, tuple[float, Corpus]] = {}

    def routes(self) -> Routes:
        return {
            "fuzzyFileSearch": route(FuzzyFileSearchParams, self.search),
            "fuzzyFileSearch/sessionStart": route(
                FuzzyFileSearchSessionStartParams, self.session_start
            ),
            "fuzzyFileSearch/sessionUpdate": route(
                FuzzyFileSearchSessionUpdateParams, self.session_update
            ),
            "fuzzyFileSearch/sessionStop": route(
                FuzzyFileSearchSessionStopParams, self.session_stop
            ),
        }

    async def search(
        self, params: FuzzyFileSearchParams, caller: Caller
    ) -> FuzzyFileSearchResponse:
        """The best matches; none when a later search took over the cancellation token."""
        stop = self._clients.of(caller).take_over(params.cancellation_token)
        try:
            corpora = [await self._corpus(root) for root in _checked(params.roots)]
            files = await self._best(params.query, corpora, stop.is_set)
        finally:
            stop.set()
        return FuzzyFileSearchResponse(files=files)

    async def session_start(
        self, params: FuzzyFileSearchSessionStartParams, caller: Caller
    ) -> Empty:
        """Begin to read names; the client is told when that is done, with no files yet."""
        client, name = self._clients.of(caller), params.session_id
        if not name:
            raise InvalidRequest("sessionId must not be empty")
        roots = _checked(params.roots)
        if not roots:
            raise InternalError(_NO_ROOTS)
        client.stop(name)
        if len(client.sessions) >= MAX_SESSIONS:
            raise InvalidRequest(f"too many search sessions: at most {MAX_SESSIONS}")
        client.sessions[name] = _Session(self._answer(name, roots, caller.client))
        return Empty()

    async def session_update(
        self, params: FuzzyFileSearchSessionUpdateParams, caller: Caller
    ) -> Empty:
        session = self._clients.of(caller).sessions.get(params.session_id)
        if session is None:
            raise InvalidRequest(f"fuzzy file search session not found: {params.session_id}")
        session.ask(params.query)
        return Empty()

    async def session_stop(self, params: FuzzyFileSearchSessionStopParams, caller: Caller) -> Empty:
        self._clients.of(caller).stop(params.session_id)
        return Empty()

    def _answer(
        self, name: str, roots: tuple[str, ...], client: Client
    ) -> Callable[[_Session], Coroutine[None, None, None]]:
        async def answer(session: _Session) -> None:
            corpora = [await self._corpus(root) for root in roots]
            while True:
                query, stopped = session.take()
                files = await self._best(query, corpora, stopped)
                if not stopped():
                    _tell(client, name, query, files)
                await session.asked()

        return answer

    async def _corpus(self, root: str) -> Named:
        path = os.path.join(self._cwd, root)
        kept = self._kept.get(path)
        if kept is None or kept[0] < time.monotonic():
            files = await self._lister.files(path)
            corpus = await self._blocking.run(lambda: Corpus(files))
            kept = self._kept[path] = time.monotonic() + KEPT_SECONDS, corpus
            while len(self._kept) > _KEPT_ROOTS:
                del self._kept[next(iter(self._kept))]
        return root, kept[1]

    async def _best(
        self, query: str, corpora: list[Named], stopped: Callable[[], bool]
    ) -> tuple[FuzzyFileSearchResult, ...]:
        def search() -> tuple[FuzzyFileSearchResult, ...]:
            found = [(root, m) for root, corpus in corpora for m in corpus.search(query, stopped)]
            found.sort(key=lambda one: (-one[1].score, one[1].path, one[0]))
            return tuple(_result(root, match) for root, match in found[:LIMIT])

        return await self._blocking.run(search)


class _Session:
    """Answers its latest question in a task of its own."""

    def __init__(self, answer: Callable[[_Session], Coroutine[None, None, None]]) -> None:
        self._query = ""
        self._stop = threading.Event()
        self._new = asyncio.Event()
        self._task = asyncio.create_task(answer(self))

    def ask(self, query: str) -> None:
        """Answer this, and nothing before it."""
        self._query = query
        self._stop.set()
        self._new.set()

    def take(self) -> tuple[str, Callable[[], bool]]:
        """The latest question, and whether there is one later still."""
        self._stop = threading.Event()
        self._new.clear()
        return self._query, self._stop.is_set

    async def asked(self) -> None:
        await self._new.wait()

    def end(self) -> None:
        self._stop.set()
        self._task.cancel()


class _Client:
    """The sessions and single searches of one client."""

    def __init__(self) -> None:
        self.sessions: dict[str, _Session] = {}
        self._searches: dict[str, threading.Event] = {}

    def take_over(self, token: str | None) -> threading.Event:
        """Stop the search that has this token; what stops the new one."""
        stop = threading.Event()
        if token is not None:
            for name in [name for name, old in self._searches.items() if old.is_set()]:
                del self._searches[name]
            if token in self._searches:
                self._searches[token].set()
            self._searches[token] = stop
        return stop

    def stop(self, name: str) -> None:
        session = self.sessions.pop(name, None)
        if session is not None:
            session.end()

    def end(self) -> None:
        for name in list(self.sessions):
            self.stop(name)
        for stop in self._searches.values():
            stop.set()


def _checked(roots: tuple[str, ...]) -> tuple[str, ...]:
    if len(roots) > MAX_ROOTS or any("\0" in root for root in roots):
        raise InvalidRequest(f"roots must be at most {MAX_ROOTS} folders")
    return roots


def _tell(client: Client, name: str, query: str, files: tuple[FuzzyFileSearchResult, ...]) -> None:
    updated = FuzzyFileSearchSessionUpdatedNotification(session_id=name, query=query, files=files)
    client.notify(SEARCH_UPDATED, updated)
    completed = FuzzyFileSearchSessionCompletedNotification(session_id=name)
    client.notify(SEARCH_COMPLETED, completed)


def _result(root: str, match: Match) -> FuzzyFileSearchResult:
    return FuzzyFileSearchResult(
        root=root,
        path=shown(match.path),
        match_type="directory" if match.is_directory else "file",
        file_name=shown(match.path.rpartition("/")[2]),
        score=match.score,
        indices=match.indices,
    )
