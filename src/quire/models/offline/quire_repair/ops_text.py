"""Edits of literals: regular expressions, and texts that tests show to be wrong."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from difflib import SequenceMatcher

from .sites import Proposal, Site

QUANTIFIERS = "+*?"
CLASSES = ((r"\d", r"\w"), (r"\w", r"\d"), (r"\w", r"\S"), (r"\s", r"\S"), ("[a-z]", "[a-zA-Z]"))
PATTERN_FUNCTIONS = ("compile", "sub", "subn", "match", "search", "fullmatch", "findall", "split")


def pattern(site: Site) -> Iterator[Proposal]:
    """Quantifiers, anchors and classes of a regular expression."""
    node, parent = site.node, site.parent
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        return
    function = parent.func if isinstance(parent, ast.Call) and parent.args else None
    if not isinstance(function, ast.Attribute) or function.attr not in PATTERN_FUNCTIONS:
        return
    if isinstance(parent, ast.Call) and parent.args[0] is not node:
        return
    inner = _inside_quotes(site)
    if inner is None:
        return
    start, end = inner
    text = site.source.text[start:end]
    for position in range(1, len(text) + 1):
        at, before, after = start + position, text[position - 1], text[position : position + 1]
        if after in QUANTIFIERS and after:
            for other in ("", "+", "*", "?", "+?", "*?"):
                if other != after:
                    yield Proposal(at, at + 1, other, "pattern", 1.9)
        elif before not in QUANTIFIERS + "^(|\\[":
            prior = 1.8 if before == "]" else 2.2
            yield from (Proposal(at, at, mark, "pattern", prior) for mark in QUANTIFIERS)
    if not text.startswith("^"):
        yield Proposal(start, start, "^", "pattern", 2.1)
    if not text.endswith("$"):
        yield Proposal(end, end, "$", "pattern", 2.1)
    for old, new in CLASSES:
        for a, b in ((old, new), (new, old)):
            if a in text:
                at = start + text.index(a)
                yield Proposal(at, at + len(a), b, "pattern", 2.2)


def _inside_quotes(site: Site) -> tuple[int, int] | None:
    """The text of a literal without prefix and quotes; None for triple quotes and such."""
    start, end = site.span()
    spans = literal_spans(site.source.text[start:end])
    if len(spans) != 1:
        return None
    return start + spans[0][0], start + spans[0][1]


def witnessed(site: Site) -> Iterator[Proposal]:
    """Literal text changed as the difference between an actual and an expected text says."""
    node = site.node
    if isinstance(node, ast.Constant) and not isinstance(node.value, str):
        return
    if not isinstance(node, (ast.Constant, ast.JoinedStr)) or isinstance(site.parent, ast.Expr):
        return
    start, end = site.span()
    for low, high in literal_spans(site.source.text[start:end]):
        literal = site.source.text[start + low : start + high]
        for actual, expected in site.scope.known.witnesses:
            for text in corrected(literal, actual, expected):
                yield Proposal(start + low, start + high, text, "text", 1.6)


def corrected(literal: str, actual: str, expected: str) -> Iterator[str]:
    """What the literal would have to be, if one of the differences lies in it."""
    matcher = SequenceMatcher(None, actual, expected, autojunk=False)
    for tag, first, last, start, end in matcher.get_opcodes():
        if tag == "equal" or not literal:
            continue
        place = actual.find(literal, max(last - len(literal), 0))
        while 0 <= place <= first:
            text = literal[: first - place] + expected[start:end] + literal[last - place :]
            if place + len(literal) >= last and text != literal and _is_plain(text):
                yield text
            place = actual.find(literal, place + 1)


def literal_spans(text: str) -> list[tuple[int, int]]:
    """The literal stretches of a string in its source form: all of a plain one, what lies between
    the braces of an f-string. Only where no escapes make source and value differ."""
    prefix = len(text) - len(text.lstrip("rRbBuUfF"))
    quote = text[prefix : prefix + 1]
    if quote not in ("'", '"') or text[prefix : prefix + 3] == quote * 3 or text[-1:] != quote:
        return []
    low, high = prefix + 1, len(text) - 1
    raw = "r" in text[:prefix].lower()
    if quote in text[low:high] and not raw:
        return []
    if "f" not in text[:prefix].lower():
        return [(low, high)] if raw or "\\" not in text[low:high] else []
    return [span for span in _between_braces(text, low, high) if "\\" not in text[slice(*span)]]


def _between_braces(text: str, low: int, high: int) -> Iterator[tuple[int, int]]:
    start, depth, position = low, 0, low
    while position < high:
        char = text[position]
        if depth == 0 and text[position : position + 2] in ("{{", "}}"):
            position += 2
            continue
        if char == "{":
            if depth == 0 and position > start:
                yield start, position
            depth += 1
        elif char == "}" and depth:
            depth -= 1
            start = position + 1
        position += 1
    if start < high and depth == 0:
        yield start, high


def _is_plain(text: str) -> bool:
    return text.isprintable() and not any(char in "\\{}'\"" for char in text)


OPERATORS = (pattern, witnessed)
