"""Run the tests one by one with limits and say how they ended: for projects without a framework
that can be run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .account import Account
from .baseline import confirm_timeouts, run_cases
from .cases import Collected, Plan, collect
from .limits import FAIL, TIMEOUT

SECONDS = 60.0
TEST_SECONDS = 4 * SECONDS
"""For loading and running them."""


def run_tests(plan: Plan, report: Callable[[str], None]) -> dict[str, Any]:
    """A line for each failing test, then the counts; the result as plain values."""
    account = Account(plan.root)

    def then(found: Collected) -> None:
        facts = run_cases(plan.root, found.cases, list(range(len(found.cases))), SECONDS)
        confirm_timeouts(plan.root, found.cases, facts, SECONDS)
        account.facts(list(facts.values()))
        account.environment(found.broken)
        failing = [f for f in facts.values() if f.status in (FAIL, TIMEOUT)]
        for fact in failing:
            what = (fact.error or "does not end") + f": {fact.message}"
            report(f"FAILED {fact.id}: {what.rstrip(': ')[:300]}")
        for one in found.broken:
            report(f"ERROR {one.id}: {one.error}: {one.message}")
        report(f"{len(facts) - len(failing)} passed, {len(failing)} failed")
        account.status = "tests_fail" if failing or found.broken else "nothing_fails"

    collect(plan, then)
    return account.result(0.0)
