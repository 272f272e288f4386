"""Several edits at once."""

from __future__ import annotations

import itertools

from .sources import Edit

SINGLES = 400
MOST_PAIRS = 30_000
FAR = 0.6
MOST_TWINNED = 3000
MOST_ALIKE = 6
NESTING = frozenset(["off by one", "missing term", "missing factor", "sign"])
NEAR = 40
TWIN = 0.7
"""What each further place of the same change costs."""


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


def _are_apart(edits: tuple[Edit, ...]) -> bool:
    """Not of one place; and not one inside the other, as `+ 1` of a part and of the whole."""
    if edits[0].kind in NESTING:
        starts = sorted(edit.start for edit in edits)
        if any(starts[n + 1] - starts[n] < NEAR for n in range(len(starts) - 1)):
            return False
    return not overlap(list(edits))


def overlap(edits: list[Edit]) -> bool:
    """Two of the edits change the same place, or insert at it."""
    places = sorted((e.path, e.start, e.end) for e in edits)
    # The next one starts no later than any other that meets it: neighbours tell.
    return any(_meet(places[n - 1], places[n]) for n in range(1, len(places)))


def _meet(one: tuple[str, int, int], two: tuple[str, int, int]) -> bool:
    """`two` does not start before `one`."""
    return one[0] == two[0] and two[1] < max(one[2], one[1] + 1)


def twins(singles: list[Edit], texts: dict[str, str]) -> list[list[Edit]]:
    """The same small change at two places of a function, or at all places where it can be made:
    one slip of the mind. The others cost little more than the first. `texts` are the files."""
    alike: dict[tuple[str, int, str, str], list[Edit]] = {}
    for edit in singles[:MOST_TWINNED]:
        old = texts[edit.path][edit.start : edit.end]
        change = f"{old} -> {edit.text}"
        if old and old in edit.text:
            change = edit.text.replace(old, "{}")
        if edit.text.strip() or old:
            alike.setdefault((edit.path, edit.unit, edit.kind, change), []).append(edit)
    found: list[list[Edit]] = []
    for some in alike.values():
        if not 2 <= len(some) <= MOST_ALIKE:
            continue
        sets = list(itertools.combinations(some, 2))
        sets += [tuple(some)] if len(some) > 2 else []
        sets = [edits for edits in sets if _are_apart(edits)]
        found += [[first, *(e._replace(cost=TWIN) for e in rest)] for first, *rest in sets]
    return found
