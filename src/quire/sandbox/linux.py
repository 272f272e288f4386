"""The sandbox of Linux: chooses the layer, starts commands, keeps one ready.

Import is light and needs no asyncio: `prewarm` may run before the event loop exists.
"""

from __future__ import annotations

import os

from quire.core.errors import AgentError
from quire.core.ports import SpawnSpec
from quire.protocol.policy import SandboxPolicy
from quire.sandbox.bubblewrap import find
from quire.sandbox.command import check
from quire.sandbox.mountpoints import MountPoints
from quire.sandbox.plan import Plan, make_plan
from quire.sandbox.process import RunningProcess
from quire.sandbox.spawning import close_on_exec
from quire.sandbox.waiting import StartFailed, Waiting, start_waiting

MAX_WARM = 4
MAX_STARTING = 4
_REPLANS = 20


class LinuxSandbox:
    """Implements `core.ports.Sandbox`.

    `home` is Quire's folder: bookkeeping goes to its `tmp`, and commands can never write it.
    `layer` forces one layer instead of the first that works.
    """

    def __init__(self, home: str, layer: str | None = None) -> None:
        self._home = home
        self._forced = layer
        self._mounts = MountPoints(home)
        self._programs = list(find())
        self._warm: dict[Plan, Waiting] = {}
        self._running: set[RunningProcess] = set()
        close_on_exec()

    @property
    def layer(self) -> str:
        return "bubblewrap"

    def prewarm(self, policy: SandboxPolicy, cwd: str) -> None:
        if policy.mode == "danger-full-access" or len(self._warm) >= MAX_WARM:
            return
        try:
            plan = make_plan(policy, (cwd,), os.environ.get("TMPDIR"), self._home)
            if plan not in self._warm:
                self._warm[plan] = self._start(plan)
        except (OSError, AgentError):
            return

    async def spawn(self, spec: SpawnSpec) -> RunningProcess:
        argv = check(spec.argv, spec.cwd, spec.env)
        waiting = self._take(spec)
        try:
            await waiting.ready()
            await waiting.order(argv, spec.cwd, spec.env)
        except StartFailed as exc:
            waiting.discard()
            raise AgentError(f"cannot make a sandbox: {exc}") from None
        except BaseException:
            waiting.discard()
            raise
        process = RunningProcess(waiting.child, waiting.output, tty=False, on_end=self._ended)
        self._running.add(process)
        process.stand_ins = waiting.stand_ins
        return process

    async def aclose(self) -> None:
        for waiting in self._warm.values():
            waiting.discard()
            self._mounts.release(waiting.stand_ins)
        self._warm.clear()

    def _ended(self, process: RunningProcess) -> None:
        self._running.discard(process)
        self._mounts.release(process.stand_ins)

    def _take(self, spec: SpawnSpec) -> Waiting:
        plan = make_plan(spec.policy, spec.workspace_roots, spec.env.get("TMPDIR"), self._home)
        return self._warm.pop(plan, None) or self._start(plan)

    def _start(self, plan: Plan) -> Waiting:
        held = self._mounts.hold(plan.missing)
        return start_waiting(self._programs[0], plan, tuple(held))
