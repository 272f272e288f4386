"""What commands share that serve a protocol over the SDK, each with an extra of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from importlib.util import find_spec

from quire.cli.options import Option, Parsed
from quire.client.errors import CannotConnect
from quire.client.quire import Quire
from quire.config.overrides import parse_override, write_path
from quire.core.errors import UsageError

OPTIONS = (
    Option(("--config", "-c"), "Set a config key: KEY=VALUE, VALUE as in TOML", "KEY=VALUE", True),
    Option(("--model", "-m"), "Model to use; `offline` is the embedded one", "MODEL"),
    Option(("--help", "-h"), "Show this help"),
)

Serve = Callable[[Quire], Awaitable[None]]
"""Serves the client on standard input and output until it is gone."""


def require(module: str, extra: str, command: str) -> None:
    """Raises `UsageError` with the install line when the package of an extra is missing."""
    if find_spec(module) is None:
        raise UsageError(f"{command} needs more than the base: pip install 'quire[{extra}]'")


def run_server(name: str, parsed: Parsed, serve: Serve) -> int:
    """Serve with the configuration under these options; the exit code. Turns and commands end
    first, also on SIGINT and SIGTERM. Raises `UsageError` and `ConfigError`."""
    try:
        return asyncio.run(_until_the_end(name, _overrides(parsed), serve))
    except CannotConnect as exc:
        raise UsageError(str(exc)) from None


async def _until_the_end(name: str, config: Mapping[str, object], serve: Serve) -> int:
    loop = asyncio.get_running_loop()
    stopped: asyncio.Future[int] = loop.create_future()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _stop, stopped, number)
    async with Quire(cwd=os.getcwd(), config=config, name=name) as quire:
        serving = asyncio.ensure_future(serve(quire))
        await asyncio.wait((serving, stopped), return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
            return 0
    # What reads standard input may wait in a thread, which nothing wakes.
    sys.stderr.flush()
    os._exit(128 + stopped.result())


def _stop(stopped: asyncio.Future[int], number: int) -> None:
    if not stopped.done():
        stopped.set_result(number)


def _overrides(parsed: Parsed) -> dict[str, object]:
    """`-c` and `--model` by dotted key."""
    found = {write_path(path): value for path, value in map(parse_override, parsed.all("config"))}
    model = parsed.one("model")
    return found if model is None else found | {"model": model}
