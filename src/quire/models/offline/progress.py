"""The lines by which running programs say how far they are, and what is said of them."""

from __future__ import annotations

import re

_SEARCH = re.compile(
    r"^  (?P<at>\d{1,6}\.\d) s: (?P<tried>\d{1,9}) of (?P<all>\d{1,9}) tried"
    r"(?:; best so far (?P<best>passes all|mends \d{1,6} of \d{1,6}))?"
    r"(?:; (?P<left>\d{1,6}) s left)?$",
    re.MULTILINE,
)
_BISECT = re.compile(
    r"^  (?P<at>\d{1,6}\.\d) s: (?P<tried>\d{1,4}) commits tried"
    r"(?:; (?P<between>\d{1,6}) left to tell apart)?$",
    re.MULTILINE,
)


def progress(news: str) -> str:
    """One sentence on the last such line; empty without one. The text is what a process printed
    that ran the project's code: nothing of it but numbers is told on."""
    lines = list(_SEARCH.finditer(news))
    if lines:
        return _of_search(lines[-1])
    lines = list(_BISECT.finditer(news))
    if lines:
        found = lines[-1]
        between = found["between"]
        rest = f", {between} left to tell apart" if between else ""
        return f"{found['tried']} commits tried after {_rounded(found['at'])} s{rest}."
    return ""


def _of_search(found: re.Match[str]) -> str:
    text = f"{found['tried']} of {found['all']} edits tried after {_rounded(found['at'])} s"
    best, left = found["best"], found["left"]
    if best == "passes all":
        text += "; one makes all tests pass"
    elif best:
        mends, _, failing = best.removeprefix("mends ").partition(" of ")
        text += f"; the best so far mends {mends} of {failing} failing tests"
    return f"{text}; {left} s left." if left else f"{text}."


def _rounded(seconds: str) -> str:
    return f"{float(seconds):.0f}"
