"""What a command reads and writes: a pipe for its output, a terminal, or our own descriptors."""

from __future__ import annotations

import os

from quire.sandbox.spawning import Opened


class Streams:
    """`stdin`, `stdout` and `stderr` are what the command gets, and are closed here once it has
    them. `output`, `errors` and `input` are our sides, not blocking, -1 where there is none: a
    terminal is its own input, and without `errors` stderr comes with the output."""

    def __init__(self, *, tty: bool) -> None:
        self.tty = tty
        self.stdin = self.stdout = self.stderr = -1
        self.output = self.errors = self.input = -1
        self._theirs = Opened()

    def give(self, stdin: int, stdout: int, stderr: int) -> None:
        """Take over what the command gets; some may be the same."""
        distinct = {stdin, stdout, stderr}
        self._theirs.extend(distinct)
        moved = {fd: self._theirs.lift(fd) for fd in distinct}
        self.stdin, self.stdout, self.stderr = moved[stdin], moved[stdout], moved[stderr]

    def given(self) -> None:
        """The command has its copies."""
        self._theirs.close()

    def release(self) -> list[int]:
        """Give up our sides; the caller closes them."""
        ours = [fd for fd in (self.output, self.errors, self.input) if fd >= 0]
        self.output = self.errors = self.input = -1
        return ours

    def close(self) -> None:
        """It was given to nobody."""
        self.given()
        for fd in self.release():
            os.close(fd)


def piped() -> Streams:
    """Nothing to read; stdout and stderr in one pipe, so that their order is kept."""
    streams = Streams(tty=False)
    streams.output, end = os.pipe()
    try:
        os.set_blocking(streams.output, False)
        nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        os.close(end)
        streams.close()
        raise
    return _give(streams, nothing, end, end)


def apart(stdin: bool, stderr: bool) -> Streams:
    """Pipes: one to write to with `stdin`, and one more for stderr with `stderr`."""
    streams = Streams(tty=False)
    theirs = Opened()
    try:
        streams.output, end = os.pipe()
        out = err = theirs.own(end)
        if stderr:
            streams.errors, end = os.pipe()
            err = theirs.own(end)
        if stdin:
            nothing, streams.input = os.pipe()
        else:
            nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        for fd in (streams.output, streams.errors, streams.input):
            if fd >= 0:
                os.set_blocking(fd, False)
    except OSError:
        theirs.close()
        streams.close()
        raise
    return _give(streams, nothing, out, err)


def terminal(size: tuple[int, int]) -> Streams:
    """A new terminal of `size` (columns, rows)."""
    import termios

    streams = Streams(tty=True)
    streams.output, slave = os.openpty()
    termios.tcsetwinsize(slave, (size[1], size[0]))
    os.set_blocking(streams.output, False)
    return _give(streams, slave, slave, slave)


def inherited() -> Streams:
    """Our own stdin, stdout and stderr."""
    return _give(Streams(tty=False), os.dup(0), os.dup(1), os.dup(2))


def _give(streams: Streams, stdin: int, stdout: int, stderr: int) -> Streams:
    try:
        streams.give(stdin, stdout, stderr)
    except OSError:
        streams.close()
        raise
    return streams
