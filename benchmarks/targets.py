"""What is claimed: figures of a run, and the ratios they must reach."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from msgspec import Struct

from benchmarks.workloads import Sample

EDGE = 30
"""How many turnarounds at each end of a long session are compared."""

Figure = Callable[[Sample], float | None]


def _positive(value: float | None) -> float | None:
    return value or None


def _turnaround(sample: Sample) -> float | None:
    return statistics.median(sample.turnarounds) if sample.turnarounds else None


def _growth(sample: Sample) -> float | None:
    if len(sample.turnarounds) < 2 * EDGE:
        return None
    first, last = sample.turnarounds[:EDGE], sample.turnarounds[-EDGE:]
    return statistics.median(last) / statistics.median(first)


FIGURES: dict[str, Figure] = {
    "wall": lambda sample: sample.cost.wall,
    "CPU": lambda sample: sample.cost.cpu,
    "memory": lambda sample: _positive(sample.cost.rss),
    "PSS": lambda sample: _positive(sample.cost.pss),
    "start to first request": lambda sample: sample.first_request,
    "turnaround": _turnaround,
    "last 30 / first 30": _growth,
    "request 1": lambda sample: sample.request_size,
    "initialize": lambda sample: sample.initialize,
    "memory per thread": lambda sample: sample.per_thread,
}
UNITS = {
    "memory": "MB",
    "memory per thread": "MB",
    "PSS": "MB",
    "request 1": "bytes",
    "last 30 / first 30": "",
}
MEMORY_FIGURES = frozenset({"memory", "PSS"})


class Target(Struct, frozen=True):
    """One line of the table. The figure of Quire is divided by that of `base` (`codex`,
    `python`), or stands for itself (`itself`); the result must not exceed `limit`. Without a
    limit it is only shown."""

    workload: str
    figure: str
    limit: float | None
    base: str = "codex"


TARGETS = (
    Target("W0", "wall", 1.3, "python"),
    Target("W0", "wall", None),
    Target("W1", "wall", 0.40),
    Target("W1", "CPU", 0.40),
    Target("W1", "start to first request", None),
    Target("W1", "request 1", 16_384, "itself"),
    Target("W1", "request 1", None),
    Target("W2", "wall", 0.30),
    Target("W2", "CPU", 0.30),
    Target("W2", "memory", 0.25),
    Target("W3", "turnaround", 0.10),
    Target("W3", "CPU", None),
    Target("W4", "wall", None),
    Target("W4", "CPU", 0.40),
    Target("W5", "wall", 0.40),
    Target("W5", "CPU", None),
    Target("W5", "memory", 0.28),
    Target("W6", "wall", 0.15),
    Target("W6", "turnaround", None),
    Target("W6", "last 30 / first 30", 1.1, "itself"),
    Target("W7x32", "wall", 0.40),
    Target("W7x32", "CPU", None),
    Target("W7x32", "PSS", 0.55),
    Target("W8x50", "wall", 0.25),
    Target("W8x50", "CPU", None),
    Target("W8x50", "memory per thread", 0.40),
    Target("W8x50", "initialize", 0.60),
    Target("W8x200", "wall", 0.25),
    Target("W8x200", "CPU", None),
    Target("W8x200", "memory per thread", 0.40),
    Target("W8x200", "initialize", 0.60),
    Target("W9", "wall", 0.40),
    Target("W9", "CPU", None),
    Target("W9", "memory", 0.30),
)


class Measured(Struct):
    """The samples of one subject on one workload: timed runs, and runs watched for memory."""

    timed: list[Sample] = []
    memory: list[Sample] = []

    def values(self, figure: str) -> list[float]:
        samples = self.memory if figure in MEMORY_FIGURES else self.timed
        found = (FIGURES[figure](sample) for sample in samples)
        return [value for value in found if value is not None]

    @property
    def wrong(self) -> list[str]:
        return [mistake for sample in (*self.timed, *self.memory) for mistake in sample.wrong]


Results = dict[str, dict[str, Measured]]
"""Workload, then subject."""


class Verdict(Struct, frozen=True):
    """A target and what came out: the ratio of medians, and of minima. `met` is None when there
    is no limit, or when it was not measured (then the ratio is None too)."""

    target: Target
    median: float | None
    minimum: float | None
    quire: float | None
    base: float | None
    met: bool | None


def judge(target: Target, results: Results) -> Verdict:
    """Compare one figure with its target."""
    measured = results.get(target.workload, {})
    ours = _values(measured, "quire", target.figure)
    itself = target.base == "itself"
    theirs = [1.0] if itself else _values(measured, target.base, target.figure)
    quire = statistics.median(ours) if ours else None
    base = statistics.median(theirs) if theirs else None
    shown = None if itself else base
    if quire is None or base is None:
        return Verdict(target, None, None, quire, shown, None)
    median = quire / base
    met = None if target.limit is None else median <= target.limit
    return Verdict(target, median, min(ours) / min(theirs), quire, shown, met)


def _values(measured: dict[str, Measured], subject: str, figure: str) -> Sequence[float]:
    return measured[subject].values(figure) if subject in measured else ()
