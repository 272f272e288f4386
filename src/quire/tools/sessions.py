"""The commands of one thread that run: each a session that can be polled and written to.

A session outlives the call and the turn that started it; all end with the thread.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress

from quire.core.errors import ToolError
from quire.core.ports import Process, Sandbox, SpawnSpec, ToolContext
from quire.protocol.events import CommandOutputDelta
from quire.protocol.policy import SandboxPolicy
from quire.protocol.thread import CommandExecutionItem
from quire.tools.capture import CAPTURE_BYTES, Capture

DRAIN_SECONDS = 0.05
"""How long output may still come after a command's own process ended."""
FIRST_PREWARM_SECONDS = 0.05
MAX_SESSIONS = 64
_MAX_STARTING = 8


class Session:
    """One running command: reads its output to the end, whoever waits for it."""

    def __init__(
        self,
        session_id: int,
        process: Process,
        item: CommandExecutionItem,
        ctx: ToolContext,
        tty: bool,
    ) -> None:
        self.id = session_id
        self.tty = tty
        self.process = process
        self.unread = Capture()
        self.exit_code: int | None = None
        self.item = item
        self._all = Capture()
        self._ctx = ctx
        self._started_ms = ctx.now_ms()
        self._reader = asyncio.create_task(self._read())
        self._ended = asyncio.create_task(self._end())

    @property
    def ended(self) -> bool:
        """True when it ended and its output was read."""
        return self._ended.done()

    async def wait(self, seconds: float) -> bool:
        """Wait for its end, at most `seconds`. True when it ended. Cancelling leaves it running."""
        if self._ended.done():
            return True
        await asyncio.wait([self._ended], timeout=seconds)
        return self._ended.done()

    async def _read(self) -> None:
        while data := await self.process.read():
            self.unread.append(data)
            self._all.append(data)
            if self._all.total <= CAPTURE_BYTES:
                text = data.decode("utf-8", "replace")
                self._ctx.publish(CommandOutputDelta(self._ctx.turn_id, self.item.id, text))

    async def _end(self) -> None:
        code = await self.process.wait()
        # A child in the background may hold the pipe: what it says later is not waited for.
        await asyncio.wait([self._reader], timeout=DRAIN_SECONDS)
        self.exit_code = code
        self._ctx.finish(
            CommandExecutionItem(
                id=self.item.id,
                command=self.item.command,
                cwd=self.item.cwd,
                status="completed" if code == 0 else "failed",
                process_id=str(self.id),
                source=self.item.source,
                aggregated_output=self._all.text(),
                exit_code=code,
                duration_ms=self._ctx.now_ms() - self._started_ms,
            )
        )

    async def close(self) -> None:
        """Kill its whole tree and stop reading."""
        self.process.kill()
        await asyncio.wait([self._ended], timeout=2)
        for task in (self._reader, self._ended):
            task.cancel()
        self.process.close()


class Sessions:
    """The sessions of one thread."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._sessions: dict[int, Session] = {}
        # Calls of one response come all at once: those that wait here do not count yet.
        self._gate = asyncio.Semaphore(_MAX_STARTING)
        self._starting = 0
        self._started = False
        self._timer: asyncio.TimerHandle | None = None
        # Random, so that an id from before a resume does not name another command.
        self._next_id = 1000 + int.from_bytes(os.urandom(2), "big")

    @property
    def running(self) -> tuple[Session, ...]:
        """Those that have not ended, oldest first."""
        return tuple(session for session in self._sessions.values() if not session.ended)

    async def start(
        self, spec: SpawnSpec, item: CommandExecutionItem, ctx: ToolContext, usual: SandboxPolicy
    ) -> Session:
        """Start a command. Raises `ToolError` when it cannot be started. `usual` is the turn's own
        policy: under another one nothing is made ready, since it leaves its mark on folders."""
        async with self._gate:
            if len(self._sessions) + self._starting >= MAX_SESSIONS:
                raise ToolError(
                    f"exec_command failed: {MAX_SESSIONS} commands are running already; wait for "
                    "one to end, or end it"
                )
            self._starting += 1
            try:
                process = await self._sandbox.spawn(spec)
            finally:
                self._starting -= 1
        if spec.policy == usual:
            self._prepare_next(spec, ctx)
        self._next_id += 1
        session = Session(self._next_id, process, item, ctx, spec.tty)
        self._sessions[session.id] = session
        return session

    def _prepare_next(self, spec: SpawnSpec, ctx: ToolContext) -> None:
        """Have the next command's sandbox set up while this one runs and the model thinks. Many
        threads run one command only: after the first, wait until the model has to think."""
        if self._timer is not None:
            self._timer.cancel()
        delay = 0 if self._started else FIRST_PREWARM_SECONDS
        self._started = True
        loop = asyncio.get_running_loop()
        prewarm = self._sandbox.prewarm
        self._timer = loop.call_later(delay, prewarm, spec.policy, ctx.turn.cwd)

    def find(self, session_id: int) -> Session:
        """The session of this id. Raises `ToolError` (Codex 0.169's words) when there is none."""
        session = self._sessions.get(session_id)
        if session is None:
            raise ToolError(f"write_stdin failed: Unknown process id {session_id}")
        return session

    async def forget(self, session: Session) -> None:
        """It ended and the model was told so."""
        self._sessions.pop(session.id, None)
        session.process.close()

    async def stop(self, session: Session) -> None:
        """End a command that nobody will ask for again, however often this is cancelled: people
        interrupt more than once."""
        self._sessions.pop(session.id, None)
        closing = asyncio.create_task(session.close())
        while not closing.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([closing])

    async def aclose(self) -> None:
        """End all. Never raises."""
        if self._timer is not None:
            self._timer.cancel()
        sessions = list(self._sessions.values())
        self._sessions.clear()
        if sessions:
            await asyncio.gather(*(session.close() for session in sessions))
