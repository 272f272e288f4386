"""Which of the edits that pass all tests is most likely meant."""

from __future__ import annotations

import math
from typing import NamedTuple

from .pool import cost_of
from .replay import CRASH, LEAVES, Behaviour
from .sources import Edit

SUPPORT = 0.1
MOST_SUPPORT = 0.3
"""What a behaviour gains from every doubling of the edits that lead to it, and at most."""

CHANGED = 0.3
CHANGED_BY_CRASH = 1.5
ONLY_STATE = 0.3
NEW_CRASH = 2.0
ANY_NEW_CRASH = 0.3
CRASHING = 1.0
BROKEN_PROMISE = 1.5
SLOWER = 0.4
UNSEEN = 0.3
LEFT_OUT = {"dropped call": 0.3, "dropped operand": 0.3}
"""Kinds of edits that leave out what somebody wrote: among those that pass, they are meant less
often than they are found."""

GRANTED = 1.0
"""What an option gains that also makes the examples in docstrings right."""


class Option(NamedTuple):
    """A set of edits that passes all tests. `cpu` is the time of the tests with it; `row` is its
    number in the behaviour, or -1 when it could not be replayed; `granted` is the share of the
    wishes that pass with it."""

    edits: list[Edit]
    cpu: float
    row: int
    granted: float = 0.0


class Group(NamedTuple):
    """Options that behave alike, the simplest first."""

    options: list[Option]
    price: float
    row: int


def groups(
    options: list[Option], behaviour: Behaviour | None, crashes: bool, cpu: float
) -> list[Group]:
    """Options by behaviour, best group first. `crashes` says that the tests failed by an error or
    a hang and not by a wrong value: then what worked before should stay as it was. `cpu` is the
    usual time of the tests."""
    kinds: dict[tuple[str, ...] | int, list[Option]] = {}
    for number, option in enumerate(options):
        row = behaviour.candidates[option.row] if behaviour and option.row >= 0 else None
        kinds.setdefault(row if row is not None else number, []).append(option)
    found: list[Group] = []
    for members in kinds.values():
        members.sort(key=_simplicity)
        price = cost_of(members[0].edits) + _surprise(members[0], behaviour, crashes)
        price += sum(LEFT_OUT.get(edit.kind, 0.0) for edit in members[0].edits)
        price -= GRANTED * max(option.granted for option in members)
        price -= min(SUPPORT * math.log2(len(members)), MOST_SUPPORT)
        if members[0].cpu > 3 * cpu + 0.05:
            price += SLOWER
        found.append(Group(members, price, members[0].row))
    return sorted(found, key=lambda g: (g.price, _simplicity(g.options[0])))


def _simplicity(option: Option) -> tuple[float, int, list[tuple[str, int, str]]]:
    size = sum(len(e.text) + e.end - e.start for e in option.edits)
    return cost_of(option.edits), size, [(e.path, e.start, e.text) for e in option.edits]


def _surprise(option: Option, behaviour: Behaviour | None, crashes: bool) -> float:
    """What an option pays for changing what worked and for failing where nothing failed."""
    if behaviour is None or option.row < 0:
        return UNSEEN
    row = behaviour.candidates[option.row]
    promises = BROKEN_PROMISE * behaviour.broken[option.row]
    worked = [n for n, text in enumerate(behaviour.original) if not text.startswith(CRASH)]
    if not worked:
        return promises + CRASHING * sum(text.startswith(CRASH) for text in row) / len(row)
    changed = sum(_difference(row[n], behaviour.original[n]) for n in worked) / len(worked)
    crashed = sum(row[n].startswith(CRASH) for n in worked) / len(worked)
    price = changed * (CHANGED_BY_CRASH if crashes else CHANGED)
    price += (ANY_NEW_CRASH if crashed else 0.0) + crashed * NEW_CRASH
    return promises + price + CRASHING * sum(text.startswith(CRASH) for text in row) / len(row)


def _difference(one: str, two: str) -> float:
    """1 for another result, less when only what became of the arguments differs."""
    if one == two:
        return 0.0
    return ONLY_STATE if one.split(LEAVES)[0] == two.split(LEAVES)[0] else 1.0


def telling_call(behaviour: Behaviour, one: Group, two: Group) -> tuple[str, str, str] | None:
    """A call, short to write, for which two groups differ, and what each gives."""
    if one.row < 0 or two.row < 0:
        return None
    a, b = behaviour.candidates[one.row], behaviour.candidates[two.row]
    differing = [n for n, text in enumerate(a) if text != b[n] and text and b[n]]
    if not differing:
        return None
    best = min(differing, key=lambda n: (len(behaviour.shown[n]), n))
    return behaviour.shown[best], a[best], b[best]
