"""How a script becomes a process: the vector that runs it and its environment."""

from __future__ import annotations

from collections.abc import Mapping

from quire.core.ports import ToolContext


class ShellLauncher:
    """Runs scripts by the shell that is displayed."""

    def __init__(
        self,
        config: object,
        env: Mapping[str, str],
        home: str,
        thread_id: str,
        hidden: tuple[str, ...],
    ) -> None:
        self._env = dict(env)

    def launch(
        self, displayed: tuple[str, ...], call_id: str, ctx: ToolContext
    ) -> tuple[tuple[str, ...], dict[str, str]]:
        return displayed, self._env
