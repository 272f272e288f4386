"""What running untrusted code costs at most: CPU time, memory, output."""

from __future__ import annotations

import gc
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import NamedTuple

PASS, FAIL, TIMEOUT, SKIP = "pass", "fail", "timeout", "skip"
REPEAT = 0.02
MEMORY = 1 << 30
SKIP_NAMES = frozenset(["Skipped", "SkipTest"])


class OutOfTime(BaseException):
    """Raised inside code that has used up its CPU time; raised again while it goes on."""


class Outcome(NamedTuple):
    """How one run ended. `error` is None unless it failed; `cpu` is in seconds."""

    status: str
    error: BaseException | None
    trace: TracebackType | None
    cpu: float


class _Timer:
    """One per process: the handler only raises while something is being timed."""

    def __init__(self) -> None:
        self.armed = False
        self.fired = False

    def on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self.armed:
            self.fired = True
            raise OutOfTime


_timer = _Timer()


def install_timer() -> None:
    """Once in each process that calls `attempt`."""
    signal.signal(signal.SIGVTALRM, _timer.on_signal)


def attempt(run: Callable[[], object], seconds: float) -> Outcome:
    """Run something untrusted for at most `seconds` of CPU time. Whatever it raises is caught:
    this is the end of the line for it. May be called inside what it runs."""
    started = time.process_time()
    error: BaseException | None = None
    outer = (_timer.armed, _timer.fired, signal.getitimer(signal.ITIMER_VIRTUAL)[0])
    try:
        try:
            _timer.fired = False
            _timer.armed = True
            signal.setitimer(signal.ITIMER_VIRTUAL, seconds, REPEAT)
            run()
        finally:
            _timer.armed = False
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    except BaseException as raised:
        error = raised
    used = time.process_time() - started
    late = _timer.fired or isinstance(error, OutOfTime)
    _timer.armed, _timer.fired = outer[:2]
    if outer[0]:
        signal.setitimer(signal.ITIMER_VIRTUAL, max(outer[2] - used, 0.001), REPEAT)
    if late:
        return Outcome(TIMEOUT, None, error.__traceback__ if error else None, used)
    if error is None:
        return Outcome(PASS, None, None, used)
    if type(error).__name__ in SKIP_NAMES:
        return Outcome(SKIP, None, None, used)
    return Outcome(FAIL, error, error.__traceback__, used)


def confine() -> None:
    """For a process that runs candidates: bounded memory, no core files, no output."""
    silence()
    limit = _address_space() + MEMORY
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard == resource.RLIM_INFINITY or limit < hard:
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    gc.freeze()


def silence() -> None:
    """Standard input, output and error go nowhere."""
    sys.stdout.flush()
    sys.stderr.flush()
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)


def _address_space() -> int:
    """Bytes of address space in use; a generous guess where the kernel does not say."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[0]) * resource.getpagesize()
    except (OSError, ValueError):
        return 2 * MEMORY
