"""A sandbox that starts nothing: its processes print what a script says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from msgspec import Struct

from quire.core.errors import ToolError
from quire.core.ports import SpawnSpec
from quire.protocol.policy import SandboxPolicy

KILLED = 137
"""Exit code after SIGKILL."""


class Run(Struct, frozen=True):
    """What a command does: print `output` in these pieces and end with `exit_code`.

    With `hold` it goes on until the test calls `finish()` or somebody kills it. `answer` makes
    output out of what is written to its terminal or stdin. `errors` is what it prints on stderr,
    where that is apart. `error` makes the start itself fail."""

    output: tuple[bytes, ...] = ()
    exit_code: int = 0
    hold: bool = False
    answer: Callable[[bytes], bytes] | None = None
    error: Exception | None = None
    errors: tuple[bytes, ...] = ()


class FakeProcess:
    """A scripted process. `written` holds what came to its terminal or stdin, `sizes` the sizes its
    terminal was given."""

    def __init__(self, pid: int, spec: SpawnSpec, run: Run) -> None:
        self.pid = pid
        self.spec = spec
        self.written: list[bytes] = []
        self.killed = False
        self.closed = False
        self._run = run
        self.sizes: list[tuple[int, int]] = []
        self.input_closed = not (spec.tty or spec.stdin)
        self._output = list(run.output)
        self._errors = list(run.errors) if spec.split and not spec.tty else []
        self._exit_code: int | None = None
        self._changed = asyncio.Event()
        if not run.hold:
            self._end(run.exit_code)

    async def read(self) -> bytes:
        return await self._next(self._output)

    async def read_error(self) -> bytes:
        return await self._next(self._errors) if self.spec.split else b""

    async def wait(self) -> int:
        while self._exit_code is None:
            self._changed.clear()
            await self._changed.wait()
        return self._exit_code

    async def write(self, data: bytes) -> None:
        if self.input_closed:
            raise ToolError("stdin is closed for this session")
        if self._exit_code is not None:
            raise ToolError("the process has ended")
        self.written.append(data)
        if self._run.answer is not None:
            self.emit(self._run.answer(data))

    def close_input(self) -> None:
        self.input_closed = self.input_closed or not self.spec.tty

    def resize(self, size: tuple[int, int]) -> None:
        if self.spec.tty:
            self.sizes.append(size)

    def emit(self, data: bytes) -> None:
        """Print more, from the test."""
        if self._exit_code is not None:
            raise AssertionError("output of a process that has ended")
        self._output.append(data)
        self._changed.set()

    def finish(self, exit_code: int | None = None) -> None:
        """End a process that holds, with the scripted exit code or another."""
        self._end(self._run.exit_code if exit_code is None else exit_code)

    def kill(self) -> None:
        if self._exit_code is None:
            self.killed = True
            self._end(KILLED)

    def close(self) -> None:
        self.kill()
        self.closed = True

    async def _next(self, pieces: list[bytes]) -> bytes:
        while not pieces and self._exit_code is None:
            self._changed.clear()
            await self._changed.wait()
        return pieces.pop(0) if pieces else b""

    def _end(self, exit_code: int) -> None:
        if self._exit_code is None:
            self._exit_code = exit_code
            self._changed.set()


Outcome = Run | str | bytes
"""Text is short for a command that prints it and ends with 0."""


class FakeSandbox:
    """Starts scripted processes. `commands` maps a command's text to what it does; a key matches
    when it is an argument of the command line, else when it stands within one (the longest key
    wins). An unknown command does `default`; without one the test fails.

    `spawned`, `prewarmed` and `processes` tell what was asked."""

    def __init__(
        self, commands: Mapping[str, Outcome] | None = None, default: Outcome | None = None
    ) -> None:
        self.layer = "fake"
        self.spawned: list[SpawnSpec] = []
        self.prewarmed: list[tuple[SandboxPolicy, str]] = []
        self.processes: list[FakeProcess] = []
        self.closed = False
        self._commands = {key: _as_run(outcome) for key, outcome in (commands or {}).items()}
        self._default = None if default is None else _as_run(default)

    def prewarm(self, policy: SandboxPolicy, cwd: str) -> None:
        self.prewarmed.append((policy, cwd))

    async def spawn(self, spec: SpawnSpec) -> FakeProcess:
        self.spawned.append(spec)
        run = self._find(spec.argv)
        await asyncio.sleep(0)
        if run.error is not None:
            raise run.error
        process = FakeProcess(1000 + len(self.processes), spec, run)
        self.processes.append(process)
        return process

    async def aclose(self) -> None:
        self.closed = True

    def _find(self, argv: tuple[str, ...]) -> Run:
        whole = [key for key in self._commands if key in argv]
        within = [key for key in self._commands if any(key in argument for argument in argv)]
        keys = whole or within
        if keys:
            return self._commands[max(keys, key=len)]
        if self._default is None:
            raise AssertionError(f"no scripted outcome for the command {argv!r}")
        return self._default


def _as_run(outcome: Outcome) -> Run:
    if isinstance(outcome, Run):
        return outcome
    return Run((outcome.encode() if isinstance(outcome, str) else outcome,))
