"""Workers that try candidates: one forked process a core, watched, replaced when stuck."""

from __future__ import annotations

import os
import select
import sys
import time
from typing import NamedTuple

from .children import Child, Emit, in_child
from .evaluate import LATE, PARTLY, RIGHT, STUCK, Evaluator, Goal, Verdict
from .progress import Progress
from .sources import Edit

QUIET = 1.5
"""A worker that says nothing for so many seconds more than a case may take is stuck."""

CHECK_EVERY = 128
SENTINELS = 5
GO_ON_COST = 1.8
GO_ON_LATE = 120
GO_ON_SECONDS = 6.0
"""How far to go on after the first that passes: so much more surprising, so many that run out of
time, so long. The time comes last, so that what is found seldom depends on the machine's load."""

BEAT = 0.2


class Task(NamedTuple):
    """What all workers of a run share. Each item of `work` is a set of edits tried together."""

    evaluator: Evaluator
    work: list[list[Edit]]
    goal: Goal
    level: int
    isolated: bool


class Found(NamedTuple):
    """What a run learnt: the numbers of candidates that pass, of those that need more time, of
    those that mend some tests and break none."""

    right: list[tuple[int, Verdict]]
    late: list[tuple[int, Verdict]]
    partly: list[tuple[int, Verdict]]
    left: list[int]
    """Not tried: the time was over, or what passes was clear."""


def cores() -> int:
    if sys.platform == "linux":
        return max(1, min(8, len(os.sched_getaffinity(0))))
    return max(1, min(8, os.cpu_count() or 1))


class Pool:
    """One run over a list of candidates sorted by cost."""

    def __init__(self, task: Task, deadline: float, progress: Progress) -> None:
        self._task = task
        self._deadline = deadline
        self._progress = progress
        self._mended = 0
        """How many tests an edit mends that breaks none, at most."""
        self._workers: dict[int, _Worker] = {}
        self._right: list[tuple[int, Verdict]] = []
        self._late: list[tuple[int, Verdict]] = []
        self._partly: list[tuple[int, Verdict]] = []
        self._best: float | None = None
        self._late_since = 0
        self._quiet = QUIET + task.evaluator.patience(task.level)

    def run(self) -> Found:
        """To the end of the list, the deadline, or well past the first that passes."""
        self._progress.begin(self._task.goal.failing)
        count = min(cores(), len(self._task.work))
        for first in range(count):
            self._start(list(range(first, len(self._task.work), count)), self._task.isolated)
        try:
            while self._workers and time.monotonic() < self._deadline and not self._is_enough():
                self._step()
        finally:
            for worker in self._workers.values():
                worker.child.kill()
        self._right.sort()
        self._partly.sort()
        left = sorted(number for worker in self._workers.values() for number in worker.left)
        return Found(self._right, self._late, self._partly, left)

    def _start(self, numbers: list[int], isolated: bool) -> None:
        if numbers:
            worker = _Worker(self._task, numbers, isolated)
            self._workers[worker.child.output] = worker

    def _step(self) -> None:
        ready, _, _ = select.select(list(self._workers), [], [], 0.1)
        now = time.monotonic()
        for descriptor in ready:
            worker = self._workers[descriptor]
            worker.heard = now
            for value in worker.child.read():
                self._take(worker, value)
            if worker.child.ended or worker.polluted:
                self._replace(worker, stuck=bool(worker.left) and not worker.polluted)
        self._progress.tick()
        for worker in list(self._workers.values()):
            if now - worker.heard > self._quiet * (3 if worker.isolated else 1):
                self._replace(worker, stuck=True)

    def _take(self, worker: _Worker, value: list[int | float | bool]) -> None:
        if not value:
            return
        if len(value) == 1:
            if value[0]:
                worker.unchecked.clear()
            else:
                worker.polluted = True
            return
        number = worker.left.pop(0)
        worker.unchecked.append(number)
        verdict = Verdict(int(value[0]), tuple(int(v) for v in value[2:]), float(value[1]))
        self._judge(number, verdict)

    def _judge(self, number: int, verdict: Verdict) -> None:
        if self._task.level == 0:
            self._progress.tried += 1
        if verdict.status == RIGHT:
            self._right.append((number, verdict))
            cost = cost_of(self._task.work[number])
            if self._best is None:
                self._deadline = min(self._deadline, time.monotonic() + GO_ON_SECONDS)
            self._best = cost if self._best is None else min(self._best, cost)
        elif verdict.status == PARTLY:
            self._partly.append((number, verdict))
        elif verdict.status == LATE:
            self._late.append((number, verdict))
            self._late_since += self._best is not None
        if verdict.status == PARTLY:
            self._mended = max(self._mended, len(verdict.fixed))
        if verdict.status in (RIGHT, PARTLY):
            self._progress.reaches(self._mended, bool(self._right))

    def _replace(self, worker: _Worker, stuck: bool) -> None:
        """Go on after a worker that ended, blocked, or let one candidate disturb the next."""
        del self._workers[worker.child.output]
        worker.child.kill()
        if worker.polluted:
            again = set(worker.unchecked)
            self._progress.tried -= len(again) if self._task.level == 0 else 0
            self._right = [r for r in self._right if r[0] not in again]
            self._late = [r for r in self._late if r[0] not in again]
            self._partly = [r for r in self._partly if r[0] not in again]
            self._mended = max((len(verdict.fixed) for _, verdict in self._partly), default=0)
            self._progress.reaches(self._mended, bool(self._right))
            self._start(sorted(again) + worker.left, isolated=True)
            return
        if stuck:
            self._judge(worker.left.pop(0), Verdict(STUCK, (), 0.0))
        self._start(worker.left, worker.isolated)

    def _is_enough(self) -> bool:
        if self._best is None:
            return False
        if self._late_since >= GO_ON_LATE:
            return True
        ahead = [cost_of(self._task.work[w.left[0]]) for w in self._workers.values() if w.left]
        return bool(ahead) and min(ahead) > self._best + GO_ON_COST


class _Worker:
    """The parent's view of one worker process."""

    def __init__(self, task: Task, numbers: list[int], isolated: bool) -> None:
        self.left = list(numbers)
        self.isolated = isolated
        self.unchecked: list[int] = []
        self.polluted = False
        self.heard = time.monotonic()
        self.child = Child(lambda emit: _work(task, numbers, isolated, emit))


def _work(task: Task, numbers: list[int], isolated: bool, emit: Emit) -> None:
    """In the worker: a verdict for each candidate, a sign of life while one takes long, and now
    and then whether the unchanged code still passes."""
    last = time.monotonic()

    def beat() -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > BEAT:
            last = now
            emit([])

    evaluator = task.evaluator
    evaluator.beat = beat
    evaluator.prepare()
    sentinels, failing = task.goal.passing[:SENTINELS], task.goal.failing[:SENTINELS]
    patience = 2 * evaluator.patience(task.level)
    for count, number in enumerate(numbers, 1):

        def one(number: int = number) -> list[int | float]:
            verdict = evaluator.try_edits(task.work[number], task.goal, task.level)
            return [verdict.status, verdict.cpu, *verdict.fixed]

        if isolated:
            emit(in_child(one, patience) or [STUCK, 0.0])
            continue
        emit(one())
        if count % CHECK_EVERY == 0 or count == len(numbers):
            emit([evaluator.is_clean(sentinels, failing)])


def cost_of(edits: list[Edit]) -> float:
    return sum(edit.cost for edit in edits)
