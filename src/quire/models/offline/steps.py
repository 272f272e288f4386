"""What the offline model does next: a pure function of what it has been told.

Nothing is remembered between requests. Each call carries its stage in its id, so that a thread
that was stopped at any point goes on from what its history says.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from quire.models.offline import commands, words
from quire.models.offline.findings import Findings, Survey, findings_in, survey_in
from quire.models.offline.intent import intent_of, seconds_in
from quire.models.offline.patches import heredoc, patch_text
from quire.models.offline.run_output import RunResult, read_run
from quire.models.offline.transcript import Command, Transcript, followed

YIELD_MS = 30_000
POLL_MS = 15_000
MOST_POLLS = 60
MOST_TRIES = 2
DEFAULT_SECONDS = 60
COLLECTION_ERRORS = 2
"""pytest's exit code when some test modules cannot be loaded; it runs no others then."""

CANNOT_START = (3, 4)
"""pytest's exit codes for an internal error and for what it cannot begin with."""

Stage = Literal["look", "run", "search", "apply", "check", "undo"]


class Run(Struct, frozen=True):
    """Run a shell command."""

    stage: Stage
    command: str


class Poll(Struct, frozen=True):
    """Wait for more of a running command."""

    stage: Stage
    session_id: int


class Patch(Struct, frozen=True):
    """Apply a patch."""

    stage: Stage
    text: str


class Answer(Struct, frozen=True):
    """What the model says, and its one call; without a call the turn is over."""

    text: str
    call: Run | Poll | Patch | None = None


class _Ended(Exception):
    """The turn ends here with these words, or goes on with this answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.text)
        self.answer = answer


def next_answer(transcript: Transcript, patch_form: str, max_seconds: int | None) -> Answer:
    """Decide. `patch_form` is `custom`, `function` or `shell`; `max_seconds` bounds the search
    (the prompt may say otherwise; 60 without either)."""
    intent = intent_of(transcript.prompts)
    if intent == "other":
        return Answer(words.other())
    seconds = seconds_in(transcript.prompt) or max_seconds or DEFAULT_SECONDS
    try:
        survey = _survey(transcript)
        run = _first_run(transcript, survey, intent == "test")
        findings = _findings(transcript, survey, run, seconds)
        _apply(transcript, findings, patch_form)
        lenient = run.exit_code == COLLECTION_ERRORS
        line = commands.run_tests(survey, commands.CHECK_SECONDS, lenient)
        return _check(transcript, line, findings, patch_form)
    except _Ended as ended:
        return ended.answer


def _survey(transcript: Transcript) -> Survey:
    command = _command(transcript, "look", words.begin(), commands.look(), "look at the project")
    survey = survey_in(command.text)
    if survey is None:
        raise _Ended(Answer(words.unreadable("The look at the project", command.text)))
    if survey.test_files == 0:
        raise _Ended(Answer(words.no_project()))
    if not survey.interpreter:
        raise _Ended(Answer(words.no_interpreter()))
    return survey


def _first_run(transcript: Transcript, survey: Survey, only: bool) -> RunResult:
    """The tests as they are. Ends the turn when they pass, or when nothing else was asked."""
    limit = commands.CHECK_SECONDS if only else commands.FIRST_RUN_SECONDS
    line = commands.run_tests(survey, limit)
    command = _command(transcript, "run", words.surveyed(survey), line, "run the tests")
    own = findings_in(command.text) if survey.framework == "plain" else None
    if own is not None:
        if own.status == "nothing_fails" or only:
            raise _Ended(Answer(words.failing_list(own)))
        if own.tests.total == 0:
            raise _Ended(Answer(words.environment(own)))
        names = tuple(failure.id for failure in own.failing)
        return RunResult(1, own.tests.passed, own.tests.failed, names)
    run = read_run(command.text, command.exit_code or 0)
    if survey.framework == "pytest" and run.exit_code in CANNOT_START:
        raise _Ended(Answer(words.cannot_start(command.text)))
    if only:
        raise _Ended(Answer(words.summary(run)))
    if run.is_empty:
        raise _Ended(Answer(words.summary(run)))
    if run.all_pass:
        raise _Ended(Answer(words.all_pass(run)))
    return run


def _findings(transcript: Transcript, survey: Survey, run: RunResult, seconds: int) -> Findings:
    """The search. Ends the turn when there is nothing to apply."""
    line = commands.search(survey, seconds)
    command = _command(transcript, "search", words.searching(run, seconds), line, "search")
    findings = findings_in(command.text)
    if findings is None:
        raise _Ended(Answer(words.unreadable("The search", command.text)))
    if findings.status == "nothing_fails":
        raise _Ended(Answer(words.unstable(run)))
    if findings.status in ("environment", "no_tests"):
        raise _Ended(Answer(words.environment(findings)))
    if findings.status not in ("repaired", "partly") or not findings.changes:
        raise _Ended(Answer(words.not_found(findings)))
    if not survey.writable:
        raise _Ended(Answer(words.proposed(findings)))
    return findings


def _apply(transcript: Transcript, findings: Findings, patch_form: str) -> None:
    """Ends the turn when the patch was refused."""
    patch = patch_text(findings.changes)
    output = _patched(transcript, "apply", words.applying(findings), patch, patch_form)
    if "Success. Updated the following files:" not in output:
        raise _Ended(Answer(words.not_applied(findings, output)))


def _check(transcript: Transcript, line: str, findings: Findings, patch_form: str) -> Answer:
    """The tests again. A change that does not hold is taken back."""
    command = _command(transcript, "check", words.checking(), line, "run the tests again")
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
    output = _patched(transcript, "undo", words.undoing(run), back, patch_form)
    if "Success. Updated the following files:" not in output:
        return Answer(words.undo_failed(output))
    return Answer(words.undone())


def _command(transcript: Transcript, stage: Stage, text: str, command: str, what: str) -> Command:
    """The finished command of a stage. Otherwise the turn goes on with the call that is due:
    begin it, wait for it, or begin it once more after an interruption."""
    exchanges = transcript.of(stage)
    starts = [n for n, e in enumerate(exchanges) if not e.call_id.endswith("p")]
    if not exchanges:
        raise _Ended(Answer(text, Run(stage, command)))
    followed_up = followed(exchanges[starts[-1] :] if starts else exchanges)
    if followed_up.finished:
        return followed_up
    if followed_up.lost:
        if len(starts) >= MOST_TRIES:
            raise _Ended(Answer(words.cannot_run(what, followed_up.text)))
        raise _Ended(Answer("", Run(stage, command)))
    if followed_up.polls >= MOST_POLLS or followed_up.session_id is None:
        raise _Ended(Answer(words.too_long(followed_up.polls * POLL_MS // 1000)))
    raise _Ended(Answer("", Poll(stage, followed_up.session_id)))


def _patched(transcript: Transcript, stage: Stage, text: str, patch: str, patch_form: str) -> str:
    """The output of a stage's patch; the turn goes on with the patch while there is none."""
    exchanges = transcript.of(stage)
    if not exchanges:
        if patch_form == "shell":
            raise _Ended(Answer(text, Run(stage, heredoc(patch))))
        raise _Ended(Answer(text, Patch(stage, patch)))
    return exchanges[-1].output or ""
