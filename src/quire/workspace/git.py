"""Git, asked about repositories that anybody may have written.

What a repository's config names, git would run: hooks, filters, fsmonitor, external diffs, helpers
that fetch missing objects. All of that is switched off, and git itself runs in the sandbox of
commands, without the network and without a folder to write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from quire.core.errors import AgentError, ToolError
from quire.core.ports import Process, Sandbox, SpawnSpec
from quire.protocol.policy import SandboxPolicy

MAX_OUTPUT = 64 << 20
"""Bytes of one answer of git; a longer one is no answer."""
TIMEOUT_SECONDS = 30.0

_SAFE = {
    "core.fsmonitor": "false",
    "core.hooksPath": "/dev/null",
    "core.pager": "cat",
    "core.alternateRefsCommand": "",
    "core.sshCommand": "false",
    "core.untrackedCache": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "safe.bareRepository": "explicit",
    "core.quotePath": "true",
    "diff.external": "",
    "log.showSignature": "false",
    "protocol.allow": "never",
    "submodule.recurse": "false",
}
_ENVIRONMENT = {
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_PAGER": "cat",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}


class Git:
    """Runs git. `environment` gives what it inherits, without secrets; `policy` is for people who
    said that there is to be no sandbox."""

    def __init__(
        self,
        sandbox: Sandbox,
        environment: Callable[[], dict[str, str]],
        policy: SandboxPolicy | None = None,
    ) -> None:
        self._sandbox = sandbox
        self._environment = environment
        self._policy = policy or SandboxPolicy()

    async def run(
        self, cwd: str, *arguments: str, config: dict[str, str] | None = None
    ) -> bytes | None:
        """What `git ARGUMENTS` prints in `cwd`, with more of its `config` set; None when it fails,
        is not there, or prints or takes too much. May be cancelled."""
        spec = SpawnSpec(
            argv=("git", "--no-pager", *arguments),
            cwd=cwd,
            env=self._safe_environment(config or {}),
            policy=self._policy,
            split=True,
        )
        try:
            process = await self._sandbox.spawn(spec)
        except (ToolError, AgentError):
            return None
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return await _answer(process)
        except TimeoutError:
            return None
        finally:
            process.close()

    async def foreign_filters(self, cwd: str) -> dict[str, str]:
        """Config that switches off the filters that the repository itself sets up, or sets up
        differently than its user."""
        said = await self.run(
            cwd, "config", "--show-scope", "--name-only", "-z", "--get-regexp", r"^filter\."
        )
        words = (said or b"").split(b"\0")
        pairs = zip(words[::2], words[1::2], strict=False)
        names = {key for scope, key in pairs if scope not in (b"system", b"global")}
        off: dict[str, str] = {}
        for name in names:
            driver = name.decode("utf-8", "surrogateescape").rpartition(".")[0]
            off |= {f"{driver}.{part}": "" for part in ("clean", "smudge", "process")}
            off[f"{driver}.required"] = "false"
        return off

    def _safe_environment(self, config: dict[str, str]) -> dict[str, str]:
        inherited = self._environment()
        env = {name: text for name, text in inherited.items() if not name.startswith("GIT_")}
        settings = {**_SAFE, **config}
        env |= _ENVIRONMENT | {"GIT_CONFIG_COUNT": str(len(settings))}
        for number, (name, text) in enumerate(settings.items()):
            env |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": text}
        return env


async def _answer(process: Process) -> bytes | None:
    complaints = asyncio.create_task(_skip(process))
    try:
        printed = bytearray()
        while data := await process.read():
            printed += data
            if len(printed) > MAX_OUTPUT:
                return None
        return bytes(printed) if await process.wait() == 0 else None
    finally:
        complaints.cancel()


async def _skip(process: Process) -> None:
    while await process.read_error():
        pass
