"""The files of a folder that a person would look for."""

from __future__ import annotations

import asyncio
import os
import time

from quire.workspace.git import Git

MAX_FILES = 200_000
MAX_DEPTH = 64
WALK_SECONDS = 10.0
"""Limits of a folder without git: it may be a home, or a whole disk."""

_SKIPPED = frozenset((".git", ".hg", ".svn", ".jj"))


class WorkspaceFiles:
    """Implements `server.calls.search.FileLister`."""

    def __init__(self, git: Git) -> None:
        self._git = git

    async def files(self, root: str) -> list[str]:
        """As git sees them where it does: tracked and not ignored. Else by a walk within limits
        that follows no links."""
        listing = ("ls-files", "-z", "--cached", "--others", "--exclude-standard")
        there, gone = await asyncio.gather(
            self._git.run(root, *listing), self._git.run(root, "ls-files", "-z", "--deleted")
        )
        if there is None or gone is None:
            return await asyncio.to_thread(_walk, root)
        removed = set(gone.split(b"\0"))
        found = [name for name in there.split(b"\0") if name not in removed]
        return [os.fsdecode(name) for name in found[:MAX_FILES]]


def _walk(root: str) -> list[str]:
    found: list[str] = []
    left = [("", 0)]
    until = time.monotonic() + WALK_SECONDS
    for folder, depth in left:  # It grows: near files come before far ones.
        if len(found) >= MAX_FILES or time.monotonic() > until:
            break
        try:
            with os.scandir(os.path.join(root, folder)) as entries:
                for entry in entries:
                    path = f"{folder}/{entry.name}" if folder else entry.name
                    if not entry.is_dir(follow_symlinks=False):
                        found.append(path)
                    elif entry.name not in _SKIPPED and depth < MAX_DEPTH:
                        left.append((path, depth + 1))
        except OSError:
            continue
    return found[:MAX_FILES]
