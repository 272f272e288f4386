"""Which threads are stored: by id, and the newest of a folder. The files are the only truth; no
index is needed, and a file is opened only when its name and times cannot tell."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import msgspec
from msgspec import Struct

from quire.core.errors import UsageError
from quire.rollout.ids import created_at
from quire.rollout.paths import ARCHIVED, SESSIONS, is_thread_id, thread_id_of
from quire.rollout.scan import open_log

_BLOCK = 1 << 16
_MAX_FIRST_LINE = 64 << 20


class _Where(Struct, frozen=True):
    cwd: str = ""


class _FirstLine(Struct, frozen=True):
    payload: _Where
    type: str = ""


def find_rollout(home: str, thread_id: str) -> str | None:
    """The path of a thread's file, archived ones included; None when there is none."""
    thread_id = thread_id.lower()
    if not is_thread_id(thread_id):
        return None
    for folder in _likely_folders(home, thread_id):
        for name in _names(folder):
            if thread_id_of(name) == thread_id:
                return os.path.join(folder, name)
    return None


def require_rollout(home: str, thread_id: str) -> str:
    """`find_rollout`, or `UsageError` in Codex's words (0.169)."""
    path = find_rollout(home, thread_id)
    if path is None:
        raise UsageError(
            f"no rollout found for thread id {thread_id}; rollouts are in "
            f"{os.path.join(home, SESSIONS)}"
        )
    return path


def latest_rollout(home: str, cwd: str) -> str | None:
    """The file that was written last among the threads that were started in `cwd` (absolute);
    None when there is none. Archived threads do not count. Files that cannot be read are passed
    over."""
    wanted = {cwd, os.path.realpath(cwd)}
    for path in _newest_first(home):
        if _cwd(path) in wanted:
            return path
    return None


def _likely_folders(home: str, thread_id: str) -> Iterator[str]:
    """The folder of the day that the id was made on, then all others."""
    created = created_at(thread_id)
    guess = ""
    if created is not None:
        day = time.strftime("%Y/%m/%d", time.localtime(created))
        guess = os.path.join(home, SESSIONS, day)
        yield guess
    for folder in _days(home):
        if folder != guess:
            yield folder
    yield os.path.join(home, ARCHIVED)


def _days(home: str) -> Iterator[str]:
    """The folders of single days, newest first."""
    root = os.path.join(home, SESSIONS)
    for year in _numbered(root):
        for month in _numbered(year):
            yield from _numbered(month)


def _numbered(folder: str) -> list[str]:
    names = sorted((name for name in _names(folder) if name.isdigit()), reverse=True)
    return [os.path.join(folder, name) for name in names]


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _newest_first(home: str) -> list[str]:
    found: list[tuple[float, str]] = []
    for folder in _days(home):
        try:
            with os.scandir(folder) as entries:
                found += (
                    (entry.stat().st_mtime, entry.path)
                    for entry in entries
                    if thread_id_of(entry.name) is not None
                )
        except OSError:
            continue
    return [path for _, path in sorted(found, reverse=True)]


def _cwd(path: str) -> str | None:
    """The folder that a thread was started in; None for a file whose first line cannot be read."""
    try:
        first = msgspec.json.decode(_first_line(path), type=_FirstLine)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return first.payload.cwd if first.type == "session_meta" else None


def _first_line(path: str) -> bytes:
    with open(open_log(path), "rb", buffering=_BLOCK) as file:
        return file.readline(_MAX_FIRST_LINE)
