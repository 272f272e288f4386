"""From failing tests to one edit that makes them pass, or to an honest account of the attempt."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from . import baseline
from .account import Account
from .baseline import Fact
from .candidates import single_edits
from .cases import Broken, Case, Collected, Plan, collect
from .choose import Group, Option, groups, telling_call
from .environment import is_foreign_module, lacks_environment
from .evaluate import LIMITS, RIGHT, Evaluator, Goal, Verdict
from .fresh import Request, Zygote, ask, ask_all
from .limits import FAIL, PASS, SKIP, TIMEOUT
from .live import Live
from .localise import import_suspicion, suspicion
from .mining import mine
from .partial import combinations
from .pool import Found, Pool, Task, cores, cost_of
from .project import is_test_file, python_files
from .replay import Behaviour, Replay
from .sites import Knowledge
from .sources import Edit, Source, Unit, read_source
from .trace import Line
from .witness import witnesses

MOST_CANDIDATES = 60_000
MOST_OPTIONS = 60
MOST_TARGETS = 80
MOST_LATE = (0, 160, 24, 6)
MOST_FRESH = 1500
FRESH_SECONDS = 1.5
SEARCHING = 0.9
"""The share of the time in which candidates are tried; the rest is for choosing among them."""

PARTLY = 3000
PARTLY_COST = 2.4
BLUNT = frozenset(["removed statement", "missing guard", "constant condition", "returned value"])
"""Kinds that make single tests pass too easily to be applied for some of the failing ones."""

Report = Callable[[str], None]


class Settings(NamedTuple):
    plan: Plan
    seconds: float
    report: Report


def search(settings: Settings) -> dict[str, Any]:
    """Collect, run, localise, search, choose, confirm. The result is made of plain values."""
    started = time.monotonic()
    zygotes: list[Zygote] = []
    for _ in range(min(cores(), 4)):
        zygotes.append(Zygote(settings.plan, zygotes))
    account = Account(settings.plan.root)

    def then(collected: Collected) -> None:
        deadline = started + settings.seconds * SEARCHING
        _Search(settings, account, zygotes, deadline).run(collected)

    try:
        collect(settings.plan, then)
    finally:
        for zygote in zygotes:
            zygote.close()
    return account.result(time.monotonic() - started)


class _Search:
    """One attempt, step by step; what it finds goes into the account."""

    def __init__(
        self, settings: Settings, account: Account, zygotes: list[Zygote], deadline: float
    ) -> None:
        self._plan = settings.plan
        self._root = settings.plan.root
        self._report = settings.report
        self._account = account
        self._zygotes = zygotes
        self._deadline = deadline
        every = [path for path in python_files(self._root) if not is_test_file(path)]
        self._files = {os.path.realpath(os.path.join(self._root, p)): p for p in every}
        self._sources: dict[str, Source] = {}
        self._facts: dict[int, Fact] = {}
        self._allowed = 0
        self._one_process = True

    def run(self, collected: Collected) -> None:
        foreign = [b for b in collected.broken if not self._may_be_code(b)]
        broken = [b for b in collected.broken if b not in foreign]
        self._account.environment(foreign)
        self._allowed = len(foreign)
        if not collected.cases and not broken:
            self._account.status = "environment" if foreign else "no_tests"
            return
        if broken:
            self._repair_imports(collected, broken)
            return
        self._run_tests(collected)
        if not any(f.status in (FAIL, TIMEOUT) for f in self._facts.values()):
            some = self._account.has_environment_faults
            self._account.status = "environment" if some else "nothing_fails"
            return
        self._repair_functions(collected)

    def _may_be_code(self, broken: Broken) -> bool:
        """The fault lies in the project's code: nothing is missing, and the trace leads there."""
        places = {os.path.realpath(path) for path, _ in broken.frames}
        own = not places.isdisjoint(self._files)
        return own and not is_foreign_module(broken, self._files.values())

    # --- failing tests -----------------------------------------------------------------------

    def _run_tests(self, collected: Collected) -> None:
        cases = collected.cases
        order = list(range(len(cases)))
        facts, whole = baseline.run_cases(self._root, cases, order, self._left() * 0.4)
        self._take_care(cases, facts)
        baseline.confirm_timeouts(self._root, cases, facts)
        blamed = [i for i in facts if lacks_environment(facts[i])]
        self._account.environment_facts([facts[i] for i in blamed])
        self._facts = {i: f for i, f in facts.items() if i not in blamed}
        self._one_process = whole
        self._account.facts(list(self._facts.values()))
        failing = sum(f.status in (FAIL, TIMEOUT) for f in self._facts.values())
        self._report(f"{len(cases)} tests collected, {failing} of them fail")

    def _take_care(self, cases: list[Case], facts: dict[int, Fact]) -> None:
        """Where the short way to run a test fails and the whole way does not, take that one."""
        failing = [i for i in sorted(facts) if facts[i].status == FAIL]
        whole = {i: care for i in failing if (care := cases[i].careful) is not None}
        again, _ = baseline.run_cases(
            self._root, list(whole.values()), list(range(len(whole))), 10.0
        )
        for number, index in enumerate(whole):
            if number in again and again[number].status != FAIL:
                cases[index] = whole[index]
                facts[index] = again[number]

    def _order(self) -> Goal:
        """Failing cases, then passing ones, each the cheapest first."""
        by_cost = sorted(self._facts, key=lambda i: (self._facts[i].cpu, i))
        failing = [i for i in by_cost if self._facts[i].status == FAIL]
        failing += [i for i in by_cost if self._facts[i].status == TIMEOUT]
        passing = [i for i in by_cost if self._facts[i].status == PASS]
        return Goal(tuple(failing), tuple(passing))

    def _repair_functions(self, collected: Collected) -> None:
        cases, goal = collected.cases, self._order()
        quick = [i for i in goal.failing if self._facts[i].status == FAIL] + list(goal.passing)
        natural = sorted(quick)
        isolated = not self._one_process or not baseline.repeats(
            cases, [natural, quick], max(self._left() * 0.2, 1.0)
        )
        seconds = max(self._left() * 0.25, 2.0)
        covered, modules = baseline.coverage(cases, self._facts, self._files, seconds)
        baseline.load(modules, self._files)
        lines = suspicion(self._facts, covered, self._files)
        targets = self._targets(lines)
        self._account.suspects(lines, self._sources)
        live = Live(self._sources)
        known = self._learn(collected, goal, targets, live, lines)
        modules = list(dict.fromkeys(source for source, _ in targets))
        edits = single_edits(targets, modules, known)[:MOST_CANDIDATES]
        self._account.candidates = len(edits)
        self._report(
            f"{len(edits)} candidate edits in {len(targets)} functions, "
            f"{'one process each' if isolated else 'in process'}"
        )
        swappable = [[e] for e in edits if e.unit >= 0 and live.knows(e.path, e.unit)]
        others = [e for e in edits if e.unit < 0 or not live.knows(e.path, e.unit)]
        evaluator = Evaluator(cases, self._facts, self._sources, live)
        task = Task(evaluator, self._root, swappable, goal, 0, isolated)
        options = self._singles(task)
        options += self._fresh_singles(others, goal, cases, options)
        if not options and len(goal.failing) > 1:
            options = self._several(task)
        if options:
            self._decide(options, collected, live)
        elif self._account.status == "":
            self._account.status = "not_found"

    def _targets(self, lines: dict[Line, float]) -> list[tuple[Source, Unit]]:
        """The functions that failing tests run, the most suspicious first."""
        best: dict[tuple[str, int], float] = {}
        for (path, number), score in sorted(lines.items()):
            source = self._source(path)
            unit = source.unit_of(number) if source is not None else None
            if unit is not None:
                best[path, unit.index] = max(best.get((path, unit.index), 0.0), score)
        ranked = sorted(best, key=lambda key: (-best[key], key))
        ranked = ranked[:MOST_TARGETS]
        return [(self._sources[path], self._sources[path].units[unit]) for path, unit in ranked]

    def _learn(
        self,
        collected: Collected,
        goal: Goal,
        targets: list[tuple[Source, Unit]],
        live: Live,
        lines: dict[Line, float],
    ) -> Knowledge:
        failing = [self._facts[i] for i in goal.failing]
        types = baseline.types(collected.cases, self._facts, targets, live)
        mined = mine(self._root, [(f.file, f.id) for f in failing])
        compared = witnesses(self._root, collected.cases, self._facts)
        return Knowledge(lines, types, mined, compared, self._crashes())

    def _crashes(self) -> bool:
        """The failures are errors or hangs, not wrong values."""
        failing = [f for f in self._facts.values() if f.status in (FAIL, TIMEOUT)]
        wrong = [f for f in failing if "Assertion" in f.error or f.error == "Failed"]
        return bool(failing) and not wrong

    def _source(self, path: str) -> Source | None:
        if path not in self._sources:
            source = read_source(self._root, path)
            if source is None:
                return None
            self._sources[path] = source
        return self._sources[path]

    # --- trying ------------------------------------------------------------------------------

    def _singles(self, task: Task) -> list[Option]:
        found = self._pool(task)
        options = [Option(task.work[n], v.cpu, -1) for n, v in found.right]
        level = 1
        while not options and found.late and level < len(LIMITS) and self._left() > 1.0:
            late = sorted(found.late, key=lambda item: (-len(item[1].fixed), item[0]))
            late = late[: MOST_LATE[level]]
            again = task._replace(work=[task.work[n] for n, _ in late], level=level)
            self._report(f"{len(late)} candidates need more time")
            found = self._pool(again)
            options = [Option(again.work[n], v.cpu, -1) for n, v in found.right]
            task, level = again, level + 1
        return options

    def _pool(self, task: Task) -> Found:
        found = Pool(task, self._deadline, self._report).run() if task.work else Found([], [], 0)
        self._account.tried += found.tried
        self._report(f"tried {self._account.tried}, {len(found.right)} pass")
        return found

    def _fresh_singles(
        self, edits: list[Edit], goal: Goal, cases: list[Case], known: list[Option]
    ) -> list[Option]:
        """Edits of code that runs at import: each in a process of its own. When something was
        found already, only what is less surprising, and not for long."""
        seconds = max(self._left() * 0.3, 1.0)
        if known:
            best, seconds = min(cost_of(o.edits) for o in known), FRESH_SECONDS
            edits = [e for e in edits if e.cost <= best]
        edits = edits[:MOST_FRESH]
        must = tuple(cases[i].id for i in goal.failing)
        then = tuple(cases[i].id for i in goal.passing)
        requests = [self._request([e], must, then) for e in edits]
        until = min(self._deadline, time.monotonic() + seconds)
        verdicts = ask_all(self._zygotes, requests, until)
        self._account.tried += len(verdicts)
        right = [n for n, v in enumerate(verdicts) if v.status == RIGHT]
        if edits:
            self._report(f"tried {len(verdicts)} edits outside functions, {len(right)} pass")
        return [Option([edits[n]], verdicts[n].cpu, -1) for n in right]

    def _request(self, edits: list[Edit], must: tuple[str, ...], then: tuple[str, ...]) -> Request:
        files: list[tuple[str, str]] = []
        for path in dict.fromkeys(e.path for e in edits):
            source = self._sources[path]
            files.append((source.absolute, source.spliced([e for e in edits if e.path == path])))
        return Request(tuple(files), must, then, self._allowed, False)

    def _several(self, task: Task) -> list[Option]:
        """More than one fault: edits that each mend some tests, put together."""
        partly = task._replace(work=task.work[:PARTLY], goal=task.goal._replace(partly=True))
        found = self._pool(partly)
        mended = [(partly.work[n], set(v.fixed), v.cpu) for n, v in found.right]
        if not mended:
            return []
        together = combinations(mended, set(task.goal.failing))
        both = self._pool(task._replace(work=together)) if together else Found([], [], 0)
        if both.right:
            return [Option(together[n], v.cpu, -1) for n, v in both.right]
        best = max(len(fixed) for _, fixed, _ in mended)
        cheap = [
            m
            for m in mended
            if len(m[1]) == best
            and cost_of(m[0]) <= PARTLY_COST
            and all(edit.kind not in BLUNT for edit in m[0])
        ]
        self._account.status = "partly" if cheap else "not_found"
        self._account.fixed = best
        return [Option(edits, cpu, -1) for edits, _, cpu in cheap]

    # --- choosing ----------------------------------------------------------------------------

    def _decide(self, options: list[Option], collected: Collected, live: Live) -> None:
        options.sort(key=lambda o: (cost_of(o.edits), [(e.path, e.start, e.text) for e in o.edits]))
        self._account.passing_edits = len(options)
        options = options[:MOST_OPTIONS]
        swapped = [o for o in options if all(live.knows(e.path, e.unit) for e in o.edits)]
        behaviour: Behaviour | None = None
        if len(options) > 1 and swapped:
            replay = Replay(self._root, self._sources, live)
            behaviour = replay.behaviours(collected.cases, self._facts, [o.edits for o in swapped])
        if behaviour is not None:
            rows = {id(o): n for n, o in enumerate(swapped)}
            options = [o._replace(row=rows.get(id(o), -1)) for o in options]
        cpu = sum(f.cpu for f in self._facts.values() if f.status in (PASS, SKIP))
        ranked = groups(options, behaviour, self._crashes(), cpu)
        self._settle(ranked, behaviour, collected)

    def _settle(
        self, ranked: list[Group], behaviour: Behaviour | None, collected: Collected
    ) -> None:
        """Take the first that also passes when the whole project is loaded anew."""
        partly = self._account.status == "partly"
        for number, group in enumerate(ranked[:8]):
            chosen = group.options[0]
            if partly or self._confirm(chosen.edits, collected):
                others = [*ranked[:number], *ranked[number + 1 :]]
                self._account.chosen(chosen.edits, self._sources, partly)
                self._account.rivals(others, self._sources)
                if behaviour is not None and others:
                    self._account.telling(telling_call(behaviour, group, others[0]))
                return
        self._account.status = "not_found"

    def _confirm(self, edits: list[Edit], collected: Collected) -> bool:
        wanted = [i for i in self._facts if self._facts[i].status != SKIP]
        must = tuple(collected.cases[i].id for i in wanted)
        request = self._request(edits, must, ())._replace(generous=True)
        return ask(self._zygotes[0], request).status == RIGHT

    # --- modules that cannot be loaded -------------------------------------------------------

    def _repair_imports(self, collected: Collected, broken: list[Broken]) -> None:
        """The code fails while it is imported: only whole files can be tried."""
        self._account.broken(broken, len(collected.cases))
        frames = [frame for b in broken for frame in b.frames]
        lines = import_suspicion(frames, self._files)
        for path, _ in lines:
            self._source(path)
        self._account.suspects(lines, self._sources)
        targets = self._targets(lines)
        known = Knowledge(lines, {}, mine(self._root, []), (), True)
        edits = single_edits(targets, list(self._sources.values()), known)[:MOST_FRESH]
        self._account.candidates = len(edits)
        self._report(f"{len(broken)} test modules cannot be loaded; {len(edits)} candidate edits")
        requests = [self._request([e], (), ()) for e in edits]
        verdicts = ask_all(self._zygotes, requests, self._deadline)
        self._account.tried += len(verdicts)
        options = [Option([edits[n]], v.cpu, -1) for n, v in enumerate(verdicts) if _is_right(v)]
        self._report(f"tried {len(verdicts)}, {len(options)} pass")
        if not options:
            self._account.status = "not_found"
            return
        self._account.passing_edits = len(options)
        ranked = groups(options, None, True, 0.0)
        self._account.chosen(ranked[0].options[0].edits, self._sources, False)
        self._account.rivals(ranked[1:], self._sources)

    def _left(self) -> float:
        return max(self._deadline - time.monotonic(), 0.0)


def _is_right(verdict: Verdict) -> bool:
    """All tests pass, and there were some."""
    return verdict.status == RIGHT and verdict.fixed != (0,)
