"""A turn whose work is done outside the loop: a review, which another thread carries out.

It begins and ends in the log like any other turn; what it shows and what the conversation keeps of
it is up to the work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from quire.core.errors import AgentError, RolloutError
from quire.core.journal import ThreadLog, user_note
from quire.core.ports import Clock, IdSource
from quire.protocol.events import ItemStarted, LiveEvent
from quire.protocol.items import Message, OutputText, encode_item
from quire.protocol.records import ItemAdded, ItemCompleted, Record, TurnCompleted, TurnStarted
from quire.protocol.thread import AgentMessageItem, ErrorInfo, ThreadItem, TurnStatus


class HostedTurn:
    """What the work may do to the thread. `kind` names it for people: `review`."""

    def __init__(
        self, log: ThreadLog, turn_id: str, kind: str, clock: Clock, ids: IdSource
    ) -> None:
        self.turn_id = turn_id
        self.kind = kind
        self._log = log
        self._clock = clock
        self._ids = ids
        self._started = clock.now()
        self._last_message: str | None = None

    def begin(self, context_window: int) -> None:
        """Record the start: the first thing that the work does, once it would clean up after a
        failure. `context_window` in tokens. Raises `RolloutError`."""
        self._log.record(TurnStarted(self.turn_id, int(self._started), context_window))

    def new_id(self) -> str:
        return self._ids.new()

    def record(self, record: Record) -> None:
        """Raises `RolloutError`."""
        self._log.record(record)

    def publish(self, event: LiveEvent) -> None:
        self._log.publish(event)

    def show(self, item: ThreadItem) -> None:
        """An item that begins and ends now. Raises `RolloutError`."""
        now = int(self._clock.now() * 1000)
        self._log.publish(ItemStarted(self.turn_id, item, now))
        self._log.record(ItemCompleted(self.turn_id, item, now, now))

    def tell_model(self, text: str) -> None:
        """A message of the user's side, for the model only. Raises `RolloutError`."""
        self._log.record(user_note(text, self._ids, self.turn_id))

    def say(self, text: str) -> None:
        """A message of the agent, for the conversation and for people: the last one is what the
        turn says. Raises `RolloutError`."""
        message = Message("assistant", (OutputText(text),), id=f"msg_{self._ids.new()}")
        self._log.record(ItemAdded(encode_item(message), "note", self.turn_id))
        now = int(self._clock.now() * 1000)
        item = AgentMessageItem(message.id or "", text)
        self._log.record(ItemCompleted(self.turn_id, item, now, now))
        self._last_message = text

    async def run(self, work: Work) -> TurnStatus:
        """Run `work` as this turn, to its end. A cancellation is recorded as `interrupted`, an
        `AgentError` as `failed`; a bug is recorded as `failed` and raised again, as is a
        cancellation."""
        status: TurnStatus = "failed"
        error: ErrorInfo | None = None
        try:
            await work(self)
            status = "completed"
        except asyncio.CancelledError:
            status = "interrupted"
            raise
        except AgentError as exc:
            error = exc.info
        except BaseException as exc:
            error = ErrorInfo(f"internal error: {type(exc).__name__}: {exc}")
            raise
        finally:
            now = self._clock.now()
            status = self._close(
                TurnCompleted(
                    turn_id=self.turn_id,
                    status=status,
                    error=error,
                    last_agent_message=self._last_message,
                    started_at=int(self._started),
                    completed_at=int(now),
                    duration_ms=int((now - self._started) * 1000),
                )
            )
        return status

    def _close(self, end: TurnCompleted) -> TurnStatus:
        """Record the end; when the log cannot be written, the turn failed whatever it was."""
        try:
            self._log.record(end)
        except RolloutError as exc:
            error = end.error or exc.info
            self._log.publish(TurnCompleted(turn_id=self.turn_id, status="failed", error=error))
            return "failed"
        return end.status


Work = Callable[[HostedTurn], Awaitable[None]]
"""Calls `begin` first. Raises an `AgentError` when it fails; may be cancelled, and then leaves
nothing running."""
