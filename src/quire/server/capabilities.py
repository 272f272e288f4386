"""What a client may not use that did not ask for the experimental part of the protocol."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from quire.protocol.rpc.experimental import FIELDS, METHODS


def needs_experimental(method: str, params: Raw) -> str | None:
    """The method, or the first member of its parameters, that is only for experimental clients:
    `thread/search`, `thread/start.permissions`."""
    if method in METHODS:
        return method
    members = FIELDS.get(_params_name(method))
    if members is None:
        return None
    try:
        given = msgspec.json.decode(bytes(params), type=dict[str, Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None  # What is wrong with it is told when it is decoded as what it should be.
    for member in members:
        if bytes(given.get(member, b"null")) != b"null":
            return f"{method}.{member}"
    return None


def _params_name(method: str) -> str:
    """`ThreadStartParams` of `thread/start`."""
    return "".join(part[:1].upper() + part[1:] for part in method.split("/")) + "Params"
