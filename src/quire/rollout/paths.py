"""Where rollout files are and what they are called (Codex 0.169).

`$QUIRE_HOME/sessions/YYYY/MM/DD/rollout-YYYY-MM-DDTHH-MM-SS-<uuid>.jsonl`, in local time; archived
files lie flat in `$QUIRE_HOME/archived_sessions/`.
"""

from __future__ import annotations

import os
import time

SESSIONS = "sessions"
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
    if not name.startswith(PREFIX) or not name.endswith(SUFFIX):
        return None
    text = name[len(PREFIX) + _STAMP : -len(SUFFIX)]
    return text if is_thread_id(text) else None


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
