"""A reviewer in a person's place: what it is told, what runs, what clients and the model learn."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from quire.core.admit import Facts
from quire.core.errors import ModelError, UsageError
from quire.core.gate import Gate
from quire.core.permits import Permits, Places
from quire.core.ports import Accepted, Action, CommandAction, Judgement, PatchAction
from quire.core.thread import Thread
from quire.protocol.events import AutoReviewed, Event
from quire.protocol.items import Message
from quire.protocol.local import ThreadInfo
from quire.protocol.ops import Interrupt
from quire.protocol.policy import SandboxPolicy, TurnContext
from quire.protocol.records import TurnCompleted
from quire.server.auto_review import AutoReviewer
from quire.server.auto_review_views import auto_review_told
from quire.server.terminals import ThreadTerminals
from quire.server.threads import Loaded, Opened
from quire.testing import (
    CountingIds,
    ScriptedApprover,
    ScriptedModel,
    ScriptedTools,
    call,
    error,
    pause,
    say,
    shell,
    turn_context,
)
from quire.tools.registry import Registry
from quire.tools.request_permissions import RequestPermissions
from tests.loop.support import META, SOURCES, World, assert_legal
from tests.protocol_schema import check_message

REVIEWED = replace(turn_context(), approval_policy="on-request", approvals_reviewer="auto_review")
ALLOW = [say('{"outcome": "allow"}')]
DENY = [say('{"outcome": "deny", "risk_level": "high", "rationale": "It sends a key away."}')]
PUSH = CommandAction("git push", ("/bin/bash", "-lc", "git push"), "/project", escalated=True)
PATCH = PatchAction(("/etc/hosts",))


def _none() -> ThreadTerminals:
    raise AssertionError("nobody asks for them")


class Bench:
    """A thread whose model calls `act` so often, and a reviewer for each question."""

    def __init__(
        self,
        *judges: ScriptedModel | UsageError,
        action: Action = PUSH,
        calls: int = 1,
        person: ScriptedApprover | None = None,
        seconds: float = 5,
    ) -> None:
        self.judges = list(judges)
        self.worlds: list[World] = []
        self.told: list[tuple[TurnContext, str]] = []
        self.reviewer = AutoReviewer(
            person, lambda _: self.loaded, CountingIds(space=700).new, seconds
        )
        acts = [[call("act", {"why": "it must"})] for _ in range(calls)]
        self.model = ScriptedModel([*acts, [say("done")]])
        self.tools = ScriptedTools({"act": "ran"}, {"act": action})
        facts = Facts(
            judge=lambda _: Judgement(), writable=lambda path, _: path.startswith("/project")
        )
        gate = Gate(facts, None, self.reviewer)
        self.world = World(self.model, self.tools, gate=gate)
        self.loaded = Loaded(self.opened(self.world.thread))
        self.events: list[Event] = []

    async def run(self, text: str = "Push it.", context: TurnContext = REVIEWED) -> TurnCompleted:
        watcher = self.world.thread.subscribe()
        await self.world.start(text, context)
        await self.world.thread.wait()
        watcher.end()
        self.events = [event async for event in watcher]
        assert_legal(self.world.thread.state.prompt)
        end = self.events[-1]
        assert isinstance(end, TurnCompleted)
        return end

    @property
    def statuses(self) -> list[str]:
        return [event.status for event in self.events if isinstance(event, AutoReviewed)]

    @property
    def output(self) -> str:
        """What the model was told of its last call."""
        items = [json.loads(bytes(raw)) for raw in self.world.thread.state.prompt]
        return [item["output"] for item in items if item["type"].endswith("_output")][-1]

    def _judge(self, context: TurnContext, instructions: str) -> Opened:
        self.told.append((context, instructions))
        judge = self.judges.pop(0)
        if isinstance(judge, UsageError):
            raise judge
        self.worlds.append(World(judge, ScriptedTools({"exec_command": "looked"})))
        return self.opened(self.worlds[-1].thread)

    def opened(self, thread: Thread) -> Opened:
        context = turn_context(sandbox=SandboxPolicy(mode="read-only"))
        info = ThreadInfo(
            id=thread.state.thread_id,
            cwd=context.cwd,
            model=context.model,
            model_provider=context.model_provider,
            approval_policy="never",
            sandbox=context.sandbox,
        )
        return Opened(
            thread=thread,
            info=info,
            context=context,
            meta=META,
            base_instructions="Decide.",
            sources=lambda _: SOURCES,
            revise=lambda context, _: context,
            reviewer=self._judge,
            judge=self._judge,
            terminals=_none,
        )


def test_what_the_reviewer_allows_runs_outside_the_sandbox() -> None:
    judge = ScriptedModel([[shell("cat .git/config")], ALLOW])
    bench = Bench(judge)
    assert asyncio.run(bench.run()).status == "completed"
    assert bench.tools.modes == ["danger-full-access"]
    assert bench.statuses == ["inProgress", "approved"]
    request = judge.requests[0]
    assert request.context.sandbox.mode == "read-only"
    assert '"outcome"' in (request.context.output_schema or "")
    prompt = [json.loads(bytes(item)) for item in request.items]
    asked = prompt[-1]["content"][0]["text"]
    assert "] person: Push it.\n" in asked
    assert '] call of act: {"why":"it must"}' in asked
    assert '"git push"' in asked
    assert bench.told[0][1].startswith("You decide whether")
    # Neither the project's nor the person's instructions tell the reviewer how to decide.
    assert not any("Be kind." in json.dumps(item) for item in prompt[:-1])
    assert bench.worlds[0].rollout.closed


def test_what_it_denies_does_not_run() -> None:
    bench = Bench(ScriptedModel([DENY]))
    assert asyncio.run(bench.run()).status == "completed"
    assert bench.tools.started == []
    assert bench.statuses == ["inProgress", "denied"]
    assert "rejected due to unacceptable risk.\\\\nReason: It sends a key away." in bench.output
    [review] = [e for e in bench.events if isinstance(e, AutoReviewed) and e.status == "denied"]
    assert review.sentence == (
        "Automatic approval review denied (risk: high, authorization: unknown): "
        "It sends a key away."
    )


def test_a_patch_is_judged_whole() -> None:
    judge = ScriptedModel([ALLOW])
    bench = Bench(judge, action=PATCH)
    assert asyncio.run(bench.run()).status == "completed"
    assert len(bench.tools.started) == 1
    asked = json.loads(bytes(judge.requests[0].items[-1]))["content"][0]["text"]
    action = json.loads(asked.split(">>> APPROVAL REQUEST START\n")[1].split(">>>")[0])
    assert action["files"] == ["/etc/hosts"]
    assert json.loads(action["patch"]) == {"why": "it must"}


def test_without_a_verdict_it_is_unavailable_and_no_risk() -> None:
    unread = [say("I think it is fine")]
    for judge, reason in (
        (ScriptedModel([unread, unread, unread]), "the reviewer's answers could not be read"),
        (ScriptedModel([[error(ModelError("no network"))]]), "no network"),
        (UsageError("no model can judge"), "no model can judge"),
        (ScriptedModel([[pause()]]), "no verdict within 0.1 seconds"),
    ):
        bench = Bench(judge, seconds=0.1)
        assert asyncio.run(bench.run()).status == "completed"
        assert bench.tools.started == []
        assert f"Automatic approval review failed: {reason}" in bench.output
        assert "no review was available" in bench.output
        assert "unacceptable" not in bench.output
        assert bench.statuses[-1] in ("aborted", "timedOut")
        assert all(world.rollout.closed for world in bench.worlds)


def test_an_answer_that_cannot_be_read_is_asked_for_again() -> None:
    judge = ScriptedModel([[say("Fine!")], ALLOW])
    bench = Bench(judge)
    assert asyncio.run(bench.run()).status == "completed"
    assert len(bench.tools.started) == 1
    judge.assert_done()


def test_repeated_denials_end_the_turn() -> None:
    bench = Bench(*(ScriptedModel([DENY]) for _ in range(3)), calls=4)
    end = asyncio.run(bench.run())
    assert end.status == "failed"
    assert end.error is not None
    assert end.error.code == "tooManyDenials"
    assert bench.tools.started == []
    assert len(bench.tools.declined) == 3


def test_missing_reviews_end_nothing() -> None:
    bench = Bench(*(UsageError("none") for _ in range(4)), calls=4)
    assert asyncio.run(bench.run()).status == "completed"


def test_an_interrupt_ends_the_reviewer() -> None:
    waiting = pause()
    bench = Bench(ScriptedModel([[waiting]]))

    async def body() -> TurnCompleted:
        running = asyncio.create_task(bench.run())
        await waiting.reached.wait()
        await bench.world.thread.submit(Interrupt())
        return await running

    assert asyncio.run(body()).status == "interrupted"
    assert bench.statuses == ["inProgress", "aborted"]
    assert bench.worlds[0].rollout.closed


def test_a_person_overrules_one_denial_once() -> None:
    bench = Bench(ScriptedModel([DENY]), ScriptedModel([DENY]), calls=3)

    async def body() -> None:
        watcher = bench.world.thread.subscribe()
        await bench.world.start("Push it.", REVIEWED)
        while not isinstance(event := await watcher.next(), AutoReviewed) or (
            event.status != "denied"
        ):
            pass
        thread_id = bench.loaded.id
        assert bench.reviewer.overrule("another", event.id) is None
        told = bench.reviewer.overrule(thread_id, event.id)
        assert told is not None
        assert '"git push"' in told
        assert bench.reviewer.overrule(thread_id, event.id) is None
        await bench.world.thread.wait()

    asyncio.run(body())
    assert len(bench.tools.started) == 1  # The second call; the third was denied again.


def test_other_turns_are_for_the_person() -> None:
    person = ScriptedApprover([Accepted()])
    bench = Bench(person=person)
    context = replace(REVIEWED, approvals_reviewer="user")
    assert asyncio.run(bench.run(context=context)).status == "completed"
    assert (len(person.asked), len(bench.tools.started)) == (1, 1)
    alone = Bench()
    assert asyncio.run(alone.run(context=context)).status == "completed"
    assert alone.tools.started == []


def _asking_for_more(outcome: Sequence[Message]) -> tuple[Bench, ScriptedModel]:
    """A model that asks for more than the sandbox gives, and runs `true`."""
    bench, judge = Bench(), ScriptedModel([[*outcome]])
    bench.judges.append(judge)
    permits = Permits(bench.reviewer, Places(pin=str))
    wanted = {"file_system": {"write": ["/other"]}, "network": {"enabled": True}}
    asks = call("request_permissions", {"permissions": wanted, "reason": "to build"})
    tools = Registry([RequestPermissions(permits)])
    bench.world = World(ScriptedModel([[asks], [say("done")]]), tools)
    bench.loaded = Loaded(bench.opened(bench.world.thread))
    return bench, judge


def test_a_wish_for_more_is_judged_and_granted_for_the_turn() -> None:
    bench, judge = _asking_for_more(ALLOW)
    assert asyncio.run(bench.run()).status == "completed"
    granted = {"network": {"enabled": True}, "file_system": {"write": ["/other"]}}
    assert json.loads(bench.output) == {"permissions": granted, "scope": "turn"}
    asked = json.loads(bytes(judge.requests[0].items[-1]))["content"][0]["text"]
    action = json.loads(asked.split(">>> APPROVAL REQUEST START\n")[1].split(">>>")[0])
    assert action["permissions"] == {"read": [], "write": ["/other"], "network": True}
    assert action["reason"] == "to build"
    reviews = [event for event in bench.events if isinstance(event, AutoReviewed)]
    assert [review.status for review in reviews] == ["inProgress", "approved"]
    for review in reviews:
        for method, params in auto_review_told("thread-1", review):
            document = json.loads(msgspec.json.encode(params))
            check_message("server", {"method": method.name, "params": document})
            if "action" in document:
                assert document["action"]["type"] == "requestPermissions"


def test_a_wish_that_is_denied_grants_nothing() -> None:
    bench, _ = _asking_for_more(DENY)
    assert asyncio.run(bench.run()).status == "completed"
    empty = {"network": None, "file_system": None}
    assert json.loads(bench.output) == {"permissions": empty, "scope": "turn"}
    assert bench.statuses == ["inProgress", "denied"]
