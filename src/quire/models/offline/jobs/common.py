"""What all jobs share: the calls they make, and a command followed to its end.

Nothing is remembered between requests. Each call carries its stage in its id, so that a thread
that was stopped at any point goes on from what its history says.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from quire.models.offline import commands, words
from quire.models.offline.findings import Survey, survey_in
from quire.models.offline.patches import heredoc
from quire.models.offline.transcript import Command, Transcript, followed

YIELD_MS = 30_000
POLL_MS = 15_000
MOST_POLLS = 60
MOST_TRIES = 2

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


class Ended(Exception):
    """The turn ends here with these words, or goes on with this answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.text)
        self.answer = answer


def surveyed(transcript: Transcript) -> Survey:
    command = finished(transcript, "look", words.begin(), commands.look(), "look at the project")
    survey = survey_in(command.text)
    if survey is None:
        raise Ended(Answer(words.unreadable("The look at the project", command.text)))
    if survey.test_files == 0:
        raise Ended(Answer(words.no_project()))
    if not survey.interpreter:
        raise Ended(Answer(words.no_interpreter()))
    return survey


def finished(transcript: Transcript, stage: Stage, text: str, command: str, what: str) -> Command:
    """The finished command of a stage. Otherwise the turn goes on with the call that is due:
    begin it, wait for it, or begin it once more after an interruption."""
    exchanges = transcript.of(stage)
    starts = [n for n, e in enumerate(exchanges) if not e.call_id.endswith("p")]
    if not exchanges:
        raise Ended(Answer(text, Run(stage, command)))
    followed_up = followed(exchanges[starts[-1] :] if starts else exchanges)
    if followed_up.finished:
        return followed_up
    if followed_up.lost:
        if len(starts) >= MOST_TRIES:
            raise Ended(Answer(words.cannot_run(what, followed_up.text)))
        raise Ended(Answer("", Run(stage, command)))
    if followed_up.polls >= MOST_POLLS or followed_up.session_id is None:
        raise Ended(Answer(words.too_long(followed_up.polls * POLL_MS // 1000)))
    raise Ended(Answer("", Poll(stage, followed_up.session_id)))


def patched(transcript: Transcript, stage: Stage, text: str, patch: str, patch_form: str) -> str:
    """The output of a stage's patch; the turn goes on with the patch while there is none."""
    exchanges = transcript.of(stage)
    if not exchanges:
        if patch_form == "shell":
            raise Ended(Answer(text, Run(stage, heredoc(patch))))
        raise Ended(Answer(text, Patch(stage, patch)))
    return exchanges[-1].output or ""
