"""What other rules would have changed: the commands of the past, judged by both."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from quire.config.rules.explain import Outcome, outcome
from quire.config.rules.judge import find, is_wanted_rm
from quire.config.rules.policy import Policy
from quire.core.ports import Decision


class Side(Struct, frozen=True, kw_only=True, rename="camel"):
    """A verdict on a command under one set of rules; `outcome` is that under `on-request`."""

    decision: Decision | None
    outcome: Outcome


class Flip(Struct, frozen=True, kw_only=True, rename="camel"):
    """A command whose verdict changes, and how often it ran."""

    command: str
    count: int
    before: Side
    after: Side


class Simulation(Struct, frozen=True, kw_only=True, rename="camel"):
    """`commands` counts all that ran, `distinct` the different ones among them; `asked_before` and
    `asked_after` those that would ask. `flips` are the most frequent first."""

    threads: int
    commands: int
    distinct: int
    asked_before: int
    asked_after: int
    flips: tuple[Flip, ...]
    unreadable: int = 0


def simulate(
    history: Iterable[tuple[str, int]],
    present: tuple[Policy, tuple[str, ...]],
    changed: Policy,
    *,
    threads: int = 0,
    unreadable: int = 0,
) -> Simulation:
    """Judge each command of `history` (its text, how often it ran) by the `present` rules (with the
    problems of their files) and by the `changed` ones. Never raises."""
    policy, problems = present
    flips: list[Flip] = []
    commands = distinct = asked_before = asked_after = 0
    for script, count in history:
        before, after = _side(policy, script, problems), _side(changed, script, ())
        commands += count
        distinct += 1
        asked_before += count if before.outcome == "ask" else 0
        asked_after += count if after.outcome == "ask" else 0
        if before != after:
            flips.append(Flip(command=script, count=count, before=before, after=after))
    return Simulation(
        threads=threads,
        commands=commands,
        distinct=distinct,
        asked_before=asked_before,
        asked_after=asked_after,
        flips=tuple(sorted(flips, key=lambda flip: (-flip.count, flip.command))),
        unreadable=unreadable,
    )


def _side(policy: Policy, script: str, problems: tuple[str, ...]) -> Side:
    from quire.config.forced_rm import has_forced_rm

    findings = find(policy, script, problems)
    forced = has_forced_rm(script) and not is_wanted_rm(findings)
    decision = findings.decision
    return Side(decision=decision, outcome=outcome(decision, forced, never=False))


def as_text(simulation: Simulation) -> str:
    """The simulation as lines."""
    read = f"{simulation.commands} commands ({simulation.distinct} different)"
    lines = [
        f"{read} in {simulation.threads} threads; {len(simulation.flips)} verdicts change",
        f"questions: {simulation.asked_before} -> {simulation.asked_after}",
    ]
    if simulation.unreadable:
        lines.append(f"threads that could not be read: {simulation.unreadable}")
    if simulation.flips:
        lines.append("")
    for flip in simulation.flips:
        before, after = (_shown(side) for side in (flip.before, flip.after))
        lines.append(f"{flip.count:>6}  {before} -> {after}  {_one_line(flip.command)}")
    return "\n".join(lines) + "\n"


def _shown(side: Side) -> str:
    words = {"sandbox": "sandbox", "unsandboxed": "allow", "ask": "ask", "refused": "refuse"}
    return words[side.outcome]


def _one_line(command: str) -> str:
    text = " ".join(command.split())
    return text if len(text) <= 100 else f"{text[:99]}…"
