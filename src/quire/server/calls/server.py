"""`server/diagnostics`, and the lists of what Quire does not have yet."""

from __future__ import annotations

import os
from collections.abc import Callable

from quire.protocol.rpc.hooks import HooksListEntry, HooksListParams, HooksListResponse
from quire.protocol.rpc.method import Empty
from quire.protocol.rpc.server import (
    ServerDiagnosticsGauge,
    ServerDiagnosticsProcess,
    ServerDiagnosticsResponse,
)
from quire.protocol.rpc.skills import SkillsListEntry, SkillsListParams, SkillsListResponse
from quire.server.hubs import Hubs
from quire.server.routes import Caller, Routes, route


class ServerCalls:
    """Answers about the server itself. `in_flight` counts the calls under way, `cwd` is the
    server's folder."""

    def __init__(self, hubs: Hubs, in_flight: Callable[[], int], cwd: str) -> None:
        self._hubs = hubs
        self._in_flight = in_flight
        self._cwd = cwd

    def routes(self) -> Routes:
        return {
            "server/diagnostics": route(Empty, self.diagnostics),
            "skills/list": route(SkillsListParams, self.skills),
            "hooks/list": route(HooksListParams, self.hooks),
        }

    async def diagnostics(self, params: Empty, caller: Caller) -> ServerDiagnosticsResponse:
        hubs = self._hubs.loaded
        gauges = {
            "app.requests.in_flight": self._in_flight(),
            "app.requests.queued": 0,
            "core.threads.live": len(hubs),
            "core.turns.running": sum(hub.loaded.thread.state.turn_id is not None for hub in hubs),
        }
        return ServerDiagnosticsResponse(
            process=ServerDiagnosticsProcess(id=os.getpid(), resident_memory_bytes=_resident()),
            gauges=tuple(ServerDiagnosticsGauge(name=k, value=v) for k, v in gauges.items()),
        )

    async def skills(self, params: SkillsListParams, caller: Caller) -> SkillsListResponse:
        """No skills are loaded: an empty entry for each folder."""
        folders = params.cwds or (self._cwd,)
        return SkillsListResponse(data=tuple(SkillsListEntry(cwd=cwd) for cwd in folders))

    async def hooks(self, params: HooksListParams, caller: Caller) -> HooksListResponse:
        """No hooks are run: an empty entry for each folder."""
        folders = params.cwds or (self._cwd,)
        return HooksListResponse(data=tuple(HooksListEntry(cwd=cwd) for cwd in folders))


def _resident() -> int | None:
    """Resident memory of this process in bytes, where the system tells it."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None
