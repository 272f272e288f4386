"""Events of a Responses stream, from their JSON to the words of the `Model` port.

Format: OpenAI Responses API streaming events, as far as Codex 0.169 reads them. What is not
understood is passed over by its `type`, before anything else of it is decoded.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from quire.core.ports import Completed, ItemDone, ModelEvent, SummaryDelta, TextDelta
from quire.models.failures import Failure, ServerError, disconnected, event_failure
from quire.protocol.items import HistoryItem, history_item
from quire.protocol.thread import Usage


class _Head(Struct):
    type: str = ""


class _Delta(Struct):
    delta: str
    item_id: str = ""


class _Part(Struct):
    item_id: str = ""
    summary_index: int = 0


class _Item(Struct):
    item: Raw


class _InputDetails(Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _OutputDetails(Struct):
    reasoning_tokens: int | None = None


class _Usage(Struct):
    input_tokens: int | None = None
    input_tokens_details: _InputDetails | None = None
    output_tokens: int | None = None
    output_tokens_details: _OutputDetails | None = None
    total_tokens: int | None = None


class _Reason(Struct):
    reason: str | None = None


class _Response(Struct):
    id: str | None = None
    usage: _Usage | None = None
    error: ServerError | None = None
    incomplete_details: _Reason | None = None


class _Ended(Struct):
    response: _Response


class _Error(Struct):
    error: ServerError | None = None
    message: str | None = None
    code: str | None = None


_head = msgspec.json.Decoder(_Head).decode
_delta = msgspec.json.Decoder(_Delta).decode
_part = msgspec.json.Decoder(_Part).decode
_item = msgspec.json.Decoder(_Item).decode
_ended = msgspec.json.Decoder(_Ended).decode
_error = msgspec.json.Decoder(_Error).decode


def read_event(data: bytes) -> ModelEvent | None:
    """The event in `data` (one SSE event's data), or None if it is of no interest. Raises
    `Failure` for an event that ends the stream badly, or that cannot be read."""
    if data == b"[DONE]":
        return None
    try:
        return _read(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        repaired = _repaired(data)
        cause = exc
    try:
        return _read(repaired)
    except (msgspec.DecodeError, RecursionError):
        raise disconnected(f"the server sent a malformed event: {cause}") from None


def _repaired(data: bytes) -> bytes:
    """Texts as strict JSON that were less than that: invalid UTF-8, lone surrogates (a stream may
    cut an emoji in two), raw control characters. What is no JSON at all comes back as it is."""
    import json

    try:
        text = json.dumps(
            json.loads(data.decode(errors="replace"), strict=False), ensure_ascii=False
        )
    except (ValueError, RecursionError):
        return data
    return text.encode(errors="replace")


def _read(data: bytes) -> ModelEvent | None:
    try:
        kind = _head(data).type
    except msgspec.ValidationError:
        return None  # JSON, but no event
    if kind == "response.output_text.delta":
        text = _delta(data)
        return TextDelta(text.item_id, text.delta)
    if kind == "response.output_item.done":
        return ItemDone(_history(_item(data).item))
    if kind == "response.reasoning_summary_text.delta":
        text = _delta(data)
        return SummaryDelta(text.item_id, text.delta)
    if kind == "response.reasoning_summary_part.added":
        part = _part(data)
        return SummaryDelta(part.item_id, "\n\n") if part.summary_index else None
    if kind == "response.completed":
        return _completed(data)
    if kind in ("response.failed", "response.incomplete", "error"):
        raise _bad_end(kind, data)
    return None


def _history(item: Raw) -> HistoryItem:
    """The item in the bytes it came in, checked in full and on one line: it becomes a line of the
    log, which must not be broken ever after."""
    raw = bytes(item)
    raw.decode()
    msgspec.json.decode(raw)
    if b"\n" in raw:
        raw = msgspec.json.format(raw, indent=-1)
    return history_item(raw)


def _completed(data: bytes) -> Completed:
    try:
        response = _ended(data).response
    except msgspec.ValidationError:
        return Completed("", Usage())  # an odd usage is no reason to lose an answer
    used = response.usage or _Usage()
    incoming = used.input_tokens_details or _InputDetails()
    outgoing = used.output_tokens_details or _OutputDetails()
    sent, got = used.input_tokens or 0, used.output_tokens or 0
    return Completed(
        response.id or "",
        Usage(
            input_tokens=sent,
            cached_input_tokens=incoming.cached_tokens or 0,
            cache_write_input_tokens=incoming.cache_write_tokens or 0,
            output_tokens=got,
            reasoning_output_tokens=outgoing.reasoning_tokens or 0,
            total_tokens=used.total_tokens or sent + got,
        ),
    )


def _bad_end(kind: str, data: bytes) -> Failure:
    if kind == "error":
        event = _error(data)
        return event_failure(event.error or ServerError(event.message, event.code))
    response = _ended(data).response
    if kind == "response.incomplete":
        reason = response.incomplete_details and response.incomplete_details.reason
        text = f"Incomplete response returned, reason: {reason or 'unknown'}"
        return Failure(text, "other", "none")
    return event_failure(response.error or ServerError())
