"""What the offline model does next: a pure function of what it has been told."""

from __future__ import annotations

from quire.models.offline import words
from quire.models.offline.intent import wish_of
from quire.models.offline.jobs.bisect import bisect
from quire.models.offline.jobs.common import Answer, Ended, Task
from quire.models.offline.jobs.explain import explain
from quire.models.offline.jobs.repair import repair
from quire.models.offline.jobs.tests import run_only
from quire.models.offline.transcript import Transcript


def next_answer(transcript: Transcript, patch_form: str, max_seconds: int | None) -> Answer:
    """Decide. `patch_form` is `custom`, `function` or `shell`; `max_seconds` is the longest that
    the whole turn may take."""
    intent, prompt = wish_of(transcript.prompts)
    task = Task(transcript, prompt, patch_form, max_seconds)
    try:
        match intent:
            case "test":
                return run_only(task)
            case "repair":
                return repair(task)
            case "explain":
                return explain(task)
            case "bisect":
                return bisect(task)
            case "other":
                return Answer(words.other())
    except Ended as ended:
        return ended.answer
