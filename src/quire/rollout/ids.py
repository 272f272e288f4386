"""Identifiers: UUIDv7 for threads, turns and items; a stable id for text that never changes.

RFC 9562. Neither needs the `uuid` module; `hashlib` (OpenSSL) is loaded only for stable ids.
"""

from __future__ import annotations

import os
import time

_RANDOM_BITS = 74
_STEP_MASK = (1 << 32) - 1
_NAMESPACE = b"quire.message\0"


class UuidSource:
    """Fresh UUIDv7 ids. Within one source every id is greater than the one before, also when the
    clock stands still or goes back. Not for use by several threads at once."""

    def __init__(self) -> None:
        self._last = 0

    def new(self) -> str:
        """A UUIDv7 in its canonical text form (36 characters, lower case)."""
        random = int.from_bytes(os.urandom(10), "big") >> (80 - _RANDOM_BITS)
        fresh = (time.time_ns() // 1_000_000) << _RANDOM_BITS | random
        if fresh >> _RANDOM_BITS <= self._last >> _RANDOM_BITS:
            fresh = self._last + 1 + (random & _STEP_MASK)
        self._last = fresh
        return _text(fresh >> 62, fresh & ((1 << 62) - 1))


def _text(high: int, low: int) -> str:
    """48 bits of time and 12 random bits in `high`, 62 random bits in `low`."""
    value = (high >> 12) << 80 | 7 << 76 | (high & 0xFFF) << 64 | 2 << 62 | low
    return _canonical(f"{value:032x}")


def _canonical(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def stable_message_id(text: str) -> str:
    """`msg_` and a UUIDv5 that depends on `text` alone: the same text is the same item in every
    prompt, so that a model's cache finds it. Not a security matter."""
    from hashlib import sha1

    digest = sha1(_NAMESPACE + text.encode(), usedforsecurity=False).digest()[:16]
    value = int.from_bytes(digest, "big")
    value = value & ~(0xF << 76) | 5 << 76
    value = value & ~(0x3 << 62) | 2 << 62
    return f"msg_{_canonical(f'{value:032x}')}"


def created_at(thread_id: str) -> float | None:
    """When a UUIDv7 was made, in seconds since the epoch; None for any other text."""
    digits = thread_id.replace("-", "")
    if len(digits) != 32 or len(thread_id) != 36 or digits[12] != "7":
        return None
    try:
        return int(digits[:12], 16) / 1000
    except ValueError:
        return None
