"""`exec_command` and `write_stdin` over a scripted sandbox."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from quire.core.errors import ToolError
from quire.core.ports import CommandAction, Invocation, ToolContext
from quire.protocol.events import ItemStarted, LiveEvent
from quire.protocol.items import FunctionCall
from quire.protocol.policy import TurnContext
from quire.protocol.thread import CommandExecutionItem, ThreadItem
from quire.sandbox.linux import LinuxSandbox
from quire.testing.builders import call, turn_context
from quire.testing.fake_sandbox import FakeSandbox, Run
from quire.tools.exec_command import ExecCommand, find_shell
from quire.tools.sessions import Sessions
from quire.tools.write_stdin import WriteStdin


class Context:
    """A tool context that keeps what it was given."""

    def __init__(self, turn: TurnContext) -> None:
        self.turn = turn
        self.thread_id = "thread-1"
        self.turn_id = "turn-1"
        self.published: list[LiveEvent] = []
        self.begun: list[ThreadItem] = []
        self.finished: list[ThreadItem] = []

    def now_ms(self) -> int:
        return 1000

    def publish(self, event: LiveEvent) -> None:
        self.published.append(event)

    def begin(self, item: ThreadItem) -> None:
        self.begun.append(item)
        self.published.append(ItemStarted(self.turn_id, item, 1000))

    def finish(self, item: ThreadItem) -> None:
        self.finished.append(item)


class PlainShell:
    def launch(
        self, displayed: tuple[str, ...], call_id: str, ctx: ToolContext
    ) -> tuple[tuple[str, ...], dict[str, str]]:
        return displayed, {"PATH": "/usr/bin:/bin"}


class Bench:
    def __init__(self, cwd: str, commands: dict[str, Run | str]) -> None:
        self.sandbox = FakeSandbox(commands)
        self.sessions = Sessions(self.sandbox)
        self.ctx = Context(turn_context(cwd))
        self.exec = ExecCommand(self.sessions, PlainShell())
        self.write = WriteStdin(self.sessions, 300_000)

    def prepare(self, function: FunctionCall) -> Invocation:
        tool = self.exec if function.name == "exec_command" else self.write
        return tool.prepare(function, self.ctx.turn)

    async def told(self, name: str, **args: object) -> str:
        result = await self.prepare(call(name, args, "call-1")).run(self.ctx)
        assert isinstance(result.content, str)
        return result.content


def normal(text: str) -> str:
    text = re.sub(r"Chunk ID: [0-9a-f]{6}", "Chunk ID: XXXXXX", text)
    return re.sub(r"session ID \d+", "session ID N", text)


@pytest.fixture
def cwd(tmp_path: object) -> str:
    return str(tmp_path)


def test_a_command_and_its_item(cwd: str) -> None:
    async def body() -> None:
        bench = Bench(cwd, {"echo hi": "hi\n"})
        assert normal(await bench.told("exec_command", cmd="echo hi")) == (
            "Chunk ID: XXXXXX\nWall time: 0.0000 seconds\nProcess exited with code 0\n"
            "Original token count: 1\nOutput:\nhi\n"
        )
        (done,) = bench.ctx.finished
        assert isinstance(done, CommandExecutionItem)
        assert done.command == ("/bin/bash", "-lc", "echo hi")
        assert (done.status, done.exit_code, done.aggregated_output) == ("completed", 0, "hi\n")
        assert bench.sandbox.spawned[0].workspace_roots == (cwd,)

    asyncio.run(body())


def test_a_failing_command(cwd: str) -> None:
    async def body() -> None:
        bench = Bench(cwd, {"false": Run(exit_code=3)})
        assert "Process exited with code 3" in await bench.told("exec_command", cmd="false")
        (done,) = bench.ctx.finished
        assert isinstance(done, CommandExecutionItem)
        assert done.status == "failed"

    asyncio.run(body())


def test_a_long_command_is_polled_and_typed_into(cwd: str) -> None:
    async def body() -> None:
        run = Run((b"start\n",), hold=True, answer=lambda data: b"got " + data)
        bench = Bench(cwd, {"server": run})
        text = await bench.told("exec_command", cmd="server", tty=True, yield_time_ms=1)
        assert "Process running with session ID" in text
        assert text.endswith("Output:\nstart\n")
        assert not bench.ctx.finished, "it is still running"
        session = int(text.split("session ID ")[1].split()[0])
        answer = await bench.told("write_stdin", session_id=session, chars="x\n")
        assert answer.endswith("Output:\ngot x\n"), "only what is new"
        bench.sandbox.processes[0].finish(0)
        text = await bench.told("write_stdin", session_id=session)
        assert "Process exited with code 0" in text
        with pytest.raises(ToolError, match=f"write_stdin failed: Unknown process id {session}"):
            await bench.told("write_stdin", session_id=session)

    asyncio.run(body())


def test_typing_into_a_pipe_is_refused_in_the_peers_words(cwd: str) -> None:
    async def body() -> None:
        bench = Bench(cwd, {"cat": Run(hold=True)})
        text = await bench.told("exec_command", cmd="cat", yield_time_ms=1)
        session = int(text.split("session ID ")[1].split()[0])
        with pytest.raises(ToolError, match="stdin is closed for this session; rerun exec_command"):
            await bench.told("write_stdin", session_id=session, chars="x")
        await bench.sessions.aclose()
        assert bench.sandbox.processes[0].killed

    asyncio.run(body())


def test_a_missing_folder(cwd: str) -> None:
    async def body() -> None:
        bench = Bench(cwd, {"ls": ""})
        with pytest.raises(ToolError) as caught:
            await bench.told("exec_command", cmd="ls", workdir="nowhere")
        assert str(caught.value) == (
            'exec_command failed: CreateProcess { message: "Rejected(\\"Failed to create unified '
            'exec process: No such file or directory (os error 2)\\")" }'
        )
        (done,) = bench.ctx.finished
        assert isinstance(done, CommandExecutionItem)
        assert (done.exit_code, done.status) == (-1, "failed")
        assert bench.sandbox.spawned == []

    asyncio.run(body())


def test_an_interrupted_command_is_ended(cwd: str) -> None:
    async def body() -> None:
        bench = Bench(cwd, {"sleep": Run(hold=True)})
        task = asyncio.create_task(bench.told("exec_command", cmd="sleep"))
        while not bench.sandbox.processes:
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert bench.sandbox.processes[0].killed

    asyncio.run(body())


def test_too_many_commands_at_once(cwd: str) -> None:
    async def body() -> None:
        bench = Bench(cwd, {"sleep": Run(hold=True)})
        calls = [bench.told("exec_command", cmd="sleep", yield_time_ms=1) for _ in range(64)]
        await asyncio.gather(*calls)
        with pytest.raises(ToolError, match="64 commands are running"):
            await bench.told("exec_command", cmd="sleep")
        await bench.sessions.aclose()

    asyncio.run(body())


def test_calls_that_come_all_at_once_do_not_pass_the_limit(cwd: str) -> None:
    async def body() -> None:
        bench = Bench(cwd, {"sleep": Run(hold=True), "true": "x"})
        short = [bench.told("exec_command", cmd="true") for _ in range(300)]
        assert len(await asyncio.gather(*short)) == 300
        calls = [bench.told("exec_command", cmd="sleep", yield_time_ms=1) for _ in range(90)]
        done = await asyncio.gather(*calls, return_exceptions=True)
        assert sum(isinstance(one, str) for one in done) == 64
        refused = {str(one) for one in done if isinstance(one, ToolError)}
        assert len(refused) == 1 and "64 commands are running" in refused.pop()
        await bench.sessions.aclose()

    asyncio.run(body())


def test_a_second_interrupt_leaves_nothing_open(cwd: str) -> None:
    async def body() -> None:
        bench = Bench(cwd, {"sleep": Run(hold=True)})
        running = bench.prepare(call("exec_command", {"cmd": "sleep 9"}, "c"))
        turn = asyncio.create_task(running.run(bench.ctx))
        await asyncio.sleep(0.01)
        for _ in range(2):
            turn.cancel()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        await asyncio.wait([turn])
        (process,) = bench.sandbox.processes
        assert process.closed
        assert [item.id for item in bench.ctx.finished] == ["c"]

    asyncio.run(body())


def test_a_command_that_does_not_read_is_not_waited_for(tmp_path: Path) -> None:
    async def body() -> None:
        sandbox = LinuxSandbox(str(tmp_path / "home"))
        bench = Bench(str(tmp_path), {})
        sessions = Sessions(sandbox)
        command = ExecCommand(sessions, PlainShell())
        write = WriteStdin(sessions, 300_000, write_seconds=0.2)
        args = {"cmd": "stty raw -echo; sleep 60", "tty": True, "yield_time_ms": 250}
        started = command.prepare(call("exec_command", args, "c"), bench.ctx.turn)
        found = re.search(r"session ID (\d+)", str((await started.run(bench.ctx)).content))
        assert found is not None
        args = {"session_id": int(found[1]), "chars": "x" * 1_000_000}
        with pytest.raises(ToolError, match="does not read its input"):
            await write.prepare(call("write_stdin", args, "d"), bench.ctx.turn).run(bench.ctx)
        await sessions.aclose()
        await sandbox.aclose()

    asyncio.run(body())


def test_a_folder_that_no_system_has(cwd: str) -> None:
    bench = Bench(cwd, {})
    patch = "apply_patch <<'E'\n*** Begin Patch\n*** Add File: f\n+x\n*** End Patch\nE"
    for cmd in ("true", patch):
        with pytest.raises(ToolError, match="nul byte"):
            bench.prepare(call("exec_command", {"cmd": cmd, "workdir": "a\0b"}, "c"))
    with pytest.raises(ToolError, match="is invalid"):
        bench.prepare(call("exec_command", {"cmd": f"cd 'a\0b' && {patch}"}, "c"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("{", "failed to parse function arguments: EOF while parsing an object at line 1 column 1"),
        ("{}", "failed to parse function arguments: missing field `cmd` at line 1 column 2"),
    ],
)
def test_malformed_arguments(cwd: str, arguments: str, message: str) -> None:
    with pytest.raises(ToolError) as caught:
        Bench(cwd, {}).prepare(call("exec_command", arguments))
    assert str(caught.value) == message


SHELLS = [
    (None, "/usr/local/bin/zsh", "/usr/local/bin/zsh"),
    ("zsh", "/usr/local/bin/zsh", "/usr/local/bin/zsh"),
    ("/no/such/zsh", "/usr/local/bin/zsh", "/usr/local/bin/zsh"),
    ("bash", "/bin/zsh", "PATH/bash"),
    ("/other/bash", "/bin/zsh", "PATH/bash"),
    ("sh", "/bin/zsh", "/bin/sh"),
    ("/usr/bin/fish", "/bin/bash", "/bin/sh"),
    ("python3", "/bin/bash", "/bin/sh"),
    ("", "/bin/bash", "/bin/sh"),
]


@pytest.mark.parametrize(("named", "default", "found"), SHELLS)
def test_a_shell_is_found_by_its_name(
    named: str | None,
    default: str,
    found: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", f"relative:{tmp_path}")
    (tmp_path / "bash").touch(0o755)
    (tmp_path / "sh").touch(0o644)
    assert find_shell(named, default) == found.replace("PATH", str(tmp_path))


def test_a_login_shell_that_is_switched_off(cwd: str) -> None:
    bench = Bench(cwd, {})
    bench.exec = ExecCommand(bench.sessions, PlainShell(), allow_login=False)
    assert argv_of(bench, cmd="ls") == ("/bin/bash", "-c", "ls")
    assert argv_of(bench, cmd="ls", login=False) == ("/bin/bash", "-c", "ls")
    with pytest.raises(ToolError) as caught:
        argv_of(bench, cmd="ls", login=True)
    told = "login shell is disabled by config; omit `login` or set it to false."
    assert str(caught.value) == told


def argv_of(bench: Bench, **args: object) -> tuple[str, ...]:
    action = bench.prepare(call("exec_command", args)).action
    assert isinstance(action, CommandAction)
    return action.argv


async def start(bench: Bench, **args: object) -> int:
    text = await bench.told("exec_command", yield_time_ms=1, **args)
    return int(text.split("session ID ")[1].split()[0])


@pytest.mark.parametrize("tty", [True, False])
def test_typing_into_a_command_that_ended_tells_its_end(cwd: str, tty: bool) -> None:
    async def body() -> None:
        bench = Bench(cwd, {"job": Run((b"done\n",), exit_code=4, hold=True)})
        session = await start(bench, cmd="job", tty=tty)
        bench.sandbox.processes[0].finish(4)
        await asyncio.sleep(0.1)
        text = await bench.told("write_stdin", session_id=session, chars="x")
        assert "Process exited with code 4" in text

    asyncio.run(body())


def test_ctrl_c_ends_a_command_without_a_terminal(cwd: str) -> None:
    async def body() -> None:
        bench = Bench(cwd, {"job": Run(hold=True)})
        session = await start(bench, cmd="job")
        text = await bench.told("write_stdin", session_id=session, chars="\x03")
        assert "Process exited with code 137" in text
        assert bench.sandbox.processes[0].killed

    asyncio.run(body())


def test_a_budget_of_nothing_is_kept(cwd: str) -> None:
    async def body() -> None:
        bench = Bench(cwd, {"ls": "a\n"})
        text = await bench.told("exec_command", cmd="ls", max_output_tokens=0)
        assert text.endswith("Total output lines: 1\n\n…1 tokens truncated…")

    asyncio.run(body())
