"""One command in a sandbox of its own, with our stdin and stdout: for the command line."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from msgspec import Struct
from msgspec.structs import replace

from quire.core.errors import QuireError, ToolError
from quire.core.ports import SpawnSpec
from quire.protocol.policy import SandboxPolicy
from quire.sandbox.layers import NOT_HELD, remedy
from quire.sandbox.linux import LinuxSandbox
from quire.sandbox.process import RunningProcess

NETWORK_OFF = "CODEX_SANDBOX_NETWORK_DISABLED"
"""Set to 1 for commands without network: programs look for this name (Codex 0.169)."""
TERMINATED = 143

_CHUNK = 65_536


async def run_command(
    home: str, argv: tuple[str, ...], cwd: str, policy: SandboxPolicy, layer: str | None
) -> int:
    """Run `argv` in `cwd`, which is the workspace, with our environment; its exit code. In a
    terminal it gets one of its own, so that Ctrl-C and job control belong to it. SIGTERM ends it.
    Raises `QuireError` when it cannot be started."""
    env = dict(os.environ)
    if not policy.full_network:
        env[NETWORK_OFF] = "1"
    spec = SpawnSpec(argv=argv, cwd=cwd, env=env, policy=policy, workspace_roots=(cwd,))
    sandbox = LinuxSandbox(home, layer)
    running = asyncio.ensure_future(_run(sandbox, spec))
    terminated = asyncio.Event()

    def terminate() -> None:
        terminated.set()
        running.cancel()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminate)
    try:
        return await running
    except asyncio.CancelledError:
        if not terminated.is_set():
            raise
        return TERMINATED
    finally:
        await sandbox.aclose()


class Trial(Struct, frozen=True):
    """Whether a command could be run in a sandbox. `failed` are layers that did not work and why;
    `not_held` is what the layer in force does not guarantee; `remedy` is empty when all is well."""

    ok: bool
    detail: str
    failed: tuple[str, ...] = ()
    not_held: tuple[str, ...] = ()
    remedy: str = ""


async def try_sandbox(home: str) -> Trial:
    """Run a command that does nothing, and tell how that went. Never raises a `QuireError`."""
    sandbox = LinuxSandbox(home)
    spec = SpawnSpec(argv=("/bin/sh", "-c", ":"), cwd="/", env={}, policy=SandboxPolicy())
    try:
        code = await (await sandbox.spawn(spec)).wait()
    except QuireError as exc:
        return Trial(False, str(exc).removesuffix(f". {remedy()}"), remedy=remedy())
    finally:
        await sandbox.aclose()
    failed = tuple(f"{step.name}: {step.failure}" for step in sandbox.steps if step.failure)
    if code != 0:
        return Trial(False, f"a command ended with {code} in {sandbox.layer}", failed, (), remedy())
    return Trial(True, sandbox.layer, failed, NOT_HELD[sandbox.layer])


async def _run(sandbox: LinuxSandbox, spec: SpawnSpec) -> int:
    if os.isatty(0) and os.isatty(1):
        return await _in_terminal(sandbox, spec)
    process = await sandbox.attach(spec)
    return await process.wait()


async def _in_terminal(sandbox: LinuxSandbox, spec: SpawnSpec) -> int:
    """Join our terminal and the command's own."""
    import termios
    import tty

    size = os.get_terminal_size(1)
    spec = replace(spec, tty=True, size=(size.columns, size.lines))
    process = await sandbox.spawn(spec)
    loop = asyncio.get_running_loop()
    typed: asyncio.Queue[bytes] = asyncio.Queue()
    loop.add_reader(0, lambda: typed.put_nowait(os.read(0, _CHUNK)))
    loop.add_signal_handler(signal.SIGWINCH, lambda: process.resize(os.get_terminal_size(1)))
    typing = asyncio.create_task(_type(process, typed))
    before = termios.tcgetattr(0)
    try:
        tty.setraw(0)
        while data := await process.read():
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        return await process.wait()
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
        loop.remove_reader(0)
        typing.cancel()
        process.close()


async def _type(process: RunningProcess, typed: asyncio.Queue[bytes]) -> None:
    try:
        while data := await typed.get():
            await process.write(data)
    except ToolError:
        return  # It ended while somebody typed.
