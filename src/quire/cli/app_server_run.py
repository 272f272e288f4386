"""The server's process: from its options to its end."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

from quire.cli.exec import working_folder
from quire.cli.exec_run import config_sources
from quire.cli.home import quire_home
from quire.cli.options import Parsed
from quire.config.load import load
from quire.models.light_asyncio import prepare
from quire.server.transport.addresses import Address, UnixSocket

if TYPE_CHECKING:
    from quire.server.daemon import Daemon

SOURCE = "vscode"
"""What Codex 0.169 writes into the logs of threads that its app-server starts."""
_LOOK_AT_LOG_SECONDS = 60.0


def serve(parsed: Parsed, address: Address) -> int:
    """Serve at `address` until a signal or the last client ends it. Raises `QuireError`."""
    fill_standard_streams()
    return _run(parsed, address, _nothing, None)


def serve_as_daemon(parsed: Parsed, daemon: Daemon) -> int:
    """Serve at the daemon's socket, registered. Raises `QuireError`."""
    from quire import __version__

    fill_standard_streams()
    address = UnixSocket(daemon.socket_path)
    try:
        return _run(parsed, address, lambda: daemon.register(__version__), daemon.rotate_log)
    finally:
        daemon.unregister()


def _run(
    parsed: Parsed,
    address: Address,
    ready: Callable[[], None],
    now_and_then: Callable[[], None] | None,
) -> int:
    sources = config_sources(parsed, quire_home(), working_folder(None))
    if sources.strict:
        load(sources)  # Without, a faulty configuration is something that clients are told of.
    prepare(tls=True)  # A library of WebSocket or a thread's provider may want `ssl` at any time.
    # From here on asyncio may be imported.
    import asyncio
    import gc

    from quire.app.server import ServerPlace, run_server

    source = parsed.one("session-source") or SOURCE
    place = ServerPlace(env=dict(os.environ), sources=sources, source=source)

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, stop.set)
        chore = asyncio.create_task(_repeat(now_and_then)) if now_and_then else None
        gc.freeze()
        gc.enable()
        try:
            await run_server(place, (address,), stop, ready)
        finally:
            if chore is not None:
                chore.cancel()

    async def _repeat(callback: Callable[[], None]) -> None:
        while True:
            await asyncio.sleep(_LOOK_AT_LOG_SECONDS)
            callback()

    asyncio.run(main())
    return 0


def _nothing() -> None:
    return


def fill_standard_streams() -> None:
    """Give descriptors 0, 1 and 2 something to be when this process was started without them, or
    the next file that is opened takes their place. Before anything else is opened."""
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
