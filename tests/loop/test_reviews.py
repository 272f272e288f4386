"""A review as a turn: a reviewer beside a thread, with scripted models and a scripted git."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest

from quire.core.errors import ModelError, ToolError, UsageError
from quire.core.thread import Thread
from quire.protocol.events import Event, Warned
from quire.protocol.local import ThreadInfo
from quire.protocol.ops import Interrupt, Steer, UserInput
from quire.protocol.policy import SandboxPolicy, TurnContext
from quire.protocol.records import ItemAdded, ItemCompleted, TurnCompleted, TurnStarted
from quire.protocol.review import (
    BaseBranchReviewTarget,
    CustomReviewTarget,
    Patch,
    ReviewTarget,
    UncommittedChangesReviewTarget,
)
from quire.protocol.thread import EnteredReviewItem, ExitedReviewItem
from quire.server.reviews import Reviews
from quire.server.terminals import ThreadTerminals
from quire.server.threads import Loaded, Opened
from quire.testing import (
    CountingIds,
    MemoryRollout,
    ScriptedModel,
    ScriptedTools,
    error,
    pause,
    say,
    shell,
)
from quire.testing.builders import turn_context
from tests.loop.support import META, SOURCES, World, assert_legal

DIFF = b"diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -3,0 +4,2 @@\n+a\n+b\n"
FINDING = {
    "title": "[P1] T",
    "body": "B",
    "confidence_score": 0.9,
    "priority": 1,
    "code_location": {"absolute_file_path": "/project/f", "line_range": {"start": 4, "end": 4}},
}
ELSEWHERE = {
    **FINDING,
    "code_location": {"absolute_file_path": "/project/g", "line_range": {"start": 4, "end": 4}},
}


def answer(*findings: object) -> str:
    return json.dumps({"findings": findings, "overall_explanation": "It breaks."})


def _none() -> ThreadTerminals:
    raise AssertionError("a review has no use for them")


class Git:
    """A scripted `ReviewDiffs`."""

    def __init__(self, patch: Patch | ToolError | None = None, base: str | None = None) -> None:
        self._patch = patch
        self._base = base
        self.asked: list[tuple[str, ReviewTarget, str | None]] = []

    async def merge_base(self, cwd: str, branch: str) -> str | None:
        await asyncio.sleep(0)
        return self._base

    async def patch(self, cwd: str, target: ReviewTarget, merge_base: str | None) -> Patch | None:
        self.asked.append((cwd, target, merge_base))
        await asyncio.sleep(0)
        if isinstance(self._patch, ToolError):
            raise self._patch
        return self._patch


class Bench:
    """A thread, its reviewer's thread, and what was seen of both."""

    def __init__(
        self, reviewer: ScriptedModel, git: Git | None = None, fail_at: int | None = None
    ) -> None:
        rollout = MemoryRollout(fail_at)
        self.world = World(ScriptedModel([[say("later")]]), ScriptedTools(), rollout)
        self.model = reviewer
        self.tools = ScriptedTools()
        self.inner = World(reviewer, self.tools)
        self.git = git or Git(Patch(("/project",), DIFF))
        self.reviews = Reviews(self.git, CountingIds(space=900).new)
        self.opened: list[tuple[TurnContext, str]] = []
        self.events: list[Event] = []
        self.loaded = Loaded(self._opened(self.world.thread, self._reviewer))

    @property
    def thread(self) -> Thread:
        return self.world.thread

    async def run(
        self, target: ReviewTarget, during: Callable[[], Awaitable[None]] | None = None
    ) -> TurnCompleted:
        """Review to the end; `during` is done once the review has begun."""
        watcher = self.thread.subscribe()
        await self.reviews.start(self.loaded, target)
        if during is not None:
            await during()
        await self.thread.wait()
        watcher.end()
        self.events = [event async for event in watcher]
        end = self.events[-1]
        assert isinstance(end, TurnCompleted)
        assert_legal(self.thread.state.prompt)
        return end

    def items(self) -> list[object]:
        return [event.item for event in self.events if isinstance(event, ItemCompleted)]

    def kept(self) -> list[tuple[str | None, str]]:
        """Role and text of what entered the conversation."""
        added = [event.item for event in self.events if isinstance(event, ItemAdded)]
        found = [json.loads(bytes(item.raw)) for item in added]
        return [(item["role"], item["content"][0]["text"]) for item in found]

    def _reviewer(self, context: TurnContext, instructions: str) -> Opened:
        self.opened.append((context, instructions))
        return self._opened(self.inner.thread, self._reviewer, instructions)

    def _opened(
        self, thread: Thread, reviewer: Callable[[TurnContext, str], Opened], base: str = "Base."
    ) -> Opened:
        context = turn_context()
        info = ThreadInfo(
            id=thread.state.thread_id,
            cwd=context.cwd,
            model=context.model,
            model_provider=context.model_provider,
            approval_policy="never",
            sandbox=SandboxPolicy(mode="read-only"),
        )
        return Opened(
            thread=thread,
            info=info,
            context=context,
            meta=META,
            base_instructions=base,
            sources=lambda _: SOURCES,
            revise=lambda context, _: context,
            reviewer=reviewer,
            judge=reviewer,
            terminals=_none,
        )


UNCOMMITTED = UncommittedChangesReviewTarget()


def test_a_review_from_its_start_to_its_end():
    bench = Bench(ScriptedModel([[say("Looking."), shell("git diff")], [say(answer(FINDING))]]))
    end = asyncio.run(bench.run(UNCOMMITTED))
    text = "It breaks.\n\nReview comment:\n\n- [P1] T — /project/f:4-4\n  B"
    assert (end.status, end.last_agent_message) == ("completed", text)
    assert isinstance(bench.events[0], TurnStarted)
    assert {event.turn_id for event in bench.events if isinstance(event, ItemCompleted)} == {
        end.turn_id
    }
    items = bench.items()
    assert [type(item).__name__ for item in items] == [
        *("EnteredReviewItem", "UserMessageItem", "ExitedReviewItem", "AgentMessageItem")
    ]
    entered, left = items[0], items[2]
    assert isinstance(entered, EnteredReviewItem)
    assert isinstance(left, ExitedReviewItem)
    assert (entered.review, entered.target) == ("current changes", '{"type":"uncommittedChanges"}')
    assert left.review == text
    assert json.loads(left.output)["findings"] == [FINDING]
    assert [role for role, _ in bench.kept()] == ["user", "assistant"]
    assert f"<results>\n  {text}\n  </results>" in bench.kept()[0][1]
    assert bench.kept()[1][1] == text


def test_the_reviewer_is_told_the_rubric_and_nothing_of_the_conversation():
    bench = Bench(ScriptedModel([[say("Fine.")]]))
    asyncio.run(bench.run(UNCOMMITTED))
    assert bench.opened[0][1].startswith("You are reviewing a change")
    first = bench.model.requests[0]
    texts = [json.loads(bytes(raw))["content"][0]["text"] for raw in first.items]
    assert texts[0] == bench.opened[0][1]
    assert texts[-1].startswith("Review the current code changes")
    assert first.thread_id == bench.inner.thread.state.thread_id


def test_the_next_turn_knows_of_the_review():
    bench = Bench(ScriptedModel([[say("Fine.")]]))

    async def both() -> None:
        await bench.run(UNCOMMITTED)
        assert await bench.world.run("go on") == "completed"

    asyncio.run(both())
    assert_legal(bench.thread.state.prompt)


def test_findings_outside_the_diff_are_counted():
    bench = Bench(ScriptedModel([[say(answer(ELSEWHERE))]]))
    end = asyncio.run(bench.run(UNCOMMITTED))
    assert end.last_agent_message == "It breaks.\n\n(1 finding left out: outside the diff)"


def test_a_base_branch_is_compared_with_its_merge_base():
    bench = Bench(ScriptedModel([[say("Fine.")]]), Git(base="abc123"))
    target = BaseBranchReviewTarget("main")
    asyncio.run(bench.run(target))
    assert bench.git.asked == [("/project", target, "abc123")]
    assert b"merge base commit for this comparison is abc123" in bytes(
        bench.model.requests[0].items[-1]
    )


def test_what_git_cannot_tell_is_said():
    bench = Bench(ScriptedModel([[say(answer(ELSEWHERE))]]), Git(ToolError("no git")))
    end = asyncio.run(bench.run(UNCOMMITTED))
    assert "/project/g:4-4" in (end.last_agent_message or "")
    assert Warned("the findings were not held against the diff: no git") in bench.events


def test_instructions_of_ones_own_name_no_diff():
    bench = Bench(ScriptedModel([[say(answer(ELSEWHERE))]]), Git(None))
    end = asyncio.run(bench.run(CustomReviewTarget("look")))
    assert "/project/g:4-4" in (end.last_agent_message or "")
    assert not [event for event in bench.events if isinstance(event, Warned)]


def assert_interrupted(bench: Bench) -> None:
    entered, *_, left, _message = bench.items()
    assert isinstance(entered, EnteredReviewItem)
    assert isinstance(left, ExitedReviewItem)
    assert (left.review, left.output) == ("Reviewer failed to output a response.", "")
    assert bench.kept()[1][1].startswith("Review was interrupted.")
    assert "but was interrupted" in bench.kept()[0][1]
    assert bench.inner.thread.state.turn_id is None


def test_an_interrupt_ends_the_reviewer_too():
    bench = Bench(ScriptedModel([[pause()]]))

    async def interrupt() -> None:
        await asyncio.sleep(0.01)
        assert bench.inner.thread.state.turn_id is not None
        await asyncio.gather(*(bench.thread.submit(Interrupt()) for _ in range(3)))

    end = asyncio.run(bench.run(UNCOMMITTED, interrupt))
    assert end.status == "interrupted"
    assert_interrupted(bench)


def test_a_reviewer_that_fails_fails_the_turn():
    bench = Bench(ScriptedModel([[error(ModelError("broken", "badRequest", 400))]]))
    end = asyncio.run(bench.run(UNCOMMITTED))
    assert end.status == "failed"
    assert end.error is not None
    assert (end.error.message, end.error.code, end.error.http_status) == (
        *("broken", "badRequest", 400),
    )
    assert_interrupted(bench)


def test_a_reviewer_without_words_is_no_failure():
    bench = Bench(ScriptedModel([[say("")]]))
    end = asyncio.run(bench.run(UNCOMMITTED))
    assert end.status == "completed"
    assert_interrupted(bench)


def test_a_review_is_not_steered_and_not_doubled():
    bench = Bench(ScriptedModel([[pause()]]))

    async def meddle() -> None:
        await asyncio.sleep(0.01)
        turn_id = bench.thread.state.turn_id
        assert turn_id is not None
        with pytest.raises(UsageError, match="cannot steer a review turn"):
            await bench.thread.submit(Steer(turn_id, UserInput("x", ())))
        with pytest.raises(UsageError, match="already running"):
            await bench.reviews.start(bench.loaded, UNCOMMITTED)
        with pytest.raises(UsageError, match="already running"):
            await bench.world.start()
        await bench.thread.submit(Interrupt())

    asyncio.run(bench.run(UNCOMMITTED, meddle))
    assert len(bench.opened) == 1


def test_a_full_disk_ends_the_reviewer_too():
    """Wherever in the review it is noticed."""
    for number in range(2, 10):
        bench = Bench(ScriptedModel([[say("Fine.")]]), fail_at=number)
        end = asyncio.run(bench.run(UNCOMMITTED))
        assert end.status == "failed", number
        assert bench.inner.rollout.closed, number


def test_an_empty_target_opens_nobody():
    bench = Bench(ScriptedModel([]))
    with pytest.raises(UsageError, match="branch must not be empty"):
        asyncio.run(bench.reviews.start(bench.loaded, BaseBranchReviewTarget(" ")))
    assert bench.opened == []
