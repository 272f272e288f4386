"""What a prompt asks for, as far as the offline model can do it."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, NamedTuple

Intent = Literal["repair", "test", "other"]

_REPAIR = frozenset(
    [
        *("fix", "fixes", "fixing", "repair", "mend", "solve", "debug", "correct", "resolve"),
        *("make", "get", "let", "turn", "bring"),
    ]
)
_BROKEN = frozenset(
    [
        *("test", "tests", "testsuite", "suite", "failing", "failed", "fails", "fail", "failure"),
        *("failures", "bug", "bugs", "broken", "red", "ci", "build", "error", "errors", "crash"),
        *("crashes", "unittest", "unittests", "pytest", "defect", "fault", "regression"),
    ]
)
_RUN = frozenset(["run", "execute", "check", "start", "show", "list", "report"])
_TESTS = frozenset(["test", "tests", "testsuite", "suite", "unittest", "unittests", "pytest"])
_QUESTION = frozenset(["which", "what", "why", "how", "do", "does", "are", "is", "did"])
_WRITE = frozenset(["write", "add", "create", "generate", "document", "rename", "refactor"])
_GO_ON = frozenset(["continue", "proceed", "again", "retry", "go", "on", "please", "resume", "try"])
_ONLY_LOOK = (
    "only run",
    "just run",
    "don't change",
    "do not change",
    "without changing",
    "no edit",
)


class Wish(NamedTuple):
    """`prompt` is the text that says it."""

    intent: Intent
    prompt: str


def wish_of(prompts: tuple[str, ...]) -> Wish:
    """The wish of the last prompt; one that only says to go on has that of the one before."""
    for prompt in reversed(prompts):
        words = _words(prompt)
        if words and set(words) <= _GO_ON:
            continue
        return Wish(_intent(prompt.lower(), words), prompt)
    return Wish("other", "")


def _intent(prompt: str, words: list[str]) -> Intent:
    if not words:
        return "other"
    some = set(words)
    names_tests = not some.isdisjoint(_TESTS)
    if names_tests and any(phrase in prompt for phrase in _ONLY_LOOK):
        return "test"
    if words[0] in _QUESTION:
        return "test" if names_tests else "other"
    if some.isdisjoint(_BROKEN) or words[0] in _WRITE:
        return "other"
    if not some.isdisjoint(_REPAIR):
        return "repair"
    if names_tests and not some.isdisjoint(_RUN):
        return "test"
    failing = {"failing", "fails", "fail", "broken", "red"}
    return "repair" if names_tests and not some.isdisjoint(failing) else "other"


def seconds_in(prompt: str) -> int | None:
    """A time that the prompt sets (`within 20 seconds`, `2 minutes`), in seconds; None without."""
    words = _words(prompt)
    for number, unit in pairwise(words):
        if number.isdigit() and unit.startswith(("second", "sec", "minute", "min")):
            factor = 60 if unit.startswith("min") else 1
            return max(5, min(int(number) * factor, 600))
    return None


def _words(prompt: str) -> list[str]:
    kept = "".join(c if c.isalnum() or c in "-'" else " " for c in prompt[:2000].lower())
    return kept.replace("-", " ").split()
