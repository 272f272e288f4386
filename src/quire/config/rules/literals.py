"""Whether a rule file only states rules, and computes nothing.

A few lines of a program can ask for more memory than a machine has, and no limit of the language
stops them. Your own files may be programs; those of a repository may not.
"""

from __future__ import annotations

_QUOTES = "'\""
_STATED = frozenset("()[]{},=:_ \t\n\r")
_COMPUTING = frozenset(("and", "def", "for", "if", "in", "lambda", "not", "or", "return"))


def first_computation(text: str) -> int | None:
    """The line of the first thing in a Starlark text that is not a name, a literal, a call or an
    assignment; None when there is none. A text that is broken may pass: it fails where it is
    read."""
    at = 0
    while at < len(text):
        character = text[at]
        if character == "#":
            end = text.find("\n", at)
            at = len(text) if end < 0 else end
        elif character in _QUOTES:
            at = _behind_string(text, at)
        elif character.isalnum() or character == "_":
            end = at
            while end < len(text) and (text[end].isalnum() or text[end] == "_"):
                end += 1
            prefixed = text[end : end + 1] in ("'", '"')  # f"{x}{x}", r"..."
            if text[at:end] in _COMPUTING or prefixed:
                return text.count("\n", 0, at) + 1
            at = end
        elif character in _STATED:
            at += 1
        else:
            return text.count("\n", 0, at) + 1
    return None


def _behind_string(text: str, start: int) -> int:
    """Where the string that starts here is over."""
    quote = text[start]
    mark = quote * 3 if text.startswith(quote * 3, start) else quote
    at = start + len(mark)
    while at < len(text):
        if text[at] == "\\":
            at += 2
        elif text.startswith(mark, at):
            return at + len(mark)
        elif text[at] == "\n" and len(mark) == 1:
            return at
        else:
            at += 1
    return at
