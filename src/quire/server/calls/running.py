"""Processes that clients start by name: their output, input, timeout and end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Literal

from msgspec import Struct

from quire.core.errors import AgentError, ToolError
from quire.core.ports import Process, Sandbox, SpawnSpec
from quire.server.calls import base64
from quire.server.errors import INVALID_PARAMS, InternalError, InvalidRequest, RpcError

TIMEOUT_MS = 10_000
OUTPUT_CAP = 1 << 20
"""Milliseconds, and bytes of a stream, where the client says nothing (Codex 0.169)."""
MAX_KEPT = 64 << 20
"""Bytes of a stream that are kept for an answer, whatever the client says."""
MAX_RUNNING = 256
"""Processes of one client at one time."""
TIMED_OUT = 124

Stream = Literal["stdout", "stderr"]
Tell = Callable[[Stream, bytes, bool], None]
"""A piece of a stream, and whether the rest of it is cut."""


class Order(Struct, frozen=True, kw_only=True):
    """What to start, and how: without `cap` (bytes of a stream) and `timeout` (seconds) there is no
    limit. `streamed` output is told piece by piece, else it is kept."""

    spec: SpawnSpec
    timeout: float | None
    cap: int | None
    streamed: bool


class Ended(Struct, frozen=True, kw_only=True):
    """How it ended: kept output, and whether it was cut."""

    exit_code: int
    stdout: bytes
    stdout_cut: bool
    stderr: bytes
    stderr_cut: bool


class Job:
    """One process that runs."""

    def __init__(self, process: Process, order: Order) -> None:
        self._process = process
        self._order = order
        self._writing = asyncio.Lock()
        self._input_open = order.spec.stdin or order.spec.tty

    async def run(self, tell: Tell) -> Ended:
        """Until it ended and its output was told or kept. Cancelled, it kills the process."""
        out = _Taker("stdout", self._order, tell)
        err = _Taker("stderr", self._order, tell)
        process = self._process
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(out.take(process.read))
                tasks.create_task(err.take(process.read_error))
                code = await self._until_ended()
        finally:
            process.close()
        return Ended(
            exit_code=code,
            stdout=bytes(out.kept),
            stdout_cut=out.cut,
            stderr=bytes(err.kept),
            stderr_cut=err.cut,
        )

    async def _until_ended(self) -> int:
        try:
            async with asyncio.timeout(self._order.timeout):
                return await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
            return TIMED_OUT

    async def write(self, data: bytes, *, close: bool, what: str) -> None:
        """To its terminal or stdin, in the order of the calls; waits while it does not read. What
        it does not want any more is lost. Raises `InvalidRequest`; `what` names the kind of
        process for people."""
        spec = self._order.spec
        if not (spec.stdin or spec.tty):
            raise InvalidRequest(f"stdin streaming is not enabled for this {what}")
        async with self._writing:
            if not self._input_open:
                raise InvalidRequest("stdin is already closed")
            try:
                await self._process.write(data)
                if close and spec.tty:
                    await self._process.write(b"\n\x04")  # A terminal's end of input.
            except ToolError:
                return  # It ended, or closed its stdin: its end is told anyway.
            finally:
                if close:
                    self._input_open = False
                    self._process.close_input()

    def resize(self, size: tuple[int, int]) -> None:
        """Raises `InvalidRequest`."""
        if not self._order.spec.tty:
            raise InvalidRequest("failed to resize PTY: process is not attached to a PTY")
        self._process.resize(size)

    def kill(self) -> None:
        self._process.kill()


class Jobs:
    """The processes of one client."""

    def __init__(self) -> None:
        self._named: dict[str, asyncio.Future[Job | None]] = {}
        self._running: set[Job] = set()
        self._starting = 0
        self._closed = False

    async def start(
        self, sandbox: Sandbox, name: str | None, order: Order, kind: str
    ) -> tuple[Job, Callable[[], None]]:
        """The job, and what forgets it once it has ended. The caller has made sure that `name` is
        free. Raises `InternalError`; `kind` names it for people."""
        if len(self._running) + self._starting >= MAX_RUNNING:
            raise InvalidRequest(f"too many processes are running: at most {MAX_RUNNING}")
        if name is not None:  # Taken from now on: what is said to it meanwhile waits.
            self._named[name] = asyncio.get_running_loop().create_future()
        self._starting += 1
        try:
            job = Job(await sandbox.spawn(order.spec), order)
        except (ToolError, AgentError) as exc:
            self._forget(name, None)
            raise InternalError(f"failed to spawn {kind}: {exc}") from None
        except BaseException:
            self._forget(name, None)
            raise
        finally:
            self._starting -= 1
        self._running.add(job)
        if name is not None:
            self._named[name].set_result(job)
        if self._closed:
            job.kill()
        return job, lambda: self._forget(name, job)

    def taken(self, name: str) -> bool:
        return name in self._named

    async def find(self, name: str) -> Job | None:
        """The process of this name, once it is started."""
        named = self._named.get(name)
        return None if named is None else await asyncio.shield(named)

    def end(self) -> None:
        """The client is gone: kill all, and what is being started."""
        self._closed = True
        for job in self._running:
            job.kill()

    def _forget(self, name: str | None, job: Job | None) -> None:
        named = None if name is None else self._named.pop(name, None)
        if named is not None and not named.done():
            named.set_result(None)
        if job is not None:
            self._running.discard(job)


class _Taker:
    """Reads a stream to its end: the first bytes are told or kept, the rest is dropped."""

    def __init__(self, name: Stream, order: Order, tell: Tell) -> None:
        self.kept = bytearray()
        self.cut = False
        self._name: Stream = name
        self._streamed = order.streamed
        limit = order.cap
        if limit is None or (not order.streamed and limit > MAX_KEPT):
            limit = None if order.streamed else MAX_KEPT
        self._left = limit
        self._tell = tell

    async def take(self, read: Callable[[], Awaitable[bytes]]) -> None:
        while data := await read():
            if self.cut:
                continue
            if self._left is not None:
                data = data[: self._left]
                self._left -= len(data)
                self.cut = self._left == 0
            if self._streamed:
                self._tell(self._name, data, self.cut)
            else:
                self.kept += data


def spoken(data: bytes) -> str:
    """Output as text."""
    return data.decode("utf-8", "replace")


def input_bytes(text: str | None, *, close: bool, method: str) -> bytes:
    """What a client writes. Raises `RpcError`."""
    if text is None and not close:
        raise RpcError(f"{method} requires deltaBase64 or closeStdin", INVALID_PARAMS)
    try:
        return base64.decode(text or "")
    except ValueError as exc:
        raise RpcError(f"invalid deltaBase64: {exc}", INVALID_PARAMS) from None


def seconds(timeout_ms: int | None, method: str) -> float | None:
    """Raises `RpcError`."""
    if timeout_ms is not None and timeout_ms < 0:
        text = f"{method} timeoutMs must be non-negative, got {timeout_ms}"
        raise RpcError(text, INVALID_PARAMS)
    return None if timeout_ms is None else timeout_ms / 1000


def merged(base: dict[str, str], changes: dict[str, str | None] | None) -> dict[str, str]:
    """`base` with `changes`; None removes."""
    changed = {**base, **(changes or {})}
    return {name: value for name, value in changed.items() if value is not None}


def quoted(name: str) -> str:
    """A client's name for a process, in quotes and without control characters."""
    return json.dumps(name, ensure_ascii=False)
