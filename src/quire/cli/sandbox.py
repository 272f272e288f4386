"""`quire sandbox -- COMMAND`: run one command as the agent's commands run."""

from __future__ import annotations

import os
import sys

import msgspec

from quire.cli.options import CommandLineError, Option, help_text, parse
from quire.core.errors import UsageError
from quire.protocol.policy import SandboxMode, SandboxPolicy

OPTIONS = (
    Option(
        ("--sandbox", "-s"),
        "What the command may touch; read-only unless given",
        "MODE",
        choices=("read-only", "workspace-write", "danger-full-access"),
    ),
    Option(("--cd", "-C"), "Folder to run in; the workspace in workspace-write", "DIR"),
    Option(("--add-dir",), "A further folder that may be written", "DIR", True),
    Option(("--network",), "Allow the network (in workspace-write)"),
    Option(
        ("--sandbox-layer",),
        "Force a layer instead of the best that works",
        "NAME",
        choices=("bubblewrap", "namespaces", "landlock"),
    ),
    Option(("--help", "-h"), "Show this help"),
)
USAGE = "quire sandbox [OPTIONS] -- COMMAND [ARGS]"


def run(argv: list[str]) -> int:
    """Run the command after `--`; its exit code. Raises `QuireError` when it cannot be started."""
    parsed = parse(argv, OPTIONS)
    if parsed.flag("help"):
        sys.stdout.write(help_text(USAGE, "Run a command in the sandbox", OPTIONS))
        return 0
    if not parsed.words:
        raise CommandLineError(f"a command is required: {USAGE}")
    cwd = os.path.abspath(parsed.one("cd") or os.getcwd())
    if not os.path.isdir(cwd):
        raise UsageError(f"-C: {cwd} is not a folder")
    policy = SandboxPolicy(
        mode=msgspec.convert(parsed.one("sandbox") or "read-only", SandboxMode),
        writable_roots=tuple(os.path.abspath(folder) for folder in parsed.all("add-dir")),
        network_access=parsed.flag("network"),
    )
    import asyncio

    from quire.cli.home import quire_home
    from quire.sandbox.single import run_command

    layer = parsed.one("sandbox-layer")
    return asyncio.run(run_command(quire_home(), tuple(parsed.words), cwd, policy, layer))
