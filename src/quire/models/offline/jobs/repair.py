"""Search for an edit that makes the failing tests pass, apply it, check it."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from quire.models.offline import commands, words
from quire.models.offline.findings import Findings, Survey, findings_in
from quire.models.offline.intent import seconds_in
from quire.models.offline.jobs.common import Answer, Ended, Task, finished, patched, surveyed
from quire.models.offline.jobs.tests import first_run
from quire.models.offline.patches import patch_text
from quire.models.offline.run_output import RunResult, read_run

DEFAULT_SECONDS = 60
LEAST_SECONDS = 2
WHOLE_SECONDS = 10
"""Where some tests are named, the others are run, too, if all end within this time."""

COLLECTION_ERRORS = 2
"""pytest's exit code when some test modules cannot be loaded; it runs no others then."""


class _Before(Struct, frozen=True):
    """The tests before the edit: those of the search, and all others where only some were named
    and the others do not take long."""

    run: RunResult
    whole: RunResult | None


def repair(task: Task) -> Answer:
    """What comes next. Raises `Ended`."""
    survey = surveyed(task)
    run = first_run(task, survey)
    before = _Before(run, _whole_run(task, survey))
    findings = _findings(task, survey, before)
    patch = patch_text(findings.changes)
    output = patched(task, "apply", words.applying(findings), patch)
    if "Success. Updated the following files:" not in output:
        return Answer(words.not_applied(findings, output))
    return _check(task, survey, findings, before)


def search_seconds(task: Task) -> int:
    """The time for the search: what the prompt says, else all that the turn has, else a minute;
    and never more than leaves time for the check. Raises `Ended` when too little is left."""
    wanted = seconds_in(task.prompt) or task.max_seconds or DEFAULT_SECONDS
    if task.max_seconds is None:
        return wanted
    spare = 1.0 + 1.2 * (task.took("run") + task.took("whole"))
    seconds = min(wanted, int(task.left() - spare - (task.max_seconds >= 20)))
    if seconds < LEAST_SECONDS and not task.transcript.of("search"):
        raise Ended(Answer(words.out_of_time(task.max_seconds)))
    return max(seconds, LEAST_SECONDS)


def _findings(task: Task, survey: Survey, before: _Before) -> Findings:
    """The search. Ends the turn when there is nothing to apply."""
    seconds = search_seconds(task)
    hard = None if task.max_seconds is None else task.at_most("search", seconds + 30)
    run = before.run
    if before.whole is None:
        line = commands.search(survey, seconds, hard)
    else:
        line = commands.search(replace(survey, only=()), seconds, hard, survey.only)
    command = finished(task, "search", words.searching(run, seconds), line, "search")
    findings = findings_in(command.text)
    if findings is None:
        raise Ended(Answer(words.unreadable("The search", command.text)))
    if findings.status == "nothing_fails":
        raise Ended(Answer(words.unstable(run)))
    if findings.status in ("environment", "no_tests"):
        raise Ended(Answer(words.environment(findings)))
    if findings.status not in ("repaired", "partly") or not findings.changes:
        raise Ended(Answer(words.not_found(findings)))
    if not survey.writable:
        raise Ended(Answer(words.proposed(findings)))
    return findings


def _whole_run(task: Task, survey: Survey) -> RunResult | None:
    """All tests as they are, where only some were named: so that the edit breaks no others. None
    where they take too long."""
    if not survey.only or survey.framework == "plain":
        return None
    seconds = min(WHOLE_SECONDS, int(task.left() / 4))
    begun = task.transcript.of("whole")
    if not begun and (task.transcript.of("search") or seconds < LEAST_SECONDS):
        return None
    everything = replace(survey, only=())
    line = commands.run_tests(everything, seconds, lenient=True)
    command = finished(task, "whole", words.whole_run(seconds), line, "run all tests")
    run = read_run(command.text, command.exit_code or 0)
    return None if run.out_of_time or run.is_empty else run


def _check(task: Task, survey: Survey, findings: Findings, before: _Before) -> Answer:
    """The tests again. A change that does not hold is taken back."""
    lenient = before.run.exit_code == COLLECTION_ERRORS or before.whole is not None
    scope = survey if before.whole is None else replace(survey, only=())
    if not task.has_time and not task.transcript.of("check"):
        return Answer(words.unchecked(findings))
    seconds = task.at_most("check", commands.CHECK_SECONDS)
    line = commands.run_tests(scope, seconds, lenient)
    command = finished(task, "check", words.checking(), line, "run the tests again")
    own = findings_in(command.text)
    run = read_run(command.text, command.exit_code or 0)
    if own is not None:
        run = RunResult(command.exit_code or 0, own.tests.passed, own.tests.failed, ())
    answer = _judged(survey, findings, before, run)
    if answer is not None:
        return answer
    back = patch_text(findings.changes, undo=True)
    output = patched(task, "undo", words.undoing(run), back)
    if "Success. Updated the following files:" not in output:
        return Answer(words.undo_failed(output))
    return Answer(words.undone())


def _judged(survey: Survey, findings: Findings, before: _Before, run: RunResult) -> Answer | None:
    """The last words where the edit holds; None where it does not."""
    if before.whole is not None:
        mended, broken = _compared(before.whole, run)
        if broken or not mended or run.out_of_time or not run.passed:
            return None
        return Answer(words.restricted(findings, run, mended))
    only = words.only_named(survey.only) if survey.only else ""
    if run.all_pass and not run.is_empty:
        # Also where the search saw a part of it: other processes of the tests have the edit now.
        return Answer(words.repaired(findings, run) + only)
    expected = findings.tests.failed - findings.fixed
    if run.failed <= expected + len(findings.environment) and not run.out_of_time and run.passed:
        if findings.status == "repaired":
            return Answer(words.repaired(findings, run) + only)
        return Answer(words.partly(findings, run) + only)
    return None


def _compared(before: RunResult, after: RunResult) -> tuple[int, int]:
    """How many tests pass now that failed, and how many fail that passed. Where a run does not
    name all that fail, by their number."""
    old, new = set(before.failing), set(after.failing)
    if len(old) == before.failed and len(new) == after.failed:
        return len(old - new), len(new - old)
    change = before.failed - after.failed
    return max(change, 0), max(-change, 0)
