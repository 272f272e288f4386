"""Heads of HTTP/1.1 messages: requests written, responses read. Sans-I/O.

Strict where it matters (sizes, names, framing), as lenient as servers need (a lone LF ends a line,
folded values). h11 reads the same in `tests/unit/test_transport_head.py`; importing it would cost
a tenth of the time to the first request. Format: RFC 9112, sections 2 to 6.
"""

from __future__ import annotations

from msgspec import Struct

Headers = list[tuple[bytes, bytes]]

MAX_HEAD = 64 * 1024  # one head, interim ones each
_MAX_INTERIM = 32
_NAME = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
_CONTROLS = bytes([*range(9), *range(10, 32), 127])


class HeadError(Exception):
    """The head is not what HTTP allows."""


class Head(Struct, frozen=True):
    """The head of a response. Names are in lower case. `length` is that of the body if it is
    told; `chunked` goes before it."""

    version: bytes
    status: int
    headers: Headers
    chunked: bool
    length: int | None

    @property
    def keep_alive(self) -> bool:
        """True when the server does not announce that it closes the connection."""
        return self.version == b"HTTP/1.1" and b"close" not in self.get(b"connection").lower()

    def get(self, name: bytes) -> bytes:
        """The value of the first header of that name, or nothing."""
        return next((value for key, value in self.headers if key == name), b"")


class HeadReader:
    """Reads up to the head of the final response, past interim ones (1xx)."""

    def __init__(self) -> None:
        self._buffer = b""
        self._interim = 0

    def feed(self, data: bytes) -> Head | None:
        """The head, once it is complete. Raises `HeadError`."""
        self._buffer += data
        while (end := _end_of_head(self._buffer)) > 0:
            if end > MAX_HEAD:
                break
            head = parse_head(self._buffer[:end])
            self._buffer = self._buffer[end:]
            if head.status >= 200:
                return head
            self._interim += 1
            if head.status == 101 or self._interim > _MAX_INTERIM:
                raise HeadError("no final status")
        if len(self._buffer) > MAX_HEAD:
            raise HeadError("its head is too long")
        return None

    @property
    def rest(self) -> bytes:
        """What came after the head."""
        return self._buffer


def request_head(method: bytes, target: str, headers: Headers) -> bytes:
    """A request's head. Raises `ValueError` for what would break out of its line."""
    lines = [method + b" " + target.encode("ascii") + b" HTTP/1.1"]
    lines += [name + b": " + value for name, value in headers]
    for line in lines:
        if line.translate(None, _CONTROLS) != line:
            raise ValueError("a control character in a request head")
    return b"\r\n".join(lines) + b"\r\n\r\n"


def parse_head(text: bytes) -> Head:
    """A response's head, blank line included. Raises `HeadError`."""
    lines = text.replace(b"\r\n", b"\n").split(b"\n")
    version, status = _status_line(lines[0])
    headers = _headers(lines[1:-2])
    chunked, length = _framing(headers)
    return Head(version, status, headers, chunked, length)


def _end_of_head(buffer: bytes) -> int:
    """Where the head ends, or 0. The blank line may be CRLF or LF."""
    crlf, lf = buffer.find(b"\n\r\n"), buffer.find(b"\n\n")
    ends = ([crlf + 3] if crlf >= 0 else []) + ([lf + 2] if lf >= 0 else [])
    return min(ends, default=0)


def _status_line(line: bytes) -> tuple[bytes, int]:
    version, _, rest = line.partition(b" ")
    code, _, reason = rest.partition(b" ")
    known = version in (b"HTTP/1.1", b"HTTP/1.0")
    if not known or len(code) != 3 or not code.isdigit() or code < b"100":
        raise HeadError(f"bad status line {line[:80]!r}")
    if reason.translate(None, _CONTROLS) != reason:
        raise HeadError("a control character in the status line")
    return version, int(code)


def _headers(lines: list[bytes]) -> Headers:
    found: Headers = []
    for line in lines:
        if line.translate(None, _CONTROLS) != line:
            raise HeadError("a control character in a header")
        if line[:1] in (b" ", b"\t") and found:
            name, value = found.pop()
            found.append((name, value + b" " + line.lstrip(b" \t")))
            continue
        name, colon, value = line.partition(b":")
        name = name.lower()
        if not colon or not name or name.strip(_NAME):
            raise HeadError(f"bad header line {line[:80]!r}")
        found.append((name, value))
    return [(name, value.strip(b" \t")) for name, value in found]


def _framing(headers: Headers) -> tuple[bool, int | None]:
    chunked = False
    lengths: set[bytes] = set()
    for name, value in headers:
        if name == b"transfer-encoding":
            if chunked or value.lower() != b"chunked":
                raise HeadError(f"transfer-encoding {value[:40]!r} is not supported")
            chunked = True
        elif name == b"content-length":
            lengths.update(part.strip(b" \t") for part in value.split(b","))
    if not lengths:
        return chunked, None
    text = lengths.pop()
    if lengths or not text.isdigit() or len(text) > 18:
        raise HeadError("contradictory or bad content-length")
    return chunked, int(text)
