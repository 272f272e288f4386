"""Find the commit that broke tests, and change nothing."""

from __future__ import annotations

import msgspec

from quire.models.offline import commands, words
from quire.models.offline.intent import good_in, seconds_in
from quire.models.offline.jobs.common import Answer, Task, finished, surveyed

SECONDS = 300


def bisect(task: Task) -> Answer:
    """What comes next. Raises `Ended`."""
    from quire.models.offline.bisect_words import told
    from quire.models.offline.reports import bisection_in

    survey = surveyed(task)
    seconds = task.at_most("bisect", seconds_in(task.prompt) or SECONDS)
    good = good_in(task.prompt)
    more = () if good is None else ("--good", msgspec.json.encode([good]).decode())
    line = commands.inquiry("bisect", survey, seconds, more)
    command = finished(task, "bisect", words.bisecting(survey), line, "find the commit")
    bisection = bisection_in(command.text)
    if bisection is None:
        return Answer(words.unreadable("The search for the commit", command.text))
    return Answer(told(bisection))
