"""A model that plays a script through the `Model` port, and checks how it is asked."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing

from msgspec import Struct
from msgspec.structs import replace

from quire.core.errors import ModelError
from quire.core.ports import (
    Completed,
    ItemDone,
    ModelEvent,
    ModelRequest,
    Retrying,
    StreamBroken,
    SummaryDelta,
    TextDelta,
)
from quire.protocol.items import (
    CustomToolCall,
    FunctionCall,
    HistoryItem,
    Message,
    Reasoning,
    encode_item,
)
from quire.protocol.thread import ErrorInfo, Usage

ModelItem = Message | Reasoning | FunctionCall | CustomToolCall | HistoryItem
DEFAULT_USAGE = Usage(input_tokens=1000, output_tokens=50, total_tokens=1050)


class Broken(Struct, frozen=True):
    items: int
    message: str


class Failure(Struct, frozen=True):
    error: ModelError


class Pause:
    """A point at which the stream waits. `await reached.wait()` in the test, then `release()`,
    or cancel the turn."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self._released = asyncio.Event()

    def release(self) -> None:
        self._released.set()

    async def wait(self) -> None:
        self.reached.set()
        await self._released.wait()


Step = ModelItem | Broken | Failure | Pause | Retrying | Usage
Turn = Sequence[Step]


def broken_after(items: int, message: str = "stream closed before completion") -> Broken:
    """The stream breaks once `items` of this turn's items are complete (at least one: a stream
    that breaks before is `error`, after retries that a model makes itself)."""
    if items < 1:
        raise ValueError("broken_after: at least one item is complete in a broken stream")
    return Broken(items, message)


def error(failure: ModelError) -> Failure:
    """The stream raises `failure` at this point."""
    return Failure(failure)


def pause() -> Pause:
    """The stream waits at this point until the test lets it go on."""
    return Pause()


def retrying(message: str = "Reconnecting... 1/5 (stream disconnected)") -> Retrying:
    """The model tells that it tries again."""
    return Retrying(message, ErrorInfo(message, "responseStreamDisconnected"))


class ScriptedModel:
    """Plays `turns`, one for each request: each a list of items and of the steps above. A `Usage`
    among them is what the response reports.

    `requests` holds every request as it was when it came (its items copied). A request beyond
    the script, and a request while another streams, raise `AssertionError`. Ids of items are
    made from the number of the request and the length of its prompt, so they never repeat within
    one thread, also when a second model plays on after a resume. `chunk` is the number of
    characters in a delta."""

    def __init__(self, turns: Sequence[Turn], chunk: int = 16) -> None:
        self.requests: list[ModelRequest] = []
        self.abandoned = 0
        """Streams that the consumer closed before their end."""
        self.closed = False
        self._turns = [list(turn) for turn in turns]
        self._chunk = chunk
        self._streaming = False

    @property
    def prompts(self) -> list[tuple[bytes, ...]]:
        """The encoded items of each request."""
        return [tuple(bytes(item) for item in request.items) for request in self.requests]

    def assert_done(self) -> None:
        """Fail when the script was not played to its end."""
        left = len(self._turns) - len(self.requests)
        if left > 0:
            raise AssertionError(
                f"{left} of {len(self._turns)} scripted turns were never asked for"
            )

    def assert_prompt_only_grows(self) -> None:
        """Fail when a request changed anything of the one before: its items or its tools."""
        prompts = self.prompts
        for number, (old, new) in enumerate(itertools.pairwise(prompts), start=1):
            for index, item in enumerate(old):
                if index >= len(new) or new[index] != item:
                    now = new[index] if index < len(new) else b"(missing)"
                    raise AssertionError(
                        f"request {number + 1} changed item {index}: {item!r} became {now!r}"
                    )
            if self.requests[number - 1].tools != self.requests[number].tools:
                raise AssertionError(f"request {number + 1} changed the tools")

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        if self.closed:
            raise AssertionError("a request after the model was closed")
        if self._streaming:
            raise AssertionError("a request while another one streams")
        number = len(self.requests)
        self.requests.append(replace(request, items=tuple(bytes(item) for item in request.items)))
        if number >= len(self._turns):
            raise AssertionError(f"request {number + 1}, but the script has {number} turns")
        self._streaming = True
        ended = False
        try:
            tag = f"{number + 1}_{len(request.items)}"
            async with aclosing(self._play(self._turns[number], tag)) as events:
                async for event in events:
                    # Set before the last event goes out: a consumer may stop reading there.
                    ended = isinstance(event, Completed | StreamBroken)
                    yield event
        except (ModelError, AssertionError):
            ended = True
            raise
        finally:
            self._streaming = False
            if not ended:
                self.abandoned += 1

    async def aclose(self) -> None:
        self.closed = True

    async def _play(self, turn: Turn, tag: str) -> AsyncGenerator[ModelEvent, None]:
        broken = next((step for step in turn if isinstance(step, Broken)), None)
        usage = DEFAULT_USAGE
        done = 0
        for step in turn:
            if isinstance(step, Pause):
                await step.wait()
            elif isinstance(step, Failure):
                raise step.error
            elif isinstance(step, Retrying):
                yield step
            elif isinstance(step, Usage):
                usage = step
            elif not isinstance(step, Broken):
                for event in self._item_events(step, f"{tag}_{done}"):
                    yield event
                    # A real stream lets others run between events.
                    await asyncio.sleep(0)
                done += 1
                if broken is not None and done == broken.items:
                    yield StreamBroken(broken.message)
                    return
        if broken is not None:
            raise AssertionError(f"broken_after({broken.items}) in a turn of {done} items")
        yield Completed(f"resp_{tag}", usage)

    def _item_events(self, item: ModelItem, tag: str) -> Iterator[ModelEvent]:
        if isinstance(item, HistoryItem):
            yield ItemDone(item)
            return
        item = _with_ids(item, tag)
        if isinstance(item, Message):
            for piece in self._pieces(item.text):
                yield TextDelta(f"msg_{tag}", piece)
        elif isinstance(item, Reasoning):
            for piece in self._pieces("".join(part.text for part in item.summary)):
                yield SummaryDelta(f"rs_{tag}", piece)
        yield ItemDone(encode_item(item))

    def _pieces(self, text: str) -> Iterator[str]:
        for start in range(0, len(text), self._chunk):
            yield text[start : start + self._chunk]


def _with_ids(
    item: Message | Reasoning | FunctionCall | CustomToolCall, tag: str
) -> Message | Reasoning | FunctionCall | CustomToolCall:
    match item:
        case Message():
            return replace(item, id=f"msg_{tag}")
        case Reasoning():
            return replace(item, id=f"rs_{tag}")
        case FunctionCall():
            return replace(item, id=f"fc_{tag}", call_id=item.call_id or f"call_{tag}")
        case CustomToolCall():
            return replace(item, id=f"ctc_{tag}", call_id=item.call_id or f"call_{tag}")
