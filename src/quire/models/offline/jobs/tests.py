"""Run the tests as they are."""

from __future__ import annotations

from typing import NoReturn

from quire.models.offline import commands, words
from quire.models.offline.findings import Survey, findings_in
from quire.models.offline.intent import wants_times
from quire.models.offline.jobs.common import Answer, Ended, Task, finished, surveyed
from quire.models.offline.run_output import RunResult, read_run

CANNOT_START = (3, 4)
"""pytest's exit codes for an internal error and for what it cannot begin with."""


def run_only(task: Task) -> Answer:
    """Say how the tests end, and change nothing. Raises `Ended`."""
    from quire.models.offline.report_words import summary
    from quire.models.offline.reports import report_in

    survey = surveyed(task)
    seconds = task.at_most("report", commands.CHECK_SECONDS)
    line = commands.inquiry("report", survey, seconds)
    command = finished(task, "report", words.surveyed(survey), line, "run the tests")
    report = report_in(command.text)
    if report is None:
        return Answer(words.unreadable("The run of the tests", command.text))
    if not report.began:
        raise_cannot_start(task, survey)
    return Answer(summary(report, wants_times(task.prompt)))


def raise_cannot_start(task: Task, survey: Survey) -> NoReturn:
    """End the turn by saying why the project's own command cannot begin. Raises `Ended`."""
    line = commands.run_tests(survey, task.at_most("run", commands.FIRST_RUN_SECONDS))
    command = finished(task, "run", words.own_command(), line, "run the tests")
    if read_run(command.text, command.exit_code or 0).is_empty:
        raise Ended(Answer(words.no_tests()))
    raise Ended(Answer(words.cannot_start(command.text)))


def first_run(task: Task, survey: Survey) -> RunResult:
    """The tests as they are, by the project's own command. Ends the turn when they pass."""
    line = commands.run_tests(survey, task.at_most("run", commands.FIRST_RUN_SECONDS))
    command = finished(task, "run", words.surveyed(survey), line, "run the tests")
    own = findings_in(command.text) if survey.framework == "plain" else None
    if own is not None:
        if own.status == "nothing_fails":
            raise Ended(Answer(words.failing_list(own)))
        if own.tests.total == 0:
            raise Ended(Answer(words.environment(own)))
        names = tuple(failure.id for failure in own.failing)
        return RunResult(1, own.tests.passed, own.tests.failed, names)
    run = read_run(command.text, command.exit_code or 0)
    if survey.framework == "pytest" and run.exit_code in CANNOT_START:
        raise Ended(Answer(words.cannot_start(command.text)))
    if run.is_empty:
        raise Ended(Answer(words.summary(run)))
    if run.all_pass:
        raise Ended(Answer(words.all_pass(run)))
    return run
