"""Which of the tests that nobody asked to mend pass with an edit."""

from __future__ import annotations

from .cases import Case
from .children import Emit, values_of
from .limits import PASS, attempt
from .live import Live, State
from .sources import Edit, Source

CASE_SECONDS = 0.1
QUIET_SECONDS = 2.0
MOST = 20


def granted(
    wishes: list[Case], work: list[list[Edit]], sources: dict[str, Source], live: Live
) -> list[float]:
    """For each set of edits, all in live functions, the share of the wishes that pass with it.
    It runs in a child; what takes too long grants nothing."""
    some = wishes[:MOST]

    def task(emit: Emit) -> None:
        state = State(sources)
        for edits in work:
            try:
                for path, unit in dict.fromkeys((e.path, e.unit) for e in edits):
                    source = sources[path]
                    mine = [e for e in edits if (e.path, e.unit) == (path, unit)]
                    live.swap(source, source.units[unit], mine)
                passed = [attempt(c.run, CASE_SECONDS, CASE_SECONDS).status == PASS for c in some]
                emit(sum(passed) / len(some))
            finally:
                live.restore()
                state.restore()

    found: list[float] = list(values_of(task, QUIET_SECONDS, QUIET_SECONDS)) if some else []
    return found + [0.0] * (len(work) - len(found))
