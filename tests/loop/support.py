"""One thread with scripted edges, driven the way a server drives it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from quire.core.admit import Facts
from quire.core.gate import Gate
from quire.core.ports import Judgement, Model, Rollout, ToolSet
from quire.core.state import ThreadState, apply
from quire.core.thread import Ports, Thread
from quire.protocol.items import InputText
from quire.protocol.ops import ContextSources, UserInput, UserTurn
from quire.protocol.policy import TurnContext
from quire.protocol.records import Record, SessionMeta
from quire.protocol.thread import TurnStatus
from quire.testing.builders import turn_context
from quire.testing.doubles import CountingIds, FixedClock, MemoryRollout

META = SessionMeta(thread_id="thread-1", timestamp="2023-11-14T22:13:20.000Z", cwd="/project")
SOURCES = ContextSources(
    base_instructions="You are under test.",
    agents_md="# AGENTS.md instructions for /project\n\n<INSTRUCTIONS>\nBe kind.\n</INSTRUCTIONS>",
    current_date="2023-11-14",
    timezone="Etc/UTC",
)
FACTS = Facts(
    judge=lambda action: Judgement(forced_rm="rm -f" in action.script),
    writable=lambda path, turn: True,
)


class World:
    """A thread and its edges. `resume` makes the next process's thread from the same log."""

    def __init__(
        self,
        model: Model,
        tools: ToolSet,
        rollout: MemoryRollout | None = None,
        gate: Gate | None = None,
    ) -> None:
        self.rollout = rollout or MemoryRollout()
        self.gate = gate or Gate(FACTS)
        self.clock = FixedClock()
        self.tools = tools
        self.turns = 0
        self.thread = self._thread(model, CountingIds(), self.rollout)
        self.thread.record(META)

    def _thread(self, model: Model, ids: CountingIds, rollout: Rollout) -> Thread:
        return Thread(Ports(model, self.tools, rollout, self.gate, self.clock, ids))

    async def run(self, text: str = "go", context: TurnContext | None = None) -> TurnStatus:
        await self.start(text, context)
        status = await self.thread.wait()
        assert status is not None
        return status

    async def start(self, text: str = "go", context: TurnContext | None = None) -> None:
        self.turns += 1
        op = UserTurn(
            f"turn-{self.turns}",
            UserInput(text, (InputText(text),)),
            context or turn_context(),
            SOURCES,
        )
        await self.thread.submit(op)


def resumed(records: Sequence[Record], model: Model, tools: ToolSet) -> World:
    """A new process that found `records` in the log."""
    world = World.__new__(World)
    world.rollout = MemoryRollout()
    world.rollout.records.extend(records)
    world.clock = FixedClock()
    world.tools = tools
    world.turns = 100
    ids = CountingIds(space=len(records) + 1)
    world.thread = Thread(Ports(model, tools, world.rollout, Gate(FACTS), world.clock, ids))
    world.thread.replay(records)
    world.thread.recover()
    return world


def folded(records: Iterable[Record]) -> ThreadState:
    state = ThreadState()
    for record in records:
        state = apply(state, record)
    return state


class Head(msgspec.Struct):
    type: str
    call_id: str | None = None


def assert_legal(prompt: Iterable[bytes | memoryview]) -> None:
    """Every call has exactly one output; nothing but calls and their outputs stands between."""
    open_calls: list[str] = []
    answered: list[str] = []
    for raw in prompt:
        head = msgspec.json.decode(raw, type=Head)
        if head.type.endswith("_call"):
            assert not answered, f"call {head.call_id} between outputs"
            assert head.call_id is not None
            open_calls.append(head.call_id)
        elif head.type.endswith("_call_output"):
            assert head.call_id in open_calls, f"output {head.call_id} without an open call"
            assert open_calls[len(answered)] == head.call_id, "outputs out of call order"
            answered.append(head.call_id)
            if len(answered) == len(open_calls):
                open_calls, answered = [], []
        else:
            assert not open_calls, f"{head.type} stands between a call and its output"
    assert not open_calls, "a call has no output"
