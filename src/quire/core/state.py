"""The state of a thread: a pure fold over its records, and the decision that follows from it.
Every transition lives here. History that a model would refuse cannot be folded: a call has
exactly one output, and nothing stands between a call and its output."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from quire.core.prompt import Prompt
from quire.protocol.items import CALL_KINDS, OUTPUT_KINDS, Encoded, HistoryItem
from quire.protocol.records import (
    FragmentsChanged,
    ItemAdded,
    Record,
    ResponseCompleted,
    SessionMeta,
    TurnCompleted,
    TurnStarted,
)
from quire.protocol.thread import Usage


class ThreadState(Struct, frozen=True):
    """Everything the loop may decide from. Only `apply` makes one. `batch` holds what came since
    the first open call, `outputs` what those calls gave so far; both enter the prompt together,
    in call order, with the last output. `tokens` is the size of the last response's context,
    `fragments` the context that the model has been told of."""

    prompt: Prompt = Prompt()
    batch: tuple[HistoryItem, ...] = ()
    pending: tuple[HistoryItem, ...] = ()
    outputs: tuple[HistoryItem, ...] = ()
    answered: bool = False
    turn_id: str | None = None
    tokens: int = 0
    usage: Usage = Usage()
    fragments: tuple[tuple[str, str], ...] = ()
    thread_id: str = ""


class Sample(Struct, frozen=True):
    """Ask the model."""


class RunTools(Struct, frozen=True):
    """Run these calls."""

    calls: tuple[HistoryItem, ...]


class Full(Struct, frozen=True):
    """The context window is full."""


class Finish(Struct, frozen=True):
    """The model answered without a call."""


Step = Sample | RunTools | Full | Finish


def next_step(state: ThreadState, limit: int) -> Step:
    """What the log says must happen now: the whole policy of the loop. Pure and total.
    `limit` is the usable context window in tokens."""
    if state.pending:
        return RunTools(state.pending)
    if state.answered:
        return Finish()
    if state.tokens >= limit:
        return Full()
    return Sample()


def apply(state: ThreadState, record: Record) -> ThreadState:
    """The state after `record`. Pure and total: what would make the history illegal (a second
    output, an output without its call) is left out."""
    match record:
        case ItemAdded(item):
            return _add_item(state, item)
        case ResponseCompleted():
            return replace(
                state,
                answered=not state.pending,
                tokens=record.usage.total_tokens or state.tokens,
                usage=record.thread_usage,
            )
        case TurnStarted(turn_id):
            return replace(state, turn_id=turn_id)
        case TurnCompleted():
            return replace(state, turn_id=None)
        case FragmentsChanged(changes, full):
            known = {} if full else dict(state.fragments)
            known.update(changes)
            return replace(state, fragments=tuple((k, v) for k, v in known.items() if v))
        case SessionMeta():
            return replace(state, thread_id=record.thread_id)
        case _:
            return state


def _add_item(state: ThreadState, item: HistoryItem) -> ThreadState:
    kind, call_id = item.head.type, item.head.call_id
    if kind in CALL_KINDS and call_id:
        if any(call.head.call_id == call_id for call in state.batch):
            return state
        return replace(
            state, batch=(*state.batch, item), pending=(*state.pending, item), answered=False
        )
    if kind in OUTPUT_KINDS:
        return _add_output(state, item)
    answered = state.answered and item.head.role in (None, "assistant")
    if state.batch:
        return replace(state, batch=(*state.batch, item), answered=answered)
    return replace(state, prompt=state.prompt.extended((item.raw,)), answered=answered)


def _add_output(state: ThreadState, item: HistoryItem) -> ThreadState:
    rest = tuple(call for call in state.pending if call.head.call_id != item.head.call_id)
    if len(rest) == len(state.pending):
        return state
    outputs = (*state.outputs, item)
    if rest:
        return replace(state, pending=rest, outputs=outputs)
    settled = state.prompt.extended(_in_call_order(state.batch, outputs))
    return replace(state, prompt=settled, batch=(), pending=(), outputs=(), answered=False)


def _in_call_order(
    batch: tuple[HistoryItem, ...], outputs: tuple[HistoryItem, ...]
) -> list[Encoded]:
    """Each run of calls, then its outputs in the same order; other items keep their place."""
    by_call = {output.head.call_id: output.raw for output in outputs}
    ordered: list[Encoded] = []
    run: list[Encoded] = []
    for item in batch:
        if item.head.type in CALL_KINDS and item.head.call_id in by_call:
            run.append(by_call[item.head.call_id])
        else:
            ordered += run
            run = []
        ordered.append(item.raw)
    return ordered + run
