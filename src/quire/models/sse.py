"""Server-sent events, without I/O: bytes in, the data of complete events out.

Format: WHATWG HTML, "Server-sent events". Only `data` fields matter here: the kind of a Responses
event is also in its data, so `event`, `id`, `retry` and comments are read past.
"""

from __future__ import annotations

BOM = b"\xef\xbb\xbf"
MAX_EVENT = 64 * 1024 * 1024


class EventTooLarge(Exception):
    """One event is longer than the parser's limit."""


class SseParser:
    """Takes the stream in pieces of any size, cut anywhere.

    Line ends may be LF, CRLF or CR, mixed. Several data lines of one event are joined by LF.
    """

    def __init__(self, limit: int = MAX_EVENT) -> None:
        """`limit` is the largest event accepted, in bytes of its raw form."""
        self._limit = limit
        # The event that is not complete yet. Not a list of pieces: a piece of one byte keeps the
        # page that it was received into.
        self._pending = bytearray()
        self._after_cr = False
        self._first = True

    def feed(self, data: bytes) -> list[bytes]:
        """The data of all events that `data` completes, in order; events without data are left
        out. Raises `EventTooLarge`."""
        data = self._with_lf(data)
        if not data:
            return []
        if not self._ends_event(data):
            self._keep(data)
            return []
        if self._pending:
            data = bytes(self._pending) + data
            self._pending = bytearray()
        blocks = data.split(b"\n\n")
        rest = blocks.pop()
        if rest:
            self._keep(rest)
        return self._read(blocks)

    def finish(self) -> bytes | None:
        """The data of a last event whose closing blank line is missing, if there is any. The
        format says to drop it; a caller that can tell whole data from cut data may use it."""
        found = self._read([bytes(self._pending)])
        self._pending = bytearray()
        return found[0] if found else None

    def _with_lf(self, data: bytes) -> bytes:
        """The same text with LF as its only line end, across pieces."""
        if self._after_cr and data:
            self._after_cr = False
            if data[0] == 10:
                data = data[1:]
        if b"\r" in data:
            self._after_cr = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return data

    def _ends_event(self, data: bytes) -> bool:
        if b"\n\n" in data:
            return True
        return data.startswith(b"\n") and self._pending.endswith(b"\n")

    def _keep(self, piece: bytes) -> None:
        self._pending += piece
        if len(self._pending) > self._limit:
            raise EventTooLarge(f"an event is longer than {self._limit} bytes")

    def _read(self, blocks: list[bytes]) -> list[bytes]:
        found: list[bytes] = []
        for block in blocks:
            if self._first:
                self._first = False
                block = block.removeprefix(BOM)
            # The usual shape, one `event` line and one `data` line, without splitting lines.
            head, _, data = block.partition(b"\ndata: ")
            if b"\n" in data or b"\n" in head or not head.startswith(b"event:"):
                data = _data_of(block)
            if data:
                found.append(data)
        return found


def _data_of(block: bytes) -> bytes:
    lines: list[bytes] = []
    for line in block.split(b"\n"):
        name, _, value = line.partition(b":")
        if name == b"data":
            lines.append(value[1:] if value.startswith(b" ") else value)
    return b"\n".join(lines)
