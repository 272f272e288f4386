"""Rule files as one policy, and which project folders may have some."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from quire.config.rules.policy import SYSTEM_FOLDERS, Pattern, Policy, PrefixRule, Words
from quire.config.rules.source import RuleError, read_file
from quire.config.rules.widths import is_too_wide


class Loaded(Struct, frozen=True):
    """Rule files as one policy, a line for each that is broken, and one for each rule that does
    not count."""

    policy: Policy = Policy()
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def joined(self, other: Loaded) -> Loaded:
        """Both. Where both restrict a program's name, only paths count that both list."""
        executables = {**self.policy.executables, **other.policy.executables}
        for name in self.policy.executables.keys() & other.policy.executables.keys():
            listed = self.policy.executables[name]
            executables[name] = tuple(path for path in executables[name] if path in listed)
        joined = self.policy.joined(other.policy)
        policy = Policy(joined.prefix_rules, joined.network_rules, executables)
        return Loaded(policy, self.problems + other.problems, self.warnings + other.warnings)


def read_files(files: Sequence[tuple[str, str]]) -> Loaded:
    """All files (path and layer). Never raises."""
    loaded = Loaded()
    for path, kind in files:
        try:
            policy = read_file(path, kind)
        except RuleError as error:
            loaded = loaded.joined(Loaded(problems=(f"rules: {error}",)))
            continue
        if policy is not None:
            loaded = loaded.joined(_within_limits(policy) if kind == "project" else Loaded(policy))
    return loaded


def _within_limits(policy: Policy) -> Loaded:
    """What a project's rules may say. A repository changes with every pull: it may not allow
    whatever an interpreter, a shell or a wrapper is given, nor programs of its own in the place of
    the system's."""
    kept: list[PrefixRule] = []
    warnings: list[str] = []
    for rule in policy.prefix_rules:
        if rule.decision == "allow" and any(map(is_too_wide, _prefixes(rule.pattern))):
            words = " ".join(alternatives[0] for alternatives in rule.pattern)
            warnings.append(
                f"rules: {rule.place}: a project may not allow all of `{words}`; "
                "if you want it, put the rule in your own rules folder"
            )
        else:
            kept.append(rule)
    executables = {
        name: tuple(path for path in paths if path.rpartition("/")[0] in SYSTEM_FOLDERS)
        for name, paths in policy.executables.items()
    }
    return Loaded(Policy(tuple(kept), policy.network_rules, executables), (), tuple(warnings))


def _prefixes(pattern: Pattern) -> list[Words]:
    """The widest prefixes that a pattern stands for: an option says less than a word."""
    rest = tuple(
        next((word for word in alternatives if word.startswith("-")), alternatives[0])
        for alternatives in pattern[1:]
    )
    return [(head, *rest) for head in pattern[0]]
