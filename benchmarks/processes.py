"""Starts processes and measures what they and everything below them cost (Linux)."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence

from msgspec import Struct

_PR_SET_CHILD_SUBREAPER = 36
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICK = os.sysconf("SC_CLK_TCK")
_ORPHAN_GRACE = 1.0
_QUIET_PROBES = 5
_LOOKS = 3


class Command(Struct, frozen=True):
    """A command line with everything it sees. Its output goes to `output` and `output`.err."""

    argv: tuple[str, ...]
    cwd: str
    env: dict[str, str]
    output: str


class Cost(Struct):
    """What a run cost: seconds of wall and CPU time (the whole tree), the peak of the summed
    resident (and proportional) memory of its processes in bytes when it was watched, and how
    many cores everything else on the machine used meanwhile."""

    codes: list[int]
    started: float
    wall: float
    cpu: float
    others: float
    rss: int = 0
    pss: int = 0


class Watch(Struct, frozen=True):
    """How often to look at memory, in seconds; a `pss` of None leaves it out."""

    rss: float
    pss: float | None = None


def adopt_orphans() -> None:
    """Make this process the parent of whatever its children leave behind, so that it is counted."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def run(commands: Sequence[Command], limit: float, watch: Watch | None = None) -> Cost:
    """Start all commands at once and wait for the last. What lives after `limit` seconds is
    killed."""
    strangers = set(_children(os.getpid()))
    busy = machine_seconds()
    started = time.time()
    processes = [_start(command) for command in commands]
    sampler = Sampler([process.pid for process in processes], watch) if watch else None
    timer = threading.Timer(limit, lambda: _kill_trees(processes))
    timer.start()
    codes: list[int] = []
    cpu = 0.0
    for process in processes:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        codes.append(process.returncode)
        cpu += usage.ru_utime + usage.ru_stime
    wall = time.time() - started
    timer.cancel()
    cost = Cost(codes=codes, started=started, wall=wall, cpu=cpu, others=0.0)
    if sampler is not None:
        cost.rss, cost.pss = sampler.stop()
    cost.cpu += _reap_orphans(strangers)
    cost.others = max(0.0, machine_seconds() - busy - cost.cpu) / wall
    return cost


def wait_for_quiet(limit: float) -> None:
    """Wait for a moment in which nothing else runs on the machine, at most `limit` seconds."""
    end = time.monotonic() + limit
    quiet = 0
    while quiet < _QUIET_PROBES and time.monotonic() < end:
        quiet = quiet + 1 if _running() <= 1 else 0
        time.sleep(0.01)


class Sampler:
    """Looks at the memory of the trees below some processes, in a thread, until it is stopped."""

    def __init__(self, roots: Sequence[int], watch: Watch) -> None:
        self._roots = roots
        self._watch = watch
        self._rss = 0
        self._pss = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def stop(self) -> tuple[int, int]:
        """The peaks: summed resident and proportional set sizes in bytes."""
        self._end.set()
        self._thread.join()
        return self._rss, self._pss

    def _sample(self) -> None:
        next_pss = 0.0
        looks: list[dict[int, int]] = []
        while not self._end.is_set():
            tree = _tree(self._roots)
            looks = [*looks[1 - _LOOKS :], _each(resident, tree)]
            self._rss = max(self._rss, _settled(looks))
            if self._watch.pss is not None and time.monotonic() >= next_pss:
                self._pss = max(self._pss, sum(_each(proportional, tree).values()))
                next_pss = time.monotonic() + self._watch.pss
            self._end.wait(self._watch.rss)


def _settled(looks: Sequence[dict[int, int]]) -> int:
    """The sum over processes that are in all of the last looks, each with its smallest size: a
    child between fork and exec shows its parent's memory once more, for a moment."""
    if len(looks) < _LOOKS:
        return 0
    return sum(min(look.get(pid, 0) for look in looks) for pid in looks[-1])


def resident(pid: int) -> int:
    """Bytes of memory that a process has resident. Raises `OSError` when it is gone."""
    with open(f"/proc/{pid}/statm", "rb") as file:
        return int(file.read().split()[1]) * _PAGE


def proportional(pid: int) -> int:
    """Bytes of memory, shared pages counted by share. Raises `OSError` when it is gone."""
    with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
        for line in file:
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and of its children that were waited for. Raises `OSError`."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        fields = file.read().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICK


def _each(measure: Callable[[int], int], pids: Sequence[int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for pid in pids:
        try:
            found[pid] = measure(pid)
        except (OSError, IndexError):
            continue  # It ended between being listed and being read.
    return found


def _start(command: Command) -> subprocess.Popen[bytes]:
    with open(command.output, "wb") as out, open(f"{command.output}.err", "wb") as err:
        return subprocess.Popen(
            command.argv,
            cwd=command.cwd,
            env=command.env,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )


def _children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", "rb") as file:
                found += map(int, file.read().split())
    except OSError:
        pass
    return found


def _tree(roots: Sequence[int]) -> list[int]:
    found: list[int] = []
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += _children(pid)
    return found


def _kill_trees(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    alive = [process.pid for process in processes if process.returncode is None]
    for pid in _tree(alive):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _reap_orphans(strangers: set[int]) -> float:
    """Wait for adopted processes; the CPU seconds they cost. `strangers` were there before."""
    end = time.monotonic() + _ORPHAN_GRACE
    cpu = 0.0
    while orphans := [pid for pid in _children(os.getpid()) if pid not in strangers]:
        for pid in orphans:
            if time.monotonic() > end:
                os.kill(pid, signal.SIGKILL)
            done, _, usage = os.wait4(pid, os.WNOHANG)
            if done:
                cpu += usage.ru_utime + usage.ru_stime
        time.sleep(0.005)
    return cpu


def machine_seconds() -> float:
    """CPU seconds that the whole machine was busy since it started."""
    with open("/proc/stat", "rb") as file:
        ticks = [int(word) for word in file.readline().split()[1:9]]
    idle_and_waiting = ticks[3] + ticks[4]
    return (sum(ticks) - idle_and_waiting) / _TICK


def _running() -> int:
    with open("/proc/stat", "rb") as file:
        for line in file:
            if line.startswith(b"procs_running"):
                return int(line.split()[1])
    return 1
