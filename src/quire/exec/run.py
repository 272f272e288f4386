"""`quire exec`: one turn in a thread, from the outside. A client like any other."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from types import FrameType
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from quire.client.client import Client, ThreadClient
from quire.protocol.events import Event
from quire.protocol.local import InputPart, ThreadInfo
from quire.protocol.records import TurnCompleted

if TYPE_CHECKING:
    from quire.protocol.review import ReviewTarget

EXIT_DONE, EXIT_FAILED, EXIT_OUT_OF_TIME = 0, 1, 124


class Display(Protocol):
    """What a person (or a program) sees of the run."""

    @property
    def wants_deltas(self) -> bool: ...
    def opened(self, info: ThreadInfo, warnings: tuple[str, ...]) -> None: ...
    def event(self, event: Event) -> None: ...
    def closed(self, final_message: str | None) -> None: ...


class Job(Struct, frozen=True, kw_only=True):
    """What to do. `resume` is the id of a thread to go on with; with `fork` a copy of it is.
    Without `input` the thread is opened and no turn runs; with `review` one reviews that. With
    `mute_on_sigterm` nothing is displayed any more once that signal came. A turn that takes longer
    than `max_seconds` is interrupted."""

    input: tuple[InputPart, ...]
    resume: str | None = None
    fork: bool = False
    ephemeral: bool = False
    output_schema: str | None = None
    warnings: tuple[str, ...] = ()
    review: ReviewTarget | None = None
    mute_on_sigterm: bool = False
    max_seconds: int | None = None

    @property
    def has_turn(self) -> bool:
        return bool(self.input) or self.review is not None


class Outcome(Struct, frozen=True):
    """How a run ended. `final_message` is None unless the turn was completed with words."""

    exit_code: int
    final_message: str | None


async def run(client: Client, job: Job, display: Display, stop: StopSignals) -> Outcome:
    """Run the job to its end. SIGINT and SIGTERM end the turn properly (130, 143), and so does
    the end of its time (124); a second signal does not wait. Raises `QuireError` when the thread
    cannot be opened."""
    stop.attach()
    try:
        end = await _one_turn(client, job, display, stop)
    finally:
        await client.aclose()
    completed = end.status == "completed" if end is not None else not job.has_turn
    final = end.last_agent_message if end is not None and completed else None
    display.closed(final)
    code = EXIT_DONE if completed else EXIT_OUT_OF_TIME if stop.out_of_time else EXIT_FAILED
    return Outcome(code if stop.received is None else 128 + stop.received, final)


async def _one_turn(
    client: Client, job: Job, display: Display, stop: StopSignals
) -> TurnCompleted | None:
    thread = await _open(client, job)
    display.opened(thread.info, (*job.warnings, *thread.info.warnings))
    if not job.has_turn:
        return None
    async with thread.events(deltas=display.wants_deltas) as events:
        if job.review is not None:
            await thread.start_review(job.review)
        else:
            await thread.start_turn(job.input, output_schema=job.output_schema)
        # Switched off for the start (`__main__`). What was loaded by now stays: never look at it.
        gc.freeze()
        gc.enable()
        stopper = asyncio.create_task(_interrupt_on(stop, thread))
        if job.max_seconds is not None:
            stop.after(job.max_seconds)
        try:
            async for event in events:
                if not (job.mute_on_sigterm and stop.received == signal.SIGTERM):
                    display.event(event)
                if isinstance(event, TurnCompleted):
                    return event
        finally:
            stopper.cancel()
    return None


async def _open(client: Client, job: Job) -> ThreadClient:
    if job.resume is None:
        return await client.start_thread(ephemeral=job.ephemeral)
    if job.fork:
        return await client.fork_thread(job.resume, ephemeral=job.ephemeral)
    return await client.resume_thread(job.resume)


async def _interrupt_on(stop: StopSignals, thread: ThreadClient) -> None:
    await stop.wait()
    await thread.interrupt()


class StopSignals:
    """SIGINT, SIGTERM and the end of a time as something to wait for. Made before the event
    loop; before `attach`, and the second time, a signal ends the process at once.

    Not by `loop.add_signal_handler`, nor after `asyncio.run` installed its own: both load
    `inspect`, which costs 3 ms before the first request."""

    def __init__(self) -> None:
        self.received: int | None = None
        self.out_of_time = False
        self._attached: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on)

    def attach(self) -> None:
        """From now on a signal is told to `wait`. Called in the running loop."""
        self._attached = asyncio.get_running_loop(), asyncio.Event()

    def _on(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None or self._attached is None:
            os._exit(128 + number)
        self.received = number
        loop, came = self._attached
        loop.call_soon_threadsafe(came.set)

    def after(self, seconds: int) -> None:
        """Stop so many seconds from now, as a signal does. Called in the running loop."""
        if self._attached is not None:
            loop, came = self._attached
            loop.call_later(seconds, self._time_is_up, came)

    def _time_is_up(self, came: asyncio.Event) -> None:
        self.out_of_time = True
        came.set()

    async def wait(self) -> None:
        if self._attached is not None:
            await self._attached[1].wait()
