"""The shell of one thread: what a login shell does is found out beside the first command."""

from __future__ import annotations

import asyncio

from quire.core.ports import Sandbox
from quire.tools.command_shell import CommandShell, HasTurn


class LearningShell:
    """A `CommandShell` that learns, in the background and once, what login shells do here."""

    def __init__(self, shell: CommandShell, sandbox: Sandbox) -> None:
        self._shell = shell
        self._sandbox = sandbox
        self._learning: asyncio.Task[None] | None = None

    def launch(
        self, displayed: tuple[str, ...], call_id: str, ctx: HasTurn
    ) -> tuple[tuple[str, ...], dict[str, str]]:
        """See `exec_command.Shell`."""
        if self._learning is None:
            learn = self._shell.learn(displayed[0], self._sandbox, ctx.turn.sandbox)
            self._learning = asyncio.create_task(learn)
        return self._shell.launch(displayed, call_id, ctx)

    async def aclose(self) -> None:
        """Stop learning. Never raises."""
        if self._learning is not None:
            self._learning.cancel()
            await asyncio.wait([self._learning])
