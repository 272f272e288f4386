"""Threads as clients see them: loaded ones, and those that lie on the disk."""

from __future__ import annotations

import calendar
import time

from quire.protocol.records import GitInfo
from quire.protocol.rpc.thread import (
    NotLoadedThreadStatus,
    SessionSource,
    SessionSourceDetail,
    Thread,
    ThreadEnvironment,
    ThreadGitInfo,
    ThreadStatus,
)
from quire.protocol.rpc.turn import Turn
from quire.protocol.stored import StoredThread
from quire.server.hub import ThreadHub


def loaded_view(
    hub: ThreadHub, stored: StoredThread | None = None, turns: tuple[Turn, ...] = ()
) -> Thread:
    """A loaded thread; what its file tells, if there is one, is `stored`."""
    opened, context = hub.loaded.opened, hub.loaded.context
    meta = opened.meta
    created = seconds_of(meta.timestamp)
    return Thread(
        id=hub.loaded.id,
        environments=(
            ThreadEnvironment(
                environment_id="local",
                cwd=context.cwd,
                runtime_workspace_roots=context.workspace_roots,
            ),
        ),
        session_id=hub.loaded.id,
        forked_from_id=meta.forked_from,
        preview=hub.preview or (stored.preview if stored is not None else ""),
        ephemeral=opened.info.path is None,
        model_provider=context.model_provider,
        model=context.model,
        reasoning_effort=context.effort,
        created_at=created,
        updated_at=int(hub.updated_at),
        recency_at=int(hub.updated_at),
        status=hub.status,
        path=opened.info.path,
        cwd=context.cwd,
        cli_version=meta.cli_version,
        originator=meta.originator,
        source=source_view(meta.source),
        can_accept_direct_input=True,
        git_info=git_view(stored.git if stored is not None and stored.git else meta.git),
        name=stored.name if stored is not None else None,
        turns=turns,
    )


def stored_view(
    stored: StoredThread, status: ThreadStatus | None = None, turns: tuple[Turn, ...] = ()
) -> Thread:
    """A thread as its file tells it."""
    return Thread(
        id=stored.id,
        session_id=stored.id,
        forked_from_id=stored.forked_from,
        preview=stored.preview,
        ephemeral=False,
        model_provider=stored.model_provider,
        model=stored.model,
        reasoning_effort=stored.effort,
        created_at=stored.created_at,
        updated_at=stored.updated_at,
        recency_at=stored.updated_at,
        status=status or NotLoadedThreadStatus(),
        path=stored.path,
        cwd=stored.cwd,
        cli_version=stored.cli_version,
        originator=stored.originator or None,
        source=source_view(stored.source),
        can_accept_direct_input=True,
        thread_source=stored.thread_source,
        git_info=git_view(stored.git),
        name=stored.name,
        turns=turns,
    )


def git_view(git: GitInfo | None) -> ThreadGitInfo | None:
    if git is None:
        return None
    return ThreadGitInfo(sha=git.commit_hash, branch=git.branch, origin_url=git.repository_url)


def source_view(source: str) -> SessionSource:
    """Where a thread was started. A word of its own is a custom source."""
    match source:
        case "cli" | "vscode" | "exec" | "appServer" | "unknown":
            return source
        case "mcp" | "app-server" | "app_server":
            return "appServer"
        case "":
            return "unknown"
        case _:
            return SessionSourceDetail(custom=source)


def seconds_of(timestamp: str) -> int:
    """Seconds since the epoch of an ISO 8601 moment in UTC; 0 for what is none."""
    try:
        return calendar.timegm(time.strptime(timestamp[:19], "%Y-%m-%dT%H:%M:%S"))
    except ValueError:
        return 0
