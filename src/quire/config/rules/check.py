"""`execpolicy check`: the rules that a command's words meet, as Codex 0.169 reports them. No shell
is read here: the words are taken as they are."""

from __future__ import annotations

import os

import msgspec
from msgspec import Struct

from quire.config.programs import base_name
from quire.config.rules.policy import Policy, PrefixRule, Words, strictest
from quire.core.ports import Decision


class PrefixRuleMatch(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A rule that is met: the words that met it, and the program's path when the rule names only
    its base name."""

    matched_prefix: Words
    decision: Decision
    resolved_program: str | None = None
    justification: str | None = None


class RuleMatch(Struct, frozen=True, kw_only=True, rename="camel"):
    prefix_rule_match: PrefixRuleMatch


class CheckResult(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What `execpolicy check` prints; no `decision` without a match."""

    matched_rules: tuple[RuleMatch, ...] | msgspec.UnsetType = msgspec.UNSET
    decision: Decision | None = None


def check(policy: Policy, words: Words, resolve: bool = False, cwd: str = "/") -> CheckResult:
    """Which rules these words meet, in the order of their files. With `resolve`, a program's path
    counts as its name when no rule names the path itself and `host_executable` does not list
    others."""
    found = [_match(rule, words, None) for rule in policy.prefix_rules if rule.matches(words)]
    if not found and resolve and words and "/" in words[0]:
        name, path = base_name(words[0]), os.path.normpath(os.path.join(cwd, words[0]))
        if path in policy.executables.get(name, (path,)):
            named = (name, *words[1:])
            rules = [rule for rule in policy.prefix_rules if rule.matches(named)]
            found = [_match(rule, named, path) for rule in rules]
    return CheckResult(
        matched_rules=tuple(RuleMatch(prefix_rule_match=match) for match in found),
        decision=strictest([match.decision for match in found]),
    )


def _match(rule: PrefixRule, words: Words, path: str | None) -> PrefixRuleMatch:
    return PrefixRuleMatch(
        matched_prefix=words[: len(rule.pattern)],
        decision=rule.decision,
        resolved_program=path,
        justification=rule.justification,
    )
