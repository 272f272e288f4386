"""The loop: one turn, from a person's message to the model's last word.

The loop is closed. A feature enters by subscribing to events, wrapping a port, adding a context
fragment, adding a tool or adding an op; a change here says why none of these fits.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from quire.core.concurrent import run_all
from quire.core.errors import CONTEXT_FULL, AgentError, ModelError, ToolError
from quire.core.gate import Gate
from quire.core.journal import Journal, tool_call
from quire.core.ports import Completed, Model, ModelRequest, ToolResult, ToolSet
from quire.core.state import Finish, Full, RunTools, Sample, next_step
from quire.protocol.items import HistoryItem
from quire.protocol.ops import UserTurn
from quire.protocol.thread import ErrorInfo, TurnStatus


class Turn:
    """One turn of a thread."""

    def __init__(
        self, op: UserTurn, journal: Journal, model: Model, tools: ToolSet, gate: Gate
    ) -> None:
        self._op = op
        self._journal = journal
        self._model = model
        self._tools = tools
        self._gate = gate
        self._unfinished_streams = 0

    async def run(self) -> TurnStatus:
        """Run to the end. Never raises an `AgentError`; always leaves a legal history. A
        cancellation is recorded as `interrupted` and raised again; a bug is recorded as `failed`
        and raised again."""
        status: TurnStatus = "failed"
        error: ErrorInfo | None = None
        try:
            self._journal.open(self._op)
            await self._loop()
            status = "completed"
        except asyncio.CancelledError:
            status = "interrupted"
            raise
        except AgentError as exc:
            error = exc.info
        except BaseException as exc:
            error = ErrorInfo(f"internal error: {type(exc).__name__}: {exc}")
            raise
        finally:
            status = self._journal.close(status, error)
        return status

    async def _loop(self) -> None:
        while True:
            self._journal.take_steering()
            match next_step(self._journal.state, self._op.context.context_window):
                case RunTools(calls):
                    await self._run_tools(calls)
                case Sample():
                    await self._sample()
                case Full():
                    raise ModelError(CONTEXT_FULL, code="contextWindowExceeded")
                case Finish():
                    return

    async def _sample(self) -> None:
        """One request. Deltas are shown; items are recorded the moment they are complete."""
        request = ModelRequest(
            thread_id=self._journal.thread_id,
            turn_id=self._op.turn_id,
            items=self._journal.state.prompt,
            tools=self._tools.specs,
            context=self._op.context,
            attempt=self._unfinished_streams,
        )
        self._unfinished_streams += 1
        async with aclosing(self._model.stream(request)) as events:
            async for event in events:
                self._journal.take(event)
                if isinstance(event, Completed):
                    self._unfinished_streams = 0

    async def _run_tools(self, calls: tuple[HistoryItem, ...]) -> None:
        if self._op.context.parallel_tool_calls and len(calls) > 1:
            await run_all(self._run_tool(call) for call in calls)
            return
        for call in calls:
            await self._run_tool(call)

    async def _run_tool(self, pending: HistoryItem) -> None:
        """A tool's failure is the model's business: it becomes an output, not a raise."""
        self._journal.call_started(pending)
        try:
            invocation = self._tools.prepare(tool_call(pending), self._op.context)
            ctx = await self._gate.admit(invocation, self._journal, pending.head.call_id or "")
            result = await invocation.run(ctx)
        except ToolError as exc:
            result = ToolResult(str(exc), ok=False)
        self._journal.call_finished(pending, result)
