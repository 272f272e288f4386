"""Which sandbox a command gets: the one kept ready if it still fits, else the best layer."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from quire.core.errors import AgentError, ToolError, UsageError
from quire.core.ports import SpawnSpec
from quire.protocol.policy import SandboxPolicy
from quire.sandbox.linux import MAX_WARM, LinuxSandbox

WRITE = SandboxPolicy(mode="workspace-write", exclude_slash_tmp=True)
PATH = os.environ["PATH"]
Test = Callable[[LinuxSandbox], Awaitable[None]]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path.resolve() / "workspace"
    folder.mkdir()
    return folder


@pytest.fixture
def run(tmp_path: Path, workspace: Path) -> Callable[[Test], None]:
    def run(test: Test, layer: str | None = None) -> None:
        async def main() -> None:
            sandbox = LinuxSandbox(str(tmp_path / "quire-home"), layer)
            try:
                await test(sandbox)
            finally:
                await sandbox.aclose()

        asyncio.run(main())
        assert children() == set()

    return run


def children() -> set[int]:
    """Our direct children that live."""
    found = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return {int(pid) for pid in found}


async def output(
    sandbox: LinuxSandbox, workspace: Path, script: str, policy: SandboxPolicy = WRITE, **env: str
) -> tuple[int, str]:
    process = await sandbox.spawn(
        SpawnSpec(
            argv=("/bin/bash", "-c", script),
            cwd=str(workspace),
            env={"PATH": PATH, "HOME": os.environ["HOME"], **env},
            policy=policy,
            workspace_roots=(str(workspace),),
        )
    )
    printed = b""
    while data := await process.read():
        printed += data
    code = await process.wait()
    process.close()
    return code, printed.decode()


# --- kept ready --------------------------------------------------------------------------------


def test_what_is_kept_ready_is_used_once(run: Callable[[Test], None], workspace: Path) -> None:
    async def test(sandbox: LinuxSandbox) -> None:
        sandbox.prewarm(WRITE, str(workspace))
        ready = children()
        assert len(ready) == 1
        sandbox.prewarm(WRITE, str(workspace))
        assert children() == ready
        spec = SpawnSpec(
            argv=("/bin/sh", "-c", "echo $X; pwd"),
            cwd="/",
            env={"PATH": PATH, "X": "y"},
            policy=WRITE,
            workspace_roots=(str(workspace),),
        )
        process = await sandbox.spawn(spec)
        assert {process.pid} == ready
        assert await process.wait() == 0
        assert await process.read() == b"y\n/\n"
        second = await sandbox.spawn(spec)
        assert second.pid not in ready
        second.close()

    run(test)
    assert os.listdir(workspace) == []


@pytest.mark.parametrize("change", ["policy", "roots", "tmpdir", "protected", "stand-in", "dead"])
def test_what_is_kept_ready_is_not_used_when_something_changed(
    run: Callable[[Test], None], workspace: Path, tmp_path: Path, change: str
) -> None:
    async def test(sandbox: LinuxSandbox) -> None:
        sandbox.prewarm(WRITE, str(workspace))
        (pid,) = children()
        policy, roots, env = WRITE, (str(workspace),), {"PATH": PATH}
        if change == "policy":
            policy = SandboxPolicy(mode="read-only")
        if change == "roots":
            roots = ()
        if change == "tmpdir":
            env["TMPDIR"] = str(tmp_path)
        if change == "protected":
            (workspace / ".git" / "HEAD").write_text("")
        if change == "stand-in":
            (workspace / ".codex").rmdir()
        if change == "dead":
            await asyncio.sleep(0.1)
            os.kill(pid, 9)
            await asyncio.sleep(0.1)
        script = "touch .git/x || touch .codex/x || echo no"
        spec = SpawnSpec(
            argv=("/bin/sh", "-c", script),
            cwd=str(workspace),
            env=env,
            policy=policy,
            workspace_roots=roots,
        )
        process = await sandbox.spawn(spec)
        assert process.pid != pid
        printed = b""
        while data := await process.read():
            printed += data
        assert printed.endswith(b"no\n")
        process.close()

    run(test)
    assert os.listdir(workspace) == ([".git"] if change == "protected" else [])


def test_few_are_kept_ready(run: Callable[[Test], None], tmp_path: Path) -> None:
    async def test(sandbox: LinuxSandbox) -> None:
        for number in range(MAX_WARM + 3):
            folder = tmp_path / str(number)
            folder.mkdir()
            sandbox.prewarm(WRITE, str(folder))
            await asyncio.sleep(0.05)
        assert len(children()) == MAX_WARM

    run(test)


def test_a_hint_that_makes_no_sense(run: Callable[[Test], None], workspace: Path) -> None:
    async def test(sandbox: LinuxSandbox) -> None:
        sandbox.prewarm(WRITE, "/")
        sandbox.prewarm(WRITE, str(workspace / "none"))
        sandbox.prewarm(WRITE, "relative")
        assert await output(sandbox, workspace, "echo well") == (0, "well\n")

    run(test)


def test_ready_before_the_event_loop_is_imported(workspace: Path, tmp_path: Path) -> None:
    code = f"""
import sys
from quire.sandbox.linux import LinuxSandbox
from quire.core.ports import SpawnSpec
from quire.protocol.policy import SandboxPolicy
policy = SandboxPolicy(mode="workspace-write", exclude_slash_tmp=True)
sandbox = LinuxSandbox({str(tmp_path / "home")!r})
sandbox.prewarm(policy, {str(workspace)!r})
heavy = ("asyncio", "socket", "signal", "subprocess", "select", "ctypes", "logging", "pathlib")
assert not [name for name in heavy if name in sys.modules]
pids = open("/proc/self/task/%d/children" % __import__("os").getpid()).read().split()
import asyncio
async def main():
    process = await sandbox.spawn(SpawnSpec(argv=("/bin/echo", "hi"), cwd="/", env={{}},
        policy=policy, workspace_roots=({str(workspace)!r},)))
    assert [str(process.pid)] == pids
    assert await process.read() == b"hi\\n"
    await sandbox.aclose()
asyncio.run(main())
"""
    env = {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert os.listdir(workspace) == []


# --- what holds --------------------------------------------------------------------------------


def test_the_folder_of_a_command_gives_no_right_to_write(
    run: Callable[[Test], None], workspace: Path, tmp_path: Path
) -> None:
    async def test(sandbox: LinuxSandbox) -> None:
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        spec = SpawnSpec(
            argv=("touch", "x"),
            cwd=str(elsewhere),
            env={"PATH": PATH},
            policy=WRITE,
            workspace_roots=(str(workspace),),
        )
        assert await (await sandbox.spawn(spec)).wait() == 1
        assert os.listdir(elsewhere) == []

    run(test)


def test_a_root_stays_what_it_was(
    run: Callable[[Test], None], workspace: Path, tmp_path: Path
) -> None:
    async def test(sandbox: LinuxSandbox) -> None:
        assert await output(sandbox, workspace, "echo ok") == (0, "ok\n")
        workspace.rename(tmp_path / "moved")
        workspace.symlink_to(tmp_path)
        with pytest.raises(AgentError, match="now leads to"):
            await output(sandbox, workspace, "touch x")

    run(test)


def test_nested_roots_cannot_be_moved_away(run: Callable[[Test], None], workspace: Path) -> None:
    async def test(sandbox: LinuxSandbox) -> None:
        inner = workspace / "a" / "inner"
        inner.mkdir(parents=True)
        policy = SandboxPolicy(
            mode="workspace-write", exclude_slash_tmp=True, writable_roots=(str(inner),)
        )
        script = "mv a b || mv a/inner a/other || echo kept; touch a/inner/.codex/x || echo kept"
        _, printed = await output(sandbox, workspace, script, policy)
        assert printed.count("kept\n") == 2

    run(test)


@pytest.mark.parametrize("script", ["rm .codex", "mv .codex x", "ln -sfn evil .codex", "mv step x"])
def test_a_symlinked_name_cannot_be_replaced(
    run: Callable[[Test], None], workspace: Path, script: str
) -> None:
    async def test(sandbox: LinuxSandbox) -> None:
        (workspace / "dotfiles" / "codex").mkdir(parents=True)
        (workspace / "dotfiles" / "codex" / "config.toml").write_text("a = 1\n")
        (workspace / "step").symlink_to("dotfiles")
        (workspace / ".codex").symlink_to("step/codex")
        script_ = f"{script}; cat .codex/config.toml; echo b > .codex/config.toml; mv dotfiles x"
        code, printed = await output(sandbox, workspace, script_)
        assert code != 0
        assert "a = 1\n" in printed
        assert (workspace / ".codex" / "config.toml").read_text() == "a = 1\n"

    run(test)
    assert (workspace / ".codex").is_symlink()


def test_a_symlinked_name_is_too_much_for_bubblewrap(
    run: Callable[..., None], workspace: Path
) -> None:
    async def test(sandbox: LinuxSandbox) -> None:
        (workspace / ".git").symlink_to("elsewhere")
        with pytest.raises(AgentError, match="a protected name is a symlink"):
            await output(sandbox, workspace, "true")

    run(test, "bubblewrap")


def test_a_worktree_keeps_its_repository(run: Callable[[Test], None], workspace: Path) -> None:
    def git(*words: str) -> None:
        subprocess.run(["git", *words], cwd=workspace, check=True, capture_output=True)

    async def test(sandbox: LinuxSandbox) -> None:
        git("init", "main")
        git("-C", "main", "commit", "--allow-empty", "-m", "first")
        git("-C", "main", "worktree", "add", "../tree")
        policy = SandboxPolicy(
            mode="workspace-write",
            exclude_slash_tmp=True,
            writable_roots=(str(workspace / "tree"),),
        )
        script = "git status --short && touch new && git add new"
        code, printed = await output(sandbox, workspace, f"cd tree && {script}", policy)
        assert code != 0
        assert "index.lock': Read-only file system" in printed
        script = "echo x > main/.git/config; echo x > main/.git/hooks/post-commit; mv main other"
        _, printed = await output(sandbox, workspace, script, policy)
        assert printed.count("Read-only file system") == 2
        assert (workspace / "main" / ".git" / "config").stat().st_size > 2

    run(test)


# --- what works inside -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "script", "expected"),
    [
        ("git", "git status --short", "?? a.c\n?? test_a.py\n"),
        ("gcc", "gcc -o a a.c && ./a", "hello\n"),
        (
            "node",
            'node -e \'console.log(require("child_process").execSync("echo 42")+1)\'',
            "42\n1\n",
        ),
        ("python3", f"{sys.executable} -m pytest -q -p no:cacheprovider test_a.py | tail -1", None),
    ],
)
def test_programs_run(
    run: Callable[[Test], None], workspace: Path, program: str, script: str, expected: str | None
) -> None:
    if shutil.which(program) is None:
        return  # Nothing here to run.

    subprocess.run(["git", "init", "-q", str(workspace)], check=True)
    (workspace / "a.c").write_text('#include <stdio.h>\nint main(void){puts("hello");}\n')
    (workspace / "test_a.py").write_text("def test(tmp_path): tmp_path.touch()\n")

    async def test(sandbox: LinuxSandbox) -> None:
        policy = SandboxPolicy(mode="workspace-write")
        code, printed = await output(sandbox, workspace, script, policy)
        assert code == 0, printed
        assert printed == expected if expected else "1 passed" in printed

    run(test)


# --- layers ------------------------------------------------------------------------------------


def test_words_that_name_no_layer(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown sandbox layer 'none'"):
        LinuxSandbox(str(tmp_path), "none")


def test_a_layer_that_has_worked_is_not_left(run: Callable[[Test], None], workspace: Path) -> None:
    async def test(sandbox: LinuxSandbox) -> None:
        assert await output(sandbox, workspace, "echo ok") == (0, "ok\n")
        first = sandbox.steps[0]
        assert first.proven
        gone = workspace / "gone"
        gone.mkdir()
        policy = SandboxPolicy(mode="workspace-write", writable_roots=(str(gone),))

        async def disturb() -> None:
            while True:
                gone.rename(workspace / "other")
                await asyncio.sleep(0)
                (workspace / "other").rename(gone)
                await asyncio.sleep(0)

        disturbing = asyncio.create_task(disturb())
        for _ in range(20):
            try:
                await output(sandbox, workspace, "true", policy)
            except AgentError as exc:
                assert "bubblewrap" in str(exc)
        disturbing.cancel()
        assert sandbox.layer == "bubblewrap"
        assert first.failure is None

    run(test)


@pytest.mark.parametrize("enough", [1, 3, 5, 7, 8, 9, 10, 11, 12])
def test_a_shortage_says_nothing_about_a_layer(
    run: Callable[[Test], None], workspace: Path, enough: int
) -> None:
    async def test(sandbox: LinuxSandbox) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        used = {int(name) for name in os.listdir("/proc/self/fd")}
        free = [number for number in range(200) if number not in used]
        resource.setrlimit(resource.RLIMIT_NOFILE, (free[enough], hard))
        try:
            with pytest.raises(AgentError, match="Too many open files"):
                await output(sandbox, workspace, "true")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert all(step.failure is None for step in sandbox.steps)
        assert await output(sandbox, workspace, "echo ok") == (0, "ok\n")

    before = len(os.listdir("/proc/self/fd"))
    run(test)
    assert len(os.listdir("/proc/self/fd")) == before
    assert os.listdir(workspace) == []


def test_what_cannot_be_started(run: Callable[[Test], None], workspace: Path) -> None:
    async def test(sandbox: LinuxSandbox) -> None:
        for argv, cwd in ((("none",), str(workspace)), (("true",), str(workspace / "none"))):
            spec = SpawnSpec(argv=argv, cwd=cwd, env={"PATH": PATH}, policy=WRITE)
            with pytest.raises(ToolError):
                await sandbox.spawn(spec)
        spec = SpawnSpec(
            argv=("true",), cwd="/", env={"PATH": PATH}, policy=WRITE, workspace_roots=("/",)
        )
        with pytest.raises(AgentError, match="would open the whole machine"):
            await sandbox.spawn(spec)

    run(test)
