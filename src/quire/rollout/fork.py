"""A new thread with the history of another."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

from msgspec.structs import replace

from quire.core.errors import RolloutError, UsageError
from quire.protocol.records import SessionMeta, TurnStarted
from quire.rollout.decode import record_of
from quire.rollout.history import Find, ThreadLines
from quire.rollout.lines import LineState, encode
from quire.rollout.paths import make_folders, rollout_path
from quire.rollout.resume import load
from quire.rollout.scan import EVERYTHING


def fork(
    source: str, home: str, meta: SessionMeta, now: float, find: Find, last_turn: str | None = None
) -> str:
    """Write the file of thread `meta.thread_id`: `meta`, then the lines of `source` byte for byte,
    up to the end of turn `last_turn` if one is named. Returns its path; the file is whole or not
    there at all. `source` is not changed and may be written meanwhile.

    Unlike Codex 0.169, which stores a reference, a fork is a copy: it outlives its origin. The base
    instructions are those of the origin whatever `meta` says: they are part of its history.

    Raises `UsageError` for an unknown turn, `RolloutError` when a file cannot be used."""
    if last_turn is not None:
        _require(last_turn, source, find)
    lines = ThreadLines(source, find, EVERYTHING)
    state = LineState(thread_id=meta.thread_id, base_in_history=lines.meta.base_in_history)
    base = lines.meta.record().base_instructions
    _, first = encode(state, replace(meta, base_instructions=base), now)
    path = rollout_path(home, meta.thread_id, now)
    unfinished = f"{path}.part"
    try:
        make_folders(os.path.dirname(path))
        fd = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(fd, "wb") as file:
            file.write(first)
            for data in _until(lines, last_turn):
                file.write(data)
                file.write(b"\n")
        os.rename(unfinished, path)
    except OSError as exc:
        _remove(unfinished)
        raise RolloutError(
            f"cannot write the fork: {exc.strerror}: {path}; free some space or mend the folder"
        ) from exc
    except BaseException:
        _remove(unfinished)
        raise
    return path


def _until(lines: ThreadLines, last_turn: str | None) -> Iterator[bytes]:
    """The lines before the first turn that follows `last_turn`, which still counts: nothing but
    it stands between its beginning and the next one's."""
    found = False
    for stored in lines:
        if last_turn is not None and stored.line.type == "event_msg":
            record = record_of(stored.line, items=False)
            if isinstance(record, TurnStarted):
                if found:
                    return
                found = record.turn_id == last_turn
        yield stored.data


def _require(turn_id: str, path: str, find: Find) -> None:
    """Raises `UsageError` unless the turn is there and was not reverted."""
    turns = (record for record in load(path, find).records if isinstance(record, TurnStarted))
    if all(turn.turn_id != turn_id for turn in turns):
        raise UsageError(f"no turn {turn_id} in {path}; name a turn of this thread")


def _remove(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)
