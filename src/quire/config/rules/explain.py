"""Why a command line would run, ask or be refused: the judgement taken apart for people."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct

from quire.config.programs import UNKNOWN
from quire.config.rules.judge import Findings, Met, amendments, find, is_wanted_rm
from quire.config.rules.line import Part
from quire.config.rules.policy import Policy, PrefixRule, Words, strictest
from quire.core.ports import Decision

Outcome = Literal["sandbox", "unsandboxed", "ask", "refused"]
"""What becomes of a command that does not ask to leave the sandbox."""


class RuleNote(Struct, frozen=True, kw_only=True, rename="camel"):
    """A rule that speaks of a command: where it stands, what it matches, and the words that met
    it. Not `certain`: only when it runs is it known whether it is met."""

    decision: Decision
    pattern: tuple[Words, ...]
    place: str
    justification: str | None
    command: Words
    certain: bool = True


class PartNote(Struct, frozen=True, kw_only=True, rename="camel"):
    """One part of the line as it is written, the strictest decision on it, and its rules."""

    command: str
    decision: Decision | None
    rules: tuple[RuleNote, ...]


class Explanation(Struct, frozen=True, kw_only=True, rename="camel"):
    """The verdict on a line. `opaque` is what keeps an `allow` from counting, `doubts` what could
    not be followed, `problems` the broken rule files; `amendment` the prefixes that would have to
    be allowed."""

    command: str
    decision: Decision | None
    reason: str | None
    on_request: Outcome
    never: Outcome
    parts: tuple[PartNote, ...]
    opaque: tuple[str, ...]
    doubts: tuple[str, ...]
    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    forced_rm: bool
    amendment: tuple[Words, ...]


def explain(
    policy: Policy, script: str, problems: tuple[str, ...] = (), warnings: tuple[str, ...] = ()
) -> Explanation:
    """Take a command line apart. Never raises."""
    from quire.config.forced_rm import has_forced_rm

    findings = find(policy, script, problems)
    forced = has_forced_rm(script) and not is_wanted_rm(findings)
    return Explanation(
        command=script,
        decision=findings.decision,
        reason=findings.reason,
        on_request=outcome(findings.decision, forced, never=False),
        never=outcome(findings.decision, forced, never=True),
        parts=_parts(policy, script, findings),
        opaque=findings.line.opaque,
        doubts=findings.doubts,
        problems=problems,
        warnings=warnings,
        forced_rm=forced,
        amendment=() if findings.decision else amendments(findings),
    )


def outcome(decision: Decision | None, forced_rm: bool, *, never: bool) -> Outcome:
    """What becomes of a command under `on-request`, or under `never`."""
    if decision == "forbidden":
        return "refused"
    if decision == "prompt" or forced_rm:
        return "refused" if never else "ask"
    return "unsandboxed" if decision == "allow" else "sandbox"


def _parts(policy: Policy, script: str, findings: Findings) -> tuple[PartNote, ...]:
    """Each part with its rules; a rule that no single part meets (a variable from elsewhere in the
    line, a function) is shown with the whole line."""
    parts = findings.line.parts or (Part((), script),)
    notes: list[PartNote] = []
    seen: set[PrefixRule] = set()
    for index, part in enumerate(parts):
        met = find(policy, part.text).met
        seen.update(one.rule for one in met if one.certain)
        allowed = findings.allowed[index] if findings.allowed else ()
        notes.append(_note(part.text, met, part.words, allowed))
    rest = tuple(one for one in findings.met if one.certain and one.rule not in seen)
    if rest:
        notes.append(_note(script, rest, (), ()))
    return tuple(notes)


def _note(
    text: str, met: tuple[Met, ...], words: Words, allowed: tuple[PrefixRule, ...]
) -> PartNote:
    notes = [_rule(one.rule, one.words, one.certain) for one in met]
    notes += [_rule(rule, words, True) for rule in allowed]
    decisions: list[Decision] = [one.decision for one in met]
    return PartNote(
        command=text,
        decision=strictest(decisions) or ("allow" if allowed else None),
        rules=tuple(notes),
    )


def _rule(rule: PrefixRule, words: Words, certain: bool) -> RuleNote:
    return RuleNote(
        decision=rule.decision,
        pattern=rule.pattern,
        place=str(rule.place),
        justification=rule.justification,
        command=tuple(word.replace(UNKNOWN, "…") for word in words),
        certain=certain,
    )


# --- for people ------------------------------------------------------------------------------

OUTCOMES: dict[Outcome, str] = {
    "sandbox": "runs in the sandbox, without a question",
    "unsandboxed": "runs outside the sandbox, without a question",
    "ask": "asks first",
    "refused": "refused",
}


def as_text(explanation: Explanation) -> str:
    """The explanation as lines."""
    lines = [explanation.command, ""]
    for part in explanation.parts:
        lines.append(f"  {part.command}: {part.decision or 'no rule'}")
        for rule in part.rules:
            lines.append(f"    {rule.decision:<9} {pattern_text(rule.pattern)}  {rule.place}")
            if rule.justification:
                lines.append(f"              {rule.justification}")
            if not rule.certain:
                lines.append("              asks: whether this is met is only known when it runs")
    lines += [f"  more than plain words, so no `allow` counts: {o}" for o in explanation.opaque]
    lines += [f"  cannot be followed: {doubt}" for doubt in explanation.doubts]
    lines += [f"  broken, so everything asks: {problem}" for problem in explanation.problems]
    lines += [f"  does not count: {warning}" for warning in explanation.warnings]
    if explanation.forced_rm:
        lines.append("  forced rm: asks unless a rule allows this `rm`")
    lines += [
        "",
        f"on-request: {OUTCOMES[explanation.on_request]}",
        f"never:      {OUTCOMES[explanation.never]}",
    ]
    if explanation.amendment:
        shown = " and ".join(" ".join(prefix) for prefix in explanation.amendment)
        lines.append(f"to allow it outside the sandbox, allow: {shown}")
    return "\n".join(lines) + "\n"


def pattern_text(pattern: tuple[Words, ...]) -> str:
    """A pattern on one line: `git push|pull`."""
    return " ".join("|".join(alternatives) for alternatives in pattern)


def as_json(value: Struct) -> str:
    """Indented JSON."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"
