"""Starting a process by `posix_spawn`, and watching it by a pidfd.

The whole of `subprocess` costs four times as much a command, and `fork` is unsafe in a process
with threads.
"""

from __future__ import annotations

import os
from fcntl import F_DUPFD_CLOEXEC, fcntl

Descriptors = dict[int, int]
"""Number in the new process to descriptor here. All others are closed there."""

_FIRST_FREE = 10
# SIGINT, SIGQUIT, SIGPIPE, SIGTERM, SIGTTIN, SIGTTOU, SIGXFSZ: what Python or a front end may
# ignore, which the new process would inherit.
_DEFAULT_SIGNALS = (2, 3, 13, 15, 21, 22, 25)
_SIGKILL = 9


class Child:
    """A process that was started here. `fd` becomes readable when it has ended."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.fd = os.pidfd_open(pid)
        self._code: int | None = None

    def poll(self) -> int | None:
        """Its exit code if it has ended: 128 + n after signal n. Never blocks."""
        if self._code is None:
            ended = os.waitid(os.P_PIDFD, self.fd, os.WEXITED | os.WNOHANG)
            if ended is not None:
                exited = ended.si_code == os.CLD_EXITED
                self._code = ended.si_status if exited else 128 + ended.si_status
        return self._code

    def wait(self) -> int:
        """Block until it has ended; its exit code."""
        while self._code is None:
            os.waitid(os.P_PIDFD, self.fd, os.WEXITED | os.WNOWAIT)
            self.poll()
        return self._code

    def kill(self) -> None:
        """SIGKILL, unless it was seen to have ended (its number may then be another's)."""
        if self._code is None:
            os.kill(self.pid, _SIGKILL)

    def release(self) -> None:
        """Give up the descriptor; it must have ended."""
        os.close(self.fd)


def spawn(program: str, argv: list[str], env: dict[str, str], descriptors: Descriptors) -> Child:
    """Start `program` (an absolute path) in a session of its own. Raises `OSError`.

    The descriptors must come from `Opened.own`, so that none is overwritten before it is copied.
    """
    actions = [(os.POSIX_SPAWN_DUP2, source, target) for target, source in descriptors.items()]
    pid = os.posix_spawn(
        program,
        argv,
        env,
        file_actions=actions,
        setsid=True,
        setsigmask=(),
        setsigdef=_DEFAULT_SIGNALS,
    )
    return Child(pid)


class Opened(list[int]):
    """Descriptors to be closed together."""

    def own(self, fd: int) -> int:
        """Own `fd`, moved out of the range that new processes number theirs in."""
        self.append(fd)
        return self.lift(fd)

    def lift(self, fd: int) -> int:
        """Move an owned descriptor out of that range."""
        if fd >= _FIRST_FREE:
            return fd
        moved = fcntl(fd, F_DUPFD_CLOEXEC, _FIRST_FREE)
        self[self.index(fd)] = moved
        os.close(fd)
        return moved

    def close(self) -> None:
        """Close them all, once."""
        while self:
            os.close(self.pop())


def pipe(reader: Opened, writer: Opened) -> tuple[int, int]:
    """A pipe whose ends, the reading and the writing one, are owned by these."""
    reading, writing = os.pipe()
    try:
        reading = reader.own(reading)
    finally:
        writing = writer.own(writing)
    return reading, writing


def close_on_exec() -> None:
    """Keep descriptors that this process inherited from reaching the ones it starts."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:
            try:
                os.set_inheritable(int(name), False)
            except OSError:
                continue  # The one that listed them.
