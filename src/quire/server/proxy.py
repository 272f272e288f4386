"""Standard input and output joined to the socket of a running server, byte for byte.

What is spoken over it, JSONL or WebSocket, is between the client and the server.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading

from quire.core.errors import UsageError
from quire.server.transport.place import connectable

_CHUNK = 256 * 1024


def run_proxy(path: str) -> None:
    """Copy both ways until the server closes. The end of standard input is passed on; what the
    server still says after that is copied all the same. Raises `UsageError` when no server
    answers at `path`, `BrokenPipeError` when nobody reads our output any more."""
    with socket.socket(socket.AF_UNIX) as server:
        try:
            server.connect(connectable(path))
        except OSError as exc:
            raise UsageError(
                f"failed to connect to socket at {path}: {exc.strerror or exc}; start a server "
                "with `quire app-server daemon start`"
            ) from None
        # A daemon thread: it may still wait for input when the server has closed.
        threading.Thread(target=_copy_input, args=(server,), daemon=True).start()
        buffer = memoryview(bytearray(_CHUNK))
        while size := _received(server, buffer):
            _write_all(1, buffer[:size])


def _received(server: socket.socket, buffer: memoryview) -> int:
    try:
        return server.recv_into(buffer)
    except ConnectionError:
        return 0


def _copy_input(server: socket.socket) -> None:
    with contextlib.suppress(OSError):  # The server went away: the other direction ends as well.
        while data := os.read(0, _CHUNK):
            server.sendall(data)
        server.shutdown(socket.SHUT_WR)


def _write_all(fd: int, data: memoryview) -> None:
    while data:
        data = data[os.write(fd, data) :]
