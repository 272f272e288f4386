"""`gitDiffToRemote`."""

from __future__ import annotations

import json
import os
from typing import Protocol

from quire.protocol.rpc.git import GitDiffToRemoteParams, GitDiffToRemoteResponse
from quire.server.errors import InvalidRequest
from quire.server.routes import Caller, Routes, route


class RemoteDiffer(Protocol):
    """Compares a working tree with its remote."""

    async def to_remote(self, cwd: str) -> tuple[str, str] | None:
        """The nearest commit of a remote that the working tree at `cwd` (absolute) is built on,
        and the diff from there to its files, untracked ones included. None where there is no
        repository, no remote, or too much to tell. Runs nothing that the repository names. May
        be cancelled."""
        ...


class GitCalls:
    """Answers `gitDiffToRemote`. `cwd` is what relative folders are below."""

    def __init__(self, differ: RemoteDiffer, cwd: str) -> None:
        self._differ = differ
        self._cwd = cwd

    def routes(self) -> Routes:
        return {"gitDiffToRemote": route(GitDiffToRemoteParams, self.diff_to_remote)}

    async def diff_to_remote(
        self, params: GitDiffToRemoteParams, caller: Caller
    ) -> GitDiffToRemoteResponse:
        """Raises `InvalidRequest` when there is nothing to compare with."""
        found = None
        if params.cwd and "\0" not in params.cwd:
            found = await self._differ.to_remote(os.path.join(self._cwd, params.cwd))
        if found is None:
            cwd = json.dumps(params.cwd, ensure_ascii=False)
            raise InvalidRequest(f"failed to compute git diff to remote for cwd: {cwd}")
        return GitDiffToRemoteResponse(sha=found[0], diff=found[1])
