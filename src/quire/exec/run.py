"""`quire exec`: one turn in a thread, from the outside. A client like any other."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Protocol

from msgspec import Struct

from quire.client.client import Client, ThreadClient
from quire.protocol.events import Event
from quire.protocol.records import TurnCompleted
from quire.protocol.rpc import InputPart, ThreadInfo

EXIT_DONE, EXIT_FAILED = 0, 1


class Display(Protocol):
    """What a person (or a program) sees of the run."""

    @property
    def wants_deltas(self) -> bool: ...
    def opened(self, info: ThreadInfo, warnings: tuple[str, ...]) -> None: ...
    def event(self, event: Event) -> None: ...
    def closed(self, final_message: str | None) -> None: ...


class Job(Struct, frozen=True, kw_only=True):
    """What to do. `resume` is the id of a thread to go on with; with `fork` a copy of it is."""

    input: tuple[InputPart, ...]
    resume: str | None = None
    fork: bool = False
    ephemeral: bool = False
    output_schema: str | None = None
    last_message_file: str | None = None
    warnings: tuple[str, ...] = ()


async def run(client: Client, job: Job, display: Display) -> int:
    """Run the job to its end; the exit code. SIGINT and SIGTERM end the turn properly (130, 143);
    a second one does not wait. Raises `QuireError` when the thread cannot be opened."""
    stop = _StopSignals()
    with stop:
        thread = await _open(client, job)
        display.opened(thread.info, (*job.warnings, *thread.info.warnings))
        end: TurnCompleted | None = None
        async with thread.events(deltas=display.wants_deltas) as events:
            await thread.start_turn(job.input, output_schema=job.output_schema)
            stopper = asyncio.create_task(_interrupt_on(stop, thread))
            try:
                async for event in events:
                    display.event(event)
                    if isinstance(event, TurnCompleted):
                        end = event
                        break
            finally:
                stopper.cancel()
        final = end.last_agent_message if end is not None else None
        if end is not None and end.status == "completed":
            display.closed(final)
            if job.last_message_file is not None:
                write_last_message(job.last_message_file, final)
        else:
            display.closed(None)
        await client.aclose()
    if stop.received is not None:
        return 128 + stop.received
    return EXIT_DONE if end is not None and end.status == "completed" else EXIT_FAILED


async def _open(client: Client, job: Job) -> ThreadClient:
    if job.resume is None:
        return await client.start_thread(ephemeral=job.ephemeral)
    if job.fork:
        return await client.fork_thread(job.resume, ephemeral=job.ephemeral)
    return await client.resume_thread(job.resume)


async def _interrupt_on(stop: _StopSignals, thread: ThreadClient) -> None:
    await stop.wait()
    await thread.interrupt()


def write_last_message(path: str, text: str | None) -> None:
    """`-o FILE`: the last message without a newline (row E8). Raises `OSError`."""
    with open(path, "w", encoding="utf-8") as file:
        file.write(text or "")


class _StopSignals:
    """SIGINT and SIGTERM as something to wait for. The second one ends the process at once."""

    def __init__(self) -> None:
        self.received: int | None = None
        self._came = asyncio.Event()

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on, int(number))

    def __exit__(self, *_: object) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

    def _on(self, number: int) -> None:
        if self.received is not None:
            os._exit(128 + number)
        self.received = number
        self._came.set()

    async def wait(self) -> None:
        await self._came.wait()
