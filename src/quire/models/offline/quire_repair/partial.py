"""Two edits at once."""

from __future__ import annotations

import itertools

from .sources import Edit

SINGLES = 400
MOST_PAIRS = 30_000
FAR = 0.6


def pairs(singles: list[Edit]) -> list[list[Edit]]:
    """Two cheap edits together, by summed cost; farther apart is dearer. Edits of one place
    exclude each other."""
    cheap = singles[:SINGLES]
    ranked: list[tuple[float, int, int]] = []
    for number, one in enumerate(cheap):
        for other, two in enumerate(cheap[number + 1 :], number + 1):
            if overlap([one, two]):
                continue
            near = (one.path, one.unit) == (two.path, two.unit)
            ranked.append((one.cost + two.cost + (0.0 if near else FAR), number, other))
    ranked.sort()
    return [[cheap[a], cheap[b]] for _, a, b in ranked[:MOST_PAIRS]]


def overlap(edits: list[Edit]) -> bool:
    """Two of the edits change the same place, or insert at it."""
    places = sorted((e.path, e.start, e.end) for e in edits)
    couples = itertools.islice(itertools.combinations(places, 2), 64)
    return any(a[0] == b[0] and b[1] < max(a[2], a[1] + 1) for a, b in couples)
