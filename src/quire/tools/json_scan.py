"""A JSON reader that knows where it is, and whose faults read like serde_json's (Rust).

It exists for error texts only: it checks and names, it builds no values.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NoReturn

_SPACE = b" \t\r\n"
_ESCAPES = {
    ord('"'): '"',
    ord("\\"): "\\",
    ord("/"): "/",
    ord("b"): "\b",
    ord("f"): "\f",
    ord("n"): "\n",
    ord("r"): "\r",
    ord("t"): "\t",
}
_IDENTIFIERS = {"t": b"true", "f": b"false", "n": b"null"}
_DONE = object()


class JsonFault(Exception):
    """`str()` says what is wrong and where: `... at line L column C` (from 1; C counts bytes)."""


class JsonScanner:
    """Reads `data` from its start. Every method raises `JsonFault` at the first fault."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._depth = 0
        self._after_key = False

    def fail(self, message: str) -> NoReturn:
        """Raise a fault at the last byte read."""
        raise self._fault(message, self._at)

    def fail_here(self, message: str) -> NoReturn:
        """Raise a fault at the next byte."""
        raise self._fault(message, min(self._at + 1, len(self._data)))

    def _fault(self, message: str, end: int) -> JsonFault:
        line = self._data.count(b"\n", 0, end) + 1
        column = end - (self._data.rfind(b"\n", 0, end) + 1)
        return JsonFault(f"{message} at line {line} column {column}")

    def _peek(self, eof: str) -> int:
        """The next byte that is no white space; `eof` is the fault at the end."""
        while self._at < len(self._data) and self._data[self._at] in _SPACE:
            self._at += 1
        if self._at >= len(self._data):
            self.fail(eof)
        return self._data[self._at]

    def colon(self) -> None:
        """Read the colon of a member whose key was just read. Idempotent."""
        if self._after_key:
            self._after_key = False
            if self._peek("EOF while parsing an object") != ord(":"):
                self.fail_here("expected `:`")
            self._at += 1

    def peek_value(self) -> str:
        """The first character of the value that comes next."""
        self.colon()
        first = chr(self._peek("EOF while parsing a value"))
        if first not in '{["-tfn' and not ("0" <= first <= "9"):
            self.fail_here("expected value")
        return first

    def members(self) -> Iterator[str]:
        """Read an object; gives each key, after which the caller reads its value."""
        self._enter()
        if self._peek("EOF while parsing an object") == ord("}"):
            self._leave()
            return
        while True:
            if self._peek("EOF while parsing an object") != ord('"'):
                self.fail_here("key must be a string")
            key = self.string()
            self._after_key = True
            yield key
            self.colon()
            byte = self._peek("EOF while parsing an object")
            if byte == ord("}"):
                self._leave()
                return
            if byte != ord(","):
                self.fail_here("expected `,` or `}`")
            self._at += 1
            if self._depth == 1 and self._peek("EOF while parsing a value") == ord("}"):
                self.fail_here("trailing comma")

    def elements(self) -> Iterator[None]:
        """Read an array; the caller reads one value for each step."""
        self._enter()
        if self._peek("EOF while parsing a list") == ord("]"):
            self._leave()
            return
        while True:
            yield
            byte = self._peek("EOF while parsing a list")
            if byte == ord("]"):
                self._leave()
                return
            if byte != ord(","):
                self.fail_here("expected `,` or `]`")
            self._at += 1

    def _enter(self) -> None:
        self._at += 1
        self._depth += 1

    def _leave(self) -> None:
        self._at += 1
        self._depth -= 1

    def skip_value(self) -> None:
        """Read one value of any type, however deep."""
        opened: list[Iterator[object]] = []
        while True:
            first = self.peek_value()
            if first == "{":
                opened.append(self.members())
            elif first == "[":
                opened.append(self.elements())
            elif first == '"':
                self.string(lenient=True)
            elif first in _IDENTIFIERS:
                self._identifier(_IDENTIFIERS[first])
            else:
                self.number()
            while opened and next(opened[-1], _DONE) is _DONE:
                opened.pop()
            if not opened:
                return

    def end(self) -> None:
        """Nothing but white space may follow."""
        while self._at < len(self._data) and self._data[self._at] in _SPACE:
            self._at += 1
        if self._at < len(self._data):
            self.fail_here("trailing characters")

    def _identifier(self, word: bytes) -> None:
        for expected in word:
            if self._at >= len(self._data):
                self.fail("EOF while parsing a value")
            self._at += 1
            if self._data[self._at - 1] != expected:
                self.fail("expected ident")

    def number(self) -> str:
        """Read a number and give its text."""
        start = self._at
        if self._data[self._at] == ord("-"):
            self._at += 1
        if self._next_is(b"0"):
            self._at += 1
            if self._next_is(b"0123456789"):
                self.fail_here("invalid number")
        else:
            self._digits()
        if self._next_is(b"."):
            self._at += 1
            self._digits()
        if self._next_is(b"eE"):
            self._at += 1
            if self._next_is(b"+-"):
                self._at += 1
            self._digits()
        return self._data[start : self._at].decode("ascii")

    def _next_is(self, accepted: bytes) -> bool:
        return self._at < len(self._data) and self._data[self._at] in accepted

    def _digits(self) -> None:
        """Read at least one digit."""
        if self._at >= len(self._data):
            self.fail("EOF while parsing a value")
        if not self._next_is(b"0123456789"):
            self.fail_here("invalid number")
        while self._next_is(b"0123456789"):
            self._at += 1

    def string(self, lenient: bool = False) -> str:
        """Read a string. `lenient` lets lone surrogates pass, as a skipped value does."""
        self._at += 1
        parts: list[str] = []
        while True:
            start = self._at
            while self._at < len(self._data) and self._data[self._at] not in b'"\\':
                if self._data[self._at] < 32:
                    self.fail("control character (\\u0000-\\u001F) found while parsing a string")
                self._at += 1
            parts.append(self._data[start : self._at].decode("utf-8", "replace"))
            if self._at >= len(self._data):
                self.fail("EOF while parsing a string")
            self._at += 1
            if self._data[self._at - 1] == ord('"'):
                return "".join(parts)
            parts.append(self._escape(lenient))

    def _next(self) -> int:
        if self._at >= len(self._data):
            self.fail("EOF while parsing a string")
        self._at += 1
        return self._data[self._at - 1]

    def _escape(self, lenient: bool) -> str:
        byte = self._next()
        if byte in _ESCAPES:
            return _ESCAPES[byte]
        if byte != ord("u"):
            self.fail("invalid escape")
        code = self._hex()
        if lenient or not 0xD800 <= code <= 0xDFFF:
            return chr(code)
        if code >= 0xDC00:
            self.fail("lone leading surrogate in hex escape")
        for expected in b"\\u":
            if self._next() != expected:
                self.fail("unexpected end of hex escape")
        low = self._hex()
        if not 0xDC00 <= low <= 0xDFFF:
            self.fail("lone leading surrogate in hex escape")
        return chr(0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00))

    def _hex(self) -> int:
        digits = self._data[self._at : self._at + 4]
        if len(digits) < 4:
            self._at = len(self._data)
            self.fail("EOF while parsing a string")
        self._at += 4
        try:
            return int(digits.decode("ascii").replace("_", "g").replace("+", "g"), 16)
        except ValueError:
            self.fail("invalid escape")
