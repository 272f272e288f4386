"""Histories stay legal: from every prefix of a log, and under random scripts and cancels."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from quire.core.errors import ModelError, ToolError
from quire.core.state import ThreadState, apply
from quire.protocol.items import InputText, Message, encode_item
from quire.protocol.ops import Interrupt
from quire.protocol.records import ItemAdded
from quire.testing.builders import call, custom, reasoning, say
from quire.testing.scripted_model import ScriptedModel, broken_after, error
from quire.testing.scripted_tools import ScriptedTools
from tests.loop.support import World, assert_legal, folded, resumed


async def _sleepy(text: str) -> str:
    for _ in range(5):
        await asyncio.sleep(0)
    return f"late {len(text)}"


def tools() -> ScriptedTools:
    return ScriptedTools({"t": "fine", "slow": _sleepy, "bad": ToolError("no")})


def test_every_prefix_of_a_log_resumes() -> None:
    async def body() -> None:
        model = ScriptedModel(
            [
                [reasoning("r"), call("t", {}), say("between"), custom("slow", "x")],
                [call("bad", {}), call("slow", {}), broken_after(2)],
                [say("done")],
            ]
        )
        world = World(model, tools())
        assert await world.run() == "completed"
        log = list(world.rollout.records)
        for length in range(1, len(log) + 1):
            after = ScriptedModel([[call("t", {})], [say("resumed")]])
            again = resumed(log[:length], after, tools())
            assert_legal(again.thread.state.prompt)
            assert await again.run("go on") == "completed"
            after.assert_prompt_only_grows()
            assert_legal(again.thread.state.prompt)
            before = tuple(bytes(item) for item in folded(log[:length]).prompt)
            assert after.prompts[0][: len(before)] == before, "a resume never edits the prefix"
            assert folded(again.rollout.records).prompt[:] == again.thread.state.prompt[:]

    asyncio.run(body())


item = st.sampled_from(["t", "slow", "bad", "nosuch"]).flatmap(
    lambda name: st.sampled_from([call(name, {}), custom(name, "x")])
)
words = st.sampled_from([say("words"), reasoning("thought")])
response = st.lists(st.one_of(item, words), max_size=5)
ending = st.sampled_from(["done", "broken", "error"])
script = st.lists(st.tuples(response, ending), max_size=5)


@settings(max_examples=150)
@given(script, st.integers(min_value=0, max_value=60), st.booleans())
def test_random_scripts_and_cancels_leave_legal_histories(
    script: list[tuple[list, str]], cancel_after: int, cancel: bool
) -> None:
    async def body() -> None:
        turns: list[list] = []
        for items, end in script:
            if end == "broken" and items:
                turns.append([*items, broken_after(len(items))])
            elif end == "error":
                turns.append([*items, error(ModelError("cut"))])
            else:
                turns.append(list(items))
        turns += [[say("end")]] * 8
        model = ScriptedModel(turns)
        world = World(model, tools())
        await world.start()
        if cancel:
            for _ in range(cancel_after):
                await asyncio.sleep(0)
            await world.thread.submit(Interrupt())
        status = await world.thread.wait()
        assert status in ("completed", "failed", "interrupted")
        model.assert_prompt_only_grows()
        assert_legal(world.thread.state.prompt)
        assert not world.thread.state.pending
        assert folded(world.rollout.records).prompt[:] == world.thread.state.prompt[:]
        after = ScriptedModel([[say("on")]])
        again = resumed(world.rollout.records, after, tools())
        assert await again.run() == "completed"
        assert_legal(after.prompts[0])

    asyncio.run(body())


def test_appending_does_not_depend_on_the_length_of_the_history() -> None:
    from time import perf_counter

    item = ItemAdded(encode_item(Message("user", (InputText("x"),))))

    def cost(state: ThreadState, steps: int) -> float:
        started = perf_counter()
        for _ in range(steps):
            state = apply(state, item)
        return perf_counter() - started

    long = ThreadState()
    for _ in range(50_000):
        long = apply(long, item)
    early = min(cost(ThreadState(), 2000) for _ in range(5))
    late = min(cost(apply(long, item), 2000) for _ in range(5))
    assert late < early * 3


def test_an_old_state_is_not_changed_by_what_came_later() -> None:
    first = apply(ThreadState(), ItemAdded(encode_item(say("1"))))
    left = apply(first, ItemAdded(encode_item(say("2"))))
    right = apply(first, ItemAdded(encode_item(say("3"))))
    assert len(first.prompt) == 1
    assert b'"2"' in bytes(left.prompt[1])
    assert b'"3"' in bytes(right.prompt[1])


def test_a_second_output_and_an_orphan_are_left_out() -> None:
    from quire.testing.builders import function_output

    state = ThreadState()
    for entry in (
        function_output("ghost", "x"),
        call("t", {}, "c"),
        function_output("c", "first"),
        function_output("c", "second"),
    ):
        state = apply(state, ItemAdded(encode_item(entry)))
    assert_legal(state.prompt)
    assert len(state.prompt) == 2
