"""What the offline model does next: a pure function of what it has been told."""

from __future__ import annotations

from quire.models.offline import words
from quire.models.offline.intent import intent_of, seconds_in
from quire.models.offline.jobs.common import Answer, Ended
from quire.models.offline.jobs.repair import repair
from quire.models.offline.jobs.tests import run_only
from quire.models.offline.transcript import Transcript

DEFAULT_SECONDS = 60


def next_answer(transcript: Transcript, patch_form: str, max_seconds: int | None) -> Answer:
    """Decide. `patch_form` is `custom`, `function` or `shell`; `max_seconds` bounds the search
    (the prompt may say otherwise; 60 without either)."""
    intent = intent_of(transcript.prompts)
    if intent == "other":
        return Answer(words.other())
    seconds = seconds_in(transcript.prompt) or max_seconds or DEFAULT_SECONDS
    try:
        if intent == "test":
            return run_only(transcript)
        return repair(transcript, patch_form, seconds)
    except Ended as ended:
        return ended.answer
