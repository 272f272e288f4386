"""`process/*`: processes outside of any thread, and by definition of any sandbox.

They are started through the sandbox all the same, with full access: none outlives the server, and
none that is running outlives its client's connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from msgspec import UNSET

from quire.core.ports import Sandbox, SpawnSpec
from quire.protocol.policy import SandboxPolicy
from quire.protocol.rpc.method import Empty
from quire.protocol.rpc.process import (
    PROCESS_EXITED,
    PROCESS_OUTPUT,
    PROCESS_OUTPUT_UNCAPPED,
    ProcessExitedNotification,
    ProcessKillParams,
    ProcessOutputDeltaNotification,
    ProcessResizePtyParams,
    ProcessSpawnParams,
    ProcessTerminalSize,
    ProcessWriteStdinParams,
)
from quire.server.calls import base64
from quire.server.calls.blocking import absolute
from quire.server.calls.controls import Controls
from quire.server.calls.per_client import PerClient
from quire.server.calls.running import (
    OUTPUT_CAP,
    TIMEOUT_MS,
    Job,
    Jobs,
    Order,
    Stream,
    merged,
    quoted,
    seconds,
    spoken,
)
from quire.server.errors import INVALID_PARAMS, InvalidRequest, RpcError
from quire.server.routes import Caller, Client, Routes, route


class ProcessCalls:
    """Answers `process/*`. `environment` gives what processes inherit, without secrets."""

    def __init__(self, sandbox: Sandbox, environment: Callable[[], dict[str, str]]) -> None:
        self._sandbox = sandbox
        self._environment = environment
        self._jobs = PerClient[Jobs](Jobs, Jobs.end)
        self._controls = Controls(self._jobs, "process", "no active process for process handle")
        self._tasks: set[asyncio.Task[None]] = set()

    def routes(self) -> Routes:
        return {
            "process/spawn": route(ProcessSpawnParams, self.spawn),
            "process/writeStdin": route(ProcessWriteStdinParams, self.write_stdin),
            "process/kill": route(ProcessKillParams, self.kill),
            "process/resizePty": route(ProcessResizePtyParams, self.resize_pty),
        }

    async def spawn(self, params: ProcessSpawnParams, caller: Caller) -> Empty:
        """Start it; the client is told its output and its end."""
        order = self._order(params)
        jobs, name = self._jobs.of(caller), params.process_handle
        if jobs.taken(name):
            raise InvalidRequest(f"duplicate active process handle: {quoted(name)}")
        job, forget = await jobs.start(self._sandbox, name, order, "process")
        task = asyncio.create_task(self._run(job, order, name, caller.client, forget))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return Empty()

    async def write_stdin(self, params: ProcessWriteStdinParams, caller: Caller) -> Empty:
        name, text = params.process_handle, params.delta_base64
        method = "process/writeStdin"
        return await self._controls.write(caller, name, method, text, close=params.close_stdin)

    async def kill(self, params: ProcessKillParams, caller: Caller) -> Empty:
        return await self._controls.kill(caller, params.process_handle)

    async def resize_pty(self, params: ProcessResizePtyParams, caller: Caller) -> Empty:
        size = self._size(params.size)
        return await self._controls.resize(caller, params.process_handle, size)

    async def _run(
        self, job: Job, order: Order, name: str, client: Client, forget: Callable[[], None]
    ) -> None:
        kind = PROCESS_OUTPUT_UNCAPPED if order.cap is None else PROCESS_OUTPUT

        def tell(stream: Stream, data: bytes, cut: bool) -> None:
            told = ProcessOutputDeltaNotification(
                process_handle=name,
                stream=stream,
                delta_base64=base64.encode(data),
                cap_reached=cut,
            )
            client.notify(kind, told)

        try:
            ended = await job.run(tell)
        finally:
            forget()  # Told of the end, the client may use the name again at once.
        told = ProcessExitedNotification(
            process_handle=name,
            exit_code=ended.exit_code,
            stdout=spoken(ended.stdout),
            stdout_cap_reached=ended.stdout_cut,
            stderr=spoken(ended.stderr),
            stderr_cap_reached=ended.stderr_cut,
            output_drain_timed_out=False,
        )
        client.notify(PROCESS_EXITED, told)

    def _size(self, size: ProcessTerminalSize) -> tuple[int, int]:
        return self._controls.checked_size(size.cols, size.rows)

    def _order(self, params: ProcessSpawnParams) -> Order:
        """Raises `RpcError`, for the first of several faults that the peer would name."""
        cwd = absolute(params.cwd)
        if not params.command:
            raise InvalidRequest("command must not be empty")
        if not params.process_handle:
            raise InvalidRequest("processHandle must not be empty")
        if params.size is not None and not params.tty:
            raise RpcError("process/spawn size requires tty: true", INVALID_PARAMS)
        size = (80, 24) if params.size is None else self._size(params.size)
        timeout = TIMEOUT_MS if params.timeout_ms is UNSET else params.timeout_ms
        cap = OUTPUT_CAP if params.output_bytes_cap is UNSET else params.output_bytes_cap
        spec = SpawnSpec(
            argv=params.command,
            cwd=cwd,
            env=merged(self._environment(), params.env),
            policy=SandboxPolicy(mode="danger-full-access"),
            tty=params.tty,
            size=size,
            stdin=params.stream_stdin and not params.tty,
            split=not params.tty,
        )
        return Order(
            spec=spec,
            timeout=seconds(timeout, "process/spawn"),
            cap=cap,
            streamed=params.tty or params.stream_stdout_stderr,
        )
