"""From failing tests to one edit that makes them pass, or to an honest account of the attempt."""

from __future__ import annotations

import os
import time
from typing import Any

from .account import Account
from .candidates import single_edits
from .cases import Collected, collect
from .choose import Group, Option, groups, telling_call
from .clusters import clusters
from .environment import is_foreign
from .evaluate import RIGHT, STUCK, Verdict
from .fresh import Zygote, ask, ask_all
from .generated import calm, calm_each, fewer
from .ground import Ground, Settings
from .hunt import MOST_FRESH, Catch, Hunt
from .limits import FAIL, SKIP
from .loading import Broken
from .localise import import_suspicion
from .mining import mine
from .partial import overlap
from .pool import cores, cost_of
from .sites import Knowledge
from .sources import Edit

SEARCHING = 0.9
"""The share of the time in which candidates are tried; the rest is for choosing among them."""

TOGETHER = 0.6
"""The share of the time for mending all failing tests by one edit, when there may be several
faults."""

CONFIRMED = 8
SINGLE_TEST_COST = 2.2
SOME_TESTS_COST = 3.2
BLUNT = frozenset(["removed statement", "missing guard", "constant condition", "returned value"])
"""Kinds that make single tests pass too easily to be applied while other tests still fail."""


def search(settings: Settings) -> dict[str, Any]:
    """Collect, run, localise, search, choose, confirm. The result is made of plain values."""
    started = time.monotonic()
    loading = min(settings.plan.load_seconds, 0.3 * settings.seconds)
    settings = settings._replace(plan=settings.plan._replace(load_seconds=loading))
    calm(settings.plan.root)
    zygotes: list[Zygote] = []
    for _ in range(min(cores(), 4)):
        zygotes.append(Zygote(settings.plan, zygotes))
    account = Account(settings.plan.root)

    def report(text: str) -> None:
        settings.report(text)
        settings.note(account.result(time.monotonic() - started))

    def then(collected: Collected) -> None:
        deadline = started + settings.seconds * SEARCHING
        told = settings._replace(report=report)
        _Search(Ground(told, account, zygotes, deadline)).run(collected)

    try:
        collect(settings.plan, then)
    finally:
        for zygote in zygotes:
            zygote.close()
    return account.result(time.monotonic() - started)


class _Search:
    """One attempt, step by step; what it finds goes into the account."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._account = ground.account

    def run(self, collected: Collected) -> None:
        calm_each(collected.cases)
        foreign = [b for b in collected.broken if not self._may_be_code(b)]
        broken = [b for b in collected.broken if b not in foreign]
        self._account.environment(foreign)
        self._ground.allowed = len(foreign)
        if not collected.cases and not broken:
            self._account.status = "environment" if foreign else "no_tests"
            return
        if broken:
            self._repair_imports(broken, len(collected.cases))
            if self._account.status != "not_found" or not collected.cases:
                return
            self._ground.allowed += len(broken)
        self._ground.survey(collected.cases)
        if not self._ground.failing():
            some = self._account.has_environment_faults
            self._account.status = "environment" if some else "nothing_fails"
            if broken or self._ground.left_out:
                self._account.status = "not_found"
            return
        self._account.status = "not_found"
        failing = [self._ground.cases[index] for index in self._ground.failing()]
        fewer(self._ground.cases, failing)
        self._ground.trace()
        self._repair(self._ground.failing())
        if self._account.is_repaired() and (broken or self._ground.left_out):
            self._account.status = "partly"
            self._account.fixed = len(self._ground.failing())

    def _may_be_code(self, broken: Broken) -> bool:
        """The fault lies in the project's code: nothing is missing, and the trace leads there."""
        places = {os.path.realpath(path) for path, _ in broken.frames}
        own = not places.isdisjoint(self._ground.files)
        return own and not is_foreign(broken, self._ground.root, self._ground.files.values())

    # --- failing tests -----------------------------------------------------------------------

    def _repair(self, failing: list[int]) -> None:
        """One edit for all; if there is none, an edit for each fault."""
        ground = self._ground
        parts = clusters(ground, failing)
        several = len(parts) > 1
        share = TOGETHER if several else 1.0
        if ground.facts[parts[0][0]].status == FAIL:
            # By it most edits are judged, so it must not be one that no edit can mend.
            failing = [parts[0][0], *(index for index in failing if index != parts[0][0])]
        hunt = Hunt(ground, failing, time.monotonic() + ground.left() * share)
        self._account.suspects(hunt.lines, ground.sources)
        catch = hunt.run(with_pairs=not several)
        if catch is not None:
            self._settle(catch)
            return
        best = hunt.partly()
        # What mends the smaller part of tests that fail by one fault is not what is meant.
        enough = best is not None and (several or 2 * len(best.failing) > len(failing))
        if best is not None and enough and _is_trusted(best):
            rest = [index for index in failing if index not in best.failing]
            self._repair_parts(clusters(ground, rest), len(failing), [best])
        elif several:
            self._repair_parts(parts, len(failing), [])

    def _settle(self, catch: Catch) -> None:
        """Take the first that also passes when the whole project is loaded anew."""
        for number, group in enumerate(catch.ranked[:CONFIRMED]):
            edits = group.options[0].edits
            if not self._holds(edits, catch.failing):
                continue
            others = [*catch.ranked[:number], *catch.ranked[number + 1 :]]
            self._account.chosen(edits, self._ground.sources, partly=False)
            self._weigh(catch, group, others)
            return

    def _weigh(self, catch: Catch, chosen: Group, others: list[Group]) -> None:
        self._account.passing_edits = catch.options
        self._account.rivals(others, self._ground.sources)
        if catch.behaviour is not None and others:
            self._account.telling(telling_call(catch.behaviour, chosen, others[0]))

    def _holds(self, edits: list[Edit], failing: tuple[int, ...]) -> bool:
        """In a fresh process, all tests pass that passed before, and these."""
        ground = self._ground
        passed = [i for i in ground.goal(()).passing if ground.facts[i].status != SKIP]
        request = ground.request(edits, [*failing, *passed], ())
        seconds = 20.0 + 4 * sum(fact.wall for fact in ground.facts.values())
        verdict = ask(ground.zygotes[0], request._replace(generous=seconds))
        # The project's own test run comes after the search, and decides where time was too short.
        return verdict.status == RIGHT or (
            verdict.status == STUCK and time.monotonic() >= ground.end
        )

    def _repair_parts(self, parts: list[list[int]], failing: int, catches: list[Catch]) -> None:
        """Each group of failing tests on its own, beside what is caught; then all edits that were
        found together."""
        ground, wanted = self._ground, len(catches) + len(parts)
        for number, part in enumerate(parts):
            if ground.left() < 1.0:
                break
            ground.report(f"fault {number + 1} of {len(parts)}: {len(part)} failing tests")
            deadline = time.monotonic() + ground.left() / (len(parts) - number)
            catch = Hunt(ground, part, deadline).run(with_pairs=False)
            catches += [catch] if catch is not None else []
        if len(catches) < wanted:
            catches = [catch for catch in catches if _is_trusted(catch)]
        alone = sorted(catches, key=lambda catch: -len(catch.failing)) if len(catches) > 1 else []
        for some in (catches, *([catch] for catch in alone)):
            edits, mended = _united(some)
            if not edits or not self._holds(edits, tuple(mended)):
                continue
            self._account.chosen(edits, ground.sources, partly=len(mended) < failing)
            self._account.fixed = len(mended)
            first = max(some, key=lambda catch: len(catch.ranked))
            self._weigh(first, first.ranked[0], first.ranked[1:])
            return

    # --- modules that cannot be loaded -------------------------------------------------------

    def _repair_imports(self, broken: list[Broken], cases: int) -> None:
        """The code fails while it is imported: only whole files can be tried."""
        ground = self._ground
        self._account.broken(broken, cases)
        self._account.status = "not_found"
        frames = [frame for b in broken for frame in b.frames]
        lines = import_suspicion(frames, ground.files)
        for path, _ in lines:
            ground.source(path)
        self._account.suspects(lines, ground.sources)
        known = Knowledge(lines, {}, mine(ground.root, []), (), True, {})
        edits = single_edits(ground.targets(lines), list(ground.sources.values()), known)
        edits = edits[:MOST_FRESH]
        ground.progress.candidates += len(edits)
        ground.report(f"{len(broken)} test modules cannot be loaded; {len(edits)} candidate edits")
        requests = [ground.request([e], (), ()) for e in edits]
        until = time.monotonic() + ground.left() * (0.5 if cases else 1.0)
        verdicts = ask_all(ground.zygotes, requests, until)
        ground.progress.tried += len(verdicts)
        options = [Option([edits[n]], v.cpu, -1) for n, v in enumerate(verdicts) if _is_right(v)]
        ground.report(f"tried {len(verdicts)}, {len(options)} pass")
        if not options:
            return
        self._account.passing_edits = len(options)
        ranked = groups(options, None, True, 0.0)
        self._account.chosen(ranked[0].options[0].edits, ground.sources, partly=False)
        self._account.rivals(ranked[1:], ground.sources)


def _is_right(verdict: Verdict) -> bool:
    """All tests pass, and there were some."""
    return verdict.status == RIGHT and verdict.fixed != (0,)


def _is_trusted(catch: Catch) -> bool:
    """Good enough to be applied although other tests still fail."""
    limit = SOME_TESTS_COST if len(catch.failing) > 1 else SINGLE_TEST_COST
    plain = all(edit.kind not in BLUNT for edit in catch.edits)
    return plain and cost_of(catch.edits) <= limit


def _united(catches: list[Catch]) -> tuple[list[Edit], list[int]]:
    """The chosen edits that do not meet, and the tests they mend."""
    edits: list[Edit] = []
    mended: list[int] = []
    for catch in catches:
        new = [edit for edit in catch.edits if edit not in edits]
        if not overlap([*edits, *new]):
            edits += new
            mended += catch.failing
    return edits, sorted(mended)
