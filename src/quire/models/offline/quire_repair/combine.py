"""Edits that mend some failing tests each, put together."""

from __future__ import annotations

from typing import NamedTuple

from .partial import overlap
from .pool import cost_of
from .sources import Edit

MOST_PAIRED = 120
MOST_SETS = 4000
BASES = 4
EXTENDED = 2500


class Part(NamedTuple):
    """Edits that break nothing, and the failing cases that they mend."""

    edits: list[Edit]
    mended: frozenset[int]


def complementary(parts: list[Part]) -> list[list[Edit]]:
    """Two parts that together mend more than either, the most first, then the cheapest."""
    some = sorted(parts, key=lambda part: cost_of(part.edits))[:MOST_PAIRED]
    found: list[tuple[int, float, list[Edit]]] = []
    for number, one in enumerate(some):
        for two in some[number + 1 :]:
            both = one.mended | two.mended
            edits = [*one.edits, *two.edits]
            if len(both) > max(len(one.mended), len(two.mended)) and not overlap(edits):
                found.append((-len(both), cost_of(edits), edits))
    found.sort(key=lambda item: (item[0], item[1]))
    return [edits for _, _, edits in found[:MOST_SETS]]


def extended(parts: list[Part], singles: list[Edit]) -> list[list[Edit]]:
    """The parts that mend most, each with one more edit, by cost."""
    ranked = sorted(parts, key=lambda part: (-len(part.mended), cost_of(part.edits)))
    found = [
        [*part.edits, edit]
        for part in ranked[:BASES]
        for edit in singles[:EXTENDED]
        if not overlap([*part.edits, edit])
    ]
    return sorted(found, key=cost_of)
