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
SKIP_NAMES = frozenset(["Skipped", "SkipTest", "XFailed"])
SOON = 0.04
"""Seconds after which code that may be waiting is looked at again."""


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
    """One per process: the handlers only raise while something is being timed."""

    def __init__(self) -> None:
        self.armed = False
        self.fired = False
        self.began = 0.0
        self.used = 0.0
        self.waiting = WAITING
        self.seen: tuple[float, float] | None = None
        self.until = 0.0

    def on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self.armed:
            self.fired = True
            raise OutOfTime

    def on_alarm(self, number: int, frame: FrameType | None) -> None:
        """Only raise for code that waits: on a busy machine, time passes for others too. Whether
        it waits is seen from one alarm to the next."""
        if not self.armed:
            return
        now, wanted = time.monotonic(), _wanted()
        if self.fired or now >= self.until:
            self.on_signal(number, frame)
        if wanted is None:
            signal.setitimer(signal.ITIMER_REAL, self.until - now, REPEAT)
            return
        seen, self.seen = self.seen, (now, wanted)
        waited = now - self.began - (time.thread_time() - self.used)
        if seen is not None and waited >= self.waiting and wanted - seen[1] < (now - seen[0]) / 2:
            self.on_signal(number, frame)
        signal.setitimer(signal.ITIMER_REAL, max(self.waiting - waited, SOON), REPEAT)


_timer = _Timer()


def _wanted() -> float | None:
    """Seconds for which the main thread used the processor or would have; None where the kernel
    does not say (proc(5), `/proc/pid/schedstat`)."""
    try:
        descriptor = os.open("/proc/self/schedstat", os.O_RDONLY)
        try:
            used, delayed = os.read(descriptor, 100).split()[:2]
        finally:
            os.close(descriptor)
        return (int(used) + int(delayed)) / 1e9
    except (OSError, ValueError):
        return None


def install_timer() -> None:
    """Once in each process that calls `attempt`, and again where a test took the signals away: the
    next alarm would end the process."""
    for number, handler in (
        (signal.SIGVTALRM, _timer.on_signal),
        (signal.SIGALRM, _timer.on_alarm),
    ):
        if signal.getsignal(number) != handler:
            signal.signal(number, handler)


def wall_limit(seconds: float, waiting: float = WAITING) -> float:
    """The most wall time for what may use so much CPU time and wait so long, on a machine that is
    busy or where nobody knows what it waits for."""
    return waiting + 6 * seconds


def attempt(run: Callable[[], object], seconds: float, waiting: float = WAITING) -> Outcome:
    """Run something untrusted for at most `seconds` of CPU time, with `waiting` on top of it.
    Whatever it raises is caught: this is the end of the line for it. May be called inside what
    it runs."""
    started, began = time.process_time(), time.monotonic()
    error: BaseException | None = None
    outer = vars(_timer).copy()
    left = [signal.getitimer(clock)[0] for clock in CLOCKS]
    try:
        try:
            _timer.fired = False
            _timer.began, _timer.used, _timer.seen = began, time.thread_time(), None
            _timer.waiting, _timer.until = waiting, began + wall_limit(seconds, waiting)
            install_timer()
            _timer.armed = True
            signal.setitimer(signal.ITIMER_VIRTUAL, seconds, REPEAT)
            signal.setitimer(signal.ITIMER_REAL, max(waiting - SOON, SOON), REPEAT)
            run()
        finally:
            _timer.armed = False
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            signal.setitimer(signal.ITIMER_REAL, 0)
    except BaseException as raised:
        error = raised
    used = time.process_time() - started
    late = _timer.fired or isinstance(error, OutOfTime)
    vars(_timer).update(outer)
    waited = time.monotonic() - began
    if _timer.armed:
        install_timer()
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
