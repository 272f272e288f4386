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
CLOCKS = (signal.ITIMER_VIRTUAL, signal.ITIMER_REAL)
WAITING = 0.8
"""Seconds that may pass without using the processor."""

MEMORY = 1 << 30
SKIP_NAMES = frozenset(["Skipped", "SkipTest"])


class OutOfTime(BaseException):
    """Raised inside code that has used up its CPU time; raised again while it goes on."""


class Outcome(NamedTuple):
    """How one run ended. `error` is None unless it failed; times are in seconds."""

    status: str
    error: BaseException | None
    trace: TracebackType | None
    cpu: float
    wall: float


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
    signal.signal(signal.SIGALRM, _timer.on_signal)


def wall_limit(seconds: float, waiting: float = WAITING) -> float:
    """Wall time for what may use so much CPU time and wait so long; generous for busy machines."""
    return waiting + 6 * seconds


def attempt(run: Callable[[], object], seconds: float, waiting: float = WAITING) -> Outcome:
    """Run something untrusted for at most `seconds` of CPU time, with `waiting` on top of it.
    Whatever it raises is caught: this is the end of the line for it. May be called inside what
    it runs."""
    started, began = time.process_time(), time.monotonic()
    error: BaseException | None = None
    outer = (_timer.armed, _timer.fired)
    left = [signal.getitimer(clock)[0] for clock in CLOCKS]
    try:
        try:
            _timer.fired = False
            _timer.armed = True
            signal.setitimer(signal.ITIMER_VIRTUAL, seconds, REPEAT)
            signal.setitimer(signal.ITIMER_REAL, wall_limit(seconds, waiting), REPEAT)
            run()
        finally:
            _timer.armed = False
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            signal.setitimer(signal.ITIMER_REAL, 0)
    except BaseException as raised:
        error = raised
    used = time.process_time() - started
    late = _timer.fired or isinstance(error, OutOfTime)
    _timer.armed, _timer.fired = outer
    waited = time.monotonic() - began
    if _timer.armed:
        signal.setitimer(signal.ITIMER_VIRTUAL, max(left[0] - used, 0.001), REPEAT)
        signal.setitimer(signal.ITIMER_REAL, max(left[1] - waited, 0.001), REPEAT)
    if late:
        return Outcome(TIMEOUT, None, error.__traceback__ if error else None, used, waited)
    if error is None:
        return Outcome(PASS, None, None, used, waited)
    if type(error).__name__ in SKIP_NAMES:
        return Outcome(SKIP, None, None, used, waited)
    return Outcome(FAIL, error, error.__traceback__, used, waited)


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
