"""What rule files say, and which rules speak of a command."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from quire.config.programs import UNKNOWN, base_name
from quire.core.ports import Decision

STRICTNESS: Mapping[Decision, int] = {"allow": 0, "prompt": 1, "forbidden": 2}
SYSTEM_FOLDERS = frozenset(
    (
        *("/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"),
        *("/opt/homebrew/bin", "/opt/local/bin"),
    )
)
"""Where a program is what its name says: only an administrator writes there."""
NO, POSSIBLY, CERTAINLY = 0, 1, 2
_GIT_VALUES = frozenset(
    (
        *("-C", "-c", "--git-dir", "--work-tree", "--namespace", "--exec-path"),
        *("--super-prefix", "--config-env", "--attr-source", "--list-cmds"),
    )
)

Words = tuple[str, ...]
Pattern = tuple[Words, ...]


class Place(Struct, frozen=True):
    """Where a rule stands. `kind` is the layer's: `system`, `user`, `project` or `option`."""

    path: str
    line: int
    kind: str = "user"

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


class PrefixRule(Struct, frozen=True):
    """A command whose first words are one of `pattern`'s alternatives each."""

    pattern: Pattern
    decision: Decision
    place: Place
    justification: str | None = None

    def matches(self, words: Words) -> bool:
        """Word by word, as they are."""
        return len(words) >= len(self.pattern) and all(
            word in alternatives for word, alternatives in zip(words, self.pattern, strict=False)
        )

    def resolves(self, words: Words, executables: Mapping[str, Words]) -> bool:
        """The same, a path also counting as its name unless `executables` list other paths."""
        if not words or self.matches(words):
            return bool(words)
        name = base_name(words[0])
        return words[0] in executables.get(name, words[:1]) and self.matches((name, *words[1:]))


class NetworkRule(Struct, frozen=True):
    """What holds for connections to a host. Stored for the network proxy; no command matches."""

    host: str
    protocol: str
    decision: Decision
    place: Place
    justification: str | None = None


class Policy(Struct, frozen=True):
    """All that was read, in order. `executables` restrict a program's name to these paths."""

    prefix_rules: tuple[PrefixRule, ...] = ()
    network_rules: tuple[NetworkRule, ...] = ()
    executables: Mapping[str, Words] = {}

    def joined(self, other: Policy) -> Policy:
        """Both; of two restrictions for a name the later one holds."""
        return Policy(
            self.prefix_rules + other.prefix_rules,
            self.network_rules + other.network_rules,
            {**self.executables, **other.executables},
        )

    @property
    def is_strict(self) -> bool:
        """Whether some rule asks or forbids."""
        return any(rule.decision != "allow" for rule in self.prefix_rules)


def strictest(decisions: Iterator[Decision] | Sequence[Decision]) -> Decision | None:
    """The one that wins; None of none."""
    return max(decisions, key=lambda decision: STRICTNESS[decision], default=None)


def allowing(policy: Policy, words: Words, rule: PrefixRule) -> bool:
    """Whether an `allow` rule is meant by these words, exactly as they stand. A path counts as its
    name where `host_executable` lists it, or without such a list in a system folder: any other
    file of that name may be anybody's."""
    if rule.matches(words):
        return True
    folder, slash, name = words[0].rpartition("/")
    if not slash or not rule.matches((name, *words[1:])):
        return False
    paths = policy.executables.get(name)
    return folder in SYSTEM_FOLDERS if paths is None else words[0] in paths


def restricting(rule: PrefixRule, words: Words) -> int:
    """Whether a rule that asks or forbids is met: `NO`, `POSSIBLY` (what is only known when it
    runs decides), or `CERTAINLY`. Paths count as names, capitals as small letters in a program's
    name (some disks do not tell them apart), and options may stand before any further word."""
    given = words[0].lstrip("=")
    name = base_name(given).removesuffix(".exe")
    heads = {given.casefold(), name.casefold()}
    if any(head.casefold() in heads for head in rule.pattern[0]):
        reach = {1: CERTAINLY}
    elif UNKNOWN in name and any(_may_be(name, head) for head in rule.pattern[0]):
        reach = {1: POSSIBLY}
    else:
        return NO
    values = _GIT_VALUES if name.casefold() == "git" else None
    for alternatives in rule.pattern[1:]:
        reach = _step(reach, alternatives, words, values)
        if not reach:
            return NO
    return max(reach.values())


def _step(
    reach: dict[int, int], alternatives: Words, words: Words, values: frozenset[str] | None
) -> dict[int, int]:
    """From the positions where a word may stand, and how certainly, to those after it. `values`
    are the options that take a value; without it any may."""
    after: dict[int, int] = {}
    here = dict(reach)
    for index in range(min(reach), len(words)):
        sure = here.get(index, NO)
        if not sure:
            if index > max(here):
                break
            continue
        word = words[index]
        if word in alternatives:
            _raise(after, index + 1, sure)
        elif UNKNOWN in word and any(_may_be(word, text) for text in alternatives):
            _raise(after, index + 1, POSSIBLY)
        if word == UNKNOWN:  # It may be several words, or none.
            _raise(after, index, POSSIBLY)
            _raise(here, index + 1, POSSIBLY)
        if values is not None and word in values:
            _raise(here, index + 2, sure)
        elif word.startswith(("-", "+")):
            _raise(here, index + 1, sure)
            if values is None and "=" not in word:
                _raise(here, index + 2, sure)
    return after


def _raise(levels: dict[int, int], index: int, level: int) -> None:
    levels[index] = max(levels.get(index, NO), level)


def _may_be(word: str, text: str) -> bool:
    """Whether a word with unknown pieces may turn out to be `text`."""
    first, *rest = word.split(UNKNOWN)
    if not text.startswith(first):
        return False
    at = len(first)
    for piece in rest[:-1]:
        found = text.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return text.endswith(rest[-1]) and len(text) - len(rest[-1]) >= at
