"""What a command reads and writes: a pipe for its output, a terminal, or our own descriptors."""

from __future__ import annotations

import os

from quire.sandbox.spawning import high, pipe


class Streams:
    """`stdin`, `stdout` and `stderr` are what the command gets, and are closed here once it has
    them; `output` is our side, not blocking, -1 when there is none."""

    def __init__(self, stdin: int, stdout: int, stderr: int, output: int, *, tty: bool) -> None:
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr
        self.output = output
        self.tty = tty

    def given(self) -> None:
        """The command has its copies."""
        for fd in {self.stdin, self.stdout, self.stderr}:
            os.close(fd)

    def close(self) -> None:
        """It was given to nobody."""
        self.given()
        if self.output >= 0:
            os.close(self.output)
            self.output = -1


def piped() -> Streams:
    """Nothing to read; stdout and stderr in one pipe, so that their order is kept."""
    output, end = pipe()
    os.set_blocking(output, False)
    nothing = high(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    return Streams(nothing, end, end, output, tty=False)


def terminal(size: tuple[int, int]) -> Streams:
    """A new terminal of `size` (columns, rows)."""
    import termios

    master, slave = os.openpty()
    master, slave = high(master), high(slave)
    termios.tcsetwinsize(slave, (size[1], size[0]))
    os.set_blocking(master, False)
    return Streams(slave, slave, slave, master, tty=True)


def inherited() -> Streams:
    """Our own stdin, stdout and stderr."""
    fds = [high(os.dup(fd)) for fd in (0, 1, 2)]
    return Streams(fds[0], fds[1], fds[2], -1, tty=False)
