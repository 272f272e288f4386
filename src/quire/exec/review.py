"""What a review means for the exit code (`--fail-on`)."""

from __future__ import annotations

import sys

import msgspec

from quire.exec.run import EXIT_FAILED, Display, Outcome
from quire.protocol.events import Event
from quire.protocol.local import ThreadInfo
from quire.protocol.records import ItemCompleted
from quire.protocol.review import ReviewOutput, worst_priority
from quire.protocol.thread import ExitedReviewItem


class ReviewWatch:
    """A display that hands everything to another one and remembers what the review found."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self.output: ReviewOutput | None = None

    @property
    def wants_deltas(self) -> bool:
        return self._display.wants_deltas

    def opened(self, info: ThreadInfo, warnings: tuple[str, ...]) -> None:
        self._display.opened(info, warnings)

    def event(self, event: Event) -> None:
        self._display.event(event)
        if isinstance(event, ItemCompleted) and isinstance(event.item, ExitedReviewItem):
            text = event.item.output
            self.output = msgspec.json.decode(text, type=ReviewOutput) if text else None

    def closed(self, final_message: str | None) -> None:
        self._display.closed(final_message)


def judged(outcome: Outcome, output: ReviewOutput | None, limit: int | None) -> int:
    """The exit code: that of the run, but 1 when a finding is as urgent as `limit` (0 to 3) or
    more so, and when the answer cannot be judged, which stderr says."""
    if limit is None or outcome.exit_code != 0:
        return outcome.exit_code
    fault = _unclear(output)
    if fault is not None:
        sys.stderr.write(f"error: --fail-on P{limit}: {fault}\n")
        return EXIT_FAILED
    worst = worst_priority(output) if output is not None else None
    return EXIT_FAILED if worst is not None and worst <= limit else outcome.exit_code


def _unclear(output: ReviewOutput | None) -> str | None:
    """Why nobody can say how urgent the findings are."""
    if output is None:
        return "the reviewer gave no answer"
    malformed = sum(finding.malformed for finding in output.dropped)
    if malformed:
        return f"{malformed} malformed finding{'s' if malformed > 1 else ''} cannot be judged"
    if not (output.overall_correctness or output.findings or output.dropped):
        return "the reviewer answered in words, not with findings"
    return None
