"""Commands started by the keeper: the layers `namespaces` and `landlock`, and no sandbox."""

from __future__ import annotations

import array
import marshal
import os
import socket
import sys

from quire.sandbox import seccomp
from quire.sandbox.command import python, python_env
from quire.sandbox.keeper.job import EXIT, FAILED, KILL, PID, READY, SIZE_BYTES, Job
from quire.sandbox.mountpoints import StandIns
from quire.sandbox.plan import Place, Plan
from quire.sandbox.spawning import Child, Opened, pipe, spawn
from quire.sandbox.streams import Streams
from quire.sandbox.waiting import StartFailed, until_usable, write_all

_SOCKET = 3
_MESSAGE_BYTES = 4096
_PIPE_BYTES = 4096
_KILLED = 137
_MAIN = f"from quire.sandbox.keeper.main import main; main({_SOCKET})"


class Keeper:
    """Starts the keeper when it is first needed, and again should it have been killed."""

    def __init__(self) -> None:
        self._child: Child | None = None
        self._requests: socket.socket | None = None

    def request(self, fds: list[int]) -> None:
        """Hand over the descriptors of one command. Raises `StartFailed`."""
        if self._requests is None or self._child is None or self._child.poll() is not None:
            self.close()
            self._requests = self._start()
        rights = array.array("i", fds)
        try:
            self._requests.sendmsg([b"n"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        except OSError as exc:
            raise StartFailed("sendmsg to the keeper", exc.errno or 0) from None

    def close(self) -> None:
        """Let the keeper end; what it started ends when each is released."""
        if self._requests is not None:
            self._requests.close()
            self._requests = None
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._child.release()
            self._child = None

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        given = Opened()
        try:
            end = given.own(theirs.detach())
            nothing = given.own(os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC))
            descriptors = {0: nothing, 1: nothing, 2: given.own(os.dup(2)), _SOCKET: end}
            self._child = spawn(sys.executable, python(_MAIN), python_env(), descriptors)
        except OSError as exc:
            ours.close()
            raise StartFailed(f"start of {sys.executable}", exc.errno or 0) from None
        finally:
            given.close()
        return ours


class KeptTree:
    """One command, known by the socket to its supervisor."""

    def __init__(self, control: socket.socket) -> None:
        self.pid = 0
        self.fd = control.fileno()
        self._control = control
        self._code: int | None = None
        self._gone = False

    async def ready(self) -> None:
        """Wait until the sandbox is complete. Raises `StartFailed`."""
        complete = False
        while not complete or not self.pid:
            await until_usable(self.fd)
            said = self._control.recv(_MESSAGE_BYTES)
            if said.startswith(PID):
                self.pid = marshal.loads(said[len(PID) :])
            elif said.startswith(FAILED):
                raise StartFailed(*marshal.loads(said[len(FAILED) :]))
            elif not said.startswith(READY):
                raise StartFailed("the keeper lost the command before it ran")
            else:
                complete = True

    def poll(self) -> int | None:
        while self._code is None:
            said = self._receive()
            if said is None:
                break
            if said.startswith(EXIT):
                self._code = marshal.loads(said[len(EXIT) :])
            elif not said:  # The supervisor was killed, and the command with it.
                self._code, self._gone = _KILLED, True
        return self._code

    def kill(self) -> None:
        try:
            self._control.send(KILL)
        except OSError:
            return  # Its supervisor has ended.

    def gone(self) -> bool:
        """The supervisor ends last."""
        if not self._gone and self.poll() is not None:
            self._gone = self._receive() == b""
        return self._gone

    def release(self) -> None:
        self._control.close()

    def _receive(self) -> bytes | None:
        try:
            return self._control.recv(_MESSAGE_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            return b""


class KeptWaiting:
    """Implements `Waiting`."""

    def __init__(self, tree: KeptTree, streams: Streams, orders: int, unsent: bytes) -> None:
        self.tree = tree
        self.streams = streams
        self._orders = orders
        self._unsent = unsent

    async def ready(self) -> None:
        await write_all(self._orders, self._unsent)
        self._unsent = b""
        await self.tree.ready()

    async def order(self, argv: tuple[str, ...], cwd: str, env: dict[str, str]) -> None:
        await write_all(self._orders, marshal.dumps((argv, cwd, env)))
        os.close(self._orders)
        self._orders = -1

    def discard(self) -> None:
        self.tree.kill()
        for fd in (*self.streams.release(), self._orders):
            if fd >= 0:
                os.close(fd)
        self._orders = -1


class KeptLayer:
    """Implements `layers.Layer`; `name` is `namespaces`, `landlock` or `none`."""

    def __init__(self, name: str, keeper: Keeper) -> None:
        self.name = name
        self._keeper = keeper

    def fits(self, plan: Plan) -> bool:
        """These hide nothing."""
        return not plan.hidden

    def start(self, plan: Plan, stand_ins: StandIns, streams: Streams) -> KeptWaiting:
        job = self._job(plan, stand_ins, streams.tty).pack()
        unsent = len(job).to_bytes(SIZE_BYTES, "big") + job
        control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        given, ours = Opened(), Opened()
        try:
            orders_end, orders = pipe(given, ours)
            fds = [theirs.fileno(), orders_end, streams.stdin, streams.stdout, streams.stderr]
            self._keeper.request(fds)
        except (StartFailed, OSError):
            control.close()
            ours.close()
            raise
        finally:
            theirs.close()
            given.close()
        control.setblocking(False)
        os.set_blocking(orders, False)
        streams.given()
        if len(unsent) <= _PIPE_BYTES:  # Else it is sent when somebody waits for it.
            unsent = unsent[os.write(orders, unsent) :]
        return KeptWaiting(KeptTree(control), streams, orders, unsent)

    def close(self) -> None:
        self._keeper.close()

    def _job(self, plan: Plan, stand_ins: StandIns, tty: bool) -> Job:
        code = b""
        if self.name != "none":
            own_ipc = self.name == "namespaces"
            code = seccomp.build(os.uname().machine, network=plan.network, own_ipc=own_ipc)
        job = Job(self.name, tty=tty, network=plan.network, code=code)
        job.writable = _plain(plan.writable)
        job.read_only = _plain(plan.read_only) + [(path, *at) for path, at in stand_ins.items()]
        job.links = _plain(plan.links)
        held = [*plan.missing, *(place.path for place in (*plan.read_only, *plan.links))]
        job.protected = [path for path in held if os.path.dirname(path) not in plan.scratch]
        return job


def _plain(places: tuple[Place, ...]) -> list[tuple[str, int, int]]:
    return [(place.path, place.device, place.inode) for place in places]
