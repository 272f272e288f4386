"""A thread: one log, one state, at most one running turn, and those who watch.

`record` is the one writer in the system: append to the log, fold, publish.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from functools import partial
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from quire.core.errors import UsageError
from quire.core.gate import Gate
from quire.core.journal import Journal, call_output, turn_aborted_note, user_note
from quire.core.ports import Clock, IdSource, Model, Rollout, ToolSet
from quire.core.state import ThreadState, apply
from quire.core.turn import Turn
from quire.protocol.events import (
    AgentMessageDelta,
    CommandOutputDelta,
    Event,
    ReasoningDelta,
)
from quire.protocol.ops import Interrupt, Op, Shutdown, Steer, UserInput, UserTurn
from quire.protocol.records import Record, TurnCompleted
from quire.protocol.revert import Surviving, surviving
from quire.protocol.thread import TurnStatus

if TYPE_CHECKING:
    from quire.core.hosted import HostedTurn, Work

MAX_WAITING_DELTAS = 512


class Ports(Struct, frozen=True):
    """The edges of one thread."""

    model: Model
    tools: ToolSet
    rollout: Rollout
    gate: Gate
    clock: Clock
    ids: IdSource


class Listener(Protocol):
    """Who is told of a thread's events."""

    def put(self, event: Event) -> None:
        """One event. Never waits and never raises."""
        ...

    def end(self) -> None:
        """The thread was closed: no more events."""
        ...


class Subscription:
    """The events of a thread from now on, for one reader. A slow reader loses deltas, never
    anything else; it cannot stop a turn."""

    def __init__(self, thread: Thread, deltas: bool) -> None:
        self._thread = thread
        self._deltas = deltas
        self._waiting: deque[Event] = deque()
        self._wake = asyncio.Event()
        self._closed = False

    def put(self, event: Event) -> None:
        if isinstance(event, AgentMessageDelta | ReasoningDelta | CommandOutputDelta) and (
            not self._deltas or len(self._waiting) >= MAX_WAITING_DELTAS
        ):
            return
        self._waiting.append(event)
        self._wake.set()

    async def next(self) -> Event | None:
        """The next event; None when the thread was closed. Cancelling it loses nothing."""
        while not self._waiting:
            if self._closed:
                return None
            self._wake.clear()
            await self._wake.wait()
        return self._waiting.popleft()

    async def __aiter__(self) -> AsyncIterator[Event]:
        while (event := await self.next()) is not None:
            yield event

    def end(self) -> None:
        """No more events: readers drain what waits and stop."""
        self._closed = True
        self._wake.set()

    def close(self) -> None:
        """Stop watching."""
        self._thread.detach(self)
        self.end()


class Thread:
    """One thread in this process."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._listeners: list[Listener] = []
        self._turn: asyncio.Task[TurnStatus] | None = None
        self._interrupted = False
        self._journal: Journal | None = None
        self._hosted: HostedTurn | None = None
        self.state = ThreadState()

    def replay(self, records: Iterable[Record]) -> None:
        """Fold a stored log. Nothing is written or published."""
        state = self.state
        for record in surviving(records):
            state = apply(state, record)
        self.state = state

    def revert(self, before_turn_id: str, stored: Iterable[Record]) -> None:
        """Take back turn `before_turn_id` and all later ones: the history, the context told and
        the usage are what they were before it. `stored` is this thread's log as it is now, read
        anew (nobody keeps the records in memory). Raises `UsageError` when a turn is running or
        no such turn counts (Codex's words, 0.169), `RolloutError`; nothing has changed then."""
        if self._turn is not None and not self._turn.done():
            raise UsageError("cannot revert a thread while a turn is running; interrupt it first")
        log = Surviving()
        for record in stored:
            log.add(record)
        reverted = log.before(before_turn_id)
        if reverted is None:
            raise UsageError(f"turn not found: {before_turn_id}")
        self._ports.rollout.append(reverted)
        log.add(reverted)
        self.state = ThreadState()
        self.replay(log.records)
        self.publish(reverted)

    def recover(self) -> None:
        """After a replay: close calls that never ended, and a turn that never ended, so that the
        next turn starts from a legal history. Raises `RolloutError`."""
        turn_id = self.state.turn_id
        for call in self.state.pending:
            text = "aborted: the process ended before this call did"
            self.record(call_output(call, text, self._ports.ids, turn_id))
        if turn_id is not None:
            self.record(turn_aborted_note(self._ports.ids, turn_id))
            now = int(self._ports.clock.now())
            self.record(TurnCompleted(turn_id=turn_id, status="interrupted", completed_at=now))

    def record(self, record: Record) -> None:
        """Append, fold, publish. Raises `RolloutError`; nothing has changed then."""
        self._ports.rollout.append(record)
        self.state = apply(self.state, record)
        self.publish(record)

    def publish(self, event: Event) -> None:
        """Show an event that is not stored."""
        for listener in self._listeners:
            listener.put(event)

    def tell_model(self, text: str) -> None:
        """A message of the user's side that only the model sees: with its next request, after the
        calls that are open now. Raises `RolloutError`."""
        if self._journal is None or not self._journal.steer(text):
            self.record(user_note(text, self._ports.ids, self.state.turn_id))

    def subscribe(self, *, deltas: bool = True) -> Subscription:
        """Watch from now on."""
        subscription = Subscription(self, deltas)
        self.attach(subscription)
        return subscription

    def attach(self, listener: Listener) -> None:
        """Have every event from now on handed to `listener`, in order, as it happens."""
        self._listeners.append(listener)

    def detach(self, listener: Listener) -> None:
        if listener in self._listeners:
            self._listeners.remove(listener)

    async def submit(self, op: Op) -> None:
        """Carry out one op. Raises `UsageError` when a turn is running already."""
        match op:
            case UserTurn():
                await self._begin(partial(self._run, op))
            case Steer(turn_id, words):
                self._steer(turn_id, words)
            case Interrupt():
                await self._stop_turn()
            case Shutdown():
                await self._stop_turn()
                await self._ports.tools.aclose()
                await self._ports.model.aclose()
                self._ports.rollout.close()
                for listener in tuple(self._listeners):
                    listener.end()

    @property
    def hosted(self) -> str | None:
        """The kind of the turn that runs when its work is done elsewhere: `review`."""
        return None if self._hosted is None else self._hosted.kind

    async def host(self, turn_id: str, kind: str, work: Work) -> None:
        """Run `work` as a turn of this thread, which can be interrupted and not be steered.
        Raises `UsageError` when a turn is running already."""
        from quire.core.hosted import HostedTurn

        hosted = HostedTurn(self, turn_id, kind, self._ports.clock, self._ports.ids)
        await self._begin(partial(self._run_hosted, hosted, work))

    async def wait(self) -> TurnStatus | None:
        """Wait for the running turn. A bug in it is raised here. None when none ran."""
        if self._turn is None:
            return None
        return await asyncio.shield(self._turn)

    async def idle(self) -> None:
        """Wait until no turn runs. A bug in it is not raised here."""
        if self._turn is not None:
            await asyncio.wait([self._turn])

    async def _begin(self, run: Callable[[], Coroutine[None, None, TurnStatus]]) -> None:
        if self._turn is not None and not self._turn.done():
            raise UsageError("a turn is already running in this thread")
        self._interrupted = False
        self._turn = asyncio.create_task(self._until_stopped(run))
        # A task cancelled before its first step never runs, and would record nothing.
        await asyncio.sleep(0)

    def _steer(self, turn_id: str, words: UserInput) -> None:
        running = self.state.turn_id
        if self._hosted is not None:
            raise UsageError(f"cannot steer a {self._hosted.kind} turn")
        if self._journal is None or running is None:
            raise UsageError("no active turn to steer")
        if running != turn_id:
            raise UsageError(f"expected active turn id `{turn_id}` but found `{running}`")
        self._journal.steer(words)

    async def _run(self, op: UserTurn) -> TurnStatus:
        journal = self._journal = Journal(self, op, self._ports.clock, self._ports.ids)
        turn = Turn(op, journal, self._ports.model, self._ports.tools, self._ports.gate)
        return await turn.run()

    async def _run_hosted(self, turn: HostedTurn, work: Work) -> TurnStatus:
        self._hosted = turn
        try:
            return await turn.run(work)
        finally:
            self._hosted = None

    async def _until_stopped(
        self, run: Callable[[], Coroutine[None, None, TurnStatus]]
    ) -> TurnStatus:
        try:
            return await run()
        except asyncio.CancelledError:
            if self._interrupted:
                return "interrupted"
            raise

    async def _stop_turn(self) -> None:
        if self._turn is None or self._turn.done():
            return
        self._interrupted = True
        self._turn.cancel()
        await asyncio.wait([self._turn])
