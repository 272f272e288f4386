"""`turn/*`: start, steer, interrupt (rows J9, L6, L7)."""

from __future__ import annotations

from quire.protocol.local import TurnStartParams as LocalTurn
from quire.protocol.rpc.faults import ActiveTurnNotSteerable, CodexErrorDetail, TurnError
from quire.protocol.rpc.turn import (
    TurnInterruptParams,
    TurnInterruptResponse,
    TurnStartParams,
    TurnStartResponse,
    TurnSteerParams,
    TurnSteerResponse,
)
from quire.server.errors import InvalidRequest
from quire.server.hubs import Hubs
from quire.server.routes import Caller, Routes, route
from quire.server.settings_views import input_parts, turn_changes
from quire.server.turn_views import started_turn


class TurnCalls:
    """Answers about turns."""

    def __init__(self, hubs: Hubs) -> None:
        self._hubs = hubs

    def routes(self) -> Routes:
        return {
            "turn/start": route(TurnStartParams, self.start),
            "turn/steer": route(TurnSteerParams, self.steer),
            "turn/interrupt": route(TurnInterruptParams, self.interrupt),
        }

    async def start(self, params: TurnStartParams, caller: Caller) -> TurnStartResponse:
        """While a turn runs its input goes to that one, and its settings do nothing. Raises
        `InvalidRequest` for a thread that is not loaded, while a review runs, and for the output
        of a tool that nobody called."""
        hub = self._hubs.find(params.thread_id)
        if params.tool_output is not None:
            raise InvalidRequest("`toolOutput` is not supported; send what it says as `input`")
        schema = bytes(params.output_schema).decode()
        turn = LocalTurn(
            thread_id=params.thread_id,
            input=input_parts(params.input),
            output_schema=None if schema == "null" else schema,
            changes=turn_changes(params),
            client_id=params.client_user_message_id,
        )
        hub.join(caller.client)
        hub.hold()
        caller.after_reply(hub.release)
        running = hub.loaded.thread.state.turn_id
        if running is not None and hub.loaded.thread.hosted is None:
            if not params.input:
                raise InvalidRequest("input must not be empty")
            await self._hubs.threads.steer(running, turn)
            return TurnStartResponse(turn=started_turn(running))
        started = await self._hubs.threads.start_turn(turn)
        return TurnStartResponse(turn=started_turn(started.turn_id))

    async def steer(self, params: TurnSteerParams, caller: Caller) -> TurnSteerResponse:
        """Raises `InvalidRequest` when the expected turn does not run, and for a review."""
        hub = self._hubs.find(params.thread_id)
        if hub.loaded.thread.hosted == "review":
            raise _not_steerable()
        if not params.input:
            raise InvalidRequest("input must not be empty")
        words = LocalTurn(
            thread_id=params.thread_id,
            input=input_parts(params.input),
            client_id=params.client_user_message_id,
        )
        hub.hold()
        caller.after_reply(hub.release)
        await self._hubs.threads.steer(params.expected_turn_id, words)
        return TurnSteerResponse(turn_id=params.expected_turn_id)

    async def interrupt(self, params: TurnInterruptParams, caller: Caller) -> TurnInterruptResponse:
        """Answers when the turn has ended; that it did is told after the answer. Raises
        `InvalidRequest` for another turn than the one that runs."""
        hub = self._hubs.find(params.thread_id)
        running = hub.loaded.thread.state.turn_id
        if running is None:
            raise InvalidRequest("no active turn to interrupt")
        if params.turn_id and params.turn_id != running:
            raise InvalidRequest(f"expected active turn id {params.turn_id} but found {running}")
        hub.hold()
        caller.after_reply(hub.release)
        await self._hubs.threads.interrupt(params.thread_id)
        return TurnInterruptResponse()


def _not_steerable() -> InvalidRequest:
    message = "cannot steer a review turn"
    detail = CodexErrorDetail(active_turn_not_steerable=ActiveTurnNotSteerable(turn_kind="review"))
    return InvalidRequest(message, data=TurnError(message=message, codex_error_info=detail))
