"""Commands in real sandboxes: output, ends, terminals, trees. The same for every layer, and for no
sandbox at all."""

from __future__ import annotations

import asyncio
import os
import resource
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from quire.core.errors import ToolError
from quire.core.ports import SpawnSpec
from quire.protocol.policy import SandboxPolicy
from quire.sandbox.linux import LinuxSandbox
from quire.sandbox.process import RunningProcess

PATH = "/usr/local/bin:/usr/bin:/bin"
GONE_SECONDS = 5
FULL = SandboxPolicy(mode="danger-full-access")
WRITE = SandboxPolicy(mode="workspace-write", exclude_slash_tmp=True)


class Bench:
    """A workspace and a sandbox of one layer."""

    def __init__(self, layer: str, folder: Path) -> None:
        self.workspace = folder / "workspace"
        self.workspace.mkdir()
        self.home = folder / "quire-home"
        self.layer = layer
        self.policy = FULL if layer == "none" else WRITE
        self.mark = f"9{os.getpid()}.{os.urandom(3).hex().translate(DIGITS)}"
        self.sandbox: LinuxSandbox

    def spec(self, script: str, *, tty: bool = False, **env: str) -> SpawnSpec:
        return SpawnSpec(
            argv=("/bin/bash", "-c", script),
            cwd=str(self.workspace),
            env={"PATH": PATH, **env},
            policy=self.policy,
            workspace_roots=(str(self.workspace),),
            tty=tty,
            size=(93, 31),
        )

    async def spawn(self, script: str, *, tty: bool = False, **env: str) -> RunningProcess:
        return await self.sandbox.spawn(self.spec(script, tty=tty, **env))

    async def output(self, script: str, *, tty: bool = False, **env: str) -> tuple[int, bytes]:
        process = await self.spawn(script, tty=tty, **env)
        printed = await everything(process)
        code = await process.wait()
        process.close()
        return code, printed

    def run(self, test: Callable[[Bench], Awaitable[None]]) -> None:
        async def main() -> None:
            self.sandbox = LinuxSandbox(
                str(self.home), None if self.layer == "none" else self.layer
            )
            try:
                await test(self)
            finally:
                await self.sandbox.aclose()

        asyncio.run(main())
        assert not self.marked()
        assert [name for name in os.listdir(self.workspace) if name.startswith(".")] == []

    def marked(self) -> list[int]:
        """Processes anywhere that were started as `sleep MARK`."""
        wanted = b"\0" + self.mark.encode()
        found: list[int] = []
        for name in os.listdir("/proc"):
            try:
                if name.isdigit() and wanted in Path(f"/proc/{name}/cmdline").read_bytes():
                    found.append(int(name))
            except OSError:
                continue
        return found

    async def until_marked(self, count: int) -> None:
        until = time.monotonic() + GONE_SECONDS
        while len(self.marked()) != count and time.monotonic() < until:
            await asyncio.sleep(0.01)
        assert len(self.marked()) == count


DIGITS = str.maketrans("abcdef", "123456")


async def everything(process: RunningProcess) -> bytes:
    printed = b""
    while data := await process.read():
        printed += data
    return printed


async def until(process: RunningProcess, words: bytes) -> bytes:
    printed = b""
    while words not in printed:
        data = await asyncio.wait_for(process.read(), GONE_SECONDS)
        assert data, printed
        printed += data
    return printed


@pytest.fixture(params=["bubblewrap", "namespaces", "landlock", "none"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    return Bench(request.param, tmp_path)


def test_output_and_exit_codes(bench: Bench) -> None:
    async def test(bench: Bench) -> None:
        assert await bench.output("echo a; echo b >&2; echo $X; exit 3", X="c d") == (
            3,
            b"a\nb\nc d\n",
        )
        assert await bench.output("kill -TERM $$") == (143, b"")
        assert await bench.output("kill -9 $$") == (137, b"")
        assert await bench.output("cat; echo end") == (0, b"end\n")
        assert await bench.output("printf '\\0\\377'") == (0, b"\0\xff")
        process = await bench.spawn("exit 5")
        assert [await process.wait(), await process.wait()] == [5, 5]
        assert await process.read() == b""
        process.kill()
        process.close()
        process.close()
        assert await process.read() == b""

    bench.run(test)


def test_stdin_may_be_a_pipe_and_stderr_apart(bench: Bench) -> None:
    async def test(bench: Bench) -> None:
        spec = bench.spec("echo up >&2; cat; echo err >&2; exit 4")
        process = await bench.sandbox.spawn(replace(spec, stdin=True, split=True))
        assert await process.read_error() == b"up\n"
        writing = asyncio.create_task(process.write(b"x" * 300_000))
        printed = b""
        while len(printed) < 300_000:
            printed += await process.read()
        await writing
        process.close_input()
        process.close_input()
        assert (printed, await process.read()) == (b"x" * 300_000, b"")
        assert await process.read_error() == b"err\n"
        assert (await process.read_error(), await process.wait()) == (b"", 4)
        with pytest.raises(ToolError):
            await process.write(b"late")
        process.close()

        only_apart = await bench.sandbox.spawn(replace(bench.spec("cat; echo e >&2"), split=True))
        assert (await only_apart.read(), await only_apart.read_error()) == (b"", b"e\n")
        only_apart.close()
        together = await bench.sandbox.spawn(replace(bench.spec("cat >&2"), stdin=True))
        await together.write(b"hi")
        assert await together.read() == b"hi"
        assert await together.read_error() == b""
        together.close()
        await together.wait()

    bench.run(test)


def test_writing_ends_with_the_command_or_with_us(bench: Bench) -> None:
    async def test(bench: Bench) -> None:
        spec = replace(bench.spec("exec <&-; echo up; sleep 0.1"), stdin=True)
        process = await bench.sandbox.spawn(spec)
        with pytest.raises(ToolError):
            await process.write(b"x" * 100_000)
        process.close()
        spec = replace(bench.spec("echo up; sleep 30"), stdin=True)
        process = await bench.sandbox.spawn(spec)
        waiting = asyncio.create_task(process.write(b"x" * 100_000))
        assert await process.read() == b"up\n"
        process.close()
        with pytest.raises(ToolError):
            await waiting

    bench.run(test)


def test_bash_takes_itself_for_a_plain_shell(bench: Bench) -> None:
    """Refused `getpeername`, it would believe in a remote login and read ~/.bashrc."""

    async def test(bench: Bench) -> None:
        (bench.workspace / ".bashrc").write_text("echo polluted\n")
        code = await bench.output("echo $SHLVL", HOME=str(bench.workspace))
        assert code == (0, b"0\n") or code == (0, b"1\n")
        (bench.workspace / ".bashrc").unlink()

    bench.run(test)


def test_a_read_that_is_cancelled_loses_nothing(bench: Bench) -> None:
    async def test(bench: Bench) -> None:
        process = await bench.spawn("echo one; sleep 0.15; echo two")
        printed = b""
        while True:
            try:
                data = await asyncio.wait_for(process.read(), 0.01)
            except TimeoutError:
                continue
            if not data:
                break
            printed += data
        assert printed == b"one\ntwo\n"
        process.close()

    bench.run(test)


def test_large_orders(bench: Bench) -> None:
    async def test(bench: Bench) -> None:
        env = {f"V{number}": "v" * 100_000 for number in range(4)}
        process = await bench.sandbox.spawn(
            msgspec.structs.replace(bench.spec("echo ${#V0} ${#V3}"), env=env)
        )
        assert await everything(process) == b"100000 100000\n"
        process.close()

    bench.run(test)


def test_terminal(bench: Bench) -> None:
    async def test(bench: Bench) -> None:
        code, printed = await bench.output(
            "stty size; test -t 0 -a -t 1 -a -t 2; exit $?", tty=True
        )
        assert (code, printed) == (0, b"31 93\r\n")
        process = await bench.spawn("read line; echo got $line; stty size", tty=True)
        process.resize((50, 20))
        await process.write(b"hello\n")
        assert b"got hello\r\n20 50\r\n" in await everything(process)
        assert await process.wait() == 0
        with pytest.raises(ToolError, match="ended"):
            await process.write(b"more")
        process.close()
        large = await bench.spawn(
            "stty -echo -icanon; echo ready; head -c 200000 | wc -c", tty=True
        )
        await until(large, b"ready")
        await large.write(b"x" * 200_000)
        assert b"200000" in await everything(large)
        large.close()

    bench.run(test)


def test_ctrl_c_goes_to_the_command_only(bench: Bench) -> None:
    async def test(bench: Bench) -> None:
        script = "trap 'echo caught; exit 7' INT; echo ready; while :; do sleep 0.05; done"
        process = await bench.spawn(script, tty=True)
        await until(process, b"ready")
        await process.write(b"\x03")
        assert b"caught" in await everything(process)
        assert await process.wait() == 7
        process.close()
        plain = await bench.spawn("echo ready; sleep 30", tty=True)
        await until(plain, b"ready")
        await plain.write(b"\x03")
        assert await plain.wait() == 130
        plain.close()

    bench.run(test)


def test_without_a_terminal_nothing_can_be_typed(bench: Bench) -> None:
    async def test(bench: Bench) -> None:
        process = await bench.spawn("sleep 5")
        with pytest.raises(ToolError, match="without a terminal"):
            await process.write(b"x")
        process.close()
        assert await process.wait() == 137

    bench.run(test)


TREE = """
setsid sleep MARK >/dev/null 2>&1 </dev/null &
(setsid sh -c '(sleep MARK &) ; sleep MARK' >/dev/null 2>&1 &)
nohup sleep MARK >/dev/null 2>&1 &
trap '' TERM HUP INT
echo ready
"""


def test_kill_reaches_the_whole_tree(bench: Bench) -> None:
    async def test(bench: Bench) -> None:
        process = await bench.spawn(TREE.replace("MARK", bench.mark) + "while :; do sleep 1; done")
        await until(process, b"ready")
        await bench.until_marked(4)
        process.kill()
        process.kill()
        assert await process.wait() == 137
        await bench.until_marked(0)
        process.close()

    bench.run(test)


def test_what_is_left_in_the_background(bench: Bench) -> None:
    """In a sandbox it ends with its command; without one it lives until the session ends."""

    async def test(bench: Bench) -> None:
        process = await bench.spawn(TREE.replace("MARK", bench.mark) + "sleep 0.3; exit 4")
        assert await asyncio.wait_for(everything(process), GONE_SECONDS) == b"ready\n"
        assert await process.wait() == 4
        process.close()
        await asyncio.sleep(0.1)
        await bench.until_marked(4 if bench.layer == "none" else 0)

    bench.run(test)  # Looks for what is left at the end.


def test_what_is_left_in_the_background_may_hold_the_output(bench: Bench) -> None:
    async def test(bench: Bench) -> None:
        process = await bench.spawn(f"sleep {bench.mark} & echo done")
        assert await asyncio.wait_for(everything(process), GONE_SECONDS) == b"done\n"
        assert await process.wait() == 0
        process.close()

    bench.run(test)


def test_close_ends_a_running_command(bench: Bench) -> None:
    async def test(bench: Bench) -> None:
        process = await bench.spawn(TREE.replace("MARK", bench.mark) + "sleep 30")
        await until(process, b"ready")
        process.close()
        assert await asyncio.wait_for(process.wait(), GONE_SECONDS) == 137
        await bench.until_marked(0)
        await bench.spawn(TREE.replace("MARK", bench.mark) + "sleep 30")
        await bench.until_marked(4)  # Ended by `aclose`.

    bench.run(test)


def test_fifty_megabytes_cost_bounded_memory(bench: Bench) -> None:
    async def test(bench: Bench) -> None:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        process = await bench.spawn("head -c 50000000 /dev/zero")
        count = 0
        while data := await process.read():
            count += len(data)
        assert count == 50_000_000
        assert await process.wait() == 0
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 8192
        process.close()

    bench.run(test)


def test_many_at_once(bench: Bench) -> None:
    async def test(bench: Bench) -> None:
        outputs = await asyncio.gather(*(bench.output(f"echo {number}") for number in range(12)))
        assert outputs == [(0, f"{number}\n".encode()) for number in range(12)]

    bench.run(test)


def test_cancelled_starts_leave_nothing(bench: Bench) -> None:
    async def test(bench: Bench) -> None:
        for delay in (0, 0.001, 0.003, 0.006, 0.012):
            starting = asyncio.create_task(bench.spawn(f"sleep {bench.mark}"))
            await asyncio.sleep(delay)
            starting.cancel()
            await asyncio.wait([starting])
            if not starting.cancelled():
                starting.result().close()
        await bench.until_marked(0)
        assert await bench.output("echo well") == (0, b"well\n")

    before = set(os.listdir("/proc/self/fd"))
    bench.run(test)
    assert set(os.listdir("/proc/self/fd")) == before
