"""The turns of a stored thread with their items for people, without reading more than is needed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress

import msgspec

from quire.core.errors import RolloutError
from quire.protocol.records import (
    ItemCompleted,
    Record,
    TurnCompleted,
    TurnsReverted,
    TurnStarted,
)
from quire.protocol.revert import surviving
from quire.rollout.decode import parse, record_of
from quire.rollout.history import Find, ThreadLines
from quire.rollout.scan import BLOCK, TURNS_AND_ITEMS, open_log, unreadable

_EVENT = b'"type":"event_msg","payload":{"type":"'
_USER = b'"role":"user"'
_HEAD = 120
_ITEM_HEAD = 400


def turn_records(path: str, find: Find) -> list[Record]:
    """What people see of a log: beginnings and ends of turns, and their items, without what was
    reverted. Lines that cannot be read are passed over. Raises `RolloutError`."""
    return _shown(events_of(path, find))


def newest_turn_records(path: str, count: int, find: Find) -> list[Record]:
    """`turn_records` of the newest `count` turns, read from the end of the file: the time it
    takes follows from those turns and not from the file. Raises `RolloutError`."""
    if count <= 0:
        return []
    backwards: list[Record] = []
    skipping: str | None = None
    found = 0
    try:
        for data in _lines_backwards(path):
            record = _record(data)
            if isinstance(record, TurnsReverted) and skipping is None:
                if record.before_turn_id is None:
                    break
                skipping = record.before_turn_id
            elif skipping is not None:
                if isinstance(record, TurnStarted) and record.turn_id == skipping:
                    skipping = None
            elif record is not None:
                backwards.append(record)
                found += isinstance(record, TurnStarted)
                if found == count:
                    return backwards[::-1]
    except OSError as exc:
        raise unreadable(path, exc) from exc
    # It begins in another file, or a revert does not say where it goes back to.
    return _last_turns(turn_records(path, find), count)


def _last_turns(records: list[Record], count: int) -> list[Record]:
    starts = [place for place, record in enumerate(records) if isinstance(record, TurnStarted)]
    return records[starts[-count] :] if len(starts) >= count else records


def _shown(records: Iterable[Record]) -> list[Record]:
    kept = (TurnStarted, TurnCompleted, ItemCompleted)
    return [record for record in surviving(records) if isinstance(record, kept)]


def events_of(path: str, find: Find) -> Iterator[Record]:
    """Turns, items for people and reverts, as they stand in the log; of the history that the
    model saw only a person's messages, which reverts count. Raises `RolloutError`."""
    for stored in ThreadLines(path, find, TURNS_AND_ITEMS):
        kind = stored.line.type
        if kind == "event_msg" or (kind == "response_item" and _USER in stored.data[:_ITEM_HEAD]):
            with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                record = record_of(stored.line)
                if record is not None:
                    yield record


def _record(data: bytes) -> Record | None:
    start = data.find(_EVENT, 0, _HEAD)
    if start < 0 or not data.startswith(TURNS_AND_ITEMS, start + len(_EVENT)):
        return None
    try:
        return record_of(parse(data))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _lines_backwards(path: str) -> Iterator[bytes]:
    """The lines of a file from the last one on."""
    fd = open_log(path)
    try:
        end = os.fstat(fd).st_size
        rest: list[bytes] = []
        while end > 0:
            start = max(0, end - BLOCK)
            block = os.pread(fd, end - start, start)
            if len(block) != end - start:
                raise RolloutError(f"{path}: it became shorter while it was read; read it again")
            end = start
            lines = block.split(b"\n")
            if len(lines) == 1:
                rest.append(block)
                continue
            yield b"".join([lines[-1], *reversed(rest)])
            yield from reversed(lines[1:-1])
            rest = [lines[0]]
        yield b"".join(reversed(rest))
    finally:
        os.close(fd)
