"""Work in forked children, which tell what they find as they go and may be killed at any time."""

from __future__ import annotations

import ctypes
import marshal
import os
import select
import signal
import struct
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from .limits import confine, install_timer

Emit = Callable[[Any], None]
"""Sends one value, made of plain values (whatever `marshal` takes), to the parent."""

HEAD = struct.Struct("<I")

HIDDEN: list[int] = []
"""Descriptors that only the first process may use; children close them."""

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class Child:
    """A forked process in its own group, and the values it emits."""

    def __init__(self, task: Callable[[Emit], object], confined: bool = True) -> None:
        """`task` runs in the child, which exits when it returns or raises. Where it is not
        `confined`, it keeps the parent's memory limit and descriptors."""
        sys.stdout.flush()
        sys.stderr.flush()
        self.output, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.output)
            _run_and_exit(task, writing, confined)
        os.close(writing)
        self.ended = False
        self._buffer = bytearray()

    def read(self) -> list[Any]:
        """What came since the last call; waits when nothing did. At the end `ended` is set."""
        data = os.read(self.output, 1 << 16)
        self.ended = not data
        self._buffer += data
        values: list[Any] = []
        while len(self._buffer) >= HEAD.size:
            end = HEAD.size + HEAD.unpack_from(self._buffer)[0]
            if len(self._buffer) < end:
                break
            values.append(marshal.loads(bytes(self._buffer[HEAD.size : end])))
            del self._buffer[:end]
        return values

    def ready(self, seconds: float) -> bool:
        """Wait so long for something to read."""
        return bool(select.select([self.output], [], [], max(seconds, 0.0))[0])

    def kill(self) -> None:
        """With its process group, if it still runs; release everything. Idempotent."""
        if self.pid:
            for target in (os.killpg, os.kill):
                try:
                    target(self.pid, signal.SIGKILL)
                except (ProcessLookupError, PermissionError):
                    continue
            os.waitpid(self.pid, 0)
            os.close(self.output)
            self.pid = 0


def _run_and_exit(task: Callable[[Emit], object], writing: int, confined: bool) -> NoReturn:
    """The whole life of a child. Nothing may return from here into the parent's code."""
    status = 1
    try:
        if confined:
            leave_parent()
            confine()
        else:
            end_with_parent()
            HIDDEN.append(writing)
        install_timer()

        def emit(value: Any) -> None:
            data = marshal.dumps(value)
            write_all(writing, HEAD.pack(len(data)) + data)

        try:
            task(emit)
            status = 0
        except BaseException:
            _note(traceback.format_exc())
    finally:
        os._exit(status)


def leave_parent() -> None:
    """First thing in a forked process: a group of its own that ends with the parent at the
    latest, and none of the parent's own descriptors."""
    end_with_parent()
    for descriptor in HIDDEN:
        os.close(descriptor)
    HIDDEN.clear()


def end_with_parent() -> None:
    """A group of its own that is killed when the parent ends."""
    os.setpgid(0, 0)
    if sys.platform == "linux":
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _note(text: str) -> None:
    """For whoever looks for a fault of the search itself."""
    log = os.environ.get("QUIRE_REPAIR_LOG")
    if log:
        with open(log, "a") as file:
            file.write(text)


def values_of(task: Callable[[Emit], object], quiet: float, seconds: float) -> Iterator[Any]:
    """What `task` emits in a child, as it comes. The child is killed when it says nothing for
    `quiet` seconds, or after `seconds` of wall time."""
    child = Child(task)
    deadline = time.monotonic() + seconds
    try:
        while not child.ended and child.ready(min(quiet, deadline - time.monotonic())):
            yield from child.read()
    finally:
        child.kill()


def each_value(
    task: Callable[[Emit], object], take: Callable[[Any], object], quiet: float, seconds: float
) -> bool:
    """Like `values_of`, for `take`. True when the child ended by itself."""
    child = Child(task)
    deadline = time.monotonic() + seconds
    try:
        while not child.ended and child.ready(min(quiet, deadline - time.monotonic())):
            for value in child.read():
                take(value)
        return child.ended
    finally:
        child.kill()


def in_child(task: Callable[[], Any], seconds: float) -> Any:
    """The result of `task`, run in a child for at most so many seconds; None without one."""

    def run(emit: Emit) -> None:
        emit(task())

    return next(values_of(run, seconds, seconds), None)


def write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
