"""The layers of the sandbox, best first, and which of them works here.

A layer is tried by using it. One that fails the first time is left for the next; one that has
worked is never left, so that no command can provoke a weaker sandbox for those that follow.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Protocol

from quire.core.errors import AgentError, UsageError
from quire.sandbox.bubblewrap import BubblewrapLayer, find
from quire.sandbox.mountpoints import StandIns
from quire.sandbox.plan import Plan
from quire.sandbox.seccomp import supported
from quire.sandbox.streams import Streams
from quire.sandbox.waiting import StartFailed, Waiting

if TYPE_CHECKING:
    from quire.sandbox.kept import Keeper

NAMES = ("bubblewrap", "namespaces", "landlock")
NO_SANDBOX = "none"

NOT_HELD = {
    "bubblewrap": (),
    "namespaces": (),
    "landlock": (
        "in a folder that holds something protected, entries change but cannot be made or removed",
        "protected names directly in /tmp and TMPDIR are not protected",
        "modes, owners, times and attributes of your own files can be changed anywhere",
        "processes of the host are visible; before Linux 6.12 your own can be signalled",
        "devices that you can read can be read; before Linux 6.10 they can be controlled",
        "/dev/shm cannot be written, so multiprocessing locks do not work",
    ),
}
"""What each layer does not guarantee of what docs/sandbox.md promises, for people."""


class Layer(Protocol):
    """One way to make a sandbox."""

    @property
    def name(self) -> str: ...

    def fits(self, plan: Plan) -> bool:
        """True when it can hold all that `plan` asks."""
        ...

    def start(self, plan: Plan, stand_ins: StandIns, streams: Streams) -> Waiting:
        """Begin to make the sandbox; does not wait. Takes over `streams` unless it raises
        `StartFailed`."""
        ...

    def close(self) -> None:
        """Give up what was kept between commands."""
        ...


class Step:
    """One layer of the ladder, made when it is first tried."""

    def __init__(self, name: str, make: Callable[[], Layer]) -> None:
        self.name = name
        self.failure: StartFailed | None = None
        self.proven = False
        self._make = make
        self._layer: Layer | None = None

    @property
    def layer(self) -> Layer:
        if self._layer is None:
            self._layer = self._make()
        return self._layer

    def close(self) -> None:
        if self._layer is not None:
            self._layer.close()


class Ladder:
    """The layers in order. `forced` leaves only the one of that name. Raises `UsageError` for a
    name that is none."""

    def __init__(self, forced: str | None) -> None:
        if forced is not None and forced not in NAMES:
            raise UsageError(f"unknown sandbox layer {forced!r}: use one of {', '.join(NAMES)}")
        self._keeper: Keeper | None = None
        self._none = Step(NO_SANDBOX, partial(self._kept, NO_SANDBOX))
        self.steps: list[Step] = []
        if forced in (None, "bubblewrap"):
            self.steps += [Step("bubblewrap", partial(BubblewrapLayer, path)) for path in find()]
            if not self.steps:
                self.steps.append(_missing_bubblewrap())
        for name in NAMES[1:]:
            if forced in (None, name):
                self.steps.append(Step(name, partial(self._kept, name)))
        machine = os.uname().machine
        if not supported(machine):
            for step in self.steps:
                step.failure = StartFailed(f"system call filter for {machine}", errno.ENOSYS)

    @property
    def name(self) -> str:
        """The layer in force, as far as is known; `none` when all have failed."""
        return next((step.name for step in self.steps if step.failure is None), NO_SANDBOX)

    def usable(self, plan: Plan) -> Iterator[Step]:
        """The layers to try for `plan`, in order."""
        for step in self.steps:
            if step.failure is None and step.layer.fits(plan):
                yield step

    def unsandboxed(self) -> Step:
        """What starts commands when the policy is `danger-full-access`."""
        return self._none

    def close(self) -> None:
        """Give up what was kept between commands."""
        for step in (*self.steps, self._none):
            step.close()

    def error(self, plan: Plan) -> AgentError:
        """Why no sandbox can be made here for `plan`, and what to do about it."""
        if plan.hidden:
            return AgentError(
                f"cannot make a sandbox: {plan.hidden[0].path} has to be hidden, which only "
                "bubblewrap can do; install bubblewrap or change the permission profile"
            )
        tried = "; ".join(f"{step.name}: {step.failure}" for step in self.steps if step.failure)
        if not tried:
            return AgentError(
                "cannot make a sandbox: a protected name is a symlink, which the layer in force "
                "cannot hold; replace the symlink, or allow the layer `namespaces`"
            )
        return AgentError(f"cannot make a sandbox: {tried}. {remedy()}")

    def _kept(self, name: str) -> Layer:
        from quire.sandbox.kept import Keeper, KeptLayer

        if self._keeper is None:
            self._keeper = Keeper()
        return KeptLayer(name, self._keeper)


def _missing_bubblewrap() -> Step:
    step = Step("bubblewrap", partial(BubblewrapLayer, ""))
    step.failure = StartFailed("execve bwrap", errno.ENOENT)
    return step


def remedy() -> str:
    """The one thing to do on this machine so that a sandbox can be made."""
    if _setting("user/max_user_namespaces") == "0":
        return "Allow user namespaces: sysctl -w user.max_user_namespaces=10000"
    if _setting("kernel/unprivileged_userns_clone") == "0":
        return "Allow user namespaces: sysctl -w kernel.unprivileged_userns_clone=1"
    if _setting("kernel/apparmor_restrict_unprivileged_userns") == "1":
        return "Allow user namespaces: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
    if os.path.exists("/.dockerenv") or os.path.exists("/run/.containerenv"):
        return "Start the container with --security-opt seccomp=unconfined"
    return "Use Linux 6.2 or later with user namespaces or Landlock enabled"


def _setting(name: str) -> str:
    try:
        with open(f"/proc/sys/{name}", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""
