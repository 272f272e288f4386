"""What the rules say of a command line, and why."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from quire.config.programs import UNKNOWN, base_name
from quire.config.rules.line import TOO_MUCH, Line, Part, odd_character, read_line
from quire.config.rules.lookalikes import as_it_looks
from quire.config.rules.policy import (
    CERTAINLY,
    Policy,
    PrefixRule,
    Words,
    allowing,
    restricting,
    strictest,
)
from quire.config.rules.widths import is_too_wide
from quire.core.ports import CommandAction, Decision, Judgement

_GIT_SETTINGS = ("GIT_CONFIG_COUNT", "GIT_CONFIG_PARAMETERS", "GIT_CONFIG_GLOBAL")


class Met(Struct, frozen=True):
    """A rule and the command that meets it. Not `certain`: what is only known when the line runs
    decides, which is worth a question."""

    rule: PrefixRule
    words: Words
    certain: bool = True

    @property
    def decision(self) -> Decision:
        return self.rule.decision if self.certain else "prompt"


class Findings(Struct, frozen=True):
    """All that the rules find in a line. `allowed` holds, for each part of the line, the rules
    that allow it; `met` are rules that ask or forbid, wherever in the line; `doubts` say what
    cannot be read; `problems` are broken rule files."""

    line: Line
    allowed: tuple[tuple[PrefixRule, ...], ...]
    met: tuple[Met, ...]
    doubts: tuple[str, ...]
    problems: tuple[str, ...] = ()

    @property
    def decision(self) -> Decision | None:
        """The strictest that is said of the line."""
        said: list[Decision] = [met.decision for met in self.met]
        if self.doubts or self.problems:
            said.append("prompt")
        if not said and not self.line.opaque and self.allowed and all(self.allowed):
            return "allow"
        return strictest(said)

    @property
    def reason(self) -> str | None:
        """Why, in the words of the deciding rule."""
        decision = self.decision
        if decision == "allow":
            return next((r.justification for p in self.allowed for r in p if r.justification), None)
        for met in self.met:
            if met.decision == decision and met.rule.justification is not None:
                return met.rule.justification
        if decision is None or any(met.decision == decision for met in self.met):
            return None
        return next(iter((*self.problems, *self.doubts)))


def find(policy: Policy, script: str, problems: tuple[str, ...] = ()) -> Findings:
    """Hold a command line against a policy. Never raises."""
    line = read_line(script)
    allowed = tuple(allowing_rules(policy, part) for part in line.parts)
    if not policy.is_strict:
        return Findings(line, allowed, (), (), problems)
    met, doubts = _restrictions(policy, script, line)
    return Findings(line, allowed, met, doubts, problems)


def allowing_rules(policy: Policy, part: Part) -> tuple[PrefixRule, ...]:
    """The rules that allow one part."""
    if not part.words:
        return ()
    return tuple(
        rule
        for rule in policy.prefix_rules
        if rule.decision == "allow" and allowing(policy, part.words, rule)
    )


def judgement(findings: Findings, action: CommandAction, forced_rm: bool) -> Judgement:
    """The findings in the gate's words."""
    decision = findings.decision
    forced_rm = forced_rm and not is_wanted_rm(findings)
    amendment: tuple[Words, ...] = ()
    if decision is None:
        amendment = amendments(findings, action.prefix_rule)
    return Judgement(
        decision=decision, reason=findings.reason, forced_rm=forced_rm, amendment=amendment
    )


def is_wanted_rm(findings: Findings) -> bool:
    """Whether rules allow the line, and every forced `rm` in it as such: a rule about `find` or
    `sudo` does not mean what those start."""
    from quire.config.forced_rm import has_forced_rm

    return findings.decision == "allow" and all(
        base_name(part.words[0]) == "rm" or not has_forced_rm(part.text)
        for part in findings.line.parts
    )


def amendments(findings: Findings, wanted: Words = ()) -> tuple[Words, ...]:
    """What would have to be allowed for the line to be allowed: for each part that is not, all its
    words, or `wanted` where that is a beginning of the only such part and not too wide. Nothing
    when no rule can allow the line, or only one that allows far too much."""
    if findings.line.opaque or findings.met or findings.doubts or findings.problems:
        return ()
    pairs = zip(findings.line.parts, findings.allowed, strict=True)
    missing = list(dict.fromkeys(part.words for part, rules in pairs if not rules))
    begins = len(missing) == 1 and bool(wanted) and missing[0][: len(wanted)] == wanted
    if begins and not is_too_wide(wanted):
        return (wanted,)
    if any(is_too_wide(words) or any(map(odd_character, words)) for words in missing):
        return ()
    return tuple(missing)


def _restrictions(
    policy: Policy, script: str, line: Line
) -> tuple[tuple[Met, ...], tuple[str, ...]]:
    """The rules that ask or forbid and are met somewhere in the line, and what is in doubt."""
    from quire.config.started import StartedCommands

    if TOO_MUCH in line.opaque:
        return (), (TOO_MUCH,)
    rules = [rule for rule in policy.prefix_rules if rule.decision != "allow"]
    heads = {base_name(head).casefold() for rule in rules for head in rule.pattern[0]}
    started = StartedCommands(wanted=lambda name: _is_among(name, heads))
    if line.opaque or len(line.parts) != 1:
        started.read(script)
    else:  # Plain words need no grammar.
        started.words(line.parts[0].words)
    met: list[Met] = []
    doubts = list(started.doubts)
    if started.broken:
        doubts.append("something that cannot be read")
    if "git" in heads and any(name in script for name in _GIT_SETTINGS):
        doubts.append("git settings from variables")
    for words in started.found:
        if not words[0].strip(UNKNOWN):
            doubts.append("a program whose name is only known when the line runs")
            continue
        met += _met(rules, words)
        if (seen := as_it_looks(words)) != words:
            met += _met(rules, seen)
    for words in started.perhaps:
        met += _met([rule for rule in rules if len(rule.pattern) > 1], words)
    return tuple(dict.fromkeys(met)), tuple(dict.fromkeys(doubts))


def _is_among(name: str, heads: set[str]) -> bool:
    """Whether a program's base name is, or looks like, one of `heads`."""
    seen = as_it_looks((name.casefold().removesuffix(".exe"),))[0]
    return seen in heads or (seen.startswith("git-") and "git" in heads)


def _met(rules: list[PrefixRule], words: Words) -> Iterator[Met]:
    for rule in rules:
        if level := restricting(rule, words):
            yield Met(rule, words, level == CERTAINLY)
