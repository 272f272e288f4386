"""Reviews: a reviewer in a thread of its own works as a turn of the thread that asked (row V6).

The reviewer cannot write and cannot ask; it is told the rubric in place of the base instructions
and nothing of the conversation. What it does is shown in the turn as it happens, what it says is
read, held against the diff, shown, and handed to the conversation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from quire.core.errors import ToolError, UsageError
from quire.core.hosted import HostedTurn
from quire.protocol.events import (
    CommandOutputDelta,
    Event,
    ItemStarted,
    ItemUpdated,
    ReasoningDelta,
    StreamError,
    Warned,
)
from quire.protocol.items import InputText
from quire.protocol.ops import UserInput, UserTurn
from quire.protocol.records import ItemCompleted, TurnCompleted
from quire.protocol.review import (
    BaseBranchReviewTarget,
    Patch,
    ReviewOutput,
    ReviewTarget,
    review_text,
)
from quire.protocol.thread import (
    AgentMessageItem,
    EnteredReviewItem,
    ExitedReviewItem,
    ThreadItem,
)
from quire.review.findings import keep_within, read_answer
from quire.review.render import INTERRUPTED, handed_back
from quire.review.rubric import review_rubric
from quire.review.targets import checked_target, review_prompt, review_title
from quire.server.beside import close, last_words
from quire.server.threads import Loaded, Opened


class ReviewDiffs(Protocol):
    """What git knows of a target."""

    async def merge_base(self, cwd: str, branch: str) -> str | None:
        """The commit where the work left `branch`; None when git cannot tell. May be
        cancelled."""
        ...

    async def patch(self, cwd: str, target: ReviewTarget, merge_base: str | None) -> Patch | None:
        """What is changed; None when the target names no changes. Raises `ToolError` with the
        reason when git cannot tell. May be cancelled."""
        ...


class Started(Struct, frozen=True, kw_only=True):
    """Where a review runs."""

    thread_id: str
    turn_id: str


class Reviews:
    """Starts reviews in loaded threads."""

    def __init__(self, diffs: ReviewDiffs, new_id: Callable[[], str]) -> None:
        self._diffs = diffs
        self._new_id = new_id

    async def start(
        self, loaded: Loaded, target: ReviewTarget, place: Callable[[], Loaded] | None = None
    ) -> Started:
        """Start a review of what the thread works on, as a turn of that thread, or of the one
        that `place` gives. Raises `UsageError` while a turn runs there, for an empty target, and
        when the model cannot review."""
        try:
            target = checked_target(target)
        except ValueError as exc:
            raise UsageError(str(exc)) from None
        if place is None and loaded.thread.state.turn_id is not None:
            raise UsageError("a turn is already running in this thread")
        reviewer = loaded.opened.reviewer(loaded.context, review_rubric())
        try:
            return await self._host(loaded if place is None else place(), reviewer, target)
        except UsageError:
            await close(reviewer)
            raise

    async def _host(self, there: Loaded, reviewer: Opened, target: ReviewTarget) -> Started:
        turn_id = self._new_id()
        review = _Review(reviewer, self._diffs, target, there.opened.info.warnings)
        await there.thread.host(turn_id, "review", review.run)
        return Started(thread_id=there.id, turn_id=turn_id)


class _Review:
    """One review, from the moment its reviewer is open. `told` are warnings that people saw."""

    def __init__(
        self,
        reviewer: Opened,
        diffs: ReviewDiffs,
        target: ReviewTarget,
        told: tuple[str, ...],
    ) -> None:
        self._reviewer = reviewer
        self._diffs = diffs
        self._target = target
        self._told = told
        self._events = reviewer.thread.subscribe()

    async def run(self, turn: HostedTurn) -> None:
        """Implements `core.hosted.Work`. Raises `ModelError` when the reviewer failed."""
        target = msgspec.json.encode(self._target).decode()
        output: ReviewOutput | None = None
        try:
            turn.begin(self._reviewer.context.context_window)
            turn.show(EnteredReviewItem(turn.new_id(), review_title(self._target), target))
            output = await self._review(turn)
        finally:
            # An interrupt, too, ends the reviewer and closes what was begun.
            await close(self._reviewer)
            await self._show_rest(turn)
            _hand_back(turn, output)

    async def _review(self, turn: HostedTurn) -> ReviewOutput | None:
        cwd, base = self._reviewer.context.cwd, None
        if isinstance(self._target, BaseBranchReviewTarget):
            base = await self._diffs.merge_base(cwd, self._target.branch)
        # The lines that the reviewer is about to see; git takes its time while the model thinks.
        patch = asyncio.create_task(self._diffs.patch(cwd, self._target, base))
        try:
            output = read_answer(await self._answer(turn, review_prompt(self._target, base)))
            if output is None or not output.findings:
                return output
            return await _checked(turn, output, patch)
        finally:
            patch.cancel()
            with suppress(asyncio.CancelledError, ToolError):
                await patch

    async def _answer(self, turn: HostedTurn, prompt: str) -> str:
        """Let the reviewer work; its last words. Raises `ModelError` when it failed."""
        opened = self._reviewer
        sources = replace(
            opened.sources(opened.context), base_instructions=opened.base_instructions
        )
        words = UserInput(prompt, (InputText(prompt),))
        for warning in opened.info.warnings:
            if warning not in self._told:
                turn.publish(Warned(warning))
        await opened.thread.submit(UserTurn(turn.new_id(), words, opened.context, sources))
        async for event in self._events:
            if isinstance(event, TurnCompleted):
                return last_words(event)
            _show(turn, event)
        return ""

    async def _show_rest(self, turn: HostedTurn) -> None:
        """How what was begun ended, when the reviewer was stopped. Its thread is closed."""
        async for event in self._events:
            _show(turn, event)


async def _checked(
    turn: HostedTurn, output: ReviewOutput, patch: asyncio.Task[Patch | None]
) -> ReviewOutput:
    """The findings about what is changed; all of them, and a warning, when git cannot tell."""
    try:
        changed = await patch
    except ToolError as exc:
        turn.publish(Warned(f"the findings were not held against the diff: {exc}"))
        return output
    # Large diffs take seconds; other threads go on meanwhile.
    return output if changed is None else await asyncio.to_thread(keep_within, output, changed)


def _show(turn: HostedTurn, event: Event) -> None:
    """What the reviewer does is an event of the turn; what it says on the way is not."""
    match event:
        case ItemStarted(_, item) | ItemUpdated(_, item) if _is_shown(item):
            turn.publish(replace(event, turn_id=turn.turn_id))
        case ItemCompleted(_, item) if _is_shown(item):
            turn.record(replace(event, turn_id=turn.turn_id))
        case ReasoningDelta() | CommandOutputDelta() | StreamError():
            turn.publish(replace(event, turn_id=turn.turn_id))
        case Warned():
            turn.publish(event)
        case _:
            pass


def _is_shown(item: ThreadItem) -> bool:
    return not isinstance(item, AgentMessageItem)


def _hand_back(turn: HostedTurn, output: ReviewOutput | None) -> None:
    """End the review for people, and tell the conversation of it (row P11)."""
    text = None if output is None else review_text(output)
    stored = "" if output is None else msgspec.json.encode(output).decode()
    turn.tell_model(handed_back(text))
    turn.show(ExitedReviewItem(turn.new_id(), review_text(output), stored))
    turn.say(INTERRUPTED if text is None else text)
