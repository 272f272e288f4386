"""What a prompt asks for, as far as the offline model can do it."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Literal, NamedTuple

from quire.models.offline.named import tests_named

Intent = Literal["repair", "test", "explain", "bisect", "other"]

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
_RUN = frozenset(["run", "execute", "check", "start", "show", "list", "report", "summarise"])
_TESTS = frozenset(["test", "tests", "testsuite", "suite", "unittest", "unittests", "pytest"])
_QUESTION = frozenset(
    ["which", "what", "why", "how", "do", "does", "are", "is", "did", "when", "who", "where"]
)
_WRITE = frozenset(
    [
        *("write", "add", "create", "generate", "document", "rename", "refactor", "delete"),
        *("remove", "move", "translate", "implement", "review", "describe", "skip", "disable"),
    ]
)
_GO_ON = frozenset(["continue", "proceed", "again", "retry", "go", "on", "please", "resume", "try"])
_POLITE = frozenset(["please", "now", "can", "could", "would", "you", "hey", "ok", "then", "and"])
_FAILING = frozenset(
    [
        *("fail", "fails", "failing", "failed", "failure", "failures", "broken", "red", "crash"),
        *("crashes", "crashing", "hang", "hangs", "hanging", "error", "errors", "breaks"),
    ]
)
_EXPLAIN = frozenset(
    ["why", "explain", "explains", "diagnose", "locate", "localise", "localize", "cause", "reason"]
)
_FAULT = frozenset(["bug", "bugs", "fault", "defect", "error"])
_PAST = frozenset(["broke", "break", "breaks", "broken", "introduced", "caused", "regressed"])
_COMMIT = frozenset(["commit", "commits", "change", "revision", "when", "who"])
_ONLY_LOOK = (
    "only run",
    "just run",
    "don't change",
    "do not change",
    "without changing",
    "no edit",
    "change nothing",
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
        return Wish(_intent(prompt.lower(), words, bool(tests_named(prompt))), prompt)
    return Wish("other", "")


def _intent(prompt: str, words: list[str], named: bool) -> Intent:
    while words and words[0] in _POLITE:
        words = words[1:]
    if not words or words[0] in _WRITE:
        return "other"
    some = set(words)
    names_tests = named or not some.isdisjoint(_TESTS)
    if _asks_for_commit(words, some, names_tests):
        return "bisect"
    if _asks_why(words, some, names_tests):
        return "explain"
    if names_tests and any(phrase in prompt for phrase in _ONLY_LOOK):
        return "test"
    if words[0] in _QUESTION:
        return "test" if names_tests else "other"
    if some.isdisjoint(_BROKEN) and not named:
        return "other"
    if not some.isdisjoint(_REPAIR):
        return "repair"
    if names_tests and not some.isdisjoint(_RUN):
        return "test"
    return "repair" if names_tests and not some.isdisjoint(_FAILING) else "other"


def _asks_for_commit(words: list[str], some: set[str], names_tests: bool) -> bool:
    if "bisect" in some:
        about = _FAULT | _FAILING | {"regression"}
        return len(words) == 1 or names_tests or not some.isdisjoint(about)
    if "regression" in some and words[0] in ("find", "locate", "search", "which", "where"):
        return True
    broke = not some.isdisjoint(_PAST) or "start" in some or "started" in some
    asks = words[0] in _QUESTION or words[0] in ("find", "show", "tell")
    about = names_tests or not some.isdisjoint(("bug", "ci", "suite", "it", "this"))
    return asks and broke and not some.isdisjoint(_COMMIT) and about


def _asks_why(words: list[str], some: set[str], names_tests: bool) -> bool:
    if words[0] in ("where", "locate", "localise", "localize", "find") and some & _FAULT:
        return some.isdisjoint(_REPAIR)
    failing = not some.isdisjoint(_FAILING)
    if words[0] in _EXPLAIN or (words[0] in ("what", "tell", "show") and some & _EXPLAIN):
        plainly = not some.isdisjoint(("failures", "failure", "failing"))
        return plainly or (failing and names_tests)
    return words[0] == "what" and names_tests and not some.isdisjoint(("wrong", "broken"))


def seconds_in(prompt: str) -> int | None:
    """A time that the prompt sets (`within 20 seconds`, `2 minutes`), in seconds; None without."""
    words = _words(prompt)
    for number, unit in pairwise(words):
        if number.isdigit() and unit.startswith(("second", "sec", "minute", "min")):
            factor = 60 if unit.startswith("min") else 1
            return max(5, min(int(number) * factor, 600))
    return None


def wants_times(prompt: str) -> bool:
    """How long the tests take is asked, too."""
    slow = ("slow", "slowest", "slower", "long", "longest", "duration", "durations")
    return not set(_words(prompt)).isdisjoint(slow)


_AGO = (
    r"yesterday|last (?:week|month|year|monday|tuesday|wednesday|thursday|friday|saturday|sunday)|"
    r"\d{1,4} (?:hour|day|week|month|year)s? ago|\d{4}-\d{2}-\d{2}"
)
_SINCE = re.compile(
    rf"\b(?:since|after|from|between|than)\s+(?:the\s+)?(?:commit\s+|tag\s+|branch\s+|version\s+)?"
    rf"[`'\"]?({_AGO}|[A-Za-z0-9_][\w./~^@-]*)",
    re.IGNORECASE,
)
_GOOD = re.compile(
    r"\b(?:worked|passed|good|green|fine|ok)\s+(?:in|at|on|with|until|is)\s+"
    rf"(?:commit\s+|tag\s+)?[`'\"]?({_AGO}|[A-Za-z0-9_][\w./~^@-]*)",
    re.IGNORECASE,
)


def good_in(prompt: str) -> str | None:
    """The revision, or the time, at which all was well, as the prompt names it: `since v1.2`,
    `since last week`, `it worked in 1.0`. None without."""
    found = _GOOD.search(prompt[:2000]) or _SINCE.search(prompt[:2000])
    if found is None:
        return None
    word = found.group(1).rstrip(".,?!:;-")
    return word if word.lower() not in ("the", "then", "when", "i", "we", "it", "my") else None


def _words(prompt: str) -> list[str]:
    kept = "".join(c if c.isalnum() or c in "-'" else " " for c in prompt[:2000].lower())
    return kept.replace("-", " ").split()
