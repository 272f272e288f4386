"""`gitDiffToRemote`: what a clone elsewhere lacks of this one (Codex 0.169, app-server)."""

from __future__ import annotations

from msgspec import Struct

from quire.protocol.rpc.method import Method, Notification, ServerRequest


class GitDiffToRemoteParams(Struct, frozen=True, kw_only=True, rename="camel"):
    cwd: str


class GitDiffToRemoteResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    """`sha` is the nearest commit that the remote has, `diff` leads from it to the files as they
    are now, untracked ones included."""

    sha: str
    diff: str


METHODS: tuple[Method, ...] = (
    Method("gitDiffToRemote", GitDiffToRemoteParams, GitDiffToRemoteResponse),
)
NOTIFICATIONS: tuple[Notification, ...] = ()
REQUESTS: tuple[ServerRequest, ...] = ()
