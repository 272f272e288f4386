"""Where rollout files are and what they are called (Codex 0.169).

`$QUIRE_HOME/sessions/YYYY/MM/DD/rollout-YYYY-MM-DDTHH-MM-SS-<uuid>.jsonl`, in local time; archived
files lie flat in `$QUIRE_HOME/archived_sessions/`.

A thread that Codex reverted has several files: each revert starts one more, a segment, whose name
has `_<uuid of the segment>` behind the thread's id and whose first line says which lines of an
older file come before it. The newest segment is the thread.
"""

from __future__ import annotations

import os
import time

SESSIONS = "sessions"
QUEUE = "queue"
ARCHIVED = "archived_sessions"
PREFIX = "rollout-"
SUFFIX = ".jsonl"
_STAMP = len("YYYY-MM-DDTHH-MM-SS-")
_UUID = 36
_HEX = frozenset("0123456789abcdef")


def rollout_path(home: str, thread_id: str, created: float) -> str:
    """Where the file of a thread belongs that was made at `created` (seconds since the epoch)."""
    moment = time.localtime(created)
    stamp = time.strftime("%Y-%m-%dT%H-%M-%S", moment)
    return os.path.join(
        home, SESSIONS, time.strftime("%Y/%m/%d", moment), f"{PREFIX}{stamp}-{thread_id}{SUFFIX}"
    )


def thread_id_of(name: str) -> str | None:
    """The thread id in a file name; None when it is no name of a rollout file."""
    segment = segment_of(name)
    return segment[0] if segment is not None else None


def segment_of(name: str) -> tuple[str, str] | None:
    """(thread id, id of the segment, empty for the first) in a file name; None when it is no name
    of a rollout file. Of the files of one thread the newest has the greatest pair."""
    if not name.startswith(PREFIX) or not name.endswith(SUFFIX):
        return None
    thread_id, separator, segment = name[len(PREFIX) + _STAMP : -len(SUFFIX)].partition("_")
    if not is_thread_id(thread_id) or bool(separator) != is_thread_id(segment):
        return None
    return thread_id, segment


def dated_folder(home: str, name: str) -> str | None:
    """The folder that a rollout file of this name belongs in; None for a name without a date."""
    parts = name[len(PREFIX) :][:10].split("-")
    if [len(part) for part in parts if part.isdigit()] != [4, 2, 2]:
        return None
    return os.path.join(home, SESSIONS, *parts)


def stamp_of(name: str) -> float:
    """The moment in a file name, in seconds since the epoch; 0 when there is none."""
    stamp = name[len(PREFIX) :][: _STAMP - 1]
    try:
        return time.mktime(_parsed_stamp(stamp))
    except (ValueError, OverflowError):
        return 0.0


def _parsed_stamp(stamp: str) -> tuple[int, int, int, int, int, int, int, int, int]:
    """`2026-11-20T10-16-07`. (`time.strptime` would load a package.) Raises `ValueError`."""
    year, month, day, hour, minute, second = map(int, stamp.replace("T", "-").split("-"))
    return year, month, day, hour, minute, second, 0, 0, -1


def is_thread_id(text: str) -> bool:
    """True for a UUID in its canonical text form. Ids become parts of paths: anything else that
    stands in a file or comes from a person is refused."""
    if len(text) != _UUID:
        return False
    groups = text.split("-")
    return [len(group) for group in groups] == [8, 4, 4, 4, 12] and _HEX.issuperset("".join(groups))


def make_folders(path: str) -> None:
    """Make a folder and those above it, each 0700. Existing ones stay as they are. Raises
    `OSError`."""
    if not path or os.path.isdir(path):
        return
    make_folders(os.path.dirname(path))
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        if not os.path.isdir(path):
            raise
