"""Base64 as clients send it: the standard alphabet, padded, nothing else in it."""

from __future__ import annotations

from binascii import Error, a2b_base64, b2a_base64

_ALPHABET = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
_PAD = ord("=")


def encode(data: bytes) -> str:
    return b2a_base64(data, newline=False).decode("ascii")


def decode(text: str) -> bytes:
    """The bytes. Raises `ValueError` in the words of Codex 0.169 (`Invalid symbol 33, offset
    0.`)."""
    data = text.encode("utf-8", "surrogatepass")
    try:
        decoded = a2b_base64(data, strict_mode=True)
    except Error:
        raise ValueError(_fault(data)) from None
    # More than one text stands for these bytes; only one is right.
    if data[-4:] != b2a_base64(decoded[-(len(decoded) % 3 or 3) :], newline=False):
        raise ValueError(_fault(data))
    return decoded


def _fault(data: bytes) -> str:
    length = len(data)
    if length % 4 == 1 and data[-1] not in _ALPHABET and data[-1] != _PAD:
        return _symbol(data, length - 1)
    end = next((at for at, byte in enumerate(data) if byte not in _ALPHABET), length)
    padding = length - end
    if padding:
        last_quad = (length - 1) // 4
        if data[end] != _PAD or end % 4 < 2 or end // 4 != last_quad:
            return _symbol(data, end)
        if data[end:].strip(b"="):
            return _symbol(data, end)
    elif end % 4 == 1:
        return f"Invalid input length: {length}"
    if length % 4:
        return "Invalid padding"
    return f"Invalid last symbol {data[end - 1]}, offset {end - 1}."


def _symbol(data: bytes, at: int) -> str:
    return f"Invalid symbol {data[at]}, offset {at}."
