"""Edits as line hunks with enough context to be found once, for a patch."""

from __future__ import annotations

import ast

from .sources import Edit, Source

CONTEXT = 3

Hunk = dict[str, list[str]]
"""`before` and `after` are kept lines; `old` lines give way to `new` ones."""


def tidy(source: Source, edits: list[Edit]) -> list[Edit]:
    """Drop parentheses that the edits added and that change nothing."""
    cleaned = list(edits)
    for number, edit in enumerate(cleaned):
        for text in _without_pairs(edit.text):
            other = [*cleaned[:number], edit._replace(text=text), *cleaned[number + 1 :]]
            if _tree(source.spliced(other)) == _tree(source.spliced(cleaned)):
                cleaned = other
                break
    return cleaned


def hunks(source: Source, edits: list[Edit]) -> list[Hunk]:
    """One hunk for each stretch of changed lines, in order. Context grows until the old lines
    stand at one place only, before and after the change."""
    old, new = source.text.split("\n"), source.spliced(edits).split("\n")
    found: list[Hunk] = []
    for first, last, start, end in _stretches(old, new):
        before, after = CONTEXT, CONTEXT
        while True:
            low, high = max(first - before, 0), min(last + after, len(old))
            head, tail = old[low:first], old[last:high]
            whole_file = low == 0 and high == len(old)
            unique = _count(old, [*head, *old[first:last], *tail]) == 1
            if whole_file or (unique and _count(new, [*head, *new[start:end], *tail]) == 1):
                break
            before, after = before + 2, after + 2
        if tail and tail[-1] == "" and high == len(old):
            tail = tail[:-1]
        found.append({"before": head, "old": old[first:last], "new": new[start:end], "after": tail})
    return found


def _stretches(old: list[str], new: list[str]) -> list[tuple[int, int, int, int]]:
    """Changed lines as (first, last, start, end): old[first:last] became new[start:end]."""
    from difflib import SequenceMatcher

    matcher = SequenceMatcher(None, old, new, autojunk=False)
    found: list[tuple[int, int, int, int]] = []
    for tag, first, last, start, end in matcher.get_opcodes():
        if tag == "equal":
            continue
        if found and first - found[-1][1] <= 2 * CONTEXT:
            found[-1] = (found[-1][0], last, found[-1][2], end)
        else:
            found.append((first, last, start, end))
    return found


def _count(lines: list[str], part: list[str]) -> int:
    if not part:
        return 0
    starts = range(len(lines) - len(part) + 1)
    return sum(lines[n] == part[0] and lines[n : n + len(part)] == part for n in starts)


def _without_pairs(text: str) -> list[str]:
    """The text with one or more outer pairs of parentheses taken away, the barest first."""
    found: list[str] = []
    for start, char in enumerate(text):
        if char != "(":
            continue
        depth = 0
        for end in range(start, len(text)):
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            if depth == 0:
                found.append(text[:start] + text[start + 1 : end] + text[end + 1 :])
                break
    return found


def _tree(text: str) -> str:
    try:
        return ast.dump(ast.parse(text))
    except (SyntaxError, ValueError, RecursionError):
        return text
