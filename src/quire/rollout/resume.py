"""A stored thread as records, ready to be folded.

What cannot be read is left out with a warning that names the line, and stays in the file; the
history that comes out is one a model can be sent, without the turns that were reverted. A thread of
Codex 0.169 loads as well: its base instructions, which it sends without storing them as an item,
become the first item here.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec import Struct

from quire.protocol.items import (
    CALL_KINDS,
    OUTPUT_KINDS,
    InputText,
    ItemHead,
    Message,
    encode_item,
)
from quire.protocol.records import FragmentsChanged, ItemAdded, Record, SessionMeta
from quire.protocol.revert import Surviving
from quire.rollout.decode import record_of
from quire.rollout.history import Find, StoredLine, ThreadLines
from quire.rollout.ids import stable_message_id
from quire.rollout.scan import TURNS, TURNS_AND_ITEMS

BASE_FRAGMENT = "base"
"""The key under which the context keeps the base instructions."""

MAX_WARNINGS = 5


class LoadedThread(Struct, frozen=True, kw_only=True):
    """A thread from its file. `records` begins with `meta`; encoded items in them are views of
    the lines they came from. `size` is the length of the whole lines in bytes, `open_line` true
    when the last one only lacks its newline, `next_ordinal` the number of the next line.
    `base_in_history` is false when the base instructions are in no line but the first."""

    path: str
    meta: SessionMeta
    records: list[Record]
    warnings: tuple[str, ...]
    size: int
    open_line: bool
    next_ordinal: int
    base_in_history: bool


def load(path: str, find: Find | None = None, *, items: bool = False) -> LoadedThread:
    """Read a thread. `find` is asked for the thread that a fork of Codex came from; `items` adds
    `ItemCompleted` records. Raises `RolloutError` for a file that cannot be used."""
    lines = ThreadLines(path, find, TURNS_AND_ITEMS if items else TURNS)
    records = _Reader(lines, items).records()
    scan = lines.scan
    last = None if lines.open_line else scan.last_ordinal()
    known = [number for number in (last, lines.ordinal) if number is not None]
    return LoadedThread(
        path=path,
        meta=lines.meta.record(),
        records=records,
        warnings=_shortened(path, lines.warnings),
        size=scan.end + (len(scan.tail) if lines.open_line else 0),
        open_line=lines.open_line,
        next_ordinal=max(known, default=scan.lines - 1) + 1,
        base_in_history=lines.meta.base_in_history,
    )


class _Reader:
    """Turns lines into records that fold to a legal history."""

    def __init__(self, lines: ThreadLines, items: bool) -> None:
        self._lines = lines
        self._items = items
        self._base_told = ""
        self._open_calls: set[str] = set()

    def records(self) -> list[Record]:
        meta = self._lines.meta.record()
        kept = Surviving()
        kept.add(meta)
        if meta.base_instructions and not self._lines.meta.base_in_history:
            for record in self._base(meta.base_instructions):
                kept.add(record)
        for stored in self._lines:
            record = self._record(stored)
            if record is not None and kept.add(record):
                self._go_back(kept.records)
        return kept.records

    def _go_back(self, records: list[Record]) -> None:
        """Turns were reverted: what they opened and told does not count."""
        self._base_told = ""
        self._open_calls = set()
        for record in records:
            if isinstance(record, FragmentsChanged):
                self._base_told = record.state.get(BASE_FRAGMENT, self._base_told)
            elif isinstance(record, ItemAdded):
                self._follow(record.item.head)

    def _base(self, text: str) -> Iterator[Record]:
        self._base_told = text
        message = Message("developer", (InputText(text),), id=stable_message_id(text))
        yield ItemAdded(encode_item(message), "fragment")
        yield FragmentsChanged({BASE_FRAGMENT: text}, full=True)

    def _record(self, stored: StoredLine) -> Record | None:
        try:
            record = record_of(stored.line, items=self._items)
        except (msgspec.DecodeError, RecursionError) as exc:
            self._lines.leave_out(stored.path, stored.number, f"its item cannot be read: {exc}")
            return None
        if isinstance(record, ItemAdded):
            return record if self._is_legal(record, stored) else None
        if isinstance(record, FragmentsChanged):
            return self._fragments(record)
        return record

    def _is_legal(self, added: ItemAdded, stored: StoredLine) -> bool:
        """False for an output that answers no open call: no model accepts it."""
        head = added.item.head
        if head.type in OUTPUT_KINDS and head.call_id not in self._open_calls:
            reason = f"it is the output of no open call ({head.call_id})"
            self._lines.leave_out(stored.path, stored.number, reason)
            return False
        self._follow(head)
        return True

    def _follow(self, head: ItemHead) -> None:
        if head.type in CALL_KINDS and head.call_id:
            self._open_calls.add(head.call_id)
        elif head.type in OUTPUT_KINDS and head.call_id:
            self._open_calls.discard(head.call_id)

    def _fragments(self, record: FragmentsChanged) -> FragmentsChanged:
        """After Codex told the model its own context, ours must be told anew, except for the base
        instructions: they are an item of the history and never change."""
        if record.full and not record.state and self._base_told:
            return FragmentsChanged({BASE_FRAGMENT: self._base_told}, full=True)
        self._base_told = record.state.get(BASE_FRAGMENT, self._base_told)
        return record


def _shortened(path: str, warnings: list[str]) -> tuple[str, ...]:
    more = len(warnings) - MAX_WARNINGS
    if more <= 0:
        return tuple(warnings)
    return (*warnings[:MAX_WARNINGS], f"{path}: and {more} more lines like these")
