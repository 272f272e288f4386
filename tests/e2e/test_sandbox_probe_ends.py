"""However Quire ends, its commands end with it and nothing stays in the workspace; and which layer
is used where the better ones do not work."""

from __future__ import annotations

import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

import quire
from quire.sandbox.keeper import libc

SOURCE = str(Path(quire.__file__).parents[1])
WITH_PACKAGES = {"PYTHONPATH": os.pathsep.join([SOURCE, *filter(None, sys.path)])}
SECONDS = 10

HOLDER = """
import asyncio, sys
from quire.core.ports import SpawnSpec
from quire.protocol.policy import SandboxPolicy
from quire.sandbox.linux import LinuxSandbox
home, layer, workspace, mark, tty = sys.argv[1:]
mode = "danger-full-access" if layer == "none" else "workspace-write"
policy = SandboxPolicy(mode=mode, exclude_slash_tmp=True)
script = f'''
setsid sleep {mark} >/dev/null 2>&1 &
(setsid sh -c '(sleep {mark} &) ; sleep {mark}' >/dev/null 2>&1 &)
trap '' TERM HUP INT
echo ready
sleep {mark}
'''
async def main():
    sandbox = LinuxSandbox(home, None if layer == "none" else layer)
    sandbox.prewarm(policy, workspace)
    spec = SpawnSpec(argv=("/bin/bash", "-c", script), cwd=workspace, tty=tty == "tty",
        env={"PATH": "/usr/bin:/bin"}, policy=policy, workspace_roots=(workspace,))
    process = await sandbox.spawn(spec)
    assert (await process.read()).strip() == b"ready"
    sandbox.prewarm(policy, workspace)
    print("ready", flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


def processes(mark: str) -> list[str]:
    found: list[str] = []
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and mark.encode() in Path(f"/proc/{name}/cmdline").read_bytes():
                found.append(Path(f"/proc/{name}/cmdline").read_text().replace("\0", " ")[:200])
        except OSError:
            continue
    return found


def until_gone(mark: str) -> list[str]:
    until = time.monotonic() + SECONDS
    while processes(mark) and time.monotonic() < until:
        time.sleep(0.02)
    return processes(mark)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path.resolve() / "workspace"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("tty", ["pipe", "tty"])
@pytest.mark.parametrize("layer", ["bubblewrap", "namespaces", "landlock", "none"])
def test_killed_outright(workspace: Path, tmp_path: Path, layer: str, tty: str) -> None:
    mark = f"8{os.getpid()}.{time.monotonic_ns()}"
    home = tmp_path / "quire-home"
    words = [sys.executable, "-c", HOLDER, str(home), layer, str(workspace), mark, tty]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=WITH_PACKAGES) as holder:
        assert holder.stdout is not None
        try:
            assert holder.stdout.readline() == "ready\n"
            until = time.monotonic() + SECONDS
            while len(processes(mark)) < 4 and time.monotonic() < until:
                time.sleep(0.02)
            assert len(processes(mark)) >= 4
        finally:
            holder.kill()
    assert until_gone(mark) == []
    # What could not be removed then goes with the next sandbox of the same home, anywhere.
    assert run_quire(home, "sandbox", "--", "true").returncode == 0
    after = tmp_path / "after"
    after.mkdir()
    quire_sandbox(home, after, "true")
    assert os.listdir(workspace) == []
    assert os.listdir(after) == []
    assert os.listdir(home / "tmp" / "mounts") == []


def run_quire(home: Path, *words: str, **options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "quire", *words],
        env={"PATH": os.environ["PATH"], "QUIRE_HOME": str(home), **WITH_PACKAGES, **options},
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        cwd="/",
    )


def quire_sandbox(home: Path, workspace: Path, *command: str) -> subprocess.CompletedProcess[str]:
    options = ("-s", "workspace-write", "-C", str(workspace))
    return run_quire(home, "sandbox", *options, "--", *command)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_end(workspace: Path, tmp_path: Path, number: signal.Signals) -> None:
    mark = f"8{os.getpid()}.{time.monotonic_ns()}"
    words = [sys.executable, "-m", "quire", "sandbox", "-s", "workspace-write"]
    words += ["-C", str(workspace), "--", "sh", "-c", f"echo ready; sleep {mark}"]
    env = {"PATH": os.environ["PATH"], "QUIRE_HOME": str(tmp_path / "home"), **WITH_PACKAGES}
    command = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=env, cwd="/")
    assert command.stdout is not None
    assert command.stdout.readline() == "ready\n"
    assert ".codex" in os.listdir(workspace)
    command.send_signal(number)
    command.communicate(timeout=SECONDS)
    assert command.returncode == 128 + number
    assert until_gone(mark) == []
    assert os.listdir(workspace) == []


def test_quire_sandbox(workspace: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    done = quire_sandbox(home, workspace, "sh", "-c", "echo a >f; cat f; echo b >&2; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, "a\n", "b\n")
    done = run_quire(home, "sandbox", "-C", str(workspace), "--", "touch", "x")
    assert done.returncode == 1
    assert "Read-only file system" in done.stderr
    script = "echo $CODEX_SANDBOX_NETWORK_DISABLED $KEPT"
    done = run_quire(home, "sandbox", "--", "sh", "-c", script, KEPT="kept")
    assert done.stdout == "1 kept\n"
    done = run_quire(home, "sandbox", "--", "no-such-program")
    assert (done.returncode, done.stderr) == (1, "error: no-such-program: command not found\n")
    assert run_quire(home, "sandbox").returncode == 2
    assert run_quire(home, "sandbox", "-s", "none", "--", "true").returncode == 2
    assert "-C: " in run_quire(home, "sandbox", "-C", "/none", "--", "true").stderr
    piped = subprocess.run(
        [sys.executable, "-m", "quire", "sandbox", "--", "cat"],
        env={"PATH": os.environ["PATH"], "QUIRE_HOME": str(home), **WITH_PACKAGES},
        capture_output=True,
        input=b"through",
    )
    assert piped.stdout == b"through"


# --- where the better layers do not work -------------------------------------------------------


class Check(msgspec.Struct):
    name: str
    ok: bool
    detail: str
    remedy: str
    notes: list[str]


def doctor(done: subprocess.CompletedProcess[str]) -> dict[str, Check]:
    assert done.stderr == ""
    checks = msgspec.convert(json.loads(done.stdout)["checks"], list[Check])
    return {check.name: check for check in checks}


def test_doctor(tmp_path: Path) -> None:
    done = run_quire(tmp_path / "home", "doctor", "--json")
    assert done.returncode == 0
    checks = doctor(done)
    assert all(check.ok for check in checks.values())
    assert checks["sandbox"].detail == "layer bubblewrap"
    assert checks["sandbox"].notes == []
    plain = run_quire(tmp_path / "home", "doctor")
    assert "ok   sandbox: layer bubblewrap\n" in plain.stdout
    (tmp_path / "file").touch()
    done = run_quire(tmp_path / "file", "doctor")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert run_quire(tmp_path / "home", "doctor", "more").returncode == 2


def test_without_bubblewrap(tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    packages.mkdir()
    shutil.copytree(Path(msgspec.__file__).parent, packages / "msgspec")
    done = subprocess.run(
        [sys.executable, "-S", "-m", "quire", "doctor", "--json"],
        env={
            "PATH": "/nowhere",
            "QUIRE_HOME": str(tmp_path / "home"),
            "PYTHONPATH": f"{SOURCE}:{packages}",
        },
        capture_output=True,
        text=True,
        cwd="/",
    )
    if os.path.exists("/usr/bin/bwrap"):
        return  # The system's is always found.
    checks = doctor(done)
    assert checks["bubblewrap"].detail == "no bwrap program found"
    assert checks["sandbox"].ok
    assert checks["sandbox"].detail == "layer namespaces"
    failure = "did not work: bubblewrap: execve bwrap: No such file or directory (errno 2)"
    assert checks["sandbox"].notes == [failure]


def test_inside_a_sandbox(workspace: Path, tmp_path: Path) -> None:
    """There are no namespaces to be had there; what is left stacks."""
    inner_home = workspace / "home"
    inner = [sys.executable, "-m", "quire"]
    env = f"QUIRE_HOME={inner_home}"
    words = ("env", env, *inner, "doctor", "--json")
    checks = doctor(quire_sandbox(tmp_path / "home", workspace, *words))
    assert checks["sandbox"].ok
    assert checks["sandbox"].detail == "layer landlock"
    notes = checks["sandbox"].notes
    assert "did not work: namespaces: unshare: Operation not permitted (errno 1)" in notes
    assert any(note.startswith("not guaranteed: ") for note in notes)
    words = ("env", env, *inner, "sandbox", "--", "touch", str(workspace / "x"))
    done = quire_sandbox(tmp_path / "home", workspace, *words)
    assert done.returncode == 1
    assert "Permission denied" in done.stderr


def test_where_no_sandbox_can_be_made(tmp_path: Path) -> None:
    """Commands are then refused, not run without."""
    marker = tmp_path / "ran"
    environment = {"QUIRE_HOME": str(tmp_path / "home"), **WITH_PACKAGES}
    environment["PATH"] = os.environ["PATH"]

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "quire", *words],
            env=environment,
            capture_output=True,
            text=True,
            preexec_fn=refuse_sandboxes,
            cwd="/",
        )

    here = ("-C", str(tmp_path))
    done = run("sandbox", "-s", "workspace-write", *here, "--", "touch", str(marker))
    assert done.returncode == 1
    assert not marker.exists()
    assert done.stderr.startswith("error: cannot make a sandbox: bubblewrap: ")
    assert done.stderr.count("\n") == 1
    assert "namespaces: unshare: Operation not permitted (errno 1)" in done.stderr
    assert "landlock: landlock_create_ruleset: Operation not permitted (errno 1)" in done.stderr
    check = doctor(run("doctor", "--json"))["sandbox"]
    assert not check.ok
    assert "errno 1" in check.detail
    assert check.remedy
    assert check.remedy not in check.detail
    full = run("sandbox", "-s", "danger-full-access", "--", "touch", str(marker))
    assert full.returncode == 0
    assert marker.exists()


def refuse_sandboxes() -> None:
    """Like a container that allows neither namespaces nor Landlock (x86_64 and aarch64)."""
    rules = [(0x20, 0, 0, 0)]
    refuse, allow = 0x0005_0000 | 1, 0x7FFF_0000
    for number in (444, 272 if os.uname().machine == "x86_64" else 97):
        rules += [(0x15, 0, 1, number), (0x06, 0, 0, refuse)]
    clone = 56 if os.uname().machine == "x86_64" else 220
    rules += [(0x15, 0, 3, clone), (0x20, 0, 0, 16), (0x45, 0, 1, 0x7E02_0000)]
    rules += [(0x06, 0, 0, refuse), (0x06, 0, 0, allow)]
    libc.no_new_privileges()
    libc.load_filter(b"".join(struct.pack("=HBBI", *rule) for rule in rules))
