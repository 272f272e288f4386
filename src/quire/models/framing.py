"""Where the body of an HTTP/1.1 response ends: sans-I/O readers, bytes in, payload out.

A model's stream comes as thousands of small chunks, on each of which h11 would spend 4 µs;
`tests/unit/test_transport_framing.py` holds the two against each other. Format: RFC 9112,
sections 6 and 7.
"""

from __future__ import annotations

from typing import Protocol

from quire.models.head import Head

_HEX = b"0123456789abcdefABCDEF"
_MAX_LINE = 16 * 1024  # a chunk's size line with its extensions, or all trailers together


class FramingError(Exception):
    """The body is not framed as its head promised."""


class Body(Protocol):
    """A body being read."""

    @property
    def done(self) -> bool:
        """True once the last byte of the body was fed."""
        ...

    @property
    def surplus(self) -> bool:
        """True when bytes were fed that come after the body's end; they were dropped."""
        ...

    def feed(self, data: bytes) -> bytes:
        """The payload in `data`. Raises `FramingError`."""
        ...

    def at_eof(self) -> bool:
        """The connection was closed: True if the body is whole, False if it was cut."""
        ...


class UntilClose:
    """A body that ends with its connection."""

    done = False
    surplus = False

    def feed(self, data: bytes) -> bytes:
        return data

    def at_eof(self) -> bool:
        return True


class OfLength:
    """A body of `content-length` bytes."""

    def __init__(self, length: int) -> None:
        self._left = length
        self.surplus = False

    @property
    def done(self) -> bool:
        return self._left == 0

    def feed(self, data: bytes) -> bytes:
        self.surplus = self.surplus or len(data) > self._left
        data = data[: self._left]
        self._left -= len(data)
        return data

    def at_eof(self) -> bool:
        return self.done


class Chunked:
    """A body in chunks. Extensions and trailers are read past."""

    def __init__(self) -> None:
        self._rest = b""  # an incomplete line
        self._left = 0  # bytes of the current chunk still to come
        self._in_data = False  # inside a chunk, or before the line end that closes it
        self._trailer_size = -1  # counts the trailers once the last chunk was seen
        self.done = False
        self.surplus = False

    def feed(self, data: bytes) -> bytes:
        if self._rest:
            data = self._rest + data
            self._rest = b""
        payload: list[bytes] = []
        at = 0
        end = len(data)
        while at < end and not self.done:
            if self._in_data:
                at, piece = self._chunk(data, at)
                payload.append(piece)
                if self._in_data:
                    break
            stop = data.find(b"\r\n", at)
            if stop < 0:
                break
            self._line(data[at:stop])
            at = stop + 2
        if self.done:
            self.surplus = self.surplus or at < end
        elif at < end:
            self._rest = data[at:]
            if len(self._rest) > _MAX_LINE:
                raise FramingError("a chunk's size line is too long")
        return b"".join(payload)

    def _chunk(self, data: bytes, at: int) -> tuple[int, bytes]:
        """The part of the current chunk that is in `data` from `at` on, and where it ends. The
        chunk is left behind (`_in_data`) only together with the line end that closes it."""
        stop = at + self._left
        piece = data[at:stop]
        self._left -= len(piece)
        closing = data[stop : stop + 2]
        if closing == b"\r\n":
            self._in_data = False
            return stop + 2, piece
        if closing not in (b"", b"\r"):
            raise FramingError("a chunk is longer than its size")
        return min(stop, len(data)), piece

    def at_eof(self) -> bool:
        return self.done

    def _line(self, line: bytes) -> None:
        if self._trailer_size >= 0:
            self._trailer_size += len(line)
            if self._trailer_size > _MAX_LINE:
                raise FramingError("the trailers are too long")
            self.done = not line
            return
        digits = line if line.isalnum() else line.partition(b";")[0].rstrip(b" \t")
        if not digits or len(digits) > 16 or digits.strip(_HEX):
            raise FramingError(f"bad chunk size {line[:40]!r}")
        self._left = int(digits, 16)
        self._in_data = self._left > 0
        if not self._left:
            self._trailer_size = 0


def body_of(head: Head) -> Body:
    """The reader for the body of the answer to a POST."""
    if head.status in (204, 304):
        return OfLength(0)
    if head.chunked:
        return Chunked()
    return UntilClose() if head.length is None else OfLength(head.length)
