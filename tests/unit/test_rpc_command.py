"""`command/exec` and `process/*`: recorded answers of Codex 0.169 replayed over real processes, and
what they do not show."""

from __future__ import annotations

import asyncio
import os
import time
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from quire.core.errors import UsageError
from quire.protocol.policy import SandboxPolicy
from quire.sandbox.linux import LinuxSandbox
from quire.server.calls.command import CommandCalls
from quire.server.calls.process import ProcessCalls
from quire.server.calls.running import MAX_RUNNING
from quire.testing.fake_sandbox import FakeSandbox, Run
from tests.unit.rpc_caller import ScriptedCaller, call, samples

ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "PLAIN": "1"}
DIGITS = str.maketrans("abcdef", "123456")


class Profiles:
    """Nothing is configured; one profile exists. `refusal` is the administrator's."""

    refusal: str | None = None

    def configured(self) -> SandboxPolicy:
        return SandboxPolicy()

    def refused(self, policy: SandboxPolicy) -> str | None:
        return self.refusal if policy.mode == "danger-full-access" else None

    def profile(self, name: str) -> SandboxPolicy:
        if name != ":workspace":
            raise UsageError(f"there is no permission profile {name}")
        return SandboxPolicy(mode="workspace-write")


class Bench:
    """Both kinds of calls over one sandbox."""

    def __init__(self, folder: Path, sandbox: LinuxSandbox | FakeSandbox) -> None:
        self.sandbox = sandbox
        self.folder = folder
        self.caller = ScriptedCaller()
        self.processes = ProcessCalls(sandbox, lambda: dict(ENVIRONMENT))
        self.profiles = Profiles()
        commands = CommandCalls(sandbox, lambda: dict(ENVIRONMENT), self.profiles, str(folder))
        self.routes = {**commands.routes(), **self.processes.routes()}

    async def call(self, method: str, **params: Any) -> Any:
        return await call(self.routes, self.caller, method, params)

    async def exec(self, script: str, **params: Any) -> Any:
        return await self.call("command/exec", command=["sh", "-c", script], **params)

    def start(self, script: str, **params: Any) -> asyncio.Task[Any]:
        return asyncio.create_task(self.exec(script, processId="p", **params))

    async def spawn(self, script: str, **params: Any) -> Any:
        given = {"processHandle": "p", "cwd": str(self.folder), **params}
        return await self.call("process/spawn", command=["sh", "-c", script], **given)

    async def printed(self, words: bytes) -> None:
        await self.caller.until(lambda _: words in folded(self.caller.told)[0].get("stdout", b""))

    async def exited(self) -> Any:
        return (await self.caller.until(bool, "process/exited"))[-1]


def folded(told: list[tuple[str, Any]]) -> tuple[dict[str, bytes], dict[str, bool], list[Any]]:
    """The text of each stream, whether it was cut, and the ends."""
    streams: dict[str, bytes] = {}
    cut: dict[str, bool] = {}
    ends: list[Any] = []
    for _, params in told:
        if "deltaBase64" in params:
            assert not cut.get(params["stream"]), "output after the last piece"
            piece = b64decode(params["deltaBase64"])
            streams[params["stream"]] = streams.get(params["stream"], b"") + piece
            cut[params["stream"]] = params["capReached"]
        else:
            ends.append(params)
    return streams, cut, ends


def real(folder: Path, test: Callable[[Bench], Awaitable[None]]) -> None:
    """Run `test` over a real sandbox; nothing may be left of it."""
    (folder / "w" / "sub").mkdir(parents=True)

    async def main() -> None:
        sandbox = LinuxSandbox(str(folder / "home"))
        bench = Bench(folder / "w", sandbox)
        try:
            async with asyncio.timeout(30):
                await test(bench)
        finally:
            await sandbox.aclose()

    asyncio.run(main())


@pytest.mark.parametrize("name", ["command", "process"])
def test_recorded_answers(name: str, tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        for method, params, expected, notes in samples(name, str(bench.folder)):
            bench.caller.told.clear()
            answer = await bench.call(method, **params)
            assert answer == expected, (method, params)
            if notes["exited"]:
                await bench.exited()
            elif "stdout" in notes["streams"]:
                await bench.printed(notes["streams"]["stdout"][0].encode("latin1"))
            streams, cut, ends = folded(bench.caller.told)
            seen = {stream: [streams[stream].decode("latin1"), cut[stream]] for stream in streams}
            assert (seen, ends) == (notes["streams"], notes["exited"]), (method, params)

    real(tmp_path, test)


def text(data: bytes) -> str:
    return b64encode(data).decode()


def test_input_comes_in_the_order_of_the_calls(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        running = bench.start("echo up >&2; cat; echo end", streamStdin=True, tty=False)
        big = os.urandom(150_000).hex().encode()
        parts = [big[at : at + 60_000] for at in range(0, len(big), 60_000)]
        name = {"processId": "p"}
        while "error" in await bench.call("command/exec/write", **name, deltaBase64=""):
            await asyncio.sleep(0.005)
        writes = [bench.call("command/exec/write", **name, deltaBase64=text(p)) for p in parts]
        assert await asyncio.gather(*writes) == [{}] * len(parts)
        assert await bench.call("command/exec/write", **name, closeStdin=True) == {}
        answer = await running
        assert answer == {"exitCode": 0, "stdout": (big + b"end\n").decode(), "stderr": "up\n"}

    real(tmp_path, test)


def test_what_a_command_does_not_read_is_no_error(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        running = bench.start(
            "exec <&-; echo up; sleep 0.2", streamStdin=True, streamStdoutStderr=True
        )
        await bench.printed(b"up")
        for _ in range(2):
            write = {"processId": "p", "deltaBase64": text(b"x" * 100_000)}
            assert await bench.call("command/exec/write", **write) == {}
        assert (await running)["exitCode"] == 0

    real(tmp_path, test)


def test_a_terminal_is_resized_written_and_closed(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        running = bench.start("echo up; read x; echo got $x; stty size; cat; echo end", tty=True)
        await bench.printed(b"up")
        size = {"rows": 3, "cols": 4}
        assert await bench.call("command/exec/resize", processId="p", size=size) == {}
        write = {"processId": "p", "deltaBase64": text(b"zz\n")}
        assert await bench.call("command/exec/write", **write) == {}
        await bench.printed(b"got zz\r\n3 4\r\n")
        assert await bench.call("command/exec/write", processId="p", closeStdin=True) == {}
        assert (await running)["exitCode"] == 0
        await bench.printed(b"end\r\n")

    real(tmp_path, test)


def test_termination_ends_the_whole_tree(tmp_path: Path) -> None:
    mark = f"8{os.getpid()}.{os.urandom(3).hex().translate(DIGITS)}"
    script = f"trap '' TERM INT HUP; setsid sleep {mark} & echo up; sleep {mark}; wait"

    async def test(bench: Bench) -> None:
        full = {"sandboxPolicy": {"type": "dangerFullAccess"}}
        for policy in ({}, full):
            bench.caller.told.clear()
            running = bench.start(script, streamStdoutStderr=True, **policy)
            await bench.printed(b"up")
            same = await bench.exec("true", processId="p")
            words = 'duplicate active command/exec process id: "p"'
            assert same == {"error": {"code": -32600, "message": words}}
            assert await bench.call("command/exec/terminate", processId="p") == {}
            assert await running == {"exitCode": 137, "stdout": "", "stderr": ""}
            again = await bench.call("command/exec/terminate", processId="p")
            words = 'no active command/exec for process id "p"'
            assert again == {"error": {"code": -32600, "message": words}}

    real(tmp_path, test)
    assert not marked(mark)


def test_everything_ends_with_its_client(tmp_path: Path) -> None:
    mark = f"8{os.getpid()}.{os.urandom(3).hex().translate(DIGITS)}"

    async def test(bench: Bench) -> None:
        running = bench.start(f"sleep {mark}", disableTimeout=True)
        assert await bench.spawn(f"setsid sleep {mark}; sleep {mark}", timeoutMs=None) == {}
        while len(marked(mark)) < 2:
            await asyncio.sleep(0.01)
        other = ScriptedCaller("other")
        killed = await call(bench.routes, other, "process/kill", {"processHandle": "p"})
        assert killed["error"]["message"] == 'no active process for process handle "p"'
        bench.caller.close()
        assert (await running)["exitCode"] == 137
        until = time.monotonic() + 5
        while marked(mark) and time.monotonic() < until:
            await asyncio.sleep(0.01)
        assert not marked(mark)

    real(tmp_path, test)


def marked(mark: str) -> list[str]:
    """Processes anywhere that were started as `sleep MARK`."""
    found: list[str] = []
    for name in os.listdir("/proc"):
        try:
            line = Path(f"/proc/{name}/cmdline").read_bytes() if name.isdigit() else b""
        except OSError:
            continue
        if line == b"sleep\0" + mark.encode() + b"\0":
            found.append(name)
    return found


def test_a_call_that_is_cancelled_kills_its_command(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        running = bench.start("echo up; sleep 60", streamStdoutStderr=True)
        await bench.printed(b"up")
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        gone = await bench.call("command/exec/terminate", processId="p")
        assert gone["error"]["code"] == -32600
        assert (await bench.exec("echo again", processId="p"))["stdout"] == "again\n"

    real(tmp_path, test)


def test_only_the_servers_folder_is_made_writable(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()

    async def test(bench: Bench) -> None:
        script = f"touch {tmp_path}/other/x {bench.folder}/x 2>/dev/null; ls {tmp_path}/other"
        where = {"cwd": str(tmp_path / "other"), "sandboxPolicy": {"type": "workspaceWrite"}}
        assert (await bench.exec(script, **where))["stdout"] == ""
        assert (bench.folder / "x").exists()
        roots = {"type": "workspaceWrite", "writableRoots": [str(tmp_path / "other")]}
        assert (await bench.exec(script, sandboxPolicy=roots))["stdout"] == "x\n"

    real(tmp_path, test)


def test_what_cannot_be_started_is_said(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        answer = await bench.call("command/exec", command=["no-such-program"])
        words = "failed to spawn command: no-such-program: command not found"
        assert answer == {"error": {"code": -32603, "message": words}}
        answer = await bench.exec("true", cwd="none", processId="p")
        assert answer["error"]["message"].endswith("No such file or directory")
        answer = await bench.spawn("true", cwd="/none")
        assert answer["error"]["code"] == -32603
        assert await bench.spawn("true") == {}
        assert (await bench.exited())["exitCode"] == 0

    real(tmp_path, test)


def fake(folder: Path, sandbox: FakeSandbox, test: Callable[[Bench], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(20):
            await test(Bench(folder, sandbox))

    asyncio.run(main())


def test_what_the_sandbox_is_asked_for(tmp_path: Path) -> None:
    sandbox = FakeSandbox(default=Run((b"out",), errors=(b"err",)))

    async def test(bench: Bench) -> None:
        assert await bench.exec("x") == {"exitCode": 0, "stdout": "out", "stderr": "err"}
        await bench.exec("x", permissionProfile=":workspace", cwd="sub")
        await bench.exec("x", sandboxPolicy={"type": "readOnly", "networkAccess": True})
        refused = await bench.exec("x", permissionProfile="other")
        assert refused["error"]["message"] == "there is no permission profile other"
        bench.caller.experimental = False
        refused = await bench.exec("x", permissionProfile=":workspace")
        words = "command/exec.permissionProfile requires experimentalApi capability"
        assert refused["error"]["message"] == words
        await bench.spawn("x", env={"PLAIN": None, "A": "1"}, cwd="/a/../b")
        await bench.exited()

    fake(tmp_path, sandbox, test)
    plain, profile, networked, spawned = sandbox.spawned
    assert plain.policy == SandboxPolicy()
    assert plain.cwd == str(tmp_path)
    assert plain.env == ENVIRONMENT | {"CODEX_SANDBOX_NETWORK_DISABLED": "1"}
    assert (plain.stdin, plain.split, plain.tty) == (False, True, False)
    assert (profile.policy.mode, profile.cwd) == ("workspace-write", f"{tmp_path}/sub")
    assert profile.workspace_roots == (str(tmp_path),)
    assert networked.policy.full_network
    assert networked.workspace_roots == ()
    assert (networked.policy.exclude_tmpdir_env_var, networked.policy.exclude_slash_tmp) == (
        True,
        True,
    )
    assert spawned.policy.mode == "danger-full-access"
    assert spawned.env == {"PATH": ENVIRONMENT["PATH"], "A": "1"}
    assert spawned.cwd == "/b"


def test_a_client_cannot_start_without_end(tmp_path: Path) -> None:
    sandbox = FakeSandbox(default=Run(hold=True))

    async def test(bench: Bench) -> None:
        for number in range(MAX_RUNNING):
            assert await bench.spawn("x", processHandle=str(number)) == {}
        assert "too many processes" in (await bench.spawn("x"))["error"]["message"]
        bench.caller.close()
        await bench.caller.until(lambda ends: len(ends) == MAX_RUNNING, "process/exited")
        assert all(process.killed for process in sandbox.processes)

    fake(tmp_path, sandbox, test)


def test_the_name_is_free_when_its_end_is_told(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        for count in range(1, 30):
            assert await bench.spawn("x") == {}
            await bench.caller.until(lambda ends, n=count: len(ends) == n, "process/exited")

    fake(tmp_path, FakeSandbox(default="out"), test)


def test_kept_output_is_bounded_whatever_is_asked(tmp_path: Path) -> None:
    pieces = (b"x" * (16 << 20),) * 5

    async def test(bench: Bench) -> None:
        answer = await bench.exec("x", disableOutputCap=True)
        assert len(answer["stdout"]) == 64 << 20

    fake(tmp_path, FakeSandbox(default=Run(pieces)), test)


def test_a_command_gets_no_more_than_the_administrator_allows(tmp_path: Path) -> None:
    sandbox = FakeSandbox(default="done")

    async def test(bench: Bench) -> None:
        bench.profiles.refusal = "not here"
        for kind in ("dangerFullAccess", "externalSandbox"):
            answer = await bench.exec("id", sandboxPolicy={"type": kind})
            assert answer["error"]["message"] == "invalid sandbox policy: not here"
        assert (await bench.exec("id", sandboxPolicy={"type": "readOnly"}))["exitCode"] == 0

    fake(tmp_path, sandbox, test)
    assert [spec.policy.mode for spec in sandbox.spawned] == ["read-only"]
