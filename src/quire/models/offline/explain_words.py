"""What the offline model says of why tests fail."""

from __future__ import annotations

from quire.models.offline.report_words import cause_lines, counts, error, extras, one_line, place
from quire.models.offline.reports import Explained, Explanation, SeenCall, Smallest

SHOWN = 4


def explained(explanation: Explanation) -> str:
    """The whole answer. It claims only what was seen."""
    report = explanation.report
    blocks = [counts(report)]
    several = len(explanation.explained) > 1
    for number, one in enumerate(explanation.explained, 1):
        blocks.append(_one(one, f"{number}. " if several else ""))
    done = {(e.cause.error, e.cause.path, e.cause.line) for e in explanation.explained}
    left = [c for c in report.causes if (c.error, c.path, c.line) not in done]
    if left:
        lines = [cause_lines(cause) for cause in left]
        head = "Also" if explanation.explained else "What fails"
        blocks.append(f"{head}, not looked into further:\n" + "\n".join(lines))
    blocks += extras(report)
    if explanation.explained:
        blocks.append("Nothing was changed.")
    return "\n\n".join(blocks)


def _one(one: Explained, number: str) -> str:
    cause = one.cause
    names = ", ".join(f"`{name}`" for name in cause.tests[:SHOWN])
    more = f" and {cause.count - SHOWN} more" if cause.count > SHOWN else ""
    verb = "fails" if cause.count == 1 else "fail"
    lines = [f"{number}{names}{more} {verb}: {error(cause)}"]
    where = place(cause)
    if where:
        lines.append(f"- Where: {where}")
    lines += _comparison(one)
    lines += _calls(one.calls)
    lines += _suspects(one)
    lines += _sets(one)
    if one.smallest is not None:
        lines += [_smallest(one.smallest)]
    return "\n".join(lines)


def _comparison(one: Explained) -> list[str]:
    if not one.actual and not one.expected:
        return []
    if len(one.sides) == 2 and one.actual and one.expected:
        left, right = one.sides
        values = [
            f"`{side}`" if side == value else f"`{side}` is `{value}`"
            for side, value in ((left, one.actual), (right, one.expected))
        ]
        return [f"- Compared (`{one.operator}`): {values[0]}, {values[1]}"]
    if one.sides and one.actual:
        wanted = "false" if one.operator == "is false" else "true"
        return [f"- Should be {wanted}: `{one.sides[0]}`, is `{one.actual}`"]
    if one.actual and one.expected:
        return [f"- Compared: `{one.actual}` and `{one.expected}`"]
    return [f"- Expected: `{one.expected}`" if one.expected else f"- Was: `{one.actual}`"]


def _calls(calls: tuple[SeenCall, ...]) -> list[str]:
    if not calls:
        return []
    lines = ["- The last calls of suspicious functions in that test:"]
    for call in calls:
        verb = "raised" if call.raised else "gave"
        gives = "did not end" if call.gives == "no end" else f"{verb} `{one_line(call.gives)}`"
        lines.append(f"  - `{one_line(call.call)}` {gives}")
    return lines


def _suspects(one: Explained) -> list[str]:
    if not one.suspects:
        return []
    places = [
        f"`{s.path}` line {s.line}" + (f" in `{s.function}`" if s.function else "")
        for s in one.suspects
    ]
    return [f"- Most suspicious, by what failing and passing tests run: {'; '.join(places)}"]


def _sets(one: Explained) -> list[str]:
    if not one.failing_sets:
        return []
    text = f"- Parameters that fail: {_listed(one.failing_sets)}"
    passing = _listed(one.passing_sets) if one.passing_sets else "none"
    return [f"{text}; that pass: {passing}"]


def _listed(values: tuple[str, ...]) -> str:
    return ", ".join(f"`{value}`" if value else "(empty)" for value in values)


def _smallest(small: Smallest) -> str:
    shown = f"`{one_line(small.input)}`" if small.input else "no arguments"
    if small.how == "hypothesis":
        return f"- Smallest failing input that hypothesis found: {shown}"
    if small.how == "shrunk":
        if small.input == small.start:
            return f"- No input smaller than {shown} was found to fail so ({small.tried} tried)"
        return (
            f"- Smallest input found that fails by the same error at the same place: {shown} "
            f"(from `{one_line(small.start)}`, {small.tried} tried)"
        )
    return (
        f"- Smallest of the given inputs that fail: {shown}. Smaller ones were not tried: what to "
        "expect of them, only the test knows"
    )
