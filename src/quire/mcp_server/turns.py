"""A turn that a tool call runs, which may outlive the request that began it.

With the protocol of 2026-07-28 a question ends the request: the client calls again with the answer.
The turn waits in between, and is stopped when nobody comes back.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable

from mcp_types import CallToolResult, ElicitRequestFormParams, ElicitResult
from msgspec import Struct

from quire.client.errors import ClientError, TurnFailed
from quire.client.events import ItemCompleted, ItemStarted, ThreadEvent
from quire.client.items import AgentMessage, CommandExecution, FileChange
from quire.client.run import TurnResult
from quire.client.thread import Thread
from quire.mcp_server.words import result

PARKED_SECONDS = 3600.0
"""How long a turn waits for the client to come back with an answer."""


class Progress(Struct, frozen=True):
    """Something to show while it runs."""

    text: str


class Asked(Struct, frozen=True):
    """A question. Whoever answers it lets the turn go on."""

    form: ElicitRequestFormParams
    answer: asyncio.Future[ElicitResult]

    def reply(self, answer: ElicitResult) -> None:
        if not self.answer.done():  # Else the turn ended meanwhile.
            self.answer.set_result(answer)


Step = Progress | Asked | CallToolResult


class RunningTurn:
    """Steps come in order; the last is the result of the call."""

    def __init__(self, thread: Thread, prompt: str) -> None:
        self.thread_id = thread.id
        self._steps: asyncio.Queue[Step] = asyncio.Queue()
        self._task = asyncio.create_task(self._run(thread, prompt))

    def on_end(self, callback: Callable[[], None]) -> None:
        """Call back when the turn has ended, whichever way."""
        self._task.add_done_callback(lambda _: callback())

    async def next(self) -> Step:
        return await self._steps.get()

    async def ask(self, form: ElicitRequestFormParams) -> ElicitResult:
        """Put a question to whoever follows the turn."""
        asked = Asked(form, asyncio.get_running_loop().create_future())
        self._steps.put_nowait(asked)
        return await asked.answer

    def stop(self) -> None:
        """Interrupt the turn. Does not wait."""
        self._task.cancel()

    async def _run(self, thread: Thread, prompt: str) -> None:
        run = thread.run(prompt)
        try:
            async with run:
                async for event in run:
                    text = progress(event)
                    if text:
                        self._steps.put_nowait(Progress(text))
            await thread.close()  # Nobody watches it until the next call: it may be unloaded.
            self._steps.put_nowait(_result(thread.id, run.outcome))
        except ClientError as exc:
            self._steps.put_nowait(result(thread.id, str(exc), failed=True))


def _result(thread_id: str, outcome: TurnResult) -> CallToolResult:
    match outcome.status:
        case "completed":
            return result(thread_id, outcome.text)
        case "failed":
            return result(thread_id, str(TurnFailed(outcome)), failed=True)
        case _:
            return result(thread_id, "the turn was interrupted", failed=True)


def progress(event: ThreadEvent) -> str:
    """One line for people; "" for what is not worth one."""
    match event:
        case ItemStarted(item=CommandExecution(command=command)):
            return f"$ {command}"
        case ItemCompleted(item=FileChange(changes=changes)):
            return f"patch: {', '.join(change.path for change in changes)}"
        case ItemCompleted(item=AgentMessage(text=text)):
            return text.strip().partition("\n")[0]
        case _:
            return ""


class Parked:
    """Turns that wait for an answer, each with its question, by a name that nobody can guess.
    After so many seconds they are stopped."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._turns: dict[str, tuple[RunningTurn, Asked, asyncio.TimerHandle]] = {}

    def park(self, turn: RunningTurn, asked: Asked) -> str:
        name = secrets.token_urlsafe(24)
        timer = asyncio.get_running_loop().call_later(self._seconds, self._give_up, name)
        self._turns[name] = (turn, asked, timer)
        return name

    def take(self, name: str) -> tuple[RunningTurn, Asked] | None:
        """None for one that is not there (any more)."""
        found = self._turns.pop(name, None)
        if found is None:
            return None
        turn, asked, timer = found
        timer.cancel()
        return turn, asked

    def _give_up(self, name: str) -> None:
        turn, _, _ = self._turns.pop(name)
        turn.stop()
