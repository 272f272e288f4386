"""Tests that a prompt names: files, folders, classes, functions, ids."""

from __future__ import annotations

import re

MOST = 20
_WORD = re.compile(r"[^\s\[\]`'\"\u2018\u2019\u201c\u201d,;]+(?:\[[^\]\n]*\])?")
_FILE = re.compile(r"(?:.*/)?(?:test_\w*|\w*_test|tests)\.py")
_FOLDER = re.compile(r"\.?/?(?:[\w.-]+/)*tests?(?:/[\w.-]+)*/?")
_NAME = re.compile(r"test_\w+(?:\[.*\])?|\w+_test|Test[A-Z0-9]\w*|[A-Z]\w*Tests?(?:Case)?")
_DOTTED = re.compile(r"(?:\w+\.)+\w+(?:\[.*\])?")


def tests_named(prompt: str) -> tuple[str, ...]:
    """The words of a prompt that look like tests; whether they exist, the survey finds out."""
    found: dict[str, None] = {}
    for match in _WORD.finditer(prompt[:4000]):
        word = match.group().strip("(){}<>").rstrip(".:!?")
        if _names_test(word):
            found[word] = None
    return tuple(found)[:MOST]


def _names_test(word: str) -> bool:
    if "://" in word or word.startswith("-"):
        return False
    if "::" in word:
        return bool(_FILE.fullmatch(word.split("::")[0]))
    if _FILE.fullmatch(word) or _NAME.fullmatch(word):
        return word != "UnitTest"
    if "/" in word:
        return bool(_FOLDER.fullmatch(word))
    parts = word.split("[")[0].split(".")
    return bool(_DOTTED.fullmatch(word)) and any(_NAME.fullmatch(part) for part in parts)
