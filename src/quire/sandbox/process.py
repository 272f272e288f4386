"""A running command: its output, its end, and the end of everything it started."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from quire.core.errors import ToolError
from quire.sandbox.streams import Streams
from quire.sandbox.waiting import Tree

if TYPE_CHECKING:
    import asyncio

BUFFER_BYTES = 65_536
"""What one `read` returns at most: the size of a pipe."""

_FLOOD_BYTES = 1 << 20
"""A command that printed so much gets a pipe of this size."""
_F_SETPIPE_SZ = 1031

_buffer = bytearray(BUFFER_BYTES)  # One for all: a read is copied out before the next begins.
_window = memoryview(_buffer)


class RunningProcess:
    """Implements `core.ports.Process` over a pipe or the master side of a terminal."""

    def __init__(
        self, tree: Tree, streams: Streams, on_end: Callable[[RunningProcess], None]
    ) -> None:
        """Takes over the output of `streams`; `tree` stays the caller's, who is told its end."""
        import asyncio

        self.pid = tree.pid
        self._tree = tree
        self._output, self._errors, self._input = streams.output, streams.errors, streams.input
        self._tty = streams.tty
        self._on_end = on_end
        self._flood = _Flood()
        self._loop = asyncio.get_running_loop()
        self._exit: asyncio.Future[int] = self._loop.create_future()
        self._waiting: set[asyncio.Future[None]] = set()
        self._loop.add_reader(tree.fd, self._poll)

    async def read(self) -> bytes:
        """The next output; empty at its end, or when the command ended and what it wrote has
        been read (something it left in the background may hold the pipe for ever)."""
        return await self._next(self._output)

    async def read_error(self) -> bytes:
        """As `read`, of a stderr that is apart."""
        return await self._next(self._errors)

    async def wait(self) -> int:
        import asyncio

        return await asyncio.shield(self._exit)

    async def write(self, data: bytes) -> None:
        fd = self._output if self._tty else self._input
        if fd < 0 and not self._tty:
            raise ToolError("stdin is closed for this command: it was started without a terminal")
        view = memoryview(data)
        while len(view):
            if self._exit.done() or not self._open(fd):
                raise ToolError("the command has ended, or its stdin was closed")
            try:
                view = view[os.write(fd, view) :]
            except BlockingIOError:
                await self._ready(fd, self._loop.add_writer, self._loop.remove_writer)
            except OSError as exc:
                raise ToolError(f"cannot write to the command: {exc.strerror}") from None

    def close_input(self) -> None:
        fd, self._input = self._input, -1
        self._release(fd)

    def resize(self, size: tuple[int, int]) -> None:
        """Give its terminal another size (columns, rows); nothing when it has none."""
        import termios

        if self._tty and self._output >= 0:
            termios.tcsetwinsize(self._output, (size[1], size[0]))

    def kill(self) -> None:
        if not self._exit.done():
            self._tree.kill()

    def close(self) -> None:
        self.kill()
        ours = (self._output, self._errors, self._input)
        self._output = self._errors = self._input = -1
        for fd in ours:
            self._release(fd)
        self._poll()

    def _open(self, fd: int) -> bool:
        """Whether `fd` is still ours."""
        return fd >= 0 and fd in (self._output, self._errors, self._input)

    def _release(self, fd: int) -> None:
        if fd >= 0:
            self._loop.remove_reader(fd)
            self._loop.remove_writer(fd)
            os.close(fd)
            self._wake()

    async def _next(self, fd: int) -> bytes:
        while self._open(fd):
            ended = self._exit.done()
            data = _take(fd, self._flood.window)
            if data is not None:
                self._flood.read(fd, len(data))
                return data
            if ended:
                return b""
            await self._ready(fd, self._loop.add_reader, self._loop.remove_reader)
            if self._flood.wide:
                await self._yield()
        return b""

    async def _yield(self) -> None:
        """Let others run, and the pipe fill; a timer would let it run full."""
        import asyncio

        await asyncio.sleep(0)

    async def _ready(
        self,
        fd: int,
        add: Callable[[int, Callable[[], None]], None],
        remove: Callable[[int], bool],
    ) -> None:
        """Wait until our side `fd` can be used, or the command ended."""
        waiting = self._loop.create_future()
        self._waiting.add(waiting)
        add(fd, self._wake)
        try:
            await waiting
        finally:
            self._waiting.discard(waiting)
            if self._open(fd):
                remove(fd)

    def _wake(self) -> None:
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)

    def _poll(self) -> None:
        if self._exit.done():
            return
        code = self._tree.poll()
        if code is None:
            return
        self._loop.remove_reader(self._tree.fd)
        self._exit.set_result(code)
        self._wake()
        self._on_end(self)


class _Flood:
    """Watches for a command that prints a lot. It gets a wider pipe and is read in larger pieces:
    small ones would take the processor from the command itself. Others keep their pipe: wide ones
    count against what the kernel gives a user."""

    def __init__(self) -> None:
        self.wide = False
        self.window = _window
        self._total = 0

    def read(self, fd: int, count: int) -> None:
        """So much was read."""
        self._total += count
        if self.wide or self._total < _FLOOD_BYTES:
            return
        self._total = 0
        import fcntl

        try:
            fcntl.fcntl(fd, _F_SETPIPE_SZ, _FLOOD_BYTES)
        except OSError:  # A terminal, or the kernel's limit: it stays as it is.
            return
        self.wide = True
        self.window = memoryview(bytearray(_FLOOD_BYTES))


def _take(fd: int, window: memoryview) -> bytes | None:
    """What can be read now; empty at the end, None when nothing is there yet."""
    try:
        count = os.readv(fd, (window,))
    except BlockingIOError:
        return None
    except OSError as exc:
        if exc.errno == errno.EIO:  # A terminal that nobody holds any more.
            return b""
        raise
    return bytes(window[:count])
