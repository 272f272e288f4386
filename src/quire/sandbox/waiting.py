"""A sandbox that is set up and waits for its command."""

from __future__ import annotations

import os

from quire.sandbox import seccomp
from quire.sandbox.bubblewrap import SECCOMP, arguments
from quire.sandbox.command import ORDERS, READY, Waiter
from quire.sandbox.plan import Plan
from quire.sandbox.spawning import Child, high, pipe, spawn

_ERROR_BYTES = 4096


class StartFailed(Exception):
    """The layer could not set the sandbox up; the text is what it said."""


class Waiting:
    """Owns the process and both pipes until they are handed over or discarded."""

    def __init__(
        self, child: Child, output: int, orders: int, waiter: Waiter, stand_ins: tuple[str, ...]
    ) -> None:
        self.child = child
        self.output = output
        self.stand_ins = stand_ins
        self._orders = orders
        self._waiter = waiter

    async def ready(self) -> None:
        """Wait until the sandbox is complete. Raises `StartFailed`."""
        said = await _read_some(self.output, 1)
        if said == READY:
            return
        while more := await _read_some(self.output, _ERROR_BYTES):
            said = (said + more)[:_ERROR_BYTES]
        raise StartFailed(said.decode("utf-8", "replace").strip() or "it ended without a word")

    async def order(self, argv: tuple[str, ...], cwd: str, env: dict[str, str]) -> None:
        """Make it become the command."""
        text = memoryview(self._waiter.orders(argv, cwd, env))
        while len(text):
            try:
                text = text[os.write(self._orders, text) :]
            except BlockingIOError:
                await _until_ready(self._orders, writing=True)
        os.close(self._orders)
        self._orders = -1

    def discard(self) -> None:
        """Kill it."""
        self.child.kill()
        os.close(self.output)
        if self._orders >= 0:
            os.close(self._orders)
            self._orders = -1


def start_waiting(program: str, plan: Plan, stand_ins: tuple[str, ...]) -> Waiting:
    """Start to set up the sandbox of `plan`; does not wait for it. Raises `OSError`."""
    waiter = Waiter()
    filter_bytes = seccomp.build(os.uname().machine, network=plan.network, own_ipc=True)
    filter_end, filter_write = pipe()
    os.write(filter_write, filter_bytes)
    os.close(filter_write)
    orders_end, orders = pipe()
    output, output_end = pipe()
    nothing = high(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    argv = arguments(program, plan, stand_ins, waiter.argv)
    descriptors = {0: nothing, 1: output_end, 2: output_end, ORDERS: orders_end}
    descriptors[SECCOMP] = filter_end
    try:
        child = spawn(program, argv, {}, descriptors)
    finally:
        for fd in {*descriptors.values()}:
            os.close(fd)
    os.set_blocking(orders, False)
    os.set_blocking(output, False)
    return Waiting(child, output, orders, waiter, stand_ins)


async def _read_some(fd: int, size: int) -> bytes:
    while True:
        try:
            return os.read(fd, size)
        except BlockingIOError:
            await _until_ready(fd)


async def _until_ready(fd: int, writing: bool = False) -> None:
    import asyncio

    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()
    add, remove = loop.add_reader, loop.remove_reader
    if writing:
        add, remove = loop.add_writer, loop.remove_writer
    add(fd, lambda: None if future.done() else future.set_result(None))
    try:
        await future
    finally:
        remove(fd)
