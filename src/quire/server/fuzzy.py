"""Ranking of paths against what somebody typed. Pure.

Scores and indices are those of Codex 0.169, whose rules are fzf's: 16 for each letter, more at the
beginning of a word, of a folder or in a run, less for gaps. A file whose own name holds all of the
query comes before others, and an exact name before everything.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Sequence
from heapq import nsmallest
from itertools import accumulate

from msgspec import Struct

LIMIT = 50
"""Results of one search (Codex 0.169)."""
MAX_QUERY = 64
"""Letters of a query that count."""

_LETTER, _GAP, _LONGER_GAP = 16, 3, 1
_IN_RUN, _NEW_WORD, _CAMEL, _NEW_FOLDER = 4, 8, 5, 9
_IN_NAME, _EXACT_NAME = 65_536, 131_072
_CANDIDATES = 4 * LIMIT
"""How many of those that look best are scored exactly."""
_MAX_PATH = 512
_IMPOSSIBLE = -(1 << 30)
_CHUNK = 2048
_MAX_INITIALS = 6

Stopped = Callable[[], bool]


class Match(Struct, frozen=True):
    """`indices` count the characters of `path`."""

    path: str
    is_directory: bool
    score: int
    indices: tuple[int, ...]


class Corpus:
    """The files below one folder, and the folders above them, ready to be searched."""

    def __init__(self, files: Sequence[str]) -> None:
        """`files` are relative paths."""
        folders: set[str] = set()
        for path in files:
            folder = path.rpartition("/")[0]
            while folder and folder not in folders:
                folders.add(folder)
                folder = folder.rpartition("/")[0]
        self._folders = folders
        self._paths = sorted({*files, *folders})
        self._folded = [_folded(path) for path in self._paths]
        # One text for all, since a regular expression is quick and a loop over paths is not.
        self._text = "\n".join(self._folded)
        lengths = (len(text) + 1 for text in self._folded)
        self._starts = list(accumulate(lengths, initial=0))[:-1]

    def search(self, query: str, stopped: Stopped = lambda: False) -> list[Match]:
        """The best, best first; nothing for an empty query. `stopped` is asked now and then: once
        it says True the search ends with nothing."""
        words = [_folded(word) for word in query[:MAX_QUERY].split()]
        if not words or not self._paths:
            return []
        likely = self._likely(words, stopped)
        matches: list[Match] = []
        for at in likely:
            if stopped():
                return []
            matches.append(self._match(at, words))
        matches.sort(key=lambda match: (-match.score, len(match.path), match.path))
        return sorted(matches[:LIMIT], key=lambda match: (-match.score, match.path))

    def _likely(self, words: list[str], stopped: Stopped) -> list[int]:
        """The numbers of the paths that look best. Cheap: looks for whole words in names first,
        and for scattered letters only when that does not give enough."""
        ranks: dict[int, int] = {}
        if len(words) == 1:
            self._rank_names(words[0], ranks, stopped)
        if len(ranks) < _CANDIDATES:
            self._rank_scattered(words, ranks, stopped)
        keys = ((rank, len(self._paths[at]), at) for at, rank in ranks.items())
        return [at for _, _, at in nsmallest(_CANDIDATES, keys)]

    def _rank_names(self, word: str, ranks: dict[int, int], stopped: Stopped) -> None:
        """Names that hold the whole word, and those whose parts begin with its letters."""
        text = self._text
        for found in re.compile(re.escape(word) + r"[^/\n]*+$", re.MULTILINE).finditer(text):
            start = found.start()
            before = text[start - 1] if start else "/"
            rank = 1 if before in "/\n" else 3 if before.isalnum() else 2
            if rank == 3 and any(mark + word in found.group() for mark in "_-. "):
                rank = 2
            ranks[self._number(start)] = (
                0 if rank == 1 and found.end() - start == len(word) else rank
            )
            if len(ranks) % _CHUNK == 0 and stopped():
                return
        if 1 < len(word) <= _MAX_INITIALS and len(ranks) >= _CANDIDATES:
            initials = r"[^/\n]*?".join(f"(?<![^\\W_]){re.escape(letter)}" for letter in word)
            for found in re.compile(initials + r"[^/\n]*+$", re.MULTILINE).finditer(text):
                at = self._number(found.start())
                ranks[at] = min(ranks.get(at, 1), 1)

    def _rank_scattered(self, words: list[str], ranks: dict[int, int], stopped: Stopped) -> None:
        """Paths that hold the letters of all words, and better those whose name does."""
        everywhere = "".join(f"(?={_letters(word)})" for word in words)
        pattern = re.compile(f"^{everywhere}[^\\n]*+", re.MULTILINE)
        in_name = _holds(words[0]) if len(words) == 1 else None
        for count, found in enumerate(pattern.finditer(self._text)):
            if count % _CHUNK == 0 and stopped():
                return
            at = self._number(found.start())
            if at not in ranks:
                path = found.group()
                named = in_name is not None and in_name(path, path.rfind("/") + 1) is not None
                ranks[at] = 4 if named else 5 if words[0] in path else 6

    def _number(self, place: int) -> int:
        """Of the path that stands at this place of the text."""
        return bisect_right(self._starts, place) - 1

    def _match(self, at: int, words: list[str]) -> Match:
        path, text = self._paths[at], self._folded[at]
        is_directory = path in self._folders
        start = text.rfind("/") + 1
        extra = _EXACT_NAME if len(words) == 1 and text[start:] == words[0] else 0
        if len(words) == 1 and not is_directory:
            scored = align(words[0], text[start:], path[start:])
            if scored is not None:
                indices = tuple(start + place for place in scored[1])
                return Match(path, False, extra + _IN_NAME + scored[0], indices)
        score, places = extra, set[int]()
        for word in words:
            scored = align(word, text, path)
            if scored is not None:
                score += scored[0]
                places.update(scored[1])
        return Match(path, is_directory, score, tuple(sorted(places)))


def align(word: str, text: str, path: str) -> tuple[int, list[int]] | None:
    """The best score of `word` in `text`, which is `path` folded, and where its letters stand;
    None when it is not in there, letter by letter."""
    if _holds(word)(text, 0) is None:
        return None
    if len(text) > _MAX_PATH:
        return _LETTER * len(word), _first_places(word, text)
    bonuses = _bonuses(path)
    scores, runs = [_IMPOSSIBLE] * len(text), [0] * len(text)
    parents: list[list[int]] = []
    for number, letter in enumerate(word):
        scores, runs, origins = _row(letter, text, bonuses, scores, runs, number == 0)
        parents.append(origins)
    # Of equals the last, but a single letter's first: as the peer shows them.
    order = range(len(text)) if len(word) == 1 else range(len(text) - 1, -1, -1)
    at = max(order, key=scores.__getitem__)
    score, places = scores[at], list[int]()
    for origins in reversed(parents):
        places.append(at)
        at = origins[at]
    return max(score, 0), places[::-1]


_Row = tuple[list[int], list[int], list[int]]


def _row(
    letter: str, text: str, bonuses: list[int], before: list[int], runs: list[int], first: bool
) -> _Row:
    """For each place of `letter`: the best score up to it, the bonus of the run it is in, and the
    place of the letter before. `before` and `runs` are those of the letter before."""
    scores, now, origins = [_IMPOSSIBLE] * len(text), [0] * len(text), [-1] * len(text)
    gap, origin = _IMPOSSIBLE, -1
    for at, character in enumerate(text):
        if at > 1:
            gap = max(gap - _LONGER_GAP, 0) if origin >= 0 else gap
            opened = max(before[at - 2] - _GAP, 0)
            if before[at - 2] > 0 and opened > gap:
                gap, origin = opened, at - 2
        if character != letter:
            continue
        bonus = bonuses[at]
        if first:
            scores[at], now[at] = _LETTER + 2 * bonus, bonus
            continue
        scores[at], now[at], origins[at] = gap + _LETTER + bonus, bonus, origin
        if at and before[at - 1] > 0:
            run = max(runs[at - 1], _IN_RUN, bonus if bonus >= _NEW_WORD else 0)
            joined = before[at - 1] + _LETTER + max(run, bonus)
            if joined >= scores[at]:
                scores[at], now[at], origins[at] = joined, run, at - 1
    return scores, now, origins


def _bonuses(path: str) -> list[int]:
    """What each place of a path is worth."""
    bonuses: list[int] = []
    before = "/"
    for character in path:
        if not character.isalnum():
            bonus = 0 if character == "/" else _NEW_WORD
        elif before == "/":
            bonus = _NEW_FOLDER
        elif not before.isalnum():
            bonus = _NEW_WORD
        elif (before.islower() and character.isupper()) or (
            character.isdigit() and not before.isdigit()
        ):
            bonus = _CAMEL
        else:
            bonus = 0
        bonuses.append(bonus)
        before = character
    return bonuses


def _first_places(word: str, text: str) -> list[int]:
    places: list[int] = []
    at = -1
    for letter in word:
        at = text.index(letter, at + 1)
        places.append(at)
    return places


def _holds(word: str) -> Callable[[str, int], re.Match[str] | None]:
    """Whether a text holds the letters of `word` in their order, from a place on; linear."""
    return re.compile(_letters(word)).match


def _letters(word: str) -> str:
    """A pattern for the letters of `word` in their order, within a line."""
    return "".join(f"[^{re.escape(letter)}\\n]*+{re.escape(letter)}" for letter in word)


def _folded(text: str) -> str:
    """Without case and accents, character by character."""
    if "\n" in text:
        text = text.replace("\n", " ")
    if text.isascii():
        return text.lower()
    return "".join(map(_fold_one, text))


def _fold_one(character: str) -> str:
    base = unicodedata.normalize("NFD", character)[0].lower()
    return base if len(base) == 1 else character
