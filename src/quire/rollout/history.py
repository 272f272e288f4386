"""All lines of a thread in their order, those it inherited from a fork's origin included.

A fork of Codex 0.169 holds only what came after the fork, and so does the file that it starts when
it reverts a thread; its `session_meta` names the file that the rest is in (by the id of a thread or
of a segment), and the ordinal up to which it counts. Our own forks are whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
from msgspec import Struct

from quire.core.errors import RolloutError
from quire.rollout.decode import HistoryBase, Line, MetaPayload, meta_of, parse
from quire.rollout.paths import is_thread_id
from quire.rollout.scan import Scan

MAX_FORKS = 100

Find = Callable[[str], str | None]
"""The path of the rollout file that a `history_base` names, or None."""


class StoredLine(Struct, frozen=True, gc=False):
    """One line that can be read: `data` are its bytes without the newline, `number` counts from 1
    in the file at `path`."""

    path: str
    number: int
    data: bytes
    line: Line


class ThreadLines:
    """The readable lines of one thread after its `session_meta`, which is read at once. Iterate it
    once; the attributes hold when it is through: `warnings` about lines left out, `ordinal` the
    last one seen in this file, `open_line` true when its last line only lacks the newline."""

    def __init__(
        self, path: str, find: Find | None, events: tuple[bytes, ...], depth: int = 0
    ) -> None:
        """Raises `RolloutError` when the file cannot be used."""
        self.path = path
        self.scan = Scan(path, events)
        self.ordinal: int | None = None
        self.open_line = False
        self.warnings: list[str] = []
        self._find = find
        self._events = events
        self._depth = depth
        self._data = self._readable_data()
        self.meta = self._first()

    def __iter__(self) -> Iterator[StoredLine]:
        """Raises `RolloutError` when the file, or the thread it continues, cannot be used."""
        if self.meta.history_base is not None:
            yield from self._inherited(self.meta.history_base)
        for number, data in self._data:
            line = self._read(number, data)
            if line is not None and line.type != "session_meta":
                yield StoredLine(self.path, number, data, line)

    def leave_out(self, path: str, number: int, reason: str) -> None:
        """Warn that a line does not count."""
        self.warnings.append(f"{path}:{number}: this line is left out: {reason}")

    def _first(self) -> MetaPayload:
        problem = RolloutError(
            f"{self.path}:1: the first line is no readable session_meta line; restore the file "
            "from a copy, or start a new thread"
        )
        number, data = next(self._data, (0, b""))
        try:
            line = _parsed(data)
            meta = meta_of(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise problem from exc
        if number != 1 or line.type != "session_meta" or not is_thread_id(meta.id):
            raise problem
        self.ordinal = line.ordinal
        return meta

    def _readable_data(self) -> Iterator[tuple[int, bytes]]:
        yield from self.scan
        tail = self.scan.tail
        if tail and _is_readable(tail):
            self.open_line = True
            yield self.scan.lines + 1, tail
        elif tail:
            self.warnings.append(
                f"{self.path}: the last line is incomplete ({len(tail)} bytes) and is left out"
            )

    def _read(self, number: int, data: bytes) -> Line | None:
        try:
            line = _parsed(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            self.leave_out(self.path, number, f"it cannot be read: {exc}")
            return None
        if line.ordinal is not None:
            self.ordinal = line.ordinal
        return line

    def _inherited(self, base: HistoryBase) -> Iterator[StoredLine]:
        """The lines of the thread that this one was forked from, up to the fork."""
        path = self._find(base.thread_id) if self._find is not None else None
        if path is None:
            raise RolloutError(
                f"{self.path}: this thread continues thread {base.thread_id}, whose rollout file "
                "is not here; put it beside this one"
            )
        if self._depth >= MAX_FORKS:
            raise RolloutError(f"{self.path}: this thread continues itself; the file is damaged")
        origin = ThreadLines(path, self._find, self._events, self._depth + 1)
        for stored in origin:
            ordinal = stored.line.ordinal
            if ordinal is not None and ordinal >= base.end_ordinal_exclusive:
                break
            yield stored
        self.warnings += origin.warnings


def _parsed(data: bytes) -> Line:
    """Raises `msgspec.DecodeError` or `UnicodeDecodeError`: texts that are passed on unread are
    checked here to be UTF-8."""
    try:
        line = parse(data)
    except RecursionError:
        raise msgspec.DecodeError("it is nested too deeply") from None
    if not data.isascii():
        data.decode()
    return line


def _is_readable(data: bytes) -> bool:
    try:
        _parsed(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True
