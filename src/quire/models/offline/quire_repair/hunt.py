"""The search for edits that make some failing tests pass and break no other."""

from __future__ import annotations

import time
from typing import NamedTuple

from . import baseline
from .candidates import single_edits
from .choose import Group, Option, groups
from .classes import holders, names_read, readable
from .combine import Part, complementary, extended
from .constants import Constants
from .evaluate import LIMITS, RIGHT, Verdict
from .fragments import gather, neighbours
from .fresh import ask_all
from .ground import Ground
from .helpers import Helpers
from .limits import PASS, SKIP, TIMEOUT
from .live import Live
from .localise import crash_lines
from .mining import mine
from .partial import pairs, twins
from .pool import Task, cost_of
from .replay import Behaviour, Replay
from .sites import Knowledge
from .sources import Edit
from .trace import Line
from .wishes import granted
from .witness import witnesses

MOST_CANDIDATES = 60_000
MOST_OPTIONS = 60
MOST_LATE = (0, 60, 16, 6)
MOST_FRESH = 1500
FRESH_SECONDS = 1.5
MOST_PARTS = 4000
KEPT = 0.35
"""The share of the time for several edits together, when single ones mend some tests."""

SLOW = 0.15
"""The share of the time that is left for candidates which run long, while others are untried."""


class Catch(NamedTuple):
    """What makes the tests pass: behaviours ranked, `options` edits in all."""

    failing: tuple[int, ...]
    ranked: list[Group]
    behaviour: Behaviour | None
    options: int

    @property
    def edits(self) -> list[Edit]:
        """Those chosen."""
        return self.ranked[0].options[0].edits


class Hunt:
    """For one set of failing tests, until `deadline`."""

    def __init__(self, ground: Ground, failing: list[int], deadline: float) -> None:
        self._ground = ground
        self._failing = tuple(failing)
        self._deadline = deadline
        self._goal = ground.goal(failing)
        self._lines = ground.lines(failing)
        self._targets = ground.targets(self._lines)
        self._live = Live(ground.sources)
        self._constants = Constants(ground.sources)
        self._parts: list[Part] = []
        self._late: list[tuple[list[Edit], Verdict]] = []
        self._endless = any(ground.facts[i].status == TIMEOUT for i in failing)

    @property
    def lines(self) -> dict[Line, float]:
        """Suspicion by line."""
        return self._lines

    def run(self, with_pairs: bool) -> Catch | None:
        """None when nothing was found. `with_pairs` also tries two edits at once."""
        ground = self._ground
        edits = self._edits()
        how = "one process each" if ground.isolated else "in process"
        ground.report(f"{len(edits)} candidate edits in {len(self._targets)} functions, {how}")
        able = {id(e): self._can_swap([e]) for e in edits}
        singles = [e for e in edits if able[id(e)]]
        texts = {path: source.text for path, source in ground.sources.items()}
        swappable = sorted([*([e] for e in singles), *twins(singles, texts)], key=cost_of)
        others = [e for e in edits if not able[id(e)]]
        evaluator = ground.evaluator(self._live, self._targets)
        task = Task(evaluator, swappable, self._goal, 0, ground.isolated)
        options = self._first(task) or self._promising(task)
        if not options and self._endless:
            options = self._slow(task, SLOW)
        options += self._fresh_singles(others, options)
        options = options or self._combined(task, singles)
        if not options and with_pairs:
            options = self._slow(task, SLOW)
            options = options or self._singles(task._replace(work=pairs(singles)))
        options = options or self._slow(task, 1.0 if with_pairs else SLOW)
        return self._ranked(options) if options else None

    def partly(self) -> Catch | None:
        """After a run that found nothing: the edits that mend most of the tests and break none."""
        if not self._parts:
            return None
        ranked = sorted(self._parts, key=lambda part: (-len(part.mended), cost_of(part.edits)))
        mended, size = ranked[0].mended, len(ranked[0].edits)
        alike = [p for p in ranked if p.mended == mended and len(p.edits) == size]
        options = [Option(part.edits, 0.0, -1) for part in alike]
        return self._ranked(options)._replace(failing=tuple(sorted(mended)))

    def _edits(self) -> list[Edit]:
        known = self._learn()
        own = list(dict.fromkeys(source for source, _ in self._targets))
        read = names_read(own, self._lines)
        ground = self._ground
        others = [path for path in ground.files.values() if path not in {s.path for s in own}]
        modules = [*own, *holders(others, ground.source, {name for name, _ in read})]
        known = known._replace(read=read)
        return single_edits(self._targets, modules, known)[:MOST_CANDIDATES]

    def _learn(self) -> Knowledge:
        ground = self._ground
        some = {*self._failing, *self._goal.passing}
        facts = {i: f for i, f in ground.facts.items() if i in some}
        failing = [facts[i] for i in self._failing]
        types = baseline.types(ground.cases, facts, self._targets, self._live)
        mined = mine(ground.root, [(f.file, f.id) for f in failing])
        compared = witnesses(ground.root, ground.cases, facts)
        crashes, classes = ground.crashes(self._failing), readable(ground.sources.values())
        known = Knowledge(self._lines, types, mined, compared, crashes, classes)
        own = list(dict.fromkeys(source for source, _ in self._targets))
        helpers = Helpers(ground.files, ground.sources, types)
        return known._replace(
            fragments=gather([*own, *neighbours(ground.root, own, ground.files.values())], types),
            helpers=tuple((source.path, helpers.of(source)) for source in own),
            crashed=crash_lines(failing, ground.files),
        )

    def _can_swap(self, edits: list[Edit]) -> bool:
        return all(self._is_live([e]) or self._constants.knows(e) for e in edits)

    def _is_live(self, edits: list[Edit]) -> bool:
        return all(e.unit >= 0 and self._live.knows(e.path, e.unit) for e in edits)

    def _left(self) -> float:
        return max(self._deadline - time.monotonic(), 0.0)

    # --- trying ------------------------------------------------------------------------------

    def _singles(self, task: Task) -> list[Option]:
        """By swapping code. What runs out of time and what mends some tests is kept for later."""
        return self._tried(task, self._deadline)[0]

    def _tried(self, task: Task, deadline: float) -> tuple[list[Option], list[int]]:
        """What passes, and what was not tried."""
        found = self._ground.pool(task, deadline)
        self._parts += [Part(task.work[n], frozenset(v.fixed)) for n, v in found.partly]
        self._late += [(task.work[n], v) for n, v in found.late]
        return [Option(task.work[n], v.cpu, -1) for n, v in found.right], found.left

    def _first(self, task: Task) -> list[Option]:
        """Where several tests fail, part of the time is kept for putting edits together."""
        kept = KEPT * self._left() if len(self._failing) > 1 else 0.0
        options, left = self._tried(task, self._deadline - kept)
        if options or self._parts or not left:
            return options
        return self._singles(task._replace(work=[task.work[number] for number in left]))

    def _promising(self, task: Task) -> list[Option]:
        """At once what ran out of time when it had mended most of the failing tests."""
        enough = max(len(self._failing) / 2, 1)
        late = [item for item in self._late if len(item[1].fixed) >= enough]
        if not late:
            return []
        kept, self._late = [item for item in self._late if item not in late], late
        options = self._slow(task, SLOW)
        self._late += kept
        return options

    def _slow(self, task: Task, share: float) -> list[Option]:
        """What ran out of time once more, with more of it: for a share of the time that is left."""
        deadline = time.monotonic() + share * self._left()
        late, self._late = self._late, []
        options: list[Option] = []
        for level in range(1, len(LIMITS)):
            late.sort(key=lambda item: (-len(item[1].fixed), cost_of(item[0])))
            late = late[: MOST_LATE[level]]
            if options or not late or time.monotonic() + 1.0 > deadline:
                break
            self._ground.report(f"{len(late)} candidates need more time")
            again = task._replace(work=[edits for edits, _ in late], level=level)
            found = self._ground.pool(again, min(deadline, self._deadline))
            options = [Option(again.work[n], v.cpu, -1) for n, v in found.right]
            late = [(again.work[n], v) for n, v in found.late]
        return options

    def _combined(self, task: Task, singles: list[Edit]) -> list[Option]:
        """From parts that mend some tests: two together, then the best with any other edit."""
        if len(self._failing) < 2:
            return []
        task = task._replace(goal=self._goal._replace(parts=True))
        options = self._singles(task._replace(work=[[edit] for edit in singles[:MOST_PARTS]]))
        if options:
            return options
        mended = 0
        while self._parts and self._left() > 1.0:
            best = max(len(part.mended) for part in self._parts)
            if best <= mended:
                return []
            mended, parts = best, self._parts
            self._ground.report(f"{len(parts)} edits mend some tests, at most {best}")
            options = self._singles(task._replace(work=complementary(parts)))
            options = options or self._singles(task._replace(work=extended(parts, singles)))
            if options:
                return options
        return []

    def _fresh_singles(self, edits: list[Edit], known: list[Option]) -> list[Option]:
        """Edits of code that runs at import: each in a process of its own. When something was
        found already, only what is less surprising, and not for long."""
        ground = self._ground
        seconds = max(self._left() * 0.3, 1.0)
        if known:
            best, seconds = min(cost_of(o.edits) for o in known), FRESH_SECONDS
            edits = [e for e in edits if e.cost <= best]
        edits = edits[:MOST_FRESH]
        requests = [ground.request([e], self._failing, self._goal.passing) for e in edits]
        until = min(self._deadline, time.monotonic() + seconds)
        verdicts = ask_all(ground.zygotes, requests, until)
        ground.progress.candidates += len(requests)
        ground.progress.tried += len(verdicts)
        right = [n for n, v in enumerate(verdicts) if v.status == RIGHT]
        if edits:
            ground.report(f"tried {len(verdicts)} edits outside functions, {len(right)} pass")
        return [Option([edits[n]], verdicts[n].cpu, -1) for n in right]

    # --- choosing ----------------------------------------------------------------------------

    def _ranked(self, options: list[Option]) -> Catch:
        ground = self._ground
        options.sort(key=lambda o: (cost_of(o.edits), [(e.path, e.start, e.text) for e in o.edits]))
        count = len(options)
        options = options[:MOST_OPTIONS]
        swapped = [o for o in options if self._is_live(o.edits)]
        behaviour: Behaviour | None = None
        if len(options) > 1 and swapped:
            replay = Replay(ground.sources, self._live)
            work = [o.edits for o in swapped]
            behaviour = replay.behaviours(
                ground.cases, self._users(work), work, max(ground.end - time.monotonic(), 0.3)
            )
        if behaviour is not None:
            rows = {id(o): n for n, o in enumerate(swapped)}
            options = [o._replace(row=rows.get(id(o), -1)) for o in options]
        if ground.wishes and swapped:
            work = [o.edits for o in swapped]
            shares = granted(ground.wishes, work, ground.sources, self._live)
            share = {id(edits): shares[number] for number, edits in enumerate(work)}
            options = [o._replace(granted=share.get(id(o.edits), 0.0)) for o in options]
        cpu = sum(f.cpu for f in ground.facts.values() if f.status in (PASS, SKIP))
        ranked = groups(options, behaviour, ground.crashes(self._failing), cpu)
        return Catch(self._failing, ranked, behaviour, count)

    def _users(self, work: list[list[Edit]]) -> dict[int, baseline.Fact]:
        """The tests that run what is edited."""
        places = {(e.path, e.unit) for edits in work for e in edits}
        facts = self._ground.facts
        return {i: f for i, f in facts.items() if self._ground.runs_any(i, places)}
