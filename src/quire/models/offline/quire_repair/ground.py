"""What all hunts of one search share: the tests, what they do now, the code, time, processes."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from . import baseline
from .account import Account
from .baseline import Fact
from .cases import Case, Plan
from .configured import configured
from .environment import lacks_environment
from .evaluate import Evaluator, Goal
from .flow import leading_to
from .fresh import Request, Zygote
from .limits import FAIL, PASS, SKIP, TIMEOUT
from .live import Live
from .localise import suspicion
from .named import is_chosen
from .pool import Found, Pool, Task
from .progress import Progress
from .project import is_test_file, python_files
from .sources import Edit, Source, Unit, read_source
from .trace import Line

MOST_TARGETS = 80
MOST_REPEATED = 200
MOST_READ = 12
CALLED = 0.12
"""How much more suspicious a function is that the failing line of a test calls."""
UNKNOWN_SECONDS = 0.3
"""For all passing tests together whose lines are not known, with each candidate."""

Report = Callable[[str], None]
Place = tuple[str, int]
"""A function: path and number of its unit."""


class Settings(NamedTuple):
    """`note` is told what is known, whenever `report` is told something."""

    plan: Plan
    seconds: float
    report: Report
    note: Callable[[dict[str, Any]], None]


class Ground:
    """Made once. `survey` and `trace` fill it in; hunts read it."""

    def __init__(
        self, settings: Settings, account: Account, zygotes: list[Zygote], deadline: float
    ) -> None:
        self.root = settings.plan.root
        self.mend = settings.plan.mend
        self.report = settings.report
        self.account = account
        self.zygotes = zygotes
        self.deadline = deadline
        self.end = deadline + 0.1 * settings.seconds
        self.progress = Progress(self.report, self.end - settings.seconds, settings.seconds)
        account.progress = self.progress
        self.allowed = 0
        """How many test modules may fail to load: those that no edit can help."""
        is_test = configured(self.root).is_test
        every = [p for p in python_files(self.root) if not is_test_file(p) and not is_test(p)]
        self.files = {os.path.realpath(os.path.join(self.root, p)): p for p in every}
        self.sources: dict[str, Source] = {}
        self.cases: list[Case] = []
        self.facts: dict[int, Fact] = {}
        self.covered: dict[int, set[Line]] = {}
        self.isolated = False
        self.wishes: list[Case] = []
        """Failing tests that need not be mended: better if they are."""
        self.left_out: list[int] = []
        """Failing tests that nobody tries to mend."""

    def left(self) -> float:
        return max(self.deadline - time.monotonic(), 0.0)

    def survey(self, cases: list[Case]) -> None:
        """Run all tests as they are. Those that lack something around them are put aside."""
        self.cases = cases
        facts = self._first_run()
        self._take_care(facts)
        baseline.confirm_timeouts(self.root, cases, facts, self.left() * 0.2)
        blamed = [i for i in facts if lacks_environment(facts[i], self.root)]
        self.account.environment_facts([facts[i] for i in blamed])
        wishes = [i for i in facts if self.cases[i].wish and facts[i].status == FAIL]
        self.wishes = [self.cases[i] for i in wishes]
        self.facts = {
            i: f
            for i, f in facts.items()
            if i not in blamed
            and (not self.cases[i].wish or f.status == PASS)
            and (f.status in (PASS, SKIP) or is_chosen(f.id, self.mend))
        }
        hopeless = [i for i in self.facts if self._is_hopeless(self.facts[i])]
        self.left_out = hopeless if len(hopeless) < len(self.failing()) else []
        self.account.facts(list(self.facts.values()))
        self.report(f"{len(cases)} tests collected, {len(self.failing())} of them fail")

    def _first_run(self) -> dict[int, Fact]:
        """Of as many tests as a part of the time allows. Where that is not all: those that stand
        beside failing ones, or more of the others while none has failed."""
        cases, order = self.cases, list(range(len(self.cases)))
        facts = baseline.run_cases(self.root, cases, order, self.left() * 0.3)
        failing = {facts[i].file for i in facts if facts[i].status in (FAIL, TIMEOUT)}
        rest = [index for index in order if index not in facts]
        near = [index for index in rest if cases[index].file in failing]
        if rest:
            seconds = self.left() * (0.15 if failing else 0.5)
            facts.update(baseline.run_cases(self.root, cases, near if failing else rest, seconds))
        return facts

    def _take_care(self, facts: dict[int, Fact]) -> None:
        """Where the short way to run a test fails and the whole way does not, take that one."""
        failing = [i for i in sorted(facts) if facts[i].status == FAIL]
        whole = {i: care for i in failing if (care := self.cases[i].careful) is not None}
        order = list(range(len(whole)))
        again = baseline.run_cases(self.root, list(whole.values()), order, self.left() * 0.2)
        for number, index in enumerate(whole):
            if number in again and again[number].status != FAIL:
                self.cases[index] = whole[index]
                facts[index] = again[number]

    def trace(self) -> None:
        """Which lines each test runs; and whether the tests that matter can be run many times in
        one process."""
        seconds = max(self.left() * 0.25, 2.0)
        self.covered, names = baseline.coverage(self.cases, self.facts, self.files, seconds)
        baseline.load(names, self.files)
        idle = [i for i in self.failing() if self._never_ends_alone(i)]
        self.left_out += idle if len(idle) < len(self.failing()) else []
        goal = self.goal(self.failing())
        places = {(s.path, u.index) for s, u in self.targets(self.lines(goal.failing))}
        passing = [i for i in goal.passing if self.runs_any(i, places)][:MOST_REPEATED]
        quick = [i for i in goal.failing if self.facts[i].status == FAIL] + passing
        orders = [sorted(quick), quick]
        seconds = max(self.left() * 0.15, 1.0)
        self.isolated = not baseline.repeats(self.cases, orders, seconds)

    def _is_hopeless(self, fact: Fact) -> bool:
        """A test that ends the process, or exits by itself: only of use when nothing else fails."""
        own = any(os.path.realpath(path) in self.files for path, _ in fact.frames)
        return fact.error == baseline.ENDED or (fact.error == "SystemExit" and not own)

    def _never_ends_alone(self, index: int) -> bool:
        """A test that does not end, and runs nothing of the project's until then."""
        return self.facts[index].status == TIMEOUT and self.covered.get(index) == set()

    def failing(self) -> list[int]:
        """Those to mend: the cheapest first, those that do not end last."""
        some = [i for i in self.facts if i not in self.left_out]
        by_cost = sorted(some, key=lambda i: (self.facts[i].cpu, i))
        failed = [i for i in by_cost if self.facts[i].status == FAIL]
        return failed + [i for i in by_cost if self.facts[i].status == TIMEOUT]

    def goal(self, failing: Iterable[int]) -> Goal:
        """Mend these; break none of those that pass. Of tests of which nobody knows what they run,
        because there are too many, some have to do."""
        by_cost = sorted(self.facts, key=lambda i: (self.facts[i].cpu, i))
        passing = [i for i in by_cost if self.facts[i].status == PASS]
        files = {self.facts[i].file for i in self.failing()}
        unknown = [i for i in passing if self.covered and i not in self.covered]
        unknown.sort(key=lambda i: self.facts[i].file not in files)
        times = list(itertools.accumulate(self.facts[i].wall for i in unknown))
        left_out = {i for n, i in enumerate(unknown) if times[n] > UNKNOWN_SECONDS}
        return Goal(tuple(failing), tuple(i for i in passing if i not in left_out))

    def crashes(self, failing: Iterable[int]) -> bool:
        """They fail by errors or hangs, not by wrong values."""
        errors = [self.facts[i].error for i in failing]
        return not any("Assertion" in error or error == "Failed" for error in errors)

    def lines(self, failing: Iterable[int]) -> dict[Line, float]:
        """Suspicion by these failing tests and all that pass."""
        failing = list(failing)
        some = {*failing, *(i for i in self.covered if self.facts[i].status == PASS)}
        covered = {i: lines for i, lines in self.covered.items() if i in some}
        scores = suspicion(self.facts, covered, self.files)
        return self._nearer(scores, [i for i in failing if self.facts[i].status == FAIL])

    def _nearer(self, scores: dict[Line, float], failing: list[int]) -> dict[Line, float]:
        """Raised in functions by whose results the tests fail, as the tests' own text tells."""
        called: dict[str, float] = {}
        some = failing[:MOST_READ]
        files = {self.facts[i].file for i in some} - {""}
        tests = {file: read_source(self.root, file) for file in files}
        for index in some:
            fact = self.facts[index]
            test = tests.get(fact.file)
            own = os.path.realpath(os.path.join(self.root, fact.file))
            at = [number for path, number in fact.frames if os.path.realpath(path) == own]
            for name, weight in leading_to(test, at[-1]).items() if test and at else ():
                called[name] = max(called.get(name, 0.0), weight)
        for line, score in list(scores.items()):
            source = self.source(line[0])
            unit = source.unit_of(line[1]) if source is not None else None
            if unit is not None and unit.name in called:
                scores[line] = min(score + CALLED * called[unit.name] * score, 1.0)
        return scores

    def targets(self, lines: dict[Line, float]) -> list[tuple[Source, Unit]]:
        """The functions that hold these lines, the most suspicious first."""
        best: dict[Place, float] = {}
        for (path, number), score in sorted(lines.items()):
            place = self.place(path, number)
            if place is not None:
                best[place] = max(best.get(place, 0.0), score)
        ranked = sorted(best, key=lambda key: (-best[key], key))[:MOST_TARGETS]
        return [(self.sources[path], self.sources[path].units[unit]) for path, unit in ranked]

    def place(self, path: str, line: int) -> Place | None:
        source = self.source(path)
        unit = source.unit_of(line) if source is not None else None
        return (path, unit.index) if unit is not None else None

    def places(self, index: int) -> set[Place]:
        """The functions that a test runs."""
        found = {self.place(path, line) for path, line in self.covered.get(index, ())}
        return {place for place in found if place is not None}

    def runs_any(self, index: int, places: set[Place]) -> bool:
        """A test runs one of these functions, or nobody knows what it runs."""
        return index not in self.covered or not places.isdisjoint(self.places(index))

    def source(self, path: str) -> Source | None:
        if path not in self.sources:
            source = read_source(self.root, path)
            if source is None:
                return None
            self.sources[path] = source
        return self.sources[path]

    def evaluator(self, live: Live, targets: list[tuple[Source, Unit]]) -> Evaluator:
        """With the tests that each function matters to."""
        ran = {index: self.places(index) for index in self.covered}
        unknown = {index for index in self.facts if index not in self.covered}
        matters: dict[Place, frozenset[int]] = {}
        for source, unit in targets:
            place = (source.path, unit.index)
            users = {index for index, places in ran.items() if place in places}
            matters[place] = frozenset(users | unknown)
        return Evaluator(self.cases, self.facts, self.sources, live, matters)

    def pool(self, task: Task, deadline: float) -> Found:
        """Try candidates; counted and told."""
        if not task.work:
            return Found([], [], [], [])
        if task.level == 0:
            self.progress.candidates += len(task.work)
        found = Pool(task, deadline, self.progress).run()
        self.report(f"tried {self.progress.tried}, {len(found.right)} pass")
        return found

    def request(self, edits: list[Edit], must: Iterable[int], then: Iterable[int]) -> Request:
        """To try whole changed files in a fresh process."""
        files: list[tuple[str, str]] = []
        for path in dict.fromkeys(e.path for e in edits):
            source = self.sources[path]
            files.append((source.absolute, source.spliced([e for e in edits if e.path == path])))
        names = [tuple(self.cases[i].id for i in some) for some in (must, then)]
        return Request(tuple(files), names[0], names[1], self.allowed, 0.0, self.end + 0.5)
