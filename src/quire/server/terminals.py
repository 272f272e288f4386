"""What the server needs of the commands of one thread: implemented by `tools.terminals`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from quire.protocol.policy import TurnContext
from quire.protocol.terminals import CommandEnd, Terminal


class ThreadTerminals(Protocol):
    """The commands of one thread."""

    def running(self) -> tuple[Terminal, ...]: ...

    def terminate(self, process_id: int) -> bool:
        """End one that runs, with all that it started. False when there is none of this id."""
        ...

    def clean(self) -> None:
        """End all."""
        ...

    async def run(
        self,
        argv: tuple[str, str, str],
        context: TurnContext,
        call_id: str,
        show: Callable[[str], None],
        seconds: float,
    ) -> CommandEnd:
        """Run `argv` (`SHELL -lc SCRIPT`) without a sandbox, in the folder of `context`; `show`
        gets its output as it comes. It is ended after `seconds`. Raises `ToolError` when it
        cannot be started. A cancellation ends it, too."""
        ...
