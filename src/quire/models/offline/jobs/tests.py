"""Run the tests as they are."""

from __future__ import annotations

from quire.models.offline import commands, words
from quire.models.offline.findings import Survey, findings_in
from quire.models.offline.jobs.common import Answer, Ended, Task, finished, surveyed
from quire.models.offline.run_output import RunResult, read_run

CANNOT_START = (3, 4)
"""pytest's exit codes for an internal error and for what it cannot begin with."""


def run_only(task: Task) -> Answer:
    """Say which tests fail, and change nothing. Raises `Ended`."""
    run = first_run(task, surveyed(task), only=True)
    return Answer(words.summary(run))


def first_run(task: Task, survey: Survey, only: bool = False) -> RunResult:
    """The tests as they are. Ends the turn when they pass, or when nothing else was asked."""
    limit = commands.CHECK_SECONDS if only else commands.FIRST_RUN_SECONDS
    line = commands.run_tests(survey, task.at_most("run", limit))
    command = finished(task, "run", words.surveyed(survey), line, "run the tests")
    own = findings_in(command.text) if survey.framework == "plain" else None
    if own is not None:
        if own.status == "nothing_fails" or only:
            raise Ended(Answer(words.failing_list(own)))
        if own.tests.total == 0:
            raise Ended(Answer(words.environment(own)))
        names = tuple(failure.id for failure in own.failing)
        return RunResult(1, own.tests.passed, own.tests.failed, names)
    run = read_run(command.text, command.exit_code or 0)
    if survey.framework == "pytest" and run.exit_code in CANNOT_START:
        raise Ended(Answer(words.cannot_start(command.text)))
    if only or run.is_empty:
        raise Ended(Answer(words.summary(run)))
    if run.all_pass:
        raise Ended(Answer(words.all_pass(run)))
    return run
