"""The sandbox of Linux: starts commands, keeps one sandbox ready, cleans up behind them.

Import is light and needs no asyncio: `prewarm` may run before the event loop exists.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from quire.core.errors import AgentError, QuireError
from quire.core.ports import SpawnSpec
from quire.protocol.policy import SandboxPolicy
from quire.sandbox.command import check
from quire.sandbox.layers import Ladder, Step
from quire.sandbox.mountpoints import MountPoints, StandIns
from quire.sandbox.plan import Plan, make_plan
from quire.sandbox.process import RunningProcess
from quire.sandbox.spawning import close_on_exec
from quire.sandbox.streams import Streams, apart, inherited, piped, terminal
from quire.sandbox.waiting import StartFailed, Tree, Waiting

if TYPE_CHECKING:
    import asyncio

MAX_WARM = 4
"""Sandboxes kept ready at one time."""
MAX_STARTING = 4
"""Sandboxes being set up at one time: many at once would stall the event loop."""
WARM_SECONDS = 60.0
"""How long a sandbox is kept ready: while it is, its stand-ins stay in the workspace."""
HURRY_SECONDS = 0.02
"""A sandbox that is wanted so soon after it was started is not complete yet: two are kept then."""
END_SECONDS = 5.0
"""How long `aclose` waits for killed trees."""

_COLLECT_SECONDS = 0.01
_AWAIT_END_SECONDS = 0.001
_SOON_SECONDS = 0.004
"""Within this time a killed sandbox is gone as a rule."""
_SHORTLY_SECONDS = 0.0002
_REPLANS = 50

_Key = tuple[bool, Plan]
"""Whether there is a sandbox, and its plan."""


class _Open:
    """A sandbox that was started, and what it holds."""

    def __init__(self, waiting: Waiting, step: Step, stand_ins: StandIns) -> None:
        self.waiting = waiting
        self.step = step
        self.stand_ins = stand_ins
        self.since = time.monotonic()


class LinuxSandbox:
    """Implements `core.ports.Sandbox`.

    `home` is Quire's folder: bookkeeping goes to its `tmp`, and commands can never write it.
    `layer` forces one layer (`bubblewrap`, `namespaces`, `landlock`) instead of the first that
    works; it raises `UsageError` for any other word.
    """

    def __init__(self, home: str, layer: str | None = None) -> None:
        self._home = home
        self._mounts = MountPoints(home)
        self._ladder = Ladder(layer)
        self._warm: dict[_Key, list[_Open]] = {}
        self._hurried: set[_Key] = set()
        self._running: dict[RunningProcess, _Open] = {}
        self._ended: list[tuple[Tree, StandIns]] = []
        self._resolved: dict[str, str] = {}
        self._gate: asyncio.Semaphore | None = None
        self._timer: asyncio.TimerHandle | None = None
        close_on_exec()

    @property
    def layer(self) -> str:
        return self._ladder.name

    @property
    def steps(self) -> tuple[Step, ...]:
        """The layers, best first, each with its failure if it did not work."""
        return tuple(self._ladder.steps)

    def prewarm(self, policy: SandboxPolicy, cwd: str) -> None:
        try:
            key = self._key(policy, (cwd,), os.environ.get("TMPDIR"))
            step = next(self._steps(key), None)
            wanted = 2 if key in self._hurried else 1
            while step is not None and len(self._warm.get(key, ())) < wanted:
                self._make_room()
                self._warm.setdefault(key, []).append(self._start(step, key[1], piped))
        except (OSError, QuireError, StartFailed):
            return  # The command itself will say what is wrong.
        self._collect_later()

    def _make_room(self) -> None:
        """Discard what was made ready first until one more may be."""
        while sum(map(len, self._warm.values())) >= MAX_WARM:
            key = next(key for key, ready in self._warm.items() if ready)
            self._discard(self._warm[key].pop(0))

    async def spawn(self, spec: SpawnSpec) -> RunningProcess:
        if spec.tty:
            return await self._run(spec, partial(terminal, spec.size))
        if spec.stdin or spec.split:
            return await self._run(spec, partial(apart, spec.stdin, spec.split))
        return await self._run(spec, piped)

    async def attach(self, spec: SpawnSpec) -> RunningProcess:
        """Like `spawn`, with our own stdin, stdout and stderr; there is nothing to `read`."""
        if spec.policy.mode != "danger-full-access" and not any(s.proven for s in self.steps):
            # Layers are tried with their complaints in a pipe, not on our stderr.
            trial = replace(spec, argv=("/bin/sh", "-c", ":"), env={})
            await (await self._run(trial, piped)).wait()
        return await self._run(spec, inherited)

    async def aclose(self) -> None:
        import asyncio

        for opened in [one for ready in self._warm.values() for one in ready]:
            self._discard(opened)
        self._warm.clear()
        for process in list(self._running):
            process.close()
        for tree, _ in self._ended:
            tree.kill()  # Without a sandbox, what a command left in the background lives till now.
        start = time.monotonic()
        while (passed := time.monotonic() - start) < END_SECONDS:
            self._collect()
            if not self._running and not self._ended:
                break
            if passed < _SOON_SECONDS:
                _wait_shortly()
            await asyncio.sleep(0 if passed < _SOON_SECONDS else _AWAIT_END_SECONDS)
        # What no SIGKILL ends (it waits for a disk) dies when its descriptors are released.
        self._ended += [
            (opened.waiting.tree, opened.stand_ins) for opened in self._running.values()
        ]
        self._running.clear()
        self._collect(forget=True)
        if self._timer is not None:
            self._timer.cancel()
        self._ladder.close()

    async def _run(self, spec: SpawnSpec, make: Callable[[], Streams]) -> RunningProcess:
        import asyncio

        argv = check(spec.argv, spec.cwd, spec.env)
        if self._gate is None:
            self._gate = asyncio.Semaphore(MAX_STARTING)
        async with self._gate:
            try:
                opened = await self._settle(spec, make)
            except OSError as exc:  # No descriptors, processes or memory left.
                raise AgentError(f"cannot start a command: {exc}") from None
            try:
                await opened.waiting.order(argv, spec.cwd, spec.env)
            except OSError as exc:
                self._discard(opened)
                raise AgentError(f"the sandbox ended before its command: {exc}") from None
            except BaseException:
                self._discard(opened)
                raise
        process = RunningProcess(opened.waiting.tree, opened.waiting.streams, self._has_ended)
        self._running[process] = opened
        return process

    async def _settle(self, spec: SpawnSpec, make: Callable[[], Streams]) -> _Open:
        """A complete sandbox for `spec`: the one kept ready, else a new one."""
        key, stand_ins = self._plan(spec)
        try:
            opened = await self._take_warm(key, stand_ins) if make is piped else None
            return opened or await self._open(key, make)
        finally:
            self._mounts.release(stand_ins)

    async def _take_warm(self, key: _Key, stand_ins: StandIns) -> _Open | None:
        """The sandbox kept ready for `key`, if it still fits and lives."""
        ready = self._warm.get(key)
        if not ready:
            return None
        opened = ready.pop(0)
        if time.monotonic() - opened.since < HURRY_SECONDS:
            self._hurried.add(key)  # Commands come faster than one sandbox at a time is made.
        if opened.stand_ins != stand_ins:
            self._discard(opened)
            return None
        try:
            await self._until_ready(opened)
        except StartFailed:
            return None  # Made anew, it will say why.
        opened.step.proven = True
        return opened

    async def _open(self, key: _Key, make: Callable[[], Streams]) -> _Open:
        """A complete sandbox by the first layer that can make it."""
        for step in self._steps(key):
            try:
                opened = self._start(step, key[1], make)
                await self._until_ready(opened)
            except StartFailed as exc:
                if step.proven or exc.passing:
                    raise AgentError(f"cannot make a sandbox: {step.name}: {exc}") from None
                step.failure = exc
            else:
                step.proven = True
                return opened
        raise self._ladder.error(key[1])

    async def _until_ready(self, opened: _Open) -> None:
        try:
            await opened.waiting.ready()
        except BaseException:
            self._discard(opened)
            raise

    def _start(self, step: Step, plan: Plan, make: Callable[[], Streams]) -> _Open:
        stand_ins = self._mounts.hold(plan.missing)
        streams = None
        try:
            streams = make()
            return _Open(step.layer.start(plan, stand_ins, streams), step, stand_ins)
        except BaseException:
            if streams is not None:
                streams.close()
            self._mounts.release(stand_ins)
            raise

    def _plan(self, spec: SpawnSpec) -> tuple[_Key, StandIns]:
        """The plan for `spec`, with its stand-ins held."""
        for _ in range(_REPLANS):
            key = self._key(spec.policy, spec.workspace_roots, spec.env.get("TMPDIR"))
            try:
                return key, self._mounts.hold(key[1].missing)
            except FileExistsError:
                continue  # Something came into being after we looked.
        raise AgentError("cannot make a sandbox: the workspace changes too quickly")

    def _key(
        self, policy: SandboxPolicy, workspace_roots: tuple[str, ...], tmpdir: str | None
    ) -> _Key:
        if policy.mode == "danger-full-access":
            return False, Plan()
        return True, make_plan(policy, workspace_roots, tmpdir, self._home, self._resolve)

    def root(self, path: str) -> str:
        """The real path that a writable root had when it was first named here. Whatever a command
        puts in its place later, nobody shall write through it."""
        known = self._resolved.get(path)
        if known is None:
            known = self._resolved[path] = os.path.realpath(path)
        return known

    def _resolve(self, root: str) -> str:
        """As `root`, for a root that still leads there. Otherwise a command could replace a folder
        on the way by a symlink and have the next one write wherever it leads."""
        try:
            known, real = self.root(os.path.normpath(root)), os.path.realpath(root)
        except OSError as exc:  # A link was replaced while it was read.
            raise AgentError(f"cannot make a sandbox: {root}: {exc.strerror}") from None
        if known != real:
            raise AgentError(
                f"cannot make a sandbox: {root} was {known} and now leads to {real}; "
                "restart if that is intended"
            )
        return real

    def _steps(self, key: _Key) -> Iterator[Step]:
        sandboxed, plan = key
        return self._ladder.usable(plan) if sandboxed else iter((self._ladder.unsandboxed(),))

    # --- the end ---------------------------------------------------------------------------

    def _has_ended(self, process: RunningProcess) -> None:
        opened = self._running.pop(process, None)
        if opened is None:
            return  # Given up by `aclose`.
        self._ended.append((opened.waiting.tree, opened.stand_ins))
        self._collect_later()

    def _discard(self, opened: _Open) -> None:
        opened.waiting.discard()
        self._ended.append((opened.waiting.tree, opened.stand_ins))
        self._collect_later()

    def _collect(self, forget: bool = False) -> None:
        """Release the trees of which nothing is left; with `forget`, all that have ended."""
        waiting: list[tuple[Tree, StandIns]] = []
        for tree, stand_ins in self._ended:
            gone = tree.gone()
            if forget and not gone:
                tree.kill()
            if forget or gone:
                tree.release()
                self._mounts.release(stand_ins)
            else:
                waiting.append((tree, stand_ins))
        self._ended = waiting

    def _collect_later(self) -> None:
        """Collect soon, and discard in time what was kept ready for too long."""
        if "asyncio" not in sys.modules:
            return
        import asyncio

        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return  # A later call will find one.
        delay = _COLLECT_SECONDS if self._ended else WARM_SECONDS
        if self._timer is not None:
            if self._timer.when() <= loop.time() + delay:
                return
            self._timer.cancel()
        self._timer = loop.call_later(delay, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        now = time.monotonic()
        for key, ready in list(self._warm.items()):
            for opened in [one for one in ready if now - one.since >= WARM_SECONDS]:
                ready.remove(opened)
                self._discard(opened)
            if not ready:
                del self._warm[key]
        self._collect()
        if self._warm or self._ended:
            self._collect_later()


def _wait_shortly() -> None:
    """Wait for less than a timer of the loop can, which is a millisecond or two late."""
    time.sleep(_SHORTLY_SECONDS)
