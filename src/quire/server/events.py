"""Which notifications each event of a thread becomes, in the order of Codex 0.169."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from quire.protocol import thread as words
from quire.protocol.events import (
    AgentMessageDelta,
    AutoReviewed,
    CommandOutputDelta,
    Event,
    ItemStarted,
    ItemUpdated,
    ReasoningDelta,
    StreamError,
    Warned,
)
from quire.protocol.records import ItemCompleted, ResponseCompleted, TurnCompleted, TurnStarted
from quire.protocol.rpc import item as item_words
from quire.protocol.rpc.faults import TurnError
from quire.protocol.rpc.items import AgentMessageThreadItem, FileUpdateChange
from quire.protocol.rpc.method import Notification
from quire.protocol.rpc.server import ERROR, WARNING, ErrorNotification, WarningNotification
from quire.protocol.rpc.thread import THREAD_TOKEN_USAGE, ThreadTokenUsageUpdatedNotification
from quire.protocol.rpc.turn import (
    TURN_COMPLETED,
    TURN_PLAN_UPDATED,
    TURN_STARTED,
    TurnCompletedNotification,
    TurnPlanStep,
    TurnPlanUpdatedNotification,
    TurnStartedNotification,
)
from quire.server import views
from quire.server.turn_views import ended_turn, started_turn

Told = tuple[Notification, Struct]
"""What clients are told: a kind of notification and its params."""

_PART_END = "\n\n"
"""The delta by which the core marks that another part of a reasoning summary begins."""


class Translator:
    """Turns the events of one thread, taken in their order, into notifications.

    It remembers which items were announced: a message or a reasoning item is announced by its
    first delta, or right before its end when none came. Status changes of the thread, approvals
    and the turn's diff are not events of the core; who serves the thread tells those."""

    def __init__(
        self,
        thread_id: str,
        now_ms: Callable[[], int],
        actions: views.Actions = views.no_actions,
    ) -> None:
        """`now_ms` gives milliseconds since the epoch."""
        self._thread_id = thread_id
        self._now_ms = now_ms
        self._actions = actions
        self._announced: dict[str, int] = {}
        self._ended: set[str] = set()
        self._summary_part: dict[str, int] = {}
        self._turn = started_turn("")
        self._last_message: AgentMessageThreadItem | None = None
        self._context_window: int | None = None

    def take(self, event: Event) -> list[Told]:
        """The notifications of one event; none for one that clients are not told of."""
        match event:
            case TurnStarted():
                return self._turn_started(event)
            case TurnCompleted():
                return self._turn_completed(event)
            case ItemStarted(turn_id, item, started):
                return self._item_started(turn_id, item, started)
            case ItemUpdated(turn_id, item):
                return self._item_updated(turn_id, item)
            case ItemCompleted():
                return self._item_completed(event)
            case AgentMessageDelta() | ReasoningDelta() | CommandOutputDelta():
                return self._delta(event)
            case ResponseCompleted():
                return [self._usage(event)]
            case StreamError(turn_id, message, info):
                return [self._retrying(turn_id, message, info)]
            case Warned(message):
                return [self._warning(message)]
            case AutoReviewed():
                from quire.server.auto_review_views import auto_review_told

                return auto_review_told(self._thread_id, event)
            case _:
                return []

    def _turn_started(self, event: TurnStarted) -> list[Told]:
        for item_id in self._ended:  # A command may outlive its turn.
            self._announced.pop(item_id, None)
        self._ended.clear()
        self._summary_part.clear()
        self._last_message = None
        self._context_window = event.context_window
        self._turn = started_turn(event.turn_id, event.started_at)
        return [(TURN_STARTED, TurnStartedNotification(thread_id=self._thread_id, turn=self._turn))]

    def _turn_completed(self, event: TurnCompleted) -> list[Told]:
        begun = self._turn if self._turn.id == event.turn_id else started_turn(event.turn_id)
        turn = ended_turn(begun, event)
        told: list[Told] = []
        if turn.status == "failed" and turn.error is not None:
            told.append((ERROR, self._error(event.turn_id, turn.error, will_retry=False)))
        if turn.status == "completed" and self._last_message is not None:
            turn = replace(turn, items=(self._last_message,), items_view="summary")
        told.append(
            (TURN_COMPLETED, TurnCompletedNotification(thread_id=self._thread_id, turn=turn))
        )
        return told

    def _item_started(self, turn_id: str, item: words.ThreadItem, started: int) -> list[Told]:
        if isinstance(item, words.TodoListItem):
            self._announced[item.id] = started
            return [self._plan(turn_id, item)]
        return self._announce(turn_id, item, started)

    def _announce(self, turn_id: str, item: words.ThreadItem, started: int) -> list[Told]:
        """Tell that the item began, once."""
        if item.id in self._announced:
            return []
        view = views.opening_view(item, started_at_ms=started, actions=self._actions)
        if view is None:
            return []
        self._announced[item.id] = started
        params = item_words.ItemStartedNotification(
            item=view, thread_id=self._thread_id, turn_id=turn_id, started_at_ms=started
        )
        return [(item_words.ITEM_STARTED, params)]

    def _item_updated(self, turn_id: str, item: words.ThreadItem) -> list[Told]:
        match item:
            case words.TodoListItem():
                return [self._plan(turn_id, item)]
            case words.FileChangeItem():
                changes = tuple(map(views.file_change_view, item.changes))
                return [self._patch(turn_id, item.id, changes)]
            case _:
                return []

    def _patch(self, turn_id: str, item_id: str, changes: tuple[FileUpdateChange, ...]) -> Told:
        params = item_words.FileChangePatchUpdatedNotification(
            thread_id=self._thread_id, turn_id=turn_id, item_id=item_id, changes=changes
        )
        return item_words.PATCH_UPDATED, params

    def _item_completed(self, event: ItemCompleted) -> list[Told]:
        item, turn_id = event.item, event.turn_id
        if isinstance(item, words.ErrorItem):
            return [self._warning(item.message)]
        if isinstance(item, words.TodoListItem):
            return [] if item.id in self._announced else [self._plan(turn_id, item)]
        told = self._announce(turn_id, item, event.started_at_ms)
        self._ended.add(item.id)
        view = views.item_view(
            item,
            started_at_ms=self._announced.get(item.id, event.started_at_ms),
            completed_at_ms=event.completed_at_ms,
            actions=self._actions,
        )
        if view is None:
            return told
        if isinstance(view, AgentMessageThreadItem):
            self._last_message = view
        params = item_words.ItemCompletedNotification(
            item=view,
            thread_id=self._thread_id,
            turn_id=turn_id,
            completed_at_ms=event.completed_at_ms,
        )
        told.append((item_words.ITEM_COMPLETED, params))
        return told

    def _delta(self, event: AgentMessageDelta | ReasoningDelta | CommandOutputDelta) -> list[Told]:
        where = {
            "thread_id": self._thread_id,
            "turn_id": event.turn_id,
            "item_id": event.item_id,
        }
        match event:
            case AgentMessageDelta():
                item = words.AgentMessageItem(event.item_id, "")
                told = self._announce(event.turn_id, item, self._now_ms())
                params = item_words.AgentMessageDeltaNotification(**where, delta=event.delta)
                return [*told, (item_words.AGENT_MESSAGE_DELTA, params)]
            case CommandOutputDelta():
                output = item_words.CommandExecutionOutputDeltaNotification(
                    **where, delta=event.delta
                )
                return [(item_words.COMMAND_OUTPUT_DELTA, output)]
            case ReasoningDelta():
                return self._reasoning(event, where)

    def _reasoning(self, event: ReasoningDelta, where: dict[str, str]) -> list[Told]:
        item = words.ReasoningItem(event.item_id)
        told = self._announce(event.turn_id, item, self._now_ms())
        part = self._summary_part.get(event.item_id, -1)
        if part < 0 or event.delta == _PART_END:
            part += 1
            self._summary_part[event.item_id] = part
            began = item_words.ReasoningSummaryPartAddedNotification(**where, summary_index=part)
            told.append((item_words.REASONING_SUMMARY_PART, began))
        if event.delta != _PART_END:
            delta = item_words.ReasoningSummaryTextDeltaNotification(
                **where, delta=event.delta, summary_index=part
            )
            told.append((item_words.REASONING_SUMMARY_DELTA, delta))
        return told

    def _plan(self, turn_id: str, item: words.TodoListItem) -> Told:
        steps = tuple(
            TurnPlanStep(
                step=step.step,
                status="inProgress" if step.status == "in_progress" else step.status,
            )
            for step in item.steps
        )
        params = TurnPlanUpdatedNotification(thread_id=self._thread_id, turn_id=turn_id, plan=steps)
        return TURN_PLAN_UPDATED, params

    def _usage(self, event: ResponseCompleted) -> Told:
        usage = views.usage_view(event.thread_usage, event.usage, self._context_window)
        params = ThreadTokenUsageUpdatedNotification(
            thread_id=self._thread_id, turn_id=event.turn_id, token_usage=usage
        )
        return THREAD_TOKEN_USAGE, params

    def _retrying(self, turn_id: str, message: str, info: words.ErrorInfo) -> Told:
        """`Reconnecting... 1/5 (cause)` is told as `Reconnecting... 1/5`, the cause beside it."""
        text, has_cause, cause = message.partition(" (")
        details = cause.removesuffix(")") if has_cause else None
        error = views.error_view(words.ErrorInfo(text, info.code, info.http_status), details)
        return ERROR, self._error(turn_id, error, will_retry=True)

    def _error(self, turn_id: str, error: TurnError, *, will_retry: bool) -> ErrorNotification:
        return ErrorNotification(
            error=error, will_retry=will_retry, thread_id=self._thread_id, turn_id=turn_id
        )

    def _warning(self, message: str) -> Told:
        return WARNING, WarningNotification(thread_id=self._thread_id, message=message)
