"""All single edits of the suspicious functions, cheapest first."""

from __future__ import annotations

from collections.abc import Iterator

from . import ops_flow, ops_names, ops_values
from .sites import Knowledge, Proposal, Scope, Site, import_sites, sites_of
from .sources import Edit, Source, Unit

OPERATORS = (*ops_values.OPERATORS, *ops_names.OPERATORS, *ops_flow.OPERATORS)
SUSPICION_WEIGHT = 1.2
IMPORT_SURCHARGE = 0.4
"""Code that runs at import is wrong less often, and costs more to try."""


def single_edits(
    targets: list[tuple[Source, Unit]], modules: list[Source], known: Knowledge
) -> list[Edit]:
    """Sorted by cost, then by place: the same list for the same project, always."""
    found: dict[tuple[str, int, int, str], Edit] = {}
    for source, unit in targets:
        scope = Scope(source, unit, known)
        for site, score in sites_of(scope):
            _add(found, source, unit.index, _proposed(site), score)
    for source in modules:
        scope = Scope(source, None, known)
        for site, score in import_sites(scope):
            _add(found, source, -1, _proposed(site), max(score - IMPORT_SURCHARGE, 0.0))
    return sorted(found.values(), key=lambda e: (e.cost, e.path, e.start, e.end, e.text))


def _proposed(site: Site) -> Iterator[Proposal]:
    for operator in OPERATORS:
        yield from operator(site)


def _add(
    found: dict[tuple[str, int, int, str], Edit],
    source: Source,
    unit: int,
    proposals: Iterator[Proposal],
    score: float,
) -> None:
    for proposal in proposals:
        start, end, text = smallest(source.text, proposal.start, proposal.end, proposal.text)
        if start == end and not text:
            continue
        cost = round(proposal.prior + SUSPICION_WEIGHT * (1.0 - score), 4)
        key = (source.path, start, end, text)
        known = found.get(key)
        if known is None or cost < known.cost:
            found[key] = Edit(source.path, unit, start, end, text, proposal.kind, cost)


def smallest(whole: str, start: int, end: int, text: str) -> tuple[int, int, str]:
    """The same change without what both texts begin or end with."""
    old = whole[start:end]
    head = 0
    while head < min(len(old), len(text)) and old[head] == text[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(text)) - head and old[-1 - tail] == text[-1 - tail]:
        tail += 1
    return start + head, end - tail, text[head : len(text) - tail]
