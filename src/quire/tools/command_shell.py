"""How a script that is shown as `bash -lc SCRIPT` is run: which vector, in which environment."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import Protocol

from quire.core.errors import QuireError
from quire.core.ports import Sandbox, SpawnSpec
from quire.protocol.policy import SandboxPolicy, TurnContext
from quire.tools.environment import EnvironmentPolicy, command_environment, inherited, permitted
from quire.tools.login_capture import LoginEffect, is_complete
from quire.tools.login_repair import REPAIR, repair_script
from quire.tools.login_shell import LoginShell

CAPTURE_SECONDS = 10
_CAPTURE_BYTES = 16 << 20


class HasTurn(Protocol):
    """The part of a `ToolContext` that matters here."""

    @property
    def turn(self) -> TurnContext: ...


class CommandShell:
    """Turns displayed vectors into real ones, for one thread. It starts no process itself.

    `parent` is the environment that Quire runs in, `cache` the folder for what is known about
    login shells (None keeps nothing on disk)."""

    def __init__(
        self,
        policy: EnvironmentPolicy,
        parent: Mapping[str, str],
        thread_id: str,
        path_prefix: str | None = None,
        cache: str | None = None,
    ) -> None:
        self._policy = policy
        self._variables = inherited(policy, parent)
        self._thread_id = thread_id
        self._path_prefix = path_prefix
        self._cache = cache
        self._logins: dict[str, LoginShell] = {}
        self._after_login: dict[str, dict[str, str]] = {}

    def launch(
        self, displayed: tuple[str, ...], call_id: str, ctx: HasTurn
    ) -> tuple[tuple[str, ...], dict[str, str]]:
        """The vector to run in place of `displayed` (`SHELL -lc SCRIPT` or `SHELL -c SCRIPT`), and
        its whole environment. A login shell whose effect is known costs no more than `-c`; until
        then, and where its effect cannot be repeated, the real one runs."""
        shell, flag, script = displayed
        offline = not ctx.turn.sandbox.full_network
        if flag != "-lc" or not self._policy.allow_login:
            return (shell, "-c", script), self._environment(self._variables, call_id, offline)
        effect = self._login(shell).effect()
        prelude = self._login(shell).prelude() if effect and effect.prelude else None
        if effect is None or (effect.prelude and prelude is None):
            return self._real_login(shell, script, call_id, offline)
        environment = self._environment(self._changed(shell, effect), call_id, offline)
        if prelude is not None:
            environment["BASH_ENV"] = prelude
        return (shell, "-c", script), environment

    async def learn(self, shell: str, sandbox: Sandbox, policy: SandboxPolicy) -> None:
        """Find out what a login shell does, unless that is known. For the background: it is only
        about speed, raises nothing of ours, and may be cancelled at any time.

        Profile files run as they would for a command: in the sandbox, unless `policy` has none."""
        login = self._login(shell)
        if not self._policy.allow_login or not login.foreseeable or login.effect() is not None:
            return
        full = policy.mode == "danger-full-access"
        spec = SpawnSpec(
            argv=login.capture,
            cwd="/",
            env=self._variables,
            policy=policy if full else SandboxPolicy(),
        )
        try:
            async with asyncio.timeout(CAPTURE_SECONDS):
                login.accept(await _output(sandbox, spec))
        except (QuireError, TimeoutError):
            return

    def _login(self, shell: str) -> LoginShell:
        if shell not in self._logins:
            self._logins[shell] = LoginShell(shell, self._variables, self._cache)
        return self._logins[shell]

    def _changed(self, shell: str, effect: LoginEffect) -> dict[str, str]:
        """What profile files make of the inherited variables, as far as commands may see it."""
        if shell not in self._after_login:
            changed = {**self._variables, **effect.exported}
            for name in effect.removed:
                changed.pop(name, None)
            self._after_login[shell] = permitted(self._policy, changed)
        return self._after_login[shell]

    def _environment(
        self, variables: Mapping[str, str], call_id: str, offline: bool
    ) -> dict[str, str]:
        return command_environment(
            self._policy, variables, self._thread_id, call_id, offline, self._path_prefix
        )

    def _real_login(
        self, shell: str, script: str, call_id: str, offline: bool
    ) -> tuple[tuple[str, ...], dict[str, str]]:
        """Profile files run, and what they may not change is put right behind them."""
        environment = self._environment(self._variables, call_id, offline)
        kind = os.path.basename(shell)
        repair = repair_script(self._policy, kind, environment, self._path_prefix)
        if repair is None:
            return (shell, "-lc", script), environment
        environment[REPAIR] = repair
        return (shell, "-lc", f'eval "${REPAIR}"; {script}'), environment


async def _output(sandbox: Sandbox, spec: SpawnSpec) -> bytes:
    process = await sandbox.spawn(spec)
    output = bytearray()
    try:
        # Not to the end of the pipe: something that a profile started may hold it.
        while not is_complete(output) and len(output) < _CAPTURE_BYTES:
            chunk = await process.read()
            if not chunk:
                break
            output += chunk
    finally:
        process.close()
    return bytes(output)
