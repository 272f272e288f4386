"""Search for an edit that makes the failing tests pass, apply it, check it."""

from __future__ import annotations

from quire.models.offline import commands, words
from quire.models.offline.findings import Findings, Survey, findings_in
from quire.models.offline.jobs.common import Answer, Ended, finished, patched, surveyed
from quire.models.offline.jobs.tests import first_run
from quire.models.offline.patches import patch_text
from quire.models.offline.run_output import RunResult, read_run
from quire.models.offline.transcript import Transcript

COLLECTION_ERRORS = 2
"""pytest's exit code when some test modules cannot be loaded; it runs no others then."""


def repair(transcript: Transcript, patch_form: str, seconds: int) -> Answer:
    """What comes next. `patch_form` is `custom`, `function` or `shell`. Raises `Ended`."""
    survey = surveyed(transcript)
    run = first_run(transcript, survey, only=False)
    findings = _findings(transcript, survey, run, seconds)
    _apply(transcript, findings, patch_form)
    lenient = run.exit_code == COLLECTION_ERRORS
    line = commands.run_tests(survey, commands.CHECK_SECONDS, lenient)
    return _check(transcript, line, findings, patch_form)


def _findings(transcript: Transcript, survey: Survey, run: RunResult, seconds: int) -> Findings:
    """The search. Ends the turn when there is nothing to apply."""
    line = commands.search(survey, seconds)
    command = finished(transcript, "search", words.searching(run, seconds), line, "search")
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


def _apply(transcript: Transcript, findings: Findings, patch_form: str) -> None:
    """Ends the turn when the patch was refused."""
    patch = patch_text(findings.changes)
    output = patched(transcript, "apply", words.applying(findings), patch, patch_form)
    if "Success. Updated the following files:" not in output:
        raise Ended(Answer(words.not_applied(findings, output)))


def _check(transcript: Transcript, line: str, findings: Findings, patch_form: str) -> Answer:
    """The tests again. A change that does not hold is taken back."""
    command = finished(transcript, "check", words.checking(), line, "run the tests again")
    own = findings_in(command.text)
    run = read_run(command.text, command.exit_code or 0)
    if own is not None:
        run = RunResult(command.exit_code or 0, own.tests.passed, own.tests.failed, ())
    if findings.status == "repaired" and run.all_pass and not run.is_empty:
        return Answer(words.repaired(findings, run))
    expected = findings.tests.failed - findings.fixed
    if run.failed <= expected + len(findings.environment) and not run.out_of_time and run.passed:
        if findings.status == "repaired":
            return Answer(words.repaired(findings, run))
        return Answer(words.partly(findings, run))
    back = patch_text(findings.changes, undo=True)
    output = patched(transcript, "undo", words.undoing(run), back, patch_form)
    if "Success. Updated the following files:" not in output:
        return Answer(words.undo_failed(output))
    return Answer(words.undone())
