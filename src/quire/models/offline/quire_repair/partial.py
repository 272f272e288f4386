"""Several faults at once: edits that each mend some of the failing tests, put together."""

from __future__ import annotations

import itertools

from .pool import cost_of
from .sources import Edit

Mended = tuple[list[Edit], set[int], float]
"""Edits, the failing cases they mend, the CPU time of the tests."""

CHOICES = 6
MOST_PARTS = 3
MOST = 400


def combinations(mended: list[Mended], failing: set[int]) -> list[list[Edit]]:
    """Sets of edits that together mend every failing case, cheapest first."""
    by_effect: dict[frozenset[int], list[list[Edit]]] = {}
    for edits, fixed, _ in sorted(mended, key=lambda m: cost_of(m[0])):
        chosen = by_effect.setdefault(frozenset(fixed), [])
        if len(chosen) < CHOICES:
            chosen.append(edits)
    effects = sorted(by_effect, key=lambda e: (-len(e), sorted(e)))
    found: list[list[Edit]] = []
    for size in range(2, MOST_PARTS + 1):
        for parts in itertools.combinations(effects[:24], size):
            if frozenset().union(*parts) < failing or _is_redundant(parts):
                continue
            for picks in itertools.product(*(by_effect[part] for part in parts)):
                together = [edit for edits in picks for edit in edits]
                if not _overlap(together):
                    found.append(together)
            if len(found) > MOST:
                break
    return sorted(found, key=lambda edits: (cost_of(edits), _places(edits)))[:MOST]


def _is_redundant(parts: tuple[frozenset[int], ...]) -> bool:
    """One part mends nothing that the others do not."""
    whole = frozenset[int]().union(*parts)
    return any(
        frozenset[int]().union(*(other for other in parts if other is not part)) == whole
        for part in parts
    )


def _overlap(edits: list[Edit]) -> bool:
    places = sorted((e.path, e.start, e.end) for e in edits)
    pairs = itertools.islice(itertools.combinations(places, 2), 64)
    return any(a[0] == b[0] and b[1] < max(a[2], a[1] + 1) for a, b in pairs)


def _places(edits: list[Edit]) -> list[tuple[str, int, str]]:
    return [(e.path, e.start, e.text) for e in edits]
