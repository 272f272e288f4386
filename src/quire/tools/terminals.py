"""A person's own commands in a thread, and a view of those that the model left running."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from msgspec.structs import replace

from quire.core.ports import Process, Sandbox, SpawnSpec
from quire.protocol.policy import SandboxPolicy, TurnContext
from quire.protocol.terminals import CommandEnd, Terminal
from quire.tools.capture import CAPTURE_BYTES, Capture, excerpt
from quire.tools.command_shell import HasTurn
from quire.tools.launch import LearningShell
from quire.tools.sessions import DRAIN_SECONDS, Sessions

TIMED_OUT = 124
"""The exit code of a command that was ended because it took too long (as `timeout` has it)."""


class Terminals:
    """Implements `server.user_shell.ThreadTerminals`."""

    def __init__(self, sessions: Sessions, shell: LearningShell, sandbox: Sandbox) -> None:
        self._sessions = sessions
        self._shell = shell
        self._sandbox = sandbox

    def running(self) -> tuple[Terminal, ...]:
        return tuple(
            Terminal(
                item_id=session.item.id,
                process_id=session.id,
                script=session.item.command[-1],
                cwd=session.item.cwd,
                os_pid=session.process.pid,
            )
            for session in self._sessions.running
        )

    def terminate(self, process_id: int) -> bool:
        for session in self._sessions.running:
            if session.id == process_id:
                session.process.kill()
                return True
        return False

    def clean(self) -> None:
        for session in self._sessions.running:
            session.process.kill()

    async def run(
        self,
        argv: tuple[str, str, str],
        context: TurnContext,
        call_id: str,
        show: Callable[[str], None],
        seconds: float,
    ) -> CommandEnd:
        context = replace(context, sandbox=SandboxPolicy(mode="danger-full-access"))
        vector, env = self._shell.launch(argv, call_id, _Person(context))
        started = time.monotonic()
        process = await self._sandbox.spawn(
            SpawnSpec(
                argv=vector,
                cwd=context.cwd,
                env=env,
                policy=context.sandbox,
                workspace_roots=context.workspace_roots,
            )
        )
        output = Capture()
        reader = asyncio.create_task(_read(process, output, show))
        try:
            code = await _end(process, reader, seconds)
        finally:
            process.kill()
            reader.cancel()
            process.close()
        if code is None:
            output.append(f"\ncommand timed out after {seconds:g} seconds".encode())
        told, _ = excerpt(output, context.max_output_tokens)
        passed = time.monotonic() - started
        return CommandEnd(TIMED_OUT if code is None else code, output.text(), told, passed)


class _Person(HasTurn):
    def __init__(self, turn: TurnContext) -> None:
        self._turn = turn

    @property
    def turn(self) -> TurnContext:
        return self._turn


async def _read(process: Process, output: Capture, show: Callable[[str], None]) -> None:
    while data := await process.read():
        output.append(data)
        if output.total <= CAPTURE_BYTES:
            show(data.decode("utf-8", "replace"))


async def _end(process: Process, reader: asyncio.Task[None], seconds: float) -> int | None:
    """Its exit code; None when it was still running then."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            code = await process.wait()
            # A child in the background may hold the pipe: what it says later is not waited for.
            await asyncio.wait([reader], timeout=DRAIN_SECONDS)
            return code
    return None
