"""What the offline model says of a run of the tests."""

from __future__ import annotations

from quire.models.offline.reports import Cause, TestReport

SHOWN = 5


def counts(report: TestReport) -> str:
    """One sentence."""
    parts: list[str] = []
    if report.failed:
        parts.append(f"{report.failed} of {report.total} tests fail")
    if report.modules:
        parts.append(f"{_many(report.modules, 'test module')} cannot be loaded")
    if report.hang:
        parts.append(f"{_many(report.hang, 'test')} {_do(report.hang)} not end")
    whole = not parts and not report.lacking and not report.not_run and not report.skipped
    if not parts:
        all_of = f"All {report.passed}" if whole else f"{report.passed} of {report.total}"
        parts.append(f"{all_of} tests pass")
    elif report.passed:
        parts.append(f"{report.passed} pass")
    if report.skipped:
        parts.append(f"{report.skipped} {'is' if report.skipped == 1 else 'are'} skipped")
    if report.lacking:
        parts.append(f"{report.lacking} cannot run here")
    if report.not_run:
        parts.append(f"{report.not_run} had no time to run")
    return f"{', '.join(parts)}."


def summary(report: TestReport, slow: bool) -> str:
    """The whole answer. With `slow` the slowest tests too."""
    blocks = [counts(report)]
    if report.causes:
        blocks.append(
            "Failing, by cause:\n" + "\n".join(cause_lines(cause) for cause in report.causes)
        )
    blocks += extras(report)
    if slow and report.slowest:
        lines = [f"- `{one.id}`: {one.seconds:.2f} s" for one in report.slowest]
        blocks.append("Slowest:\n" + "\n".join(lines))
    return "\n\n".join(blocks)


def extras(report: TestReport) -> list[str]:
    """What hangs, and what lacks its environment."""
    blocks: list[str] = []
    if report.hanging:
        lines = [f"- `{one.id}` within {one.seconds:g} s" for one in report.hanging]
        blocks.append("Do not end:\n" + "\n".join(lines))
    if report.environment:
        lines = [f"- `{lack.id}`: {one_line(lack.reason)}" for lack in report.environment]
        blocks.append("Not wrong, but something is missing around the code:\n" + "\n".join(lines))
    return blocks


def place(cause: Cause) -> str:
    """Where it fails, with the code there."""
    if not cause.path:
        return ""
    inside = f" in `{cause.function}`" if cause.function else ""
    code = f": `{cause.code}`" if cause.code else ""
    return f"`{cause.path}` line {cause.line}{inside}{code}"


def error(cause: Cause) -> str:
    """The error, in one line."""
    message = one_line(cause.message)
    return f"{cause.error}: {message}" if message else cause.error


def one_line(text: str) -> str:
    return " ".join(text.split())[:200]


def cause_lines(cause: Cause) -> str:
    """A cause and its tests, as a list."""
    where = place(cause)
    lines = [f"- {error(cause)}" + (f" — {where}" if where else "")]
    lines += [f"  - `{name}`" for name in cause.tests[:SHOWN]]
    if cause.count > SHOWN:
        lines.append(f"  - and {cause.count - SHOWN} more")
    return "\n".join(lines)


def _many(count: int, word: str) -> str:
    return f"{count} {word}" + ("" if count == 1 else "s")


def _do(count: int) -> str:
    return "does" if count == 1 else "do"
