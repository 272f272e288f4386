"""The lines of a rollout file, read in blocks; only the wanted ones are ever copied.

About half of a file are lines that nobody needs to go on with a thread (items for people repeat
what the model saw). They are passed over where they lie, so that opening a thread costs the memory
of its history and not of its file.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator

from quire.core.errors import RolloutError

BLOCK = 1 << 20
_EVENT = b'"type":"event_msg","payload":{"type":"'
_ORDINAL = b'"ordinal":'
_HEAD = 120

TURNS = (b"task_started", b"task_complete", b"turn_aborted", b"thread_rolled_back")
"""The events that the state of a thread follows from."""
TURNS_AND_ITEMS = (*TURNS, b"item_completed")
EVERYTHING = (b"",)


class Scan:
    """One pass over a file. Iterate it once; the attributes hold when it is through. Of the lines
    of type `event_msg` only those whose kind begins with one of `events` are yielded.

    `end` is the offset behind the last whole line, `lines` their number, `tail` what follows: the
    beginning of a line that was never finished."""

    def __init__(self, path: str, events: tuple[bytes, ...]) -> None:
        self.path = path
        self.end = 0
        self.lines = 0
        self.tail = b""
        self._last = 0
        self._events = events

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """Yield (line number from 1, line without its newline) of each wanted line.
        Raises `RolloutError` when the file cannot be read."""
        try:
            fd = open_log(self.path)
            try:
                yield from self._lines(fd)
            finally:
                os.close(fd)
        except OSError as exc:
            raise unreadable(self.path, exc) from exc

    def _lines(self, fd: int) -> Iterator[tuple[int, bytes]]:
        block = bytearray(min(BLOCK, os.fstat(fd).st_size + 1))
        events = self._events
        filled = 0
        while count := os.readv(fd, [memoryview(block)[filled:]]):
            searched, filled = filled, filled + count
            start = 0
            while (newline := block.find(b"\n", searched, filled)) >= 0:
                self.lines += 1
                self._last = self.end
                self.end += newline + 1 - start
                event = block.find(_EVENT, start, min(newline, start + _HEAD))
                if event < 0 or block.startswith(events, event + len(_EVENT), newline):
                    yield self.lines, bytes(memoryview(block)[start:newline])
                start = searched = newline + 1
            filled = _keep(block, start, filled)
        self.tail = bytes(block[:filled])

    def last_ordinal(self) -> int | None:
        """The ordinal of the last whole line, if it is where this format has it."""
        with open(self.path, "rb", buffering=0) as file:
            head = os.pread(file.fileno(), _HEAD, self._last)
        _, found, rest = head.partition(_ORDINAL)
        digits = rest.partition(b",")[0]
        return int(digits) if found and digits.isdigit() else None


def open_log(path: str) -> int:
    """A descriptor to read the regular file at `path`. Never waits. Raises `OSError`."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    mode = os.fstat(fd).st_mode
    if not stat.S_ISREG(mode):
        os.close(fd)
        words = os.strerror(errno.EISDIR) if stat.S_ISDIR(mode) else "Not a regular file"
        raise OSError(errno.EISDIR, words, path)
    return fd


def unreadable(path: str, exc: OSError) -> RolloutError:
    return RolloutError(
        f"cannot read the thread's log: {exc.strerror}: {path}; check the file and its folder"
    )


def _keep(block: bytearray, start: int, filled: int) -> int:
    """Move the unfinished line to the front; make room when it fills the block."""
    rest = filled - start
    if start:
        block[:rest] = block[start:filled]
    if rest == len(block):
        block.extend(bytes(rest))
    return rest
