"""An echo server at a unix socket and a WebSocket, as a process: python -m ... SOCKET PORT_FILE."""

from __future__ import annotations

import asyncio
import sys

from quire.server.transport.addresses import UnixSocket, WebSocket
from quire.server.transport.listen import listen
from tests.unit.channels import echo


async def main() -> None:
    path = sys.argv[1]
    addresses = (UnixSocket(path), WebSocket("127.0.0.1", 0))
    await listen(addresses, echo, asyncio.Event(), lambda: print("ready", flush=True))


asyncio.run(main())
