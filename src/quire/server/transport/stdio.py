"""Our own standard input and output as a channel.

Works for pipes, sockets, terminals and files, and leaves their flags alone: a descriptor that was
made non-blocking would be so for every process that shares it, such as the shell's terminal.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
import stat
from collections.abc import Callable

from quire.server.transport.streams import LineChannel

_READ_SIZE = 256 * 1024
_HIGH_WATER, _LOW_WATER = 256 * 1024, 64 * 1024

Write = Callable[[memoryview], int]
"""Writes as much as is taken without waiting; the number of bytes."""


def open_stdio() -> LineChannel:
    """The channel of the client that started this process. From now on descriptor 0 is
    /dev/null and 1 is standard error, so that neither a child nor a stray `print` comes between
    the messages. Inside a running loop, once."""
    reader, writer = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(2, 1)
    os.close(null)
    return open_descriptors(reader, writer)


def open_descriptors(reader: int, writer: int) -> LineChannel:
    """A channel over two descriptors, which it owns."""
    channel = _StdioChannel()
    DescriptorTransport(reader, writer, channel)
    return channel


class _StdioChannel(LineChannel):
    """Input and output end apart: a script's input ends long before its output."""

    def eof_received(self) -> bool:
        self.half_open = True
        return super().eof_received()


class DescriptorTransport(asyncio.Transport):
    """An asyncio transport over a descriptor to read and one to write."""

    def __init__(self, reader: int, writer: int, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._protocol = protocol
        self._reader, self._writer = reader, writer
        self._polls = True
        self._paused = self._reading_ended = self._due = False
        self._buffer = bytearray()
        self._above = False
        self._closing = self._closed = False
        self._socket: socket.socket | None = None
        self._send = self._open_writer(os.fstat(writer).st_mode)
        protocol.connection_made(self)
        self._watch()

    # --- reading ---------------------------------------------------------------------------

    def pause_reading(self) -> None:
        self._paused = True
        if self._polls and not self._reading_ended:
            self._loop.remove_reader(self._reader)

    def resume_reading(self) -> None:
        self._paused = False
        self._watch()

    def is_reading(self) -> bool:
        return not self._paused and not self._reading_ended

    def _watch(self) -> None:
        if not self.is_reading() or self._closing:
            return
        if self._polls:
            try:
                self._loop.add_reader(self._reader, self._read)
                return
            except PermissionError:
                self._polls = False  # A file: always readable, and epoll does not take it.
        if not self._due:
            self._due = True
            self._loop.call_soon(self._read)

    def _read(self) -> None:
        self._due = False
        if self._paused or self._closing:
            return
        try:
            data = os.read(self._reader, _READ_SIZE)
        except InterruptedError:
            return
        except OSError:
            data = b""  # A terminal that hung up, a connection that was reset.
        if data:
            self._protocol.data_received(data)
            if not self._polls:
                self._watch()
            return
        self._stop_reading()
        self._protocol.eof_received()

    def _stop_reading(self) -> None:
        if self._polls and not self._reading_ended and not self._paused:
            self._loop.remove_reader(self._reader)
        self._reading_ended = True

    # --- writing ---------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closed or self._closing:
            return
        waiting = bool(self._buffer)
        self._buffer += data
        if not waiting and not self._drain():
            self._loop.add_writer(self._writer, self._writable)
        if len(self._buffer) > _HIGH_WATER and not self._above:
            self._above = True
            self._protocol.pause_writing()

    def _open_writer(self, mode: int) -> Write:
        if stat.S_ISSOCK(mode):
            self._socket = socket.socket(fileno=self._writer)
            return _socket_writer(self._socket)
        return (_file_writer if stat.S_ISREG(mode) else _pipe_writer)(self._writer)

    def _writable(self) -> None:
        if self._drain():
            self._loop.remove_writer(self._writer)
            if self._closing:
                self._finish(None)
        if self._above and len(self._buffer) < _LOW_WATER:
            self._above = False
            self._protocol.resume_writing()

    def _drain(self) -> bool:
        """Write what can be written now; True when nothing is left."""
        try:
            with memoryview(self._buffer) as view:
                sent = self._send(view)
        except OSError as exc:
            self._buffer.clear()
            self._loop.call_soon(self._lose, exc)
            return True
        del self._buffer[:sent]
        return not self._buffer

    # --- the end ---------------------------------------------------------------------------

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if self._closing:
            return
        self._stop_reading()
        self._closing = True
        if not self._buffer:
            self._loop.call_soon(self._finish, None)

    def abort(self) -> None:
        self._lose(None)

    def _lose(self, exc: Exception | None) -> None:
        if self._closed:
            return
        if self._buffer:
            self._loop.remove_writer(self._writer)
            self._buffer.clear()
        self._stop_reading()
        self._closing = True
        self._finish(exc)

    def _finish(self, exc: Exception | None) -> None:
        if self._closed:
            return
        self._closed = True
        os.close(self._reader)
        if self._socket is None:
            os.close(self._writer)
        else:
            self._socket.close()
        self._protocol.connection_lost(exc)


def _pipe_writer(fd: int) -> Write:
    """For a pipe or a terminal: what polls as writable takes `PIPE_BUF` bytes without waiting."""
    poller = select.poll()
    poller.register(fd, select.POLLOUT)
    poll, size = poller.poll, select.PIPE_BUF

    def write(view: memoryview) -> int:
        sent = 0
        while sent < len(view) and poll(0):
            sent += os.write(fd, view[sent : sent + size])
        return sent

    return write


def _socket_writer(opened: socket.socket) -> Write:
    def write(view: memoryview) -> int:
        try:
            return opened.send(view, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0

    return write


def _file_writer(fd: int) -> Write:
    def write(view: memoryview) -> int:
        sent = 0
        while sent < len(view):
            sent += os.write(fd, view[sent:])
        return sent

    return write
