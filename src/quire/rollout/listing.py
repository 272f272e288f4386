"""Which threads are stored: by id, and the newest of a folder. The files are the only truth; no
index is needed, and a file is opened only when its name and times cannot tell. `library.py` lists
them for people."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import msgspec
from msgspec import Struct

from quire.core.errors import UsageError
from quire.rollout.ids import created_at
from quire.rollout.paths import ARCHIVED, SESSIONS, is_thread_id, segment_of, thread_id_of
from quire.rollout.scan import open_log

_BLOCK = 1 << 16
_MAX_FIRST_LINE = 64 << 20


class _Where(Struct, frozen=True):
    cwd: str = ""


class _FirstLine(Struct, frozen=True):
    payload: _Where
    type: str = ""


def find_rollout(home: str, thread_id: str) -> str | None:
    """The path of a thread's newest file, archived ones included; None when there is none."""
    thread_id = thread_id.lower()
    if not is_thread_id(thread_id):
        return None
    first_day = _day_of(home, thread_id)
    found: list[tuple[str, str]] = []
    for folder in days(home):
        if found and folder < first_day:  # None of its files is older than its id.
            break
        found += _files_of(thread_id, folder)
    found = found or _files_of(thread_id, os.path.join(home, ARCHIVED))
    return max(found)[1] if found else None


def find_segment(home: str, segment_id: str) -> str | None:
    """The path of the file that a `history_base` names: a segment, or the first file of a
    thread."""
    segment_id = segment_id.lower()
    if not is_thread_id(segment_id):
        return None
    wanted = {segment_id, f"_{segment_id}"}
    for folder in _likely_folders(home, segment_id):
        for name in _names(folder):
            ids = segment_of(name)
            if ids is not None and (f"_{ids[1]}" if ids[1] else ids[0]) in wanted:
                return os.path.join(folder, name)
    return None


def segments(home: str, thread_id: str, *, archived: bool | None = None) -> list[str]:
    """All files of a thread, the newest last: those that are archived, those that are not, or
    (None) both. Empty when there is none."""
    thread_id = thread_id.lower()
    folders = [] if archived is True else list(days(home))
    if archived is not False:
        folders.append(os.path.join(home, ARCHIVED))
    found = [file for folder in folders for file in _files_of(thread_id, folder)]
    return [path for _, path in sorted(found)]


def _files_of(thread_id: str, folder: str) -> list[tuple[str, str]]:
    """(id of the segment, path) of the thread's files in a folder."""
    found: list[tuple[str, str]] = []
    for name in _names(folder):
        ids = segment_of(name) if thread_id in name else None
        if ids is not None and ids[0] == thread_id:
            found.append((ids[1], os.path.join(folder, name)))
    return found


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


def _likely_folders(home: str, some_id: str) -> Iterator[str]:
    """The folder of the day that the id was made on, then all others."""
    guess = _day_of(home, some_id)
    yield guess
    for folder in days(home):
        if folder != guess:
            yield folder
    yield os.path.join(home, ARCHIVED)


def _day_of(home: str, some_id: str) -> str:
    """The folder of the day that the id was made on; empty when the id does not tell."""
    created = created_at(some_id)
    if created is None:
        return ""
    return os.path.join(home, SESSIONS, time.strftime("%Y/%m/%d", time.localtime(created)))


def days(home: str) -> Iterator[str]:
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
    for folder in days(home):
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
