"""The entries of a request's `tools` (Responses API)."""

from __future__ import annotations

import msgspec


def function_spec(name: str, description: str, parameters: bytes) -> bytes:
    """A function tool. `parameters` is an encoded JSON Schema, used as it is."""
    encode = msgspec.json.encode
    return b'{"type":"function","name":%s,"description":%s,"strict":false,"parameters":%s}' % (
        encode(name),
        encode(description),
        parameters,
    )
