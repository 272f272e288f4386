"""Runs the probe in sandboxes and prints what it found: JSON, run -> attempt -> outcome.

    python sandbox_driver.py FOLDER PROBE USER LAYER:MODE...

It becomes USER (a number) first, so that everything, the sandbox's own making included, is done by
that user. LAYER is one of the sandbox's, or `none` for no sandbox at all. FOLDER is empty, belongs
to the user and lies outside the temporary folders. A run is made in fresh surroundings.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import shutil
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from quire.core.ports import SpawnSpec
from quire.protocol.policy import SandboxPolicy
from quire.sandbox.linux import LinuxSandbox

POLICIES = {
    "read-only": SandboxPolicy(mode="read-only"),
    "workspace-write": SandboxPolicy(mode="workspace-write"),
    "network": SandboxPolicy(mode="workspace-write", network_access=True),
    "full": SandboxPolicy(mode="danger-full-access"),
}
SECRET = "quire-probe-secret-" + os.urandom(8).hex()
MEMORY_KEY = int.from_bytes(os.urandom(3), "big") + 1
ABSTRACT = "quire-probe-" + os.urandom(8).hex()
IPC_CREAT, IPC_RMID = 0o1000, 0
LIBC = ctypes.CDLL(None, use_errno=True)


def surroundings(folder: Path, stack: ExitStack) -> dict[str, Any]:
    """The world outside the sandbox; what of it listens or runs ends with `stack`."""
    workspace, outside = folder / "workspace", folder / "outside"
    for made in (workspace / "sub", workspace / ".git" / "hooks", outside, folder / "home"):
        made.mkdir(parents=True)
    (folder / "tmp").mkdir()
    for name in ("file", "file2"):
        (outside / name).write_text("outside\n")
    os.mkfifo(outside / "fifo")
    fifo = os.open(outside / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    stack.callback(os.close, fifo)
    (workspace / "file").write_text("inside\n")
    (workspace / ".git" / "config").write_text("[core]\n")
    (workspace / "leads-outside").symlink_to(outside)
    tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    udp = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
    udp.bind(("127.0.0.1", 0))
    for name, kind in (("unix", socket.SOCK_STREAM), ("datagram", socket.SOCK_DGRAM)):
        listener = stack.enter_context(socket.socket(socket.AF_UNIX, kind))
        listener.bind(str(folder / name))
        if kind == socket.SOCK_STREAM:
            listener.listen()
    abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
    abstract.bind("\0" + ABSTRACT)
    abstract.listen()
    sleeper = stack.enter_context(subprocess.Popen(["sleep", "60"], env={"SECRET": SECRET}))
    stack.callback(sleeper.kill)
    memory = LIBC.shmget(MEMORY_KEY, 64, IPC_CREAT | 0o600)
    stack.callback(LIBC.shmctl, memory, IPC_RMID, None)
    return {
        "workspace": str(workspace),
        "outside": str(outside),
        "home": str(folder / "home"),
        "tcp": tcp.getsockname()[1],
        "udp": udp.getsockname()[1],
        "unix": str(folder / "unix"),
        "datagram": str(folder / "datagram"),
        "abstract": ABSTRACT,
        "pid": sleeper.pid,
        "memory": MEMORY_KEY,
        "secret": SECRET,
    }


async def run(folder: Path, probe: str, layer: str, mode: str) -> dict[str, str]:
    """One run of the probe, and whether it left anything behind."""
    folder.mkdir()
    home = folder / "home" / ".quire"
    with ExitStack() as stack:
        facts = surroundings(folder, stack)
        before = sorted(os.listdir(facts["workspace"]))
        sandbox = LinuxSandbox(str(home), None if layer == "none" else layer)
        spec = SpawnSpec(
            argv=(sys.executable, "-I", probe, json.dumps(facts)),
            cwd=str(facts["workspace"]),
            env={
                "PATH": "/usr/local/bin:/usr/bin:/bin",
                "HOME": str(facts["home"]),
                "TMPDIR": str(folder / "tmp"),
                "PYTHONDONTWRITEBYTECODE": "1",
                "LD_LIBRARY_PATH": os.environ["LD_LIBRARY_PATH"],
            },
            policy=POLICIES[mode],
            workspace_roots=(str(facts["workspace"]),),
        )
        process = await sandbox.spawn(spec)
        output = b""
        while data := await process.read():
            output += data
        code = await process.wait()
        await sandbox.aclose()
        try:
            found: dict[str, str] = json.loads(output)
        except ValueError:
            return {"probe": f"exit {code}: {output.decode(errors='replace')[-2000:]}"}
        found["layer"] = sandbox.layer if layer != "none" else "none"
        left = {name for name in os.listdir(facts["workspace"]) if name.startswith(".")}
        left -= set(before)
        found["left"] = " ".join(sorted(left)) or "nothing"
    shutil.rmtree(folder)
    return found


def main() -> None:
    folder, probe, user, *runs = sys.argv[1:]
    if os.getuid() != int(user):
        os.setgroups([])
        os.setgid(int(user))
        os.setuid(int(user))
    os.environ["QUIRE_PROBE_SECRET"] = SECRET
    report = {
        name: asyncio.run(run(Path(folder, name.replace(":", "-")), probe, *name.split(":")))
        for name in runs
    }
    print(json.dumps(report))


main()
