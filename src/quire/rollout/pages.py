"""The order of stored threads, and the places in it where pages begin."""

from __future__ import annotations

import os

from quire.core.errors import UsageError
from quire.protocol.stored import ListQuery, Page, StoredThread
from quire.rollout.ids import created_at
from quire.rollout.listing import days
from quire.rollout.paths import ARCHIVED, segment_of, stamp_of

Key = tuple[int, str]
"""What a list is sorted by: milliseconds since the epoch, then the id."""


def newest_files(home: str, archived: bool) -> dict[str, str]:
    """The newest file of each thread."""
    found: dict[str, tuple[str, str]] = {}
    for folder in [os.path.join(home, ARCHIVED)] if archived else days(home):
        for path in rollouts_in(folder):
            ids = segment_of(os.path.basename(path))
            if ids is not None and (ids[0] not in found or found[ids[0]][0] < ids[1]):
                found[ids[0]] = (ids[1], path)
    return {thread_id: path for thread_id, (_, path) in found.items()}


def rollouts_in(folder: str) -> list[str]:
    """The paths of the rollout files in a folder; none when it cannot be read."""
    try:
        return [os.path.join(folder, name) for name in os.listdir(folder) if segment_of(name)]
    except OSError:
        return []


def created_ms(path: str, thread_id: str) -> int:
    """When a thread was made, in milliseconds: its id tells, else the name of its file."""
    made = created_at(thread_id)
    return int((stamp_of(os.path.basename(path)) if made is None else made) * 1000)


def updated_ms(path: str) -> int:
    """When a file was written last, in milliseconds; 0 when it is gone."""
    try:
        return os.stat(path).st_mtime_ns // 1_000_000
    except OSError:
        return 0


def page_of(query: ListQuery, found: list[tuple[Key, StoredThread]], *, more: bool) -> Page:
    """The page of these threads; `more` when others follow."""
    if not found:
        return Page(())
    return Page(
        tuple(thread for _, thread in found),
        cursor_of(found[-1][0]) if more else None,
        backwards_of(query, found[0][0]),
    )


def cursor_of(key: Key) -> str:
    """Opaque to clients: what follows this key."""
    return f"{key[0]}|{key[1]}"


def backwards_of(query: ListQuery, first: Key) -> str:
    """What follows in the other direction, the thread at `first` included: no id is less than
    the empty text or greater than a tilde."""
    return cursor_of((first[0], "" if query.descending else "~"))


def key_of(cursor: str) -> Key:
    """The way back from `cursor_of`. Raises `UsageError` for what is no cursor."""
    moment, found, thread_id = cursor.partition("|")
    if not found or not moment.isdecimal() or len(moment) > 20:
        raise UsageError(f"invalid cursor: {cursor}")
    return int(moment), thread_id
