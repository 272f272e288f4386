"""Why tests fail: what was compared, where the fault may lie, how the value came to be."""

from __future__ import annotations

import os
import time
from typing import Any

from . import baseline
from .account import Account
from .baseline import Fact
from .cases import Case, Collected, Plan, collect
from .environment import lacks_environment
from .ground import Ground, Settings
from .limits import FAIL, TIMEOUT
from .project import python_files
from .report import Ran, innermost, run_all, told, without_wishes
from .seen import failing_view
from .shrink import Asked, smallest

VERSION = 1
MOST_CAUSES = 4
MOST_SUSPECTS = 3
MOST_SETS = 6


def explain(plan: Plan, seconds: float) -> dict[str, Any]:
    """The result as plain values."""
    started = time.monotonic()
    result: dict[str, Any] = {"quire_explain": VERSION, "report": {"quire_report": VERSION}}
    result["report"]["began"] = False

    def then(found: Collected) -> None:
        _Explaining(plan, started + seconds, result).run(without_wishes(found))

    collect(plan, then)
    result["seconds"] = round(time.monotonic() - started, 2)
    return result


class _Explaining:
    """One attempt; what it finds goes into the result."""

    def __init__(self, plan: Plan, deadline: float, result: dict[str, Any]) -> None:
        self._plan = plan
        self._deadline = deadline
        self._result = result
        every = python_files(plan.root)
        self._files = {os.path.realpath(os.path.join(plan.root, path)): path for path in every}

    def _left(self) -> float:
        return max(self._deadline - time.monotonic(), 0.0)

    def run(self, found: Collected) -> None:
        ran = run_all(self._plan.root, found.cases, self._left() * 0.5)
        report = told(self._plan.root, found, ran)
        self._result["report"] = {"quire_report": VERSION, **report}
        ground = self._traced(found.cases, ran)
        self._result["explained"] = [
            self._explained(ground, ran, group, cause)
            for cause in report["causes"][:MOST_CAUSES]
            if (group := self._group(ran, cause)) and self._left() > 0.5
        ]

    def _group(self, ran: Ran, cause: dict[str, Any]) -> list[int]:
        """The failing tests of a cause, the cheapest first."""
        wanted = (cause["error"], cause["path"], cause["line"])
        some = [
            i
            for i, fact in ran.facts.items()
            if fact.status == FAIL
            and not lacks_environment(fact, self._plan.root)
            and (fact.error, *innermost(fact.frames, self._files)) == wanted
        ]
        return sorted(some, key=lambda i: (ran.facts[i].cpu, i))

    def _traced(self, cases: list[Case], ran: Ran) -> Ground:
        """The same tests as the search sees them, and the lines that they run."""
        settings = Settings(self._plan, self._left(), _ignore, _note)
        ground = Ground(settings, Account(self._plan.root), [], self._deadline)
        ground.cases = cases
        ground.facts = {
            i: fact for i, fact in ran.facts.items() if not lacks_environment(fact, self._plan.root)
        }
        seconds = self._left() * 0.4
        ground.covered, names = baseline.coverage(cases, ground.facts, ground.files, seconds)
        baseline.load(names, ground.files)
        return ground

    def _explained(
        self, ground: Ground, ran: Ran, group: list[int], cause: dict[str, Any]
    ) -> dict[str, Any]:
        first = group[0]
        lines = ground.lines(group)
        targets = ground.targets(lines)[:MOST_SUSPECTS]
        case = ground.cases[first]
        view = failing_view(self._plan.root, case, targets, min(self._left(), 6.0))
        found: dict[str, Any] = {"cause": cause, **view, "suspects": []}
        ranked = sorted(lines, key=lambda line: (-lines[line], line))
        for source, unit in targets:
            own = [n for path, n in ranked if (path, n) in lines and path == source.path]
            inside = [n for n in own if ground.place(source.path, n) == (source.path, unit.index)]
            suspect = {"path": source.path, "function": unit.qualname}
            found["suspects"] += [{**suspect, "line": n} for n in inside[:1]]
        failing, passing = self._sets(ground, ran.facts[first])
        found["failing_sets"] = failing[:MOST_SETS]
        found["passing_sets"] = passing[:MOST_SETS]
        asked = Asked(self._plan.root, ground.cases, group, ran.facts, self._files)
        small = smallest(asked, min(self._left() * 0.5, 8.0))
        if small is not None:
            found["smallest"] = small
        return found

    def _sets(self, ground: Ground, fact: Fact) -> tuple[list[str], list[str]]:
        """The parameter sets of a parametrised test, by their ids: those that fail, and those
        that pass."""
        base, bracket, _ = fact.id.partition("[")
        if not bracket:
            return [], []
        failing: list[str] = []
        passing: list[str] = []
        for one in ground.facts.values():
            if one.id.startswith(f"{base}["):
                bad = one.status in (FAIL, TIMEOUT)
                (failing if bad else passing).append(one.id[len(base) + 1 : -1][:80])
        return failing, passing


def _ignore(_text: str) -> None:
    return


def _note(_known: dict[str, Any]) -> None:
    return
