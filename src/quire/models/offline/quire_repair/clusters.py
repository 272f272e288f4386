"""Failing tests that seem to share a fault."""

from __future__ import annotations

import os

from .baseline import Fact
from .ground import Ground, Place
from .limits import TIMEOUT

MOST = 8


def clusters(ground: Ground, failing: list[int]) -> list[list[int]]:
    """Tests whose most telling function is the same, the biggest groups of the cheapest tests
    first. That function is where an error was raised, or the one that fewest passing tests run."""
    users: dict[Place, int] = {}
    for index in ground.goal(()).passing:
        for place in ground.places(index):
            users[place] = users.get(place, 0) + 1
    found: dict[tuple[Place | None, str], list[int]] = {}
    for index in failing:
        found.setdefault((_key(ground, index, users), _end(ground.facts[index])), []).append(index)
    order = {index: number for number, index in enumerate(failing)}
    ranked = sorted(found.values(), key=lambda part: (-len(part), order[part[0]]))
    return ranked[:MOST]


def _end(fact: Fact) -> str:
    """How a test fails, where that sets it apart: tests that stop the process, or never stop, are
    often made so, and should not keep the others from being mended."""
    return fact.error or fact.status if fact.status == TIMEOUT or fact.error == "SystemExit" else ""


def _key(ground: Ground, index: int, users: dict[Place, int]) -> Place | None:
    fact = ground.facts[index]
    if "Assertion" not in fact.error:
        for path, line in reversed(fact.frames):
            own = ground.files.get(os.path.realpath(path))
            place = ground.place(own, line) if own is not None else None
            if place is not None:
                return place
    places = sorted(ground.places(index), key=lambda place: (users.get(place, 0), place))
    return places[0] if places else None
