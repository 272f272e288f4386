"""The loop with a scripted model: what is asked, what is run, what is recorded."""

from __future__ import annotations

import asyncio
import json

import msgspec
import pytest
from msgspec.structs import replace

from quire.core.errors import ModelError, ToolError, UsageError
from quire.protocol.events import Event, ItemStarted
from quire.protocol.items import InputText
from quire.protocol.ops import Steer, UserInput
from quire.protocol.policy import SandboxPolicy
from quire.protocol.records import ItemCompleted, TurnCompleted
from quire.protocol.thread import AgentMessageItem, Usage
from quire.testing.builders import call, custom, raw, reasoning, say, turn_context
from quire.testing.doubles import MemoryRollout
from quire.testing.scripted_model import ScriptedModel, broken_after, error, pause
from quire.testing.scripted_tools import ScriptedTools
from tests.golden import assert_golden
from tests.loop.support import World, assert_legal, resumed


def outputs(prompt: tuple[bytes, ...]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for encoded in prompt:
        item = msgspec.json.decode(encoded)
        if item["type"].endswith("_output"):
            found.append((item["call_id"], item["output"]))
    return found


def run(model: ScriptedModel, tools: ScriptedTools | None = None) -> World:
    async def body() -> World:
        world = World(model, tools or ScriptedTools({"t": "fine"}))
        await world.run()
        return world

    return asyncio.run(body())


def end_of(world: World) -> TurnCompleted:
    end = world.rollout.records[-1]
    assert isinstance(end, TurnCompleted)
    return end


def test_a_call_and_an_answer() -> None:
    model = ScriptedModel([[call("t", {"a": 1})], [say("done")]])
    world = run(model)
    model.assert_done()
    model.assert_prompt_only_grows()
    assert end_of(world).status == "completed"
    assert end_of(world).last_agent_message == "done"
    assert [text for _, text in outputs(model.prompts[1])] == ["fine"]
    assert_legal(world.thread.state.prompt)


def test_the_whole_first_prompt() -> None:
    model = ScriptedModel([[say("hello")]])
    run(model)
    shown = [msgspec.json.decode(item) for item in model.prompts[0]]
    assert_golden("first_prompt.json", json.dumps(shown, indent=1) + "\n")


def test_parallel_calls_run_at_once_and_are_shown_in_call_order() -> None:
    order: list[str] = []

    async def body() -> None:
        second_ran = asyncio.Event()

        async def slow(_: str) -> str:
            await second_ran.wait()
            order.append("slow")
            return "slow output"

        async def quick(_: str) -> str:
            order.append("quick")
            second_ran.set()
            return "quick output"

        tools = ScriptedTools({"slow": slow, "quick": quick})
        model = ScriptedModel([[call("slow", {}), call("quick", {})], [say("done")]])
        world = World(model, tools)
        assert await world.run() == "completed"
        assert [text for _, text in outputs(model.prompts[1])] == ["slow output", "quick output"]
        assert_legal(world.thread.state.prompt)

    asyncio.run(body())
    assert order == ["quick", "slow"]


def test_without_parallel_calls_each_waits_for_the_one_before() -> None:
    async def body() -> list[str]:
        tools = ScriptedTools({"a": "1", "b": "2"})
        model = ScriptedModel([[call("a", {}, "x"), call("b", {}, "y")], [say("done")]])
        context = replace(turn_context(), parallel_tool_calls=False)
        await World(model, tools).run(context=context)
        return [*tools.started, *tools.ended]

    assert asyncio.run(body()) == ["x", "y", "x", "y"]


def test_what_goes_wrong_in_a_call_becomes_its_output() -> None:
    tools = ScriptedTools({"bad": ToolError("it broke")})
    items = [call("bad", {}), call("nosuch", {}), raw({"type": "function_call", "call_id": "c9"})]
    model = ScriptedModel([items, [say("I see")]])
    world = run(model, tools)
    texts = [text for _, text in outputs(model.prompts[1])]
    assert texts == [
        "it broke",
        "unsupported call: nosuch",
        "failed to parse function arguments: the call is malformed",
    ]
    assert end_of(world).status == "completed"


def test_a_custom_call_gets_a_custom_output() -> None:
    model = ScriptedModel([[custom("t", "text")], [say("done")]])
    run(model)
    kinds = [msgspec.json.decode(item)["type"] for item in model.prompts[1]]
    assert kinds[-2:] == ["custom_tool_call", "custom_tool_call_output"]


@pytest.mark.parametrize("items", [[], [reasoning("hm")]])
def test_an_empty_or_reasoning_only_response_ends_the_turn(items: list) -> None:
    world = run(ScriptedModel([items]))
    assert end_of(world).status == "completed"
    assert end_of(world).last_agent_message is None


def test_an_unknown_item_is_kept_and_does_not_continue_the_loop() -> None:
    item = {"type": "local_shell_call", "id": "x", "status": "completed", "odd": [1, 2]}
    model = ScriptedModel([[raw(item), say("done")]])
    world = run(model)
    assert msgspec.json.encode(item) in [bytes(i) for i in world.thread.state.prompt]
    assert end_of(world).status == "completed"


def test_a_call_of_the_old_shell_tool_is_answered() -> None:
    item = {"type": "local_shell_call", "id": "x", "call_id": "c1", "status": "completed"}
    model = ScriptedModel([[raw(item)], [say("done")]])
    world = run(model)
    assert outputs(model.prompts[1]) == [("c1", "unsupported call: local_shell")]
    assert_legal(world.thread.state.prompt)


@pytest.mark.parametrize("kind", ["function_call", "custom_tool_call"])
def test_a_call_that_cannot_be_answered_fails_the_turn_and_stays_out(kind: str) -> None:
    world = run(ScriptedModel([[raw({"type": kind, "id": "x", "name": "t"})]]))
    end = end_of(world)
    assert end.error is not None
    assert end.error.message == f"malformed answer: a {kind} without a call_id"
    assert all(kind.encode() not in bytes(item) for item in world.thread.state.prompt)


def test_a_model_error_fails_the_turn_with_its_code() -> None:
    failure = ModelError("401 Unauthorized: check KEY", "unauthorized", 401)
    world = run(ScriptedModel([[error(failure)]]))
    end = end_of(world)
    assert end.status == "failed"
    assert end.error is not None
    assert (end.error.code, end.error.http_status) == ("unauthorized", 401)


def test_a_stream_that_broke_after_a_call_goes_on_from_there() -> None:
    tools = ScriptedTools({"t": "ran"})
    model = ScriptedModel([[call("t", {}, "c1"), broken_after(1)], [say("done")]])
    world = run(model, tools)
    assert tools.started == ["c1"], "a complete item is executed once"
    assert [request.attempt for request in model.requests] == [0, 1]
    assert end_of(world).status == "completed"


def test_a_completed_response_resets_the_count_of_broken_streams() -> None:
    turns = [[say("a"), broken_after(1)], [call("t", {})], [say("b")]]
    model = ScriptedModel(turns)
    run(model)
    assert [request.attempt for request in model.requests] == [0, 1, 0]


def test_a_full_context_ends_the_turn() -> None:
    async def body() -> TurnCompleted:
        full = Usage(input_tokens=300_000, total_tokens=300_000)
        world = World(ScriptedModel([[call("t", {}), full]]), ScriptedTools({"t": "x"}))
        await world.run()
        return end_of(world)

    end = asyncio.run(body())
    assert end.error is not None
    assert end.error.code == "contextWindowExceeded"
    assert end.error.message.startswith("Quire ran out of room in the model's context window.")


def test_usage_is_summed_over_the_thread() -> None:
    world = run(ScriptedModel([[call("t", {})], [say("x")]]))
    assert world.thread.state.usage.input_tokens == 2000


def test_interrupt_keeps_finished_outputs_and_closes_the_others() -> None:
    async def body() -> None:
        release = asyncio.Event()
        entered = asyncio.Event()

        async def never(_: str) -> str:
            entered.set()
            await release.wait()
            return "late"

        tools = ScriptedTools({"quick": "kept", "never": never})
        model = ScriptedModel([[call("quick", {}, "q"), call("never", {}, "n")]])
        world = World(model, tools)
        from quire.protocol.ops import Interrupt

        await world.start()
        await entered.wait()
        world.clock.advance(1.3)
        await world.thread.submit(Interrupt())
        assert await world.thread.wait() == "interrupted"
        assert tools.cancelled == ["n"]
        prompt = tuple(bytes(item) for item in world.thread.state.prompt)
        assert outputs(prompt) == [("q", "kept"), ("n", "Wall time: 1.3 seconds\naborted by user")]
        assert b"<turn_aborted>" in prompt[-1]
        assert_legal(prompt)
        after = ScriptedModel([[say("again")]])
        again = resumed(world.rollout.records, after, ScriptedTools())
        assert await again.run() == "completed"
        assert after.prompts[0][: len(prompt)] == prompt

    asyncio.run(body())


def test_interrupt_while_the_model_streams() -> None:
    async def body() -> None:
        from quire.protocol.ops import Interrupt

        wait = pause()
        model = ScriptedModel([[say("half"), wait, say("never")]])
        world = World(model, ScriptedTools())
        await world.start()
        await wait.reached.wait()
        await world.thread.submit(Interrupt())
        assert end_of(world).status == "interrupted"
        assert model.abandoned == 1

    asyncio.run(body())


def test_changed_settings_are_appended_and_never_edit_the_prefix() -> None:
    async def body() -> None:
        model = ScriptedModel([[say("one")], [say("two")], [say("three")]])
        world = World(model, ScriptedTools())
        await world.run()
        read_only = replace(turn_context(), sandbox=SandboxPolicy(mode="read-only"))
        await world.run("more", read_only)
        await world.run("and more", read_only)
        model.assert_prompt_only_grows()
        new = [msgspec.json.decode(item) for item in model.prompts[1][len(model.prompts[0]) + 1 :]]
        assert [item["role"] for item in new] == ["developer", "user", "user"]
        assert "`read-only`" in new[0]["content"][0]["text"]
        environment = new[1]["content"][0]["text"]
        assert "<filesystem>" in environment
        assert "<cwd>" not in environment, "only changed fields are told"
        assert len(model.prompts[2]) == len(model.prompts[1]) + 2, "nothing changed any more"

    asyncio.run(body())


def test_a_refused_command_is_told_to_the_model_and_not_run() -> None:
    from quire.core.ports import CommandAction

    action = CommandAction("rm -f x", ("/bin/bash", "-lc", "rm -f x"), "/project")
    escalation = CommandAction("ls", ("/bin/bash", "-lc", "ls"), "/project", escalated=True)
    tools = ScriptedTools({"rm": "ran", "up": "ran"}, actions={"rm": action, "up": escalation})
    model = ScriptedModel([[call("rm", {}), call("up", {})], [say("ok")]])
    run(model, tools)
    assert tools.started == []
    texts = [text for _, text in outputs(model.prompts[1])]
    assert texts[0] == (
        "exec_command failed: CreateProcess { message: \"Rejected(\\\"`/bin/bash -lc 'rm -f x'` "
        'rejected: rm -f style commands are not permitted. Use a safer approach\\")" }'
    )
    assert texts[1].startswith("approval policy is Never; reject command")


@pytest.mark.parametrize("at", range(2, 16))
def test_a_full_disk_ends_the_turn_in_one_line_wherever_it_strikes(at: int) -> None:
    async def body() -> None:
        model = ScriptedModel([[reasoning("r"), call("t", {})], [say("done")]])
        world = World(model, ScriptedTools({"t": "x"}), MemoryRollout(fail_at=at))
        events: list[Event] = []
        watch = world.thread.subscribe()
        status = await world.run()
        from quire.protocol.ops import Shutdown

        await world.thread.submit(Shutdown())
        events = [event async for event in watch]
        ends = [event for event in events if isinstance(event, TurnCompleted)]
        assert len(ends) == 1
        if ends[0].status != "completed":
            assert status == "failed"
            assert ends[0].error is not None
            assert "no space left" in ends[0].error.message
        again = resumed(world.rollout.records, ScriptedModel([[say("on")]]), ScriptedTools())
        assert await again.run() == "completed"
        assert_legal(again.thread.state.prompt)

    asyncio.run(body())


def test_a_bug_in_a_tool_is_loud_and_leaves_a_legal_history() -> None:
    async def body() -> None:
        async def bug(_: str) -> str:
            raise ZeroDivisionError("bug")

        world = World(
            ScriptedModel([[call("bug", {}), call("bug", {})]]), ScriptedTools({"bug": bug})
        )
        with pytest.raises(BaseExceptionGroup):
            await world.run()
        assert end_of(world).status == "failed"
        assert_legal(world.thread.state.prompt)

    asyncio.run(body())


def test_a_slow_reader_loses_deltas_and_nothing_else() -> None:
    async def body() -> None:
        model = ScriptedModel([[say("x" * 20_000)], [say("end")]], chunk=4)
        world = World(model, ScriptedTools())
        watch = world.thread.subscribe()
        await world.run()
        from quire.protocol.ops import Shutdown

        await world.thread.submit(Shutdown())
        events = [event async for event in watch]
        assert len(events) < 600
        texts = [
            event.item.text
            for event in events
            if isinstance(event, ItemCompleted) and isinstance(event.item, AgentMessageItem)
        ]
        assert texts == ["x" * 20_000]
        assert not any(isinstance(event, ItemStarted) for event in events)

    asyncio.run(body())


def test_reverted_turns_are_gone_from_the_next_prompt() -> None:
    answers = [[say("one")], [call("t", {})], [say("two")], [say("three")], [say("again")]]
    model = ScriptedModel(answers)

    async def body() -> World:
        world = World(model, ScriptedTools({"t": "fine"}))
        for text in ("first", "second", "third"):
            await world.run(text)
        log = list(world.rollout.records)
        with pytest.raises(UsageError, match="turn not found: turn-9"):
            world.thread.revert("turn-9", log)
        assert world.rollout.records == log
        world.thread.revert("turn-2", log)
        await world.run("other")
        return world

    world = asyncio.run(body())
    first, _, _, _, last = model.prompts
    assert list(last[: len(first)]) == list(first)
    told = [json.loads(encoded)["content"][0]["text"] for encoded in last[len(first) :]]
    assert told == ["one", "other"]
    assert_legal(world.thread.state.prompt)
    again = resumed(world.rollout.records, ScriptedModel([]), ScriptedTools({}))
    assert list(again.thread.state.prompt) == list(world.thread.state.prompt)
    assert again.thread.state.usage == world.thread.state.usage


def test_a_running_turn_cannot_be_reverted() -> None:
    async def body() -> None:
        world = World(ScriptedModel([[pause()]]), ScriptedTools({}))
        await world.start()
        with pytest.raises(UsageError, match="while a turn is running"):
            world.thread.revert("turn-1", list(world.rollout.records))

    asyncio.run(body())


def test_words_said_to_a_turn_that_fails_are_kept() -> None:
    async def body() -> None:
        wait = pause()
        world = World(ScriptedModel([[wait, error(ModelError("gone"))]]), ScriptedTools())
        await world.start()
        await wait.reached.wait()
        await world.thread.submit(Steer("turn-1", UserInput("also", (InputText("also"),))))
        wait.release()
        assert await world.thread.wait() == "failed"
        assert msgspec.json.decode(world.thread.state.prompt[-1])["content"][0]["text"] == "also"

    asyncio.run(body())
