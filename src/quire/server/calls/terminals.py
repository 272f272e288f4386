"""`thread/shellCommand` and `thread/backgroundTerminals/*` (rows P10, T3; Codex 0.169)."""

from __future__ import annotations

from collections.abc import Callable

from quire.protocol.rpc.thread_terminals import (
    ThreadBackgroundTerminal,
    ThreadBackgroundTerminalsCleanParams,
    ThreadBackgroundTerminalsCleanResponse,
    ThreadBackgroundTerminalsListParams,
    ThreadBackgroundTerminalsListResponse,
    ThreadBackgroundTerminalsTerminateParams,
    ThreadBackgroundTerminalsTerminateResponse,
    ThreadShellCommandParams,
    ThreadShellCommandResponse,
)
from quire.server.calls.pages import page
from quire.server.errors import InvalidRequest
from quire.server.hubs import Hubs
from quire.server.routes import Caller, Routes, route
from quire.server.terminals import ThreadTerminals
from quire.server.user_shell import MAX_SECONDS, run_user_command


class TerminalCalls:
    """Answers about the commands of loaded threads."""

    def __init__(self, hubs: Hubs, new_id: Callable[[], str]) -> None:
        self._hubs = hubs
        self._new_id = new_id

    def routes(self) -> Routes:
        return {
            "thread/shellCommand": route(ThreadShellCommandParams, self.run),
            "thread/backgroundTerminals/list": route(
                ThreadBackgroundTerminalsListParams, self.list_running
            ),
            "thread/backgroundTerminals/clean": route(
                ThreadBackgroundTerminalsCleanParams, self.clean
            ),
            "thread/backgroundTerminals/terminate": route(
                ThreadBackgroundTerminalsTerminateParams, self.terminate
            ),
        }

    async def run(
        self, params: ThreadShellCommandParams, caller: Caller
    ) -> ThreadShellCommandResponse:
        """Answers when it has begun. Raises `InvalidRequest` for an empty command."""
        hub = self._hubs.find(params.thread_id)
        script = params.command.strip()
        if not script:
            raise InvalidRequest("command must not be empty")
        if "\0" in script:
            raise InvalidRequest("command must not contain a null character")
        seconds = MAX_SECONDS
        if params.timeout_ms is not None:
            if params.timeout_ms < 0:
                raise InvalidRequest("timeoutMs must not be negative")
            seconds = params.timeout_ms / 1000
        hub.join(caller.client)
        hub.hold()
        caller.after_reply(hub.release)
        await run_user_command(hub, script, seconds, self._new_id)
        return ThreadShellCommandResponse()

    async def list_running(
        self, params: ThreadBackgroundTerminalsListParams, caller: Caller
    ) -> ThreadBackgroundTerminalsListResponse:
        running = tuple(
            ThreadBackgroundTerminal(
                item_id=terminal.item_id,
                process_id=str(terminal.process_id),
                command=terminal.script,
                cwd=terminal.cwd,
                os_pid=terminal.os_pid,
            )
            for terminal in self._terminals(params.thread_id).running()
        )
        shown, cursor = page(running, params.cursor, params.limit, "background terminals")
        return ThreadBackgroundTerminalsListResponse(data=shown, next_cursor=cursor)

    async def clean(
        self, params: ThreadBackgroundTerminalsCleanParams, caller: Caller
    ) -> ThreadBackgroundTerminalsCleanResponse:
        self._terminals(params.thread_id).clean()
        return ThreadBackgroundTerminalsCleanResponse()

    async def terminate(
        self, params: ThreadBackgroundTerminalsTerminateParams, caller: Caller
    ) -> ThreadBackgroundTerminalsTerminateResponse:
        """False for a command that does not run (any more)."""
        named = params.process_id
        if not (named.isascii() and named.isdigit()):
            what = "invalid digit found in string" if named else "cannot parse integer from empty"
            raise InvalidRequest(f"invalid background terminal process id: {what}")
        terminals = self._terminals(params.thread_id)
        terminated = len(named) < 12 and terminals.terminate(int(named))
        return ThreadBackgroundTerminalsTerminateResponse(terminated=terminated)

    def _terminals(self, thread_id: str) -> ThreadTerminals:
        return self._hubs.find(thread_id).loaded.opened.terminals()
