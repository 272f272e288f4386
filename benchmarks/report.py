"""The result of a benchmark run as a table of ratios."""

from __future__ import annotations

import statistics
from collections import Counter

from benchmarks.targets import TARGETS, UNITS, Results, Verdict, judge
from benchmarks.workloads import WORKLOADS


def verdicts(results: Results) -> list[Verdict]:
    """All targets of the workloads that were run."""
    return [judge(target, results) for target in TARGETS if target.workload in results]


def table(results: Results) -> str:
    """A markdown table: ratios and their targets, with the figures they come from."""
    lines = [
        "| workload | figure | target | ratio | best run | verdict | Quire | compared with |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [_line(verdict) for verdict in verdicts(results)]
    return "\n".join(lines)


def notes(results: Results) -> list[str]:
    """What a reader of the table must know: wrong runs, and how busy the machine was."""
    lines = [
        f"- {workload.name}: {workload.what}" for workload in WORKLOADS if workload.name in results
    ]
    for workload, subjects in results.items():
        for subject, measured in subjects.items():
            if measured.wrong:
                counted = Counter(measured.wrong)
                told = ", ".join(f"{what} ({n})" for what, n in counted.items())
                lines.append(f"- wrong: {subject} in {workload}: {told}")
    others = [
        sample.cost.others
        for subjects in results.values()
        for measured in subjects.values()
        for sample in measured.timed
    ]
    if others:
        lines.append(
            f"- besides the measured program, the machine (scripted model included) used "
            f"{statistics.median(others):.2f} cores in the median run, {max(others):.2f} at most"
        )
    return lines


def failures(results: Results) -> list[str]:
    """Targets that were missed, and runs of Quire that went wrong."""
    missed = [
        f"{verdict.target.workload} {verdict.target.figure}"
        for verdict in verdicts(results)
        if verdict.met is False
    ]
    wrong = [
        f"{workload} went wrong"
        for workload, subjects in results.items()
        if "quire" in subjects and subjects["quire"].wrong
    ]
    return missed + wrong


def _line(verdict: Verdict) -> str:
    target = verdict.target
    limit = "-" if target.limit is None else f"<= {_limit(target.limit)}"
    outcome = {True: "pass", False: "FAIL", None: "-"}[verdict.met]
    if verdict.median is None:
        outcome = "not measured"
    whole = target.base == "itself" and target.figure == "request 1"
    digits = 0 if whole else 2 if (verdict.median or 0) >= 0.095 else 3
    cells = [
        target.workload,
        target.figure,
        limit,
        _ratio(verdict.median, digits),
        _ratio(verdict.minimum, digits),
        outcome,
        _amount(verdict.quire, target.figure),
        "-" if verdict.base is None else f"{target.base} {_amount(verdict.base, target.figure)}",
    ]
    return f"| {' | '.join(cells)} |"


def _limit(value: float) -> str:
    return f"{value:.0f}" if value > 100 else f"{value:.2f}"


def _ratio(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _amount(value: float | None, figure: str) -> str:
    if value is None:
        return "-"
    unit = UNITS.get(figure, "ms")
    if unit == "MB":
        return f"{value / 1e6:.1f} MB"
    if unit == "bytes":
        return f"{value:.0f} bytes"
    return f"{value * 1000:.1f} ms" if unit else f"{value:.2f}"
