"""An editor that speaks the Agent Client Protocol, for tests of agents."""

from __future__ import annotations

import asyncio
from typing import Any

from acp.schema import (
    AllowedOutcome,
    DeniedOutcome,
    PermissionOption,
    RequestPermissionResponse,
    ToolCallUpdate,
)


class Editor:
    """A client that keeps what it is told and answers questions with `choice`."""

    def __init__(self) -> None:
        self.updates: list[Any] = []
        self.asked: list[tuple[ToolCallUpdate, list[PermissionOption]]] = []
        self.choice = "allow-once"
        self.arrived = asyncio.Event()

    async def session_update(self, session_id: str, update: Any, **kwargs: Any) -> None:
        self.updates.append(update)
        self.arrived.set()

    async def request_permission(
        self,
        session_id: str,
        tool_call: ToolCallUpdate,
        options: list[PermissionOption],
        **kwargs: Any,
    ) -> RequestPermissionResponse:
        self.asked.append((tool_call, options))
        self.arrived.set()
        if self.choice == "wait":
            await asyncio.sleep(60)
        if self.choice == "cancelled":
            return RequestPermissionResponse(outcome=DeniedOutcome(outcome="cancelled"))
        outcome = AllowedOutcome(outcome="selected", option_id=self.choice)
        return RequestPermissionResponse(outcome=outcome)

    def kind(self, name: str) -> list[Any]:
        return [update for update in self.updates if update.session_update == name]

    def text(self, name: str = "agent_message_chunk") -> str:
        return "".join(update.content.text for update in self.kind(name))

    async def until(self, name: str, count: int = 1) -> None:
        """Wait for so many updates of a kind, or questions (`asked`)."""
        async with asyncio.timeout(20):
            while len(self.asked if name == "asked" else self.kind(name)) < count:
                self.arrived.clear()
                await self.arrived.wait()

    # What an agent may ask an editor beside; Quire works on its own files.
    write_text_file = read_text_file = create_terminal = terminal_output = None
    release_terminal = wait_for_terminal_exit = kill_terminal = create_elicitation = None
    complete_elicitation = ext_method = ext_notification = None

    def on_connect(self, conn: Any) -> None:
        self.agent = conn
