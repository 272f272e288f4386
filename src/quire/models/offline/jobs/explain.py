"""Say why tests fail, and change nothing."""

from __future__ import annotations

from quire.models.offline import commands, words
from quire.models.offline.jobs.common import Answer, Task, finished, surveyed
from quire.models.offline.jobs.tests import raise_cannot_start

SECONDS = 60


def explain(task: Task) -> Answer:
    """What comes next. Raises `Ended`."""
    from quire.models.offline.explain_words import explained
    from quire.models.offline.reports import explanation_in

    survey = surveyed(task)
    line = commands.inquiry("explain", survey, task.at_most("explain", SECONDS))
    command = finished(task, "explain", words.looking_into(survey), line, "explain the failures")
    explanation = explanation_in(command.text)
    if explanation is None:
        return Answer(words.unreadable("The look at the failures", command.text))
    if not explanation.report.began:
        raise_cannot_start(task, survey)
    return Answer(explained(explanation))
