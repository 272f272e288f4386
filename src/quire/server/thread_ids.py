"""Ids of threads as clients write them: UUIDs, in any of the forms that Codex 0.169 takes."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from quire.server.errors import InvalidRequest

_GROUPS = (8, 4, 4, 4, 12)
_DIGITS = frozenset("0123456789abcdefABCDEF")
_OF_SESSIONS = frozenset(
    {"ThreadArchiveParams", "ThreadForkParams", "ThreadResumeParams", "ThreadUnarchiveParams"}
)
"""Where the words of Codex 0.169 call it the id of a session."""

_Params = TypeVar("_Params", bound=Struct)


class _Given(Struct, frozen=True, rename="camel"):
    thread_id: str | None = None


def names_thread(params_type: type[Struct]) -> bool:
    """True for parameters with a `thread_id`."""
    return "thread_id" in params_type.__struct_fields__


def with_thread_id(params: _Params, raw: bytes) -> _Params:
    """`params`, decoded from `raw`, with its `thread_id` in the usual form. Raises
    `InvalidRequest` in the words of Codex 0.169 when it is no id of a thread."""
    given = msgspec.json.decode(raw, type=_Given).thread_id
    if given is None:
        return params
    found = canonical(given)
    if found == given:
        return params
    fault = _fault(given)
    if found is None or fault is not None:
        kind = "session" if type(params).__name__ in _OF_SESSIONS else "thread"
        raise InvalidRequest(f"invalid {kind} id: {fault}")
    return replace(params, thread_id=found)


def canonical(text: str) -> str | None:
    """A UUID with its groups, in small letters. None for what is none."""
    digits = _bare(text).replace("-", "").lower()
    ends = (8, 12, 16, 20, 32)
    if len(digits) != sum(_GROUPS) or not _DIGITS.issuperset(digits):
        return None
    return "-".join(digits[end - size : end] for end, size in zip(ends, _GROUPS, strict=True))


def _bare(text: str) -> str:
    if text.startswith("urn:uuid:"):
        return text[9:]
    return text[1:-1] if text.startswith("{") and text.endswith("}") else text


def _fault(text: str) -> str | None:
    bare = _bare(text)
    for place, letter in enumerate(bare, len(text) - len(bare) + 1):
        if letter not in _DIGITS and letter != "-":
            return (
                "invalid character: expected an optional prefix of `urn:uuid:` "
                f"followed by [0-9a-fA-F-], found `{letter}` at {place}"
            )
    groups = bare.split("-")
    if len(groups) == 1:
        length = len(bare)
        return (
            None
            if length == 32
            else f"invalid length: expected length 32 for simple format, found {length}"
        )
    if len(groups) != len(_GROUPS):
        return f"invalid group count: expected 5, found {len(groups)}"
    for number, (group, length) in enumerate(zip(groups, _GROUPS, strict=True)):
        if len(group) != length:
            return f"invalid group length in group {number}: expected {length}, found {len(group)}"
    return None
