"""What all jobs share: the calls they make, and a command followed to its end.

Nothing is remembered between requests. Each call carries its stage in its id, so that a thread
that was stopped at any point goes on from what its history says.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from quire.models.offline import commands, words
from quire.models.offline.findings import Survey, survey_in
from quire.models.offline.named import tests_named
from quire.models.offline.patches import heredoc
from quire.models.offline.progress import progress
from quire.models.offline.transcript import Command, Transcript, followed

YIELD_MS = 30_000
POLL_MS = 15_000
WATCHED_MS = 5_000
"""The same for commands that tell how far they are."""

MOST_POLLS = 180
MOST_TRIES = 2
MOST_SECONDS = 900
SLACK = 0.3
"""Seconds that a call costs beyond what its output says."""

Stage = Literal[
    "look", "run", "search", "whole", "apply", "check", "undo", "report", "explain", "bisect"
]
WATCHED = ("search", "report", "explain", "bisect")


class Run(Struct, frozen=True):
    """Run a shell command."""

    stage: Stage
    command: str

    @property
    def wait_ms(self) -> int:
        return WATCHED_MS if self.stage in WATCHED else YIELD_MS


class Poll(Struct, frozen=True):
    """Wait for more of a running command."""

    stage: Stage
    session_id: int

    @property
    def wait_ms(self) -> int:
        return WATCHED_MS if self.stage in WATCHED else POLL_MS


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


class Task(Struct, frozen=True):
    """What is known: the history, the prompt that counts, `custom`, `function` or `shell` as the
    way patches go, and the longest that the whole turn may take, where that is set."""

    transcript: Transcript
    prompt: str
    patch_form: str
    max_seconds: int | None

    def left(self) -> float:
        """Seconds of the turn that remain, by what the outputs of its calls say."""
        exchanges = self.transcript.exchanges
        used = sum(exchange.seconds + SLACK for exchange in exchanges) + SLACK
        return (self.max_seconds or MOST_SECONDS) - used

    def at_most(self, stage: Stage, seconds: int) -> int:
        """So many seconds for a stage, or what remains. Raises `Ended` when nothing does and the
        stage has yet to begin."""
        if self.max_seconds is None or self.transcript.of(stage):
            return seconds
        if not self.has_time:
            raise Ended(Answer(words.out_of_time(self.max_seconds)))
        return min(seconds, int(self.left()))

    @property
    def has_time(self) -> bool:
        """Something can still be begun."""
        return self.max_seconds is None or self.left() >= 1

    def took(self, stage: Stage) -> float:
        """The seconds that a stage took."""
        return sum(exchange.seconds for exchange in self.transcript.of(stage))


def surveyed(task: Task) -> Survey:
    """What the project is. Raises `Ended` when nothing can be done there."""
    named = tests_named(task.prompt)
    line = commands.look(named)
    command = finished(task, "look", words.begin(), line, "look at the project")
    survey = survey_in(command.text)
    if survey is None:
        raise Ended(Answer(words.unreadable("The look at the project", command.text)))
    if survey.test_files == 0:
        raise Ended(Answer(words.no_project()))
    if not survey.interpreter:
        raise Ended(Answer(words.no_interpreter()))
    if survey.missing and not survey.only:
        raise Ended(Answer(words.not_there(survey.missing)))
    return survey


def finished(task: Task, stage: Stage, text: str, command: str, what: str) -> Command:
    """The finished command of a stage. Otherwise the turn goes on with the call that is due:
    begin it, wait for it, or begin it once more after an interruption."""
    exchanges = task.transcript.of(stage)
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
    if followed_up.session_id is None or followed_up.polls >= MOST_POLLS or task.left() < 0:
        raise Ended(Answer(words.too_long(what, int(task.took(stage)))))
    raise Ended(Answer(progress(followed_up.news), Poll(stage, followed_up.session_id)))


def patched(task: Task, stage: Stage, text: str, patch: str) -> str:
    """The output of a stage's patch; the turn goes on with the patch while there is none."""
    exchanges = task.transcript.of(stage)
    if not exchanges:
        if task.patch_form == "shell":
            raise Ended(Answer(text, Run(stage, heredoc(patch))))
        raise Ended(Answer(text, Patch(stage, patch)))
    return exchanges[-1].output or ""
