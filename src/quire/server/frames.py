"""The envelope of messages: JSON-RPC without its `jsonrpc` member (Codex 0.169, row J1)."""

from __future__ import annotations

import time

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from quire.protocol.rpc.method import Notification, ServerRequest

RequestId = int | str

_encoder = msgspec.json.Encoder()


class Incoming(Struct, frozen=True):
    """A call (method and id), a notification (method), or an answer (id, result or error)."""

    id: RequestId | UnsetType = UNSET
    method: str | UnsetType = UNSET
    params: Raw = Raw()
    result: Raw | UnsetType = UNSET
    error: Raw | UnsetType = UNSET


class _Error(Struct, frozen=True, omit_defaults=True):
    code: int
    message: str
    data: Struct | None = None


_decoder = msgspec.json.Decoder(Incoming)


def decode(frame: bytes) -> Incoming | None:
    """One message; None for what is none, which is passed over (Codex 0.169)."""
    try:
        return _decoder.decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def answer(request_id: RequestId, result: Struct) -> bytes:
    return b'{"id":%b,"result":%b}' % (_encoder.encode(request_id), _encoder.encode(result))


def refusal(request_id: RequestId, code: int, message: str, data: Struct | None = None) -> bytes:
    error = _encoder.encode(_Error(code, printable(message), data))
    return b'{"error":%b,"id":%b}' % (error, _encoder.encode(request_id))


def notification(kind: Notification, params: Struct) -> bytes:
    """Carries `emittedAtMs` (row J4)."""
    return b'{"method":"%b","params":%b,"emittedAtMs":%d}' % (
        kind.name.encode(),
        _encoder.encode(params),
        int(time.time() * 1000),
    )


def question(kind: ServerRequest, request_id: int, params: Struct) -> bytes:
    return b'{"method":"%b","id":%d,"params":%b}' % (
        kind.name.encode(),
        request_id,
        _encoder.encode(params),
    )


def printable(text: str) -> str:
    """Text that may hold what is no Unicode (undecodable paths)."""
    return text.encode("utf-8", "replace").decode()
