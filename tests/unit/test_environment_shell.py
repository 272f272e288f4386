"""From `bash -lc SCRIPT` to the process that runs: with real shells, and scripted sandboxes."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path

import pytest

from quire.core.errors import AgentError
from quire.core.ports import SpawnSpec
from quire.protocol.events import LiveEvent
from quire.protocol.policy import SandboxPolicy, TurnContext
from quire.protocol.thread import ThreadItem
from quire.testing.fake_sandbox import FakeProcess, FakeSandbox, Run
from quire.tools.command_shell import CommandShell
from quire.tools.environment import EnvironmentPolicy

BASH = "/bin/bash"
pytestmark = pytest.mark.skipif(not os.path.exists(BASH), reason="no bash here")


class Context:
    """As much of a turn as launching needs."""

    thread_id = "thread"
    turn_id = "turn"

    def __init__(self, mode: str = "read-only") -> None:
        policy = SandboxPolicy(mode="danger-full-access" if mode == "full" else "read-only")
        self.turn = TurnContext(cwd="/", model="m", model_provider="p", sandbox=policy)

    def now_ms(self) -> int:
        return 0

    def publish(self, event: LiveEvent) -> None: ...
    def begin(self, item: ThreadItem) -> None: ...
    def finish(self, item: ThreadItem) -> None: ...


class Home:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.parent = {"HOME": str(path), "PATH": "/usr/bin:/bin", "GIVEN_TOKEN": "secret"}
        self.cache = str(path / "cache")

    def shell(self, policy: EnvironmentPolicy | None = None) -> CommandShell:
        policy = policy or EnvironmentPolicy()
        return CommandShell(policy, self.parent, "thread", "/q/tools", self.cache)

    def profile(self, text: str) -> None:
        (self.path / ".profile").write_text(text)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def launch(
    shell: CommandShell, script: str, program: str = BASH, flag: str = "-lc"
) -> tuple[tuple[str, ...], dict[str, str]]:
    return shell.launch((program, flag, script), "call", Context())


def run(shell: CommandShell, script: str, program: str = BASH, flag: str = "-lc") -> str:
    argv, env = launch(shell, script, program, flag)
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=20)
    return done.stdout + done.stderr


class RealSandbox(FakeSandbox):
    """Runs what it is given, without a wall."""

    async def spawn(self, spec: SpawnSpec) -> FakeProcess:
        self.spawned.append(spec)
        process = await asyncio.create_subprocess_exec(
            *spec.argv, env=spec.env, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await process.communicate()
        replay = Run(output=(output[:100], output[100:]))
        return await FakeSandbox(default=replay).spawn(spec)


PROFILE = """
export EXPORTED=1 PROFILE_TOKEN=secret PAGER=less LC_ALL=C PATH=/reset:/usr/bin:/bin
greet() { echo "hello $1"; }
"""


class TestRealLogin:
    """Until somebody knows better, profile files run; what they may not change is put right."""

    def test_it_is_repaired(self, home: Home) -> None:
        home.profile(PROFILE)
        argv, env = launch(home.shell(), "true")
        assert argv[:2] == (BASH, "-lc")
        assert "GIVEN_TOKEN" not in env
        shown = run(
            home.shell(),
            'echo "$EXPORTED|$PROFILE_TOKEN|$PAGER|$LC_ALL|$PATH|$QUIRE_AFTER_LOGIN|$quire_name"; '
            "greet you",
        )
        assert shown == "1||cat|C.UTF-8|/q/tools:/reset:/usr/bin:/bin||\nhello you\n"

    def test_the_policy_holds(self, home: Home) -> None:
        home.profile("export A_1=x B_1=y c_x=z 'Q'=w MY_TOKEN=profile")
        policy = EnvironmentPolicy(
            exclude=("a_*", "?_X"), set={"MY_TOKEN": "it's mine", "PATH": "/usr/bin:/bin"}
        )
        shown = run(home.shell(policy), 'echo "$A_1|$B_1|$c_x|$Q|$MY_TOKEN|$PATH"')
        assert shown == "|y||w|it's mine|/q/tools:/usr/bin:/bin\n"
        only = EnvironmentPolicy(include_only=("HOME", "B_*"))
        assert run(home.shell(only), 'echo "$A_1|$B_1|$Q|$CODEX_CI"') == "|y||1\n"

    def test_scripts_of_all_kinds(self, home: Home) -> None:
        shell = home.shell()
        assert run(shell, "") == ""
        assert run(shell, "# nothing") == ""
        assert run(shell, "\necho a\ncat <<EOF\nb\nEOF\n") == "a\nb\n"
        assert run(shell, "nosuchcommand").startswith(f"{BASH}: line 1: nosuchcommand:")
        assert run(shell, "echo $?; exit 3") == "0\n"

    @pytest.mark.parametrize("program", ["/bin/sh", "/bin/dash"])
    def test_other_shells_get_their_path_and_pager_back(self, home: Home, program: str) -> None:
        if not os.path.exists(program):
            pytest.skip("not here")
        home.profile("export PAGER=less PATH=/reset:/usr/bin:/bin")
        shown = run(home.shell(), 'echo "$PAGER|$PATH|$QUIRE_AFTER_LOGIN"', program)
        assert shown == "cat|/q/tools:/reset:/usr/bin:/bin|\n"

    def test_an_unknown_shell_is_left_alone(self, home: Home) -> None:
        argv, env = launch(home.shell(), "x", "/usr/bin/fish")
        assert argv == ("/usr/bin/fish", "-lc", "x")
        assert env["PATH"] == "/q/tools:/usr/bin:/bin"


class TestLearned:
    def test_the_profile_runs_once(self, home: Home) -> None:
        home.profile(PROFILE + 'echo ran >>"$HOME/log"\n')
        sandbox = RealSandbox()
        asyncio.run(home.shell().learn(BASH, sandbox, SandboxPolicy(mode="workspace-write")))
        (spec,) = sandbox.spawned
        assert spec.policy == SandboxPolicy()
        assert "GIVEN_TOKEN" not in spec.env
        shell = home.shell()
        # A secret among what the profile exports: nothing was kept for another process.
        assert launch(shell, "true")[0][1] == "-lc"

    def test_it_gives_the_same_without_a_login_shell(self, home: Home) -> None:
        home.profile(PROFILE.replace("PROFILE_TOKEN=secret", "") + 'echo ran >>"$HOME/log"\n')
        sandbox = RealSandbox()
        asyncio.run(home.shell().learn(BASH, sandbox, SandboxPolicy(mode="workspace-write")))
        shell = home.shell()
        argv, env = launch(shell, "true")
        assert argv == (BASH, "-c", "true")
        assert env["EXPORTED"] == "1"
        script = 'echo "$EXPORTED|$PAGER|$LC_ALL|$PATH|$BASH_ENV"; greet you; bash -c greet'
        assert run(shell, script).startswith(
            "1|cat|C.UTF-8|/q/tools:/reset:/usr/bin:/bin|\nhello you\n"
        )
        assert run(shell, "greet a; type nosuch").startswith("hello a\n/bin/bash: line 1: type:")
        assert (home.path / "log").read_text() == "ran\n"
        asyncio.run(shell.learn(BASH, sandbox, SandboxPolicy()))
        assert len(sandbox.spawned) == 1

    def test_secrets_of_the_profile_stay_out(self, home: Home) -> None:
        home.profile("export PROFILE_TOKEN=secret PLAIN=1")
        shell = home.shell()
        asyncio.run(shell.learn(BASH, RealSandbox(), SandboxPolicy()))
        argv, env = launch(shell, "true")
        assert argv[1] == "-c" and env["PLAIN"] == "1"
        assert "secret" not in env.values()
        assert not (home.path / "cache").exists()

    def test_set_is_no_business_of_the_profile(self, home: Home) -> None:
        """A project may set variables; profile files must not run under its command."""
        home.profile("export SEEN=$FROM_PROJECT")
        policy = EnvironmentPolicy(set={"FROM_PROJECT": "x"})
        shell, sandbox = home.shell(policy), RealSandbox()
        asyncio.run(shell.learn(BASH, sandbox, SandboxPolicy()))
        assert "FROM_PROJECT" not in sandbox.spawned[0].env
        assert run(shell, "echo $SEEN$FROM_PROJECT") == "x\n"

    def test_without_walls_the_profile_has_none_either(self, home: Home) -> None:
        policy, sandbox = SandboxPolicy(mode="danger-full-access"), RealSandbox()
        home.profile("export A=1")
        asyncio.run(home.shell().learn(BASH, sandbox, policy))
        assert sandbox.spawned[0].policy == policy

    @pytest.mark.parametrize(
        "run",
        [
            Run(error=AgentError("no sandbox here")),
            Run(output=(b"rubbish",)),
            Run(output=(b"x" * (17 << 20),), hold=True),
        ],
    )
    def test_what_fails_is_no_harm(self, home: Home, run: Run) -> None:
        home.profile("export A=1")
        shell = home.shell()
        asyncio.run(shell.learn(BASH, FakeSandbox(default=run), SandboxPolicy()))
        assert launch(shell, "true")[0][1] == "-lc"


class TestPlain:
    def test_no_login_was_asked_for(self, home: Home) -> None:
        home.profile("export EXPORTED=1")
        argv, env = launch(home.shell(), "true", flag="-c")
        assert argv == (BASH, "-c", "true")
        assert env["PATH"] == "/q/tools:/usr/bin:/bin"
        assert run(home.shell(), "echo [$EXPORTED]", flag="-c") == "[]\n"

    def test_no_login_is_allowed(self, home: Home) -> None:
        home.profile("export EXPORTED=1")
        shell, sandbox = home.shell(EnvironmentPolicy(allow_login=False)), RealSandbox()
        asyncio.run(shell.learn(BASH, sandbox, SandboxPolicy()))
        assert sandbox.spawned == []
        assert run(shell, "echo [$EXPORTED]") == "[]\n"

    def test_ssh_does_not_bring_bashrc_in(self, home: Home) -> None:
        """bash reads `~/.bashrc` for `-c` when it believes that sshd started it."""
        (home.path / ".bashrc").write_text("echo polluted\n")
        home.parent["SSH_CLIENT"] = "1.2.3.4 5 6"
        assert run(home.shell(), "echo clean", flag="-c") == "clean\n"

    def test_network(self, home: Home) -> None:
        shell = home.shell()
        name = "CODEX_SANDBOX_NETWORK_DISABLED"
        assert launch(shell, "x")[1][name] == "1"
        assert name not in shell.launch((BASH, "-lc", "x"), "c", Context("full"))[1]
