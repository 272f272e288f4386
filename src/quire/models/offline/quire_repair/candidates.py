"""All single edits of the suspicious functions, cheapest first."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator

from . import (
    ops_calls,
    ops_conditions,
    ops_flow,
    ops_fragments,
    ops_guards,
    ops_logic,
    ops_names,
    ops_text,
    ops_values,
)
from .sites import Knowledge, Proposal, Scope, Site, import_sites, sites_of
from .sources import Edit, Source, Unit, bare

Operator = Callable[[Site], Iterator[Proposal]]
OPERATORS: tuple[Operator, ...] = (
    *(*ops_values.OPERATORS, *ops_names.OPERATORS),
    *(*ops_flow.OPERATORS, *ops_text.OPERATORS, *ops_logic.OPERATORS),
    *(*ops_calls.OPERATORS, *ops_guards.OPERATORS, *ops_conditions.OPERATORS),
    *ops_fragments.OPERATORS,
)
USUAL: tuple[Operator, ...] = (
    *(*ops_values.OPERATORS, *ops_names.OPERATORS, *ops_text.OPERATORS),
    *(*ops_logic.OPERATORS[:2], *ops_conditions.OPERATORS),
)
THOROUGHLY = 24
"""Functions, the most suspicious first, that get all operators; the others get `USUAL`. In a big
project making all candidates would take longer than trying them."""

SUSPICION_WEIGHT = 1.2
TWINS = 0.7
FAMILIAR = 0.5
"""What an expression is cheaper that stands in the file already, somewhere else."""

UNUSED = 0.6
"""What an edit is cheaper that reads a variable which is not read anywhere else."""

LAST_USE = 0.4
"""What an edit costs more after which a variable is not read any more."""

ORACLE = 0.6
ORACLES = frozenset(["__eq__", "__ne__", "__hash__"])
"""Tests judge by these methods: when changing them makes tests pass, it proves little."""

WORD = re.compile(r"(?<![.\w'\"])[A-Za-z_]\w*")

LITERAL = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")
STORED = re.compile(r"[A-Za-z_]\w*\s*=(?!=)")

COMPOSED = frozenset(
    ["missing factor", "missing term", "off by one", "bound", "slice", "conversion", "index"]
)
SHORT = 8
IMPORT_SURCHARGE = 0.4
"""Code that runs at import is wrong less often, and costs more to try."""


def single_edits(
    targets: list[tuple[Source, Unit]], modules: list[Source], known: Knowledge
) -> list[Edit]:
    """Sorted by cost, then by place: the same list for the same project, always."""
    found: dict[tuple[str, int, int, str], Edit] = {}
    for number, (source, unit) in enumerate(targets):
        scope = Scope(source, unit, known)
        operators = OPERATORS if number < THOROUGHLY else USUAL
        for site, score in sites_of(scope):
            _add(found, source, unit.index, priced(site, _proposed(site, operators)), score)
    for source in modules:
        scope = Scope(source, None, known)
        for site, score in import_sites(scope):
            proposals = priced(site, _proposed(site))
            _add(found, source, -1, proposals, max(score - IMPORT_SURCHARGE, 0.0))
    return sorted(found.values(), key=lambda e: (e.cost, e.path, e.start, e.end, e.text))


def _proposed(site: Site, operators: tuple[Operator, ...] | None = None) -> Iterator[Proposal]:
    for operator in OPERATORS if operators is None else operators:
        yield from operator(site)


def priced(site: Site, proposals: Iterator[Proposal]) -> Iterator[Proposal]:
    """The proposals, dearer where the edit makes two neighbours the same (`x == x`, `f(a, a)`,
    `(item[0], item[0])`), cheaper where it makes what the file says elsewhere."""
    neighbours = [_neighbours(site, level) for level in (1, 2)]
    unit = site.scope.unit
    oracle = ORACLE if unit is not None and unit.name in ORACLES else 0.0
    for proposal in proposals:
        more = oracle + _use(site, proposal)
        if more:
            proposal = proposal._replace(prior=proposal.prior + more)
        made = bare(proposal.text) if proposal.kind in COMPOSED else ""
        if len(made) >= SHORT and made in site.source.bare:
            proposal = proposal._replace(prior=proposal.prior - FAMILIAR)
        twins = any(
            start <= proposal.start
            and proposal.end <= end
            and own[: proposal.start - start] + proposal.text + own[proposal.end - start :] in texts
            for start, end, own, texts in (n for n in neighbours if n is not None)
        )
        yield proposal._replace(prior=proposal.prior + TWINS) if twins else proposal


def _use(site: Site, proposal: Proposal) -> float:
    """Cheaper where a variable gets its first use, dearer where one loses its last."""
    uses = site.scope.uses
    if not uses:
        return 0.0
    old = _read(site.source.text[proposal.start : proposal.end])
    new = _read(proposal.text)
    if any(uses.get(word) == 0 for word in new if word not in old):
        return -UNUSED
    if any(0 < uses.get(word, 0) <= old.count(word) for word in old if word not in new):
        return LAST_USE
    return 0.0


def _read(text: str) -> list[str]:
    """The words that may be variables that are read: not in literals, not keywords of arguments,
    not what is assigned."""
    return WORD.findall(STORED.sub("", LITERAL.sub("''", text)))


def _neighbours(site: Site, level: int) -> tuple[int, int, str, list[str]] | None:
    """The expression around the site at a level, and the texts of the others beside it."""
    if len(site.parents) < level:
        return None
    parent = site.parents[-level]
    own = site.node if level == 1 else site.parents[1 - level]
    if not isinstance(parent, ast.expr) or not isinstance(own, ast.expr):
        return None
    start, end = site.source.span(own)
    others = [c for c in ast.iter_child_nodes(parent) if isinstance(c, ast.expr) and c is not own]
    return start, end, site.source.text[start:end], [site.source.segment(c) for c in others]


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
