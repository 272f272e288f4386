"""A sandbox that is set up and waits for its command: what all layers have in common."""

from __future__ import annotations

import os
from errno import EAGAIN, EMFILE, ENFILE, ENOMEM, ESTALE
from typing import Protocol

from quire.sandbox.streams import Streams

_SHORTAGES = (EAGAIN, EMFILE, ENFILE, ENOMEM)


class StartFailed(Exception):
    """A layer could not set the sandbox up. `call` is the failing system call or the layer's own
    words, `error` the errno, 0 when unknown."""

    def __init__(self, call: str, error: int = 0) -> None:
        super().__init__(f"{call}: {os.strerror(error)} (errno {error})" if error else call)
        self.call = call
        self.error = error

    @property
    def passing(self) -> bool:
        """True when it says nothing about the layer: the machine was short of something, or what
        was planned has been replaced meanwhile."""
        words = [os.strerror(error) for error in _SHORTAGES]
        return self.error in (*_SHORTAGES, ESTALE) or any(text in self.call for text in words)


class Tree(Protocol):
    """The root of a process tree, as the layer that made it knows it."""

    @property
    def pid(self) -> int: ...

    @property
    def fd(self) -> int:
        """Readable once the command has ended."""
        ...

    def poll(self) -> int | None:
        """The exit code once the command ended: 128 + n after signal n. Never blocks."""
        ...

    def kill(self) -> None:
        """SIGKILL to the whole tree. Idempotent, never raises."""
        ...

    def gone(self) -> bool:
        """True once nothing of the tree is left (after the end of the command). Never blocks."""
        ...

    def release(self) -> None:
        """Give up descriptors, after the end; what is left of the tree dies."""
        ...


class Waiting(Protocol):
    """One sandbox that waits. Owns its descriptors until the command runs or it is discarded."""

    @property
    def tree(self) -> Tree: ...

    @property
    def streams(self) -> Streams: ...

    async def ready(self) -> None:
        """Wait until the sandbox is complete. Raises `StartFailed`. May be cancelled."""
        ...

    async def order(self, argv: tuple[str, ...], cwd: str, env: dict[str, str]) -> None:
        """Make it become the command. May be cancelled; it must then be discarded."""
        ...

    def discard(self) -> None:
        """Kill it and close what `tree` does not own."""
        ...


async def write_all(fd: int, data: bytes) -> None:
    """`os.write` of all of `data` to a descriptor that does not block. Raises `OSError`."""
    view = memoryview(data)
    while len(view):
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            await until_usable(writing=fd)


async def until_usable(*reading: int, writing: int | None = None) -> None:
    """Wait until one of the descriptors can be read, or written."""
    import asyncio

    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not future.done():
            future.set_result(None)

    for fd in reading:
        loop.add_reader(fd, wake)
    if writing is not None:
        loop.add_writer(writing, wake)
    try:
        await future
    finally:
        for fd in reading:
            loop.remove_reader(fd)
        if writing is not None:
            loop.remove_writer(writing)
