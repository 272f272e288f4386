"""Events of a turn as `session/update`s."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from acp.helpers import plan_entry, text_block, tool_terminal_ref, update_plan
from acp.schema import (
    AgentMessageChunk,
    AgentPlanUpdate,
    AgentThoughtChunk,
    AvailableCommandsUpdate,
    ConfigOptionUpdate,
    CurrentModeUpdate,
    PlanEntryStatus,
    SessionInfoUpdate,
    ToolCallProgress,
    ToolCallStart,
    UsageUpdate,
    UserMessageChunk,
)
from msgspec.structs import replace

from quire.acp.tools import Shown, output_content, progress, shown, start
from quire.client.events import (
    AgentMessageDelta,
    CommandOutputDelta,
    ErrorOccurred,
    ItemCompleted,
    ItemStarted,
    PatchUpdated,
    ReasoningDelta,
    ReasoningSummaryDelta,
    ReasoningSummaryPart,
    ThreadEvent,
    ThreadNameUpdated,
    TokenUsageUpdated,
    TurnPlanUpdated,
    Warned,
)
from quire.client.items import (
    AgentMessage,
    CommandExecution,
    Reasoning,
    Text,
    ThreadItem,
    UserMessage,
)
from quire.protocol.rpc.items import ExitedReviewModeThreadItem
from quire.protocol.rpc.turn import TurnPlanStep

OUTPUT_SECONDS = 0.1
"""How often the growing output of a command is sent anew."""

Update = (
    UserMessageChunk
    | AgentMessageChunk
    | AgentThoughtChunk
    | ToolCallStart
    | ToolCallProgress
    | AgentPlanUpdate
    | AvailableCommandsUpdate
    | CurrentModeUpdate
    | ConfigOptionUpdate
    | SessionInfoUpdate
    | UsageUpdate
)


class Updates:
    """Keeps what was streamed of one turn. With `terminals` the client shows output in a terminal
    of its own, which it is told of in `_meta` (an extension that Zed and others know)."""

    def __init__(
        self, *, terminals: bool = False, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._terminals = terminals
        self._now = now
        self._streamed: dict[str, str] = {}
        self._output: dict[str, str] = {}
        self._sent: dict[str, float] = {}

    def take(self, event: ThreadEvent) -> Iterable[Update]:
        """What the client is told of an event, in order."""
        match event:
            case AgentMessageDelta(item_id=item_id, delta=delta):
                return (message(self._stream(item_id, delta), item_id),)
            case (
                ReasoningSummaryDelta(item_id=item_id, delta=delta)
                | ReasoningDelta(item_id=item_id, delta=delta)
            ):
                return (thought(self._stream(item_id, delta), item_id),)
            case ReasoningSummaryPart(item_id=item_id, summary_index=index) if index:
                return (thought("\n\n", item_id),)
            case ItemStarted(item=item):
                return self._started(item)
            case CommandOutputDelta(item_id=item_id, delta=delta):
                return self._grown(item_id, delta)
            case PatchUpdated():
                return ()
            case ItemCompleted(item=item):
                return self._completed(item)
            case TurnPlanUpdated(plan=steps):
                return (_plan(steps),)
            case TokenUsageUpdated(token_usage=usage):
                size = usage.model_context_window or usage.last.total_tokens
                used = usage.last.total_tokens
                return (UsageUpdate(session_update="usage_update", used=used, size=size),)
            case ThreadNameUpdated(thread_name=name):
                return (SessionInfoUpdate(session_update="session_info_update", title=name),)
            case Warned(message=text):
                return (thought(f"{text}\n"),)
            case ErrorOccurred(error=error, will_retry=True):
                return (thought(f"{error.message}\n"),)
            case _:
                return ()

    def _stream(self, item_id: str, delta: str) -> str:
        self._streamed[item_id] = self._streamed.get(item_id, "") + delta
        return delta

    def _started(self, item: ThreadItem) -> Iterator[Update]:
        view = shown(item)
        if view is None:
            return
        if self._terminals and isinstance(item, CommandExecution):
            yield _with_terminal(item, view)
        else:
            yield start(item.id, view)

    def _grown(self, item_id: str, delta: str) -> Iterator[Update]:
        if self._terminals:
            update = progress(item_id)
            update.field_meta = {"terminal_output": {"terminal_id": item_id, "data": delta}}
            yield update
            return
        self._output[item_id] = self._output.get(item_id, "") + delta
        if self._now() - self._sent.get(item_id, -OUTPUT_SECONDS) >= OUTPUT_SECONDS:
            self._sent[item_id] = self._now()
            yield progress(item_id, content=output_content(self._output[item_id]))

    def _completed(self, item: ThreadItem) -> Iterator[Update]:
        match item:
            case AgentMessage(id=item_id, text=text):
                yield from _rest(self._streamed.pop(item_id, ""), text, item_id, message)
            case Reasoning(id=item_id, summary=summary, content=content):
                if not self._streamed.pop(item_id, ""):
                    text = "\n\n".join(summary or content)
                    yield from _rest("", text, item_id, thought)
            case ExitedReviewModeThreadItem(id=item_id, review=text):
                yield message(text, item_id)
            case _:
                yield from self._tool_ended(item)

    def _tool_ended(self, item: ThreadItem) -> Iterator[Update]:
        view = shown(item)
        if view is None:
            return
        self._output.pop(item.id, None)
        self._sent.pop(item.id, None)
        if self._terminals and isinstance(item, CommandExecution):
            update = progress(item.id, view.status)
            ended = {"terminal_id": item.id, "exit_code": item.exit_code, "signal": None}
            update.field_meta = {"terminal_exit": ended}
            yield update
        else:
            yield progress(item.id, view.status, view.content or None)


def replay(items: Iterable[ThreadItem]) -> Iterator[Update]:
    """What a stored thread holds, for a client that loads it."""
    for item in items:
        match item:
            case UserMessage(id=item_id, content=content):
                for part in content:
                    if isinstance(part, Text):
                        yield said(part.text, item_id)
            case AgentMessage(id=item_id, text=text):
                yield message(text, item_id)
            case Reasoning(id=item_id, summary=summary, content=content):
                if text := "\n\n".join(summary or content):
                    yield thought(text, item_id)
            case ExitedReviewModeThreadItem(id=item_id, review=text):
                yield message(text, item_id)
            case _:
                view = shown(item)
                if view is not None:
                    status = "failed" if view.status == "in_progress" else view.status
                    yield start(item.id, replace(view, status=status))


def message(text: str, item_id: str | None = None) -> AgentMessageChunk:
    return AgentMessageChunk(
        session_update="agent_message_chunk", content=text_block(text), message_id=item_id
    )


def thought(text: str, item_id: str | None = None) -> AgentThoughtChunk:
    return AgentThoughtChunk(
        session_update="agent_thought_chunk", content=text_block(text), message_id=item_id
    )


def said(text: str, item_id: str | None = None) -> UserMessageChunk:
    return UserMessageChunk(
        session_update="user_message_chunk", content=text_block(text), message_id=item_id
    )


def _rest(
    streamed: str, text: str, item_id: str, chunk: Callable[[str, str], Update]
) -> Iterator[Update]:
    """What was not streamed. Where deltas were left out on the way, the whole text again."""
    if text == streamed:
        return
    if text.startswith(streamed):
        yield chunk(text[len(streamed) :], item_id)
    else:
        yield chunk(f"\n\n{text}", item_id)


def _with_terminal(item: CommandExecution, view: Shown) -> ToolCallStart:
    call = start(item.id, replace(view, content=[tool_terminal_ref(item.id)]))
    call.field_meta = {"terminal_info": {"terminal_id": item.id, "cwd": item.cwd}}
    return call


def _plan(steps: Iterable[TurnPlanStep]) -> AgentPlanUpdate:
    words: dict[str, PlanEntryStatus] = {
        "pending": "pending",
        "inProgress": "in_progress",
        "completed": "completed",
    }
    return update_plan([plan_entry(one.step, status=words[one.status]) for one in steps])
