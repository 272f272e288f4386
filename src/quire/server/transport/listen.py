"""Where the server listens, and the life of its clients."""

from __future__ import annotations

import asyncio
import ipaddress
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

from quire.core.errors import UsageError
from quire.server.channel import Channel
from quire.server.transport.addresses import Address, Stdio, UnixSocket, WebSocket
from quire.server.transport.greeted import Greeted
from quire.server.transport.starting import Arrivals, Serve

GRACE_SECONDS = 5.0
"""How long clients may take to be let go of when the server stops."""


async def listen(
    addresses: Sequence[Address],
    serve: Serve,
    stop: asyncio.Event,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Serve every client that comes to `addresses`, until `stop` is set or the client on standard
    input and output is gone. `ready` is called once all are open. Then each client's `serve` is
    cancelled and all sockets are gone. Raises `UsageError` when an address cannot be used."""
    clients = _Clients(serve)
    async with AsyncExitStack() as opened:
        opened.push_async_callback(clients.aclose)
        waits: list[asyncio.Task[object]] = [asyncio.create_task(stop.wait())]
        for address in addresses:
            match address:
                case Stdio(early):
                    from quire.server.transport.stdio import open_stdio

                    channel = open_stdio()
                    channel.data_received(early.read)
                    waits.append(clients.start(Greeted(channel) if early.greeted else channel))
                case UnixSocket():
                    await _open_unix(address, clients, opened)
                case WebSocket():
                    await _open_websocket(address, clients, opened)
        ready()
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waits[0].cancel()


async def _open_unix(address: UnixSocket, clients: _Clients, opened: AsyncExitStack) -> None:
    from quire.server.transport.unix import UnixListener

    listener = UnixListener(address.path)
    opened.callback(listener.close)
    server = await listener.start(clients.take, clients.arrivals)
    opened.callback(server.close)


async def _open_websocket(address: WebSocket, clients: _Clients, opened: AsyncExitStack) -> None:
    from quire.server.transport.websocket import Door, WebSocketChannel

    door = Door(address.auth)

    def greet() -> WebSocketChannel:
        channel = WebSocketChannel(door, clients.take)
        clients.arrivals.add(channel)
        return channel

    try:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(greet, address.host, address.port)
    except OSError as exc:
        raise UsageError(
            f"cannot listen on {address.host} port {address.port}: {exc.strerror or exc}"
        ) from None
    opened.callback(server.close)
    host, port = server.sockets[0].getsockname()[:2]
    sys.stderr.write(_banner(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", host))
    sys.stderr.flush()


def _banner(place: str, host: str) -> str:
    """Programs that ask for port 0 read the second line."""
    local = ipaddress.ip_address(host).is_loopback
    note = (
        "binds localhost only (use SSH port-forwarding for remote access)"
        if local
        else "websocket auth is required for non-localhost listeners"
    )
    return (
        "quire app-server (WebSockets)\n"
        f"  listening on: ws://{place}\n"
        f"  readyz: http://{place}/readyz\n"
        f"  healthz: http://{place}/healthz\n"
        f"  note: {note}\n"
    )


class _Clients:
    """The tasks that serve, one a client."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self._tasks: set[asyncio.Task[None]] = set()
        self.arrivals = Arrivals()

    def take(self, channel: Channel) -> None:
        self.start(channel)

    def start(self, channel: Channel) -> asyncio.Task[None]:
        task = asyncio.ensure_future(self._attend(channel))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def aclose(self) -> None:
        """Let go of all clients."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=GRACE_SECONDS)
        for arrival in tuple(self.arrivals):
            await arrival.aclose()

    async def _attend(self, channel: Channel) -> None:
        """One client's fault is no other's: whatever is raised here ends this client alone."""
        try:
            await self._serve(channel)
        except ConnectionError:
            return
        except Exception as exc:
            sys.stderr.write(f"a client was dropped: {type(exc).__name__}: {exc}\n")
        finally:
            await channel.aclose()
