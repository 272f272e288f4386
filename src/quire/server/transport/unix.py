"""The unix socket: a path that belongs to one server and one user.

As in Codex 0.169 clients speak WebSocket over it; one that begins with anything but an HTTP request
is taken to speak JSONL.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import hashlib
import os
import socket
import stat
import struct

from quire.core.errors import UsageError
from quire.server.transport.place import MAX_PATH, connectable, make_private_folder
from quire.server.transport.starting import Arrivals, Started
from quire.server.transport.streams import FrameChannel, LineChannel

_BACKLOG = 128
_HTTP = b"GET "


class UnixListener:
    """A bound socket. It is ours as long as its lock is held, which ends with the process."""

    def __init__(self, path: str) -> None:
        """Raises `UsageError` when another server listens there, when something else stands
        there, or when it cannot be made."""
        self.path = os.path.abspath(path)
        try:
            make_private_folder(os.path.dirname(self.path))
            self._lock = _lock(self.path)
        except OSError as exc:
            raise _cannot(self.path, exc) from None
        try:
            self._place = _place(self.path)
            _clear(self.path)
            _clear(self._place)
            self._socket = _bind(self._place)
            if self._place != self.path:
                os.symlink(self._place, self.path)
        except OSError as exc:
            os.close(self._lock)
            raise _cannot(self.path, exc) from None
        except UsageError:
            os.close(self._lock)
            raise

    async def start(self, started: Started, arrivals: Arrivals) -> asyncio.Server:
        """Accept clients; each is handed to `started` once it is known how it speaks."""

        def greet() -> _Greeting:
            greeting = _Greeting(started, arrivals)
            arrivals.add(greeting)
            return greeting

        return await asyncio.get_running_loop().create_unix_server(greet, sock=self._socket)

    def close(self) -> None:
        """Remove the socket. Idempotent."""
        if self._lock < 0:
            return
        for path in {self.path, self._place}:
            with contextlib.suppress(OSError):
                os.unlink(path)
        self._socket.close()
        os.close(self._lock)
        self._lock = -1


class _Greeting(asyncio.Protocol):
    """Waits for a client's first bytes, which tell how it speaks."""

    def __init__(self, started: Started, arrivals: Arrivals) -> None:
        self._started = started
        self._arrivals = arrivals
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        if _is_ours(transport):
            self._transport = transport
        else:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._transport is None:
            return
        channel = self._channel(data)
        transport, self._transport = self._transport, None
        transport.set_protocol(channel)
        channel.connection_made(transport)
        if isinstance(channel, LineChannel):
            self._started(channel)
        channel.data_received(data)

    def _channel(self, data: bytes) -> FrameChannel:
        if data.startswith(_HTTP) or _HTTP.startswith(data):
            from quire.server.transport.websocket import Door, WebSocketChannel

            channel = WebSocketChannel(Door(private=True), self._started)
            self._arrivals.add(channel)
            return channel
        return LineChannel()

    async def aclose(self) -> None:
        if self._transport is not None:
            self._transport.abort()


def _is_ours(transport: asyncio.Transport) -> bool:
    """True when the client runs as our user, or as root who may do anything anyway."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True  # The folder keeps others out.
    opened = transport.get_extra_info("socket")
    _, uid, _ = struct.unpack("3i", opened.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return uid in (0, os.geteuid())


def _lock(path: str) -> int:
    fd = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise _in_use(path) from None
    return fd


def _place(path: str) -> str:
    """Where the socket really goes: `path`, unless that is too long."""
    if len(os.fsencode(path)) <= MAX_PATH:
        return path
    name = os.path.join(f"quire-{os.geteuid()}", hashlib.sha256(os.fsencode(path)).hexdigest()[:16])
    runtime = os.environ.get("XDG_RUNTIME_DIR") or "/tmp"
    place = os.path.join(runtime, name)
    if len(os.fsencode(place)) > MAX_PATH:
        place = os.path.join("/tmp", name)
    folder = os.path.dirname(place)
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, 0o700)
    made = os.lstat(folder)
    if not stat.S_ISDIR(made.st_mode) or made.st_uid != os.geteuid() or made.st_mode & 0o077:
        raise UsageError(f"{folder} is not a private folder of yours; remove it")
    return place


def _clear(path: str) -> None:
    """Remove what a dead server left at `path`. Raises `UsageError` for anything else."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode) and not stat.S_ISLNK(mode):
        raise UsageError(f"cannot listen at {path}: something that is no socket stands there")
    if stat.S_ISSOCK(mode) and is_answered(path):
        raise _in_use(path)
    os.unlink(path)


def is_answered(path: str) -> bool:
    """True when something accepts connections at `path`."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(2.0)
        try:
            probe.connect(connectable(path))
        except TimeoutError:
            return True  # It listens; it is only slow.
        except OSError as exc:
            return exc.errno == errno.EAGAIN
    return True


def _bind(path: str) -> socket.socket:
    """A listening socket that only its owner may use, from its first moment on."""
    bound = socket.socket(socket.AF_UNIX)
    try:
        os.fchmod(bound.fileno(), 0o600)  # Linux: the file is made with the socket's own mode.
        bound.bind(path)
        os.chmod(path, 0o600)
        bound.listen(_BACKLOG)
    except OSError:
        bound.close()
        raise
    return bound


def _in_use(path: str) -> UsageError:
    return UsageError(f"app-server control socket is already in use at {path}")


def _cannot(path: str, exc: OSError) -> UsageError:
    where = f": {exc.filename}" if exc.filename not in (None, path) else ""
    return UsageError(f"cannot listen at {path}: {exc.strerror or exc}{where}")
