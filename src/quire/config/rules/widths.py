"""How wide a remembered permission may be."""

from __future__ import annotations

from quire.config.programs import INTERPRETERS, RUN_WORDS, RUNNERS, SHELLS, WRAPPERS, base_name
from quire.config.rules.policy import Words

_RUN_ANYTHING = frozenset(
    (
        *(".", "alias", "cargo", "chmod", "chown", "cp", "curl", "dd", "eval", "find", "gh", "git"),
        *("go", "helm", "install", "ln", "make", "mv", "rm", "rsync", "scp", "sed", "source"),
        *("tar", "tee", "terraform", "trap", "vi", "vim", "wget"),
    )
)
"""Programs that a permission must say more of than their name."""


def is_too_wide(prefix: Words) -> bool:
    """Whether allowing `prefix` would allow nearly anything: a shell, an interpreter, a wrapper
    (`sudo`, `env`, `xargs`) or a program with many sub-commands (`git`) with at most options
    behind it, or nothing at all."""
    if not prefix or not prefix[0].strip():
        return True
    name = _plain_name(prefix[0])
    rest = list(prefix[1:])
    starts_others = name in WRAPPERS or name in RUNNERS
    while rest and (_is_option(rest[0]) or (starts_others and _is_passed_over(rest[0]))):
        rest.pop(0)
    if name in SHELLS or name in INTERPRETERS:
        return not rest
    if starts_others:
        return not rest or (_plain_name(rest[0]) in _CARRIERS and is_too_wide(tuple(rest)))
    return not rest and name in _RUN_ANYTHING


def _is_option(word: str) -> bool:
    return word.startswith(("-", "+")) or not word.strip()


def _is_passed_over(word: str) -> bool:
    """What stands between a wrapper and what it starts."""
    return word in RUN_WORDS or "=" in word or word[:1].isdigit()


def _plain_name(word: str) -> str:
    """The program's name in small letters, without a version: `python3.12` is `python`."""
    name = base_name(word).casefold().removesuffix(".exe")
    return name.rstrip("0123456789.-") or name


_CARRIERS = SHELLS | INTERPRETERS | WRAPPERS | RUNNERS | _RUN_ANYTHING
