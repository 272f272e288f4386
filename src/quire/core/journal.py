"""What a turn writes into its thread, and what its tools may use of it.

The journal turns model events and tool results into records. It holds no state of its own that a
resume would need: that is all in the log.
"""

from __future__ import annotations

from typing import Protocol

from quire.core.context import context_records
from quire.core.errors import ModelError, RolloutError, ToolError
from quire.core.ports import (
    Clock,
    Completed,
    IdSource,
    ItemDone,
    ModelEvent,
    Retrying,
    SummaryDelta,
    TextDelta,
    ToolResult,
)
from quire.core.state import ThreadState
from quire.protocol.events import (
    AgentMessageDelta,
    Event,
    ItemStarted,
    LiveEvent,
    ReasoningDelta,
    StreamError,
)
from quire.protocol.items import (
    CustomToolCall,
    CustomToolCallOutput,
    FunctionCall,
    FunctionCallOutput,
    HistoryItem,
    InputText,
    Message,
    OutputBody,
    Reasoning,
    ToolCall,
    encode_item,
)
from quire.protocol.ops import UserInput, UserTurn
from quire.protocol.policy import TurnContext
from quire.protocol.records import (
    ItemAdded,
    ItemCompleted,
    Record,
    ResponseCompleted,
    TurnCompleted,
    TurnSettings,
    TurnStarted,
)
from quire.protocol.thread import (
    AgentMessageItem,
    ErrorInfo,
    ReasoningItem,
    ThreadItem,
    TurnStatus,
    UserMessageItem,
)

TURN_ABORTED = (
    "<turn_aborted>\nThe user interrupted the previous turn on purpose. Commands that were "
    "running may have been stopped half-way or may still run; check before relying on what they "
    "did.\n</turn_aborted>"
)

_ANSWERED_BY_ID = ("function_call", "custom_tool_call")


class ThreadLog(Protocol):
    """What a turn may do to its thread."""

    @property
    def state(self) -> ThreadState: ...

    def record(self, record: Record) -> None:
        """Append to the log, fold, publish: the one way to change anything. Raises
        `RolloutError`; nothing has changed then."""
        ...

    def publish(self, event: Event) -> None:
        """Show an event that is not stored."""
        ...


def call_output(
    call: HistoryItem, content: OutputBody, ids: IdSource, turn_id: str | None
) -> ItemAdded:
    """The output of `call` in the shape that answers its kind (Codex 0.169: `fco_`, `ctco_`)."""
    call_id = call.head.call_id or ""
    if call.head.type == "custom_tool_call":
        output = CustomToolCallOutput(call_id, content, id=f"ctco_{ids.new()}")
        return ItemAdded(encode_item(output), "tool", turn_id)
    return ItemAdded(
        encode_item(FunctionCallOutput(call_id, content, id=f"fco_{ids.new()}")), "tool", turn_id
    )


def tool_call(pending: HistoryItem) -> ToolCall:
    """The call in `pending`. Raises `ToolError` for one that no tool can take."""
    call = pending.item()
    if isinstance(call, FunctionCall | CustomToolCall):
        return call
    if pending.head.type == "local_shell_call":
        raise ToolError("unsupported call: local_shell")
    raise ToolError("failed to parse function arguments: the call is malformed")


def turn_aborted_note(ids: IdSource, turn_id: str | None) -> ItemAdded:
    """Tells the model, in the next request, that a person stopped the turn."""
    return user_note(TURN_ABORTED, ids, turn_id)


def user_note(text: str, ids: IdSource, turn_id: str | None) -> ItemAdded:
    """A message of the user's side that only the model sees."""
    message = Message("user", (InputText(text),), id=f"msg_{ids.new()}")
    return ItemAdded(encode_item(message), "note", turn_id)


class Journal:
    """One turn's view of its thread; also the `ToolContext` that its tools get."""

    def __init__(self, thread: ThreadLog, op: UserTurn, clock: Clock, ids: IdSource) -> None:
        self._thread = thread
        self._op = op
        self._clock = clock
        self._ids = ids
        self._started_at = clock.now()
        self._started: dict[str, float] = {}
        self._item_starts: dict[str, int] = {}
        self._last_message: str | None = None
        self._closed = False
        self._steering: list[UserInput] = []
        self._notes: list[str] = []

    @property
    def state(self) -> ThreadState:
        return self._thread.state

    @property
    def turn(self) -> TurnContext:
        return self._op.context

    @property
    def thread_id(self) -> str:
        return self._thread.state.thread_id

    @property
    def turn_id(self) -> str:
        return self._op.turn_id

    def now_ms(self) -> int:
        return int(self._clock.now() * 1000)

    def publish(self, event: LiveEvent) -> None:
        self._thread.publish(event)

    def begin(self, item: ThreadItem) -> None:
        if item.id in self._item_starts:
            return
        started = self.now_ms()
        self._item_starts[item.id] = started
        self._thread.publish(ItemStarted(self.turn_id, item, started))

    def finish(self, item: ThreadItem) -> None:
        now = self.now_ms()
        started = self._item_starts.pop(item.id, now)
        done = ItemCompleted(self.turn_id, item, started, now)
        if self._closed:  # A command that outlived its turn: the turn's records are complete.
            self._thread.publish(done)
        else:
            self._thread.record(done)

    def open(self, op: UserTurn) -> None:
        """Record the start of the turn: changed context first, then the person's message."""
        record = self._thread.record
        record(TurnStarted(op.turn_id, int(self._started_at), op.context.context_window))
        for entry in context_records(op, self.state.fragments, self._ids):
            record(entry)
        record(TurnSettings(op.turn_id, op.context))
        self._said(op.input)

    def steer(self, words: UserInput | str) -> bool:
        """Words of the person for the running turn: they are said as soon as no call is open. A
        bare text is for the model only, and causes no request of its own. False when the turn has
        ended."""
        if self._closed:
            return False
        if isinstance(words, str):
            self._notes.append(words)
        else:
            self._steering.append(words)
        return True

    def take_steering(self) -> None:
        """Record what the person said since, unless a call is open."""
        if self.state.pending:
            return
        if self._steering or not self.state.answered:
            self._record_notes()
        while self._steering:
            self._said(self._steering.pop(0))

    def _record_notes(self) -> None:
        while self._notes:
            self._thread.record(user_note(self._notes.pop(0), self._ids, self.turn_id))

    def _said(self, words: UserInput) -> None:
        message = Message("user", words.content, id=f"msg_{self._ids.new()}")
        self._thread.record(ItemAdded(encode_item(message), "user", self.turn_id))
        item_id = self._ids.new()
        self.finish(UserMessageItem(item_id, words.text, words.images, words.client_id))

    def take(self, event: ModelEvent) -> None:
        """Record or publish one event of the model."""
        match event:
            case TextDelta(item_id, delta):
                self._thread.publish(AgentMessageDelta(self.turn_id, item_id, delta))
            case SummaryDelta(item_id, delta):
                self._thread.publish(ReasoningDelta(self.turn_id, item_id, delta))
            case ItemDone(item):
                if item.head.type in _ANSWERED_BY_ID and not item.head.call_id:
                    raise ModelError(f"malformed answer: a {item.head.type} without a call_id")
                self._thread.record(ItemAdded(item, "model", self.turn_id))
                self._show_item(item)
            case Retrying(message, info):
                self._thread.publish(StreamError(self.turn_id, message, info))
            case Completed(response_id, usage):
                total = self.state.usage + usage
                self._thread.record(ResponseCompleted(self.turn_id, response_id, usage, total))
            case _:
                pass

    def call_started(self, call: HistoryItem) -> None:
        self._started[call.head.call_id or ""] = self._clock.monotonic()

    def call_finished(self, call: HistoryItem, result: ToolResult) -> None:
        """Record the output at once: side effects are facts."""
        self._started.pop(call.head.call_id or "", None)
        self._record_output(call, result.content)

    def close(self, status: TurnStatus, error: ErrorInfo | None) -> TurnStatus:
        """Close open calls and record the end of the turn. Returns the status as recorded: when
        the log cannot be written, the turn failed whatever it was before."""
        now = self._clock.now()
        end = TurnCompleted(
            turn_id=self.turn_id,
            status=status,
            error=error,
            last_agent_message=self._last_message,
            started_at=int(self._started_at),
            completed_at=int(now),
            duration_ms=int((now - self._started_at) * 1000),
        )
        try:
            for call in self.state.pending:
                self._record_output(call, self._aborted_text(call, status))
            self._record_notes()
            while self._steering and status != "interrupted":  # A client was told they are taken.
                self._said(self._steering.pop(0))
            if status == "interrupted":
                self._thread.record(turn_aborted_note(self._ids, self.turn_id))
            self._thread.record(end)
        except RolloutError as exc:
            lost = TurnCompleted(turn_id=self.turn_id, status="failed", error=error or exc.info)
            self._thread.publish(lost)
            return "failed"
        finally:
            self._closed = True
        return status

    def _aborted_text(self, call: HistoryItem, status: TurnStatus) -> str:
        if status != "interrupted":
            return "aborted: the turn ended before this call did"
        now = self._clock.monotonic()
        waited = now - self._started.get(call.head.call_id or "", now)
        return f"Wall time: {waited:.1f} seconds\naborted by user"

    def _record_output(self, call: HistoryItem, content: OutputBody) -> None:
        self._thread.record(call_output(call, content, self._ids, self.turn_id))

    def _show_item(self, item: HistoryItem) -> None:
        decoded = item.item()
        if isinstance(decoded, Message) and decoded.role == "assistant":
            self._last_message = decoded.text
            self.finish(AgentMessageItem(decoded.id or self._ids.new(), decoded.text))
        elif isinstance(decoded, Reasoning):
            summary = tuple(part.text for part in decoded.summary if part.text)
            content = tuple(part.text for part in decoded.content or ())
            if summary or content:
                self.finish(ReasoningItem(decoded.id or self._ids.new(), summary, content))
