"""A person's own commands in a thread (row P10, Codex 0.169).

They run without the thread's sandbox and without asking anybody: the person said so. No model is
called; it sees the command and its output with the next request. Without a running turn the
command is a turn of its own, otherwise an item of that turn.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from msgspec.structs import replace

from quire.core.errors import RolloutError, ToolError
from quire.core.hosted import HostedTurn
from quire.protocol.events import CommandOutputDelta, ItemStarted, LiveEvent
from quire.protocol.policy import TurnContext
from quire.protocol.records import ItemCompleted, Record
from quire.protocol.terminals import CommandEnd
from quire.protocol.thread import CommandExecutionItem
from quire.server.hub import ThreadHub
from quire.server.terminals import ThreadTerminals

MAX_SECONDS = 60 * 60.0
ABORTED = "command aborted by user"


class Log(Protocol):
    """Where it is written: a thread, or a turn of it."""

    def record(self, record: Record) -> None: ...
    def publish(self, event: LiveEvent) -> None: ...

    def tell_model(self, text: str) -> None:
        """A message for the model, which people do not see as one."""
        ...


async def run_user_command(
    hub: ThreadHub, script: str, seconds: float, new_id: Callable[[], str]
) -> None:
    """Start it; returns at once. Raises `UsageError` when a turn begins at the same moment."""
    loaded = hub.loaded
    thread, context = loaded.thread, loaded.context
    terminals = loaded.opened.terminals()
    item = CommandExecutionItem(
        new_id(), (context.shell, "-lc", script), context.cwd, source="userShell"
    )
    command = _Command(terminals, context, item, min(seconds, MAX_SECONDS))
    running = thread.state.turn_id
    if running is not None:
        hub.keep(asyncio.create_task(_beside(hub, command, running)))
        return
    await thread.host(new_id(), "userShell", command.as_turn)


async def _beside(hub: ThreadHub, command: _Command, turn_id: str) -> None:
    try:
        await command.run(hub.loaded.thread, turn_id)
    except RolloutError as exc:
        hub.warn(str(exc))


class _Command:
    """One command, from its start to what is kept of it."""

    def __init__(
        self,
        terminals: ThreadTerminals,
        context: TurnContext,
        item: CommandExecutionItem,
        seconds: float,
    ) -> None:
        self._terminals = terminals
        self._context = context
        self._item = item
        self._seconds = seconds

    async def as_turn(self, turn: HostedTurn) -> None:
        """Implements `core.hosted.Work`."""
        turn.begin(self._context.context_window)
        await self.run(turn, turn.turn_id)

    async def run(self, log: Log, turn_id: str) -> None:
        """Raises `RolloutError`. A cancellation is recorded and let through."""
        item, started = self._item, _now_ms()
        log.publish(ItemStarted(turn_id, item, started))

        def show(text: str) -> None:
            log.publish(CommandOutputDelta(turn_id, item.id, text))

        end = CommandEnd(-1, ABORTED, ABORTED, 0)
        shell, flag, script = item.command
        try:
            end = await self._terminals.run(
                (shell, flag, script), self._context, item.id, show, self._seconds
            )
        except ToolError as exc:
            reason = f"execution error: {exc}"
            end = CommandEnd(-1, reason, reason, 0)
        finally:
            done = replace(
                item,
                status="completed" if end.exit_code == 0 else "failed",
                aggregated_output=end.output,
                exit_code=end.exit_code,
                duration_ms=int(end.seconds * 1000),
            )
            log.record(ItemCompleted(turn_id, done, started, _now_ms()))
            log.tell_model(_told(script, end))


def _told(script: str, end: CommandEnd) -> str:
    return (
        f"<user_shell_command>\n<command>\n{script}\n</command>\n<result>\n"
        f"Exit code: {end.exit_code}\nDuration: {end.seconds:.4f} seconds\n"
        f"Output:\n{end.told}\n</result>\n</user_shell_command>"
    )


def _now_ms() -> int:
    return int(time.time() * 1000)
