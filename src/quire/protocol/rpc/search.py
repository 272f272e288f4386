"""`fuzzyFileSearch`: names of files that match what somebody types (Codex 0.169, app-server).

A session keeps the names, so that each further letter costs only the matching.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from quire.protocol.rpc.method import Empty, Method, Notification, ServerRequest

FuzzyFileSearchMatchType = Literal["file", "directory"]


class FuzzyFileSearchParams(Struct, frozen=True, kw_only=True, rename="camel"):
    """A search ends the client's earlier one with the same `cancellation_token`."""

    query: str
    roots: tuple[str, ...]
    cancellation_token: str | None = None


class FuzzyFileSearchResult(Struct, frozen=True, kw_only=True):
    """Not camelCase on the wire. `path` is relative to `root`, `indices` count its characters."""

    root: str
    path: str
    match_type: FuzzyFileSearchMatchType
    file_name: str
    score: int
    indices: tuple[int, ...] | None = None


class FuzzyFileSearchResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    """Best first."""

    files: tuple[FuzzyFileSearchResult, ...]


class FuzzyFileSearchSessionStartParams(Struct, frozen=True, kw_only=True, rename="camel"):
    """A session of the same id is replaced."""

    session_id: str
    roots: tuple[str, ...]


class FuzzyFileSearchSessionUpdateParams(Struct, frozen=True, kw_only=True, rename="camel"):
    session_id: str
    query: str


class FuzzyFileSearchSessionStopParams(Struct, frozen=True, kw_only=True, rename="camel"):
    session_id: str


class FuzzyFileSearchSessionUpdatedNotification(Struct, frozen=True, kw_only=True, rename="camel"):
    session_id: str
    query: str
    files: tuple[FuzzyFileSearchResult, ...]


class FuzzyFileSearchSessionCompletedNotification(
    Struct, frozen=True, kw_only=True, rename="camel"
):
    """The latest query has been answered."""

    session_id: str


SEARCH_UPDATED = Notification(
    "fuzzyFileSearch/sessionUpdated", FuzzyFileSearchSessionUpdatedNotification, lossy=True
)
SEARCH_COMPLETED = Notification(
    "fuzzyFileSearch/sessionCompleted", FuzzyFileSearchSessionCompletedNotification
)

METHODS: tuple[Method, ...] = (
    Method("fuzzyFileSearch", FuzzyFileSearchParams, FuzzyFileSearchResponse),
    Method(
        "fuzzyFileSearch/sessionStart", FuzzyFileSearchSessionStartParams, Empty, experimental=True
    ),
    Method(
        "fuzzyFileSearch/sessionUpdate",
        FuzzyFileSearchSessionUpdateParams,
        Empty,
        experimental=True,
    ),
    Method(
        "fuzzyFileSearch/sessionStop", FuzzyFileSearchSessionStopParams, Empty, experimental=True
    ),
)
NOTIFICATIONS: tuple[Notification, ...] = (SEARCH_UPDATED, SEARCH_COMPLETED)
REQUESTS: tuple[ServerRequest, ...] = ()
