"""The `Model` port of the offline model: one answer for each request, made on the spot."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator

import msgspec

from quire.core.ports import Completed, ItemDone, ModelEvent, ModelRequest, TextDelta
from quire.models.offline.jobs.common import Answer, Patch, Poll, Run
from quire.models.offline.steps import next_answer
from quire.models.offline.transcript import patch_form, read_transcript
from quire.protocol.items import (
    CustomToolCall,
    FunctionCall,
    Message,
    OutputText,
    ToolCall,
    encode_item,
)
from quire.protocol.thread import Usage

OUTPUT_TOKENS = 10_000


class OfflineModel:
    """A deterministic program-repair search, not a language model. Stateless: what it does next
    follows from the request alone."""

    def __init__(self, max_seconds: int | None = None) -> None:
        """`max_seconds` is the longest that a whole turn may take; it is planned inside of it."""
        self._max_seconds = max_seconds

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """See `Model.stream`. Never fails and never waits: it uses no network and no tokens."""
        transcript = read_transcript(request.items)
        form = patch_form(request.tools)
        answer = next_answer(transcript, form, self._max_seconds)
        number = transcript.length
        for event in _events(answer, number, form):
            yield event
        yield Completed(f"resp_{number}", Usage())

    async def aclose(self) -> None:
        """There is nothing to release."""


def _events(answer: Answer, number: int, form: str) -> Iterator[ModelEvent]:
    if answer.text:
        item_id = f"msg_{number}"
        for line in answer.text.splitlines(keepends=True):
            yield TextDelta(item_id, line)
        content = (OutputText(answer.text),)
        yield ItemDone(encode_item(Message(role="assistant", content=content, id=item_id)))
    if answer.call is not None:
        yield ItemDone(encode_item(_call(answer.call, number, form)))


def _call(call: Run | Poll | Patch, number: int, form: str) -> ToolCall:
    """The tool call. Its id names the stage; that of a poll ends in `p`."""
    call_id = f"call_{call.stage}_{number}"
    match call:
        case Run(_, command):
            arguments = {
                "cmd": command,
                "yield_time_ms": call.wait_ms,
                "max_output_tokens": OUTPUT_TOKENS,
            }
            return _function("exec_command", arguments, call_id, number)
        case Poll(_, session_id):
            arguments = {"session_id": session_id, "chars": "", "yield_time_ms": call.wait_ms}
            return _function("write_stdin", arguments, f"{call_id}p", number)
        case Patch(_, text):
            if form == "function":
                return _function("apply_patch", {"input": text}, call_id, number)
            return CustomToolCall("apply_patch", text, call_id, id=f"ctc_{number}")


def _function(
    name: str, arguments: dict[str, str | int], call_id: str, number: int
) -> FunctionCall:
    text = msgspec.json.encode(arguments).decode()
    return FunctionCall(name, text, call_id, id=f"fc_{number}")
