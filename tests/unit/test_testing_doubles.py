"""The doubles keep the contracts of the ports they stand in for, and fail loudly."""

from __future__ import annotations

import asyncio

import pytest

from quire.core.errors import ModelError, RolloutError, ToolError
from quire.core.ports import (
    Clock,
    Completed,
    IdSource,
    ItemDone,
    Model,
    ModelEvent,
    ModelRequest,
    Process,
    Retrying,
    Rollout,
    Sandbox,
    SpawnSpec,
    StreamBroken,
    SummaryDelta,
    TextDelta,
    ToolResult,
    ToolSet,
)
from quire.protocol.items import CustomToolCall, FunctionCall, HistoryItem, Message, encode_item
from quire.protocol.policy import SandboxPolicy
from quire.protocol.records import TurnStarted
from quire.protocol.thread import Usage
from quire.testing import (
    CountingIds,
    FakeSandbox,
    FixedClock,
    MemoryRollout,
    Run,
    ScriptedModel,
    ScriptedTools,
    broken_after,
    call,
    custom,
    error,
    patch,
    pause,
    raw,
    reasoning,
    retrying,
    say,
    shell,
    turn_context,
    user,
)


def request(*items: Message, tools: bytes = b"[]") -> ModelRequest:
    return ModelRequest(
        thread_id="t",
        turn_id="u",
        items=[encode_item(item).raw for item in items],
        tools=tools,
        context=turn_context(),
    )


def ask(model: ScriptedModel, asked: ModelRequest | None = None) -> list[ModelEvent]:
    async def collect() -> list[ModelEvent]:
        return [event async for event in model.stream(asked or request(user("hello")))]

    return asyncio.run(collect())


def items_of(events: list[ModelEvent]) -> list[HistoryItem]:
    return [event.item for event in events if isinstance(event, ItemDone)]


def spec(*argv: str, tty: bool = False) -> SpawnSpec:
    return SpawnSpec(argv=argv, cwd="/", env={}, policy=SandboxPolicy(), tty=tty)


def test_doubles_are_ports() -> None:
    # Checked by the type checker; at run time it only makes them.
    model: Model = ScriptedModel([])
    sandbox: Sandbox = FakeSandbox()
    tools: ToolSet = ScriptedTools()
    rollout: Rollout = MemoryRollout()
    clock: Clock = FixedClock()
    ids: IdSource = CountingIds()
    assert all((model, sandbox, tools, rollout, clock, ids))


def test_model_streams_deltas_then_items_then_completion() -> None:
    model = ScriptedModel([[reasoning("Looking."), say("All is well here, I think.")]])
    events = ask(model)
    assert [type(event) for event in events] == [
        SummaryDelta,
        ItemDone,
        TextDelta,
        TextDelta,
        ItemDone,
        Completed,
    ]
    deltas = [event for event in events if isinstance(event, TextDelta)]
    answer = items_of(events)[1].item()
    assert isinstance(answer, Message)
    assert "".join(delta.delta for delta in deltas) == answer.text == "All is well here, I think."
    assert {delta.item_id for delta in deltas} == {answer.id}
    model.assert_done()


def test_model_gives_calls_fresh_ids_also_after_a_resume() -> None:
    first = items_of(
        ask(ScriptedModel([[shell("ls"), call("f", {}), patch("*** Delete File: a")]]))
    )
    second = items_of(
        ask(ScriptedModel([[shell("ls")]]), request(user("hello"), user("and again")))
    )
    call_ids = [item.head.call_id for item in first + second]
    assert len(set(call_ids)) == 4 and all(call_ids)
    kept = items_of(ask(ScriptedModel([[custom("f", "x", call_id="mine")]])))
    assert kept[0].head.call_id == "mine"


def test_builders_write_what_the_tools_parse() -> None:
    function = shell("echo", yield_time_ms=5)
    assert function.arguments == '{"cmd":"echo","yield_time_ms":5}'
    assert call("f", "{broken").arguments == "{broken"
    freeform = patch("*** Delete File: a")
    assert isinstance(freeform, CustomToolCall)
    assert freeform.input == "*** Begin Patch\n*** Delete File: a\n*** End Patch\n"
    strange = raw({"type": "novelty", "n": 1})
    assert strange.item() is None and bytes(strange.raw) == b'{"type":"novelty","n":1}'


def test_model_breaks_fails_and_reports() -> None:
    model = ScriptedModel(
        [
            [shell("a"), shell("b"), broken_after(1)],
            [retrying(), error(ModelError("no", "unauthorized", 401))],
            [say("x"), Usage(total_tokens=7)],
        ]
    )
    broken = ask(model)
    assert len(items_of(broken)) == 1 and isinstance(broken[-1], StreamBroken)

    async def second() -> None:
        stream = model.stream(request())
        assert isinstance(await anext(stream), Retrying)
        with pytest.raises(ModelError, match="no"):
            await anext(stream)

    asyncio.run(second())
    last = ask(model)[-1]
    assert isinstance(last, Completed) and last.usage.total_tokens == 7
    assert model.abandoned == 0


def test_model_refuses_what_the_script_does_not_have() -> None:
    model = ScriptedModel([[say("x")], [say("y")]])
    with pytest.raises(AssertionError, match="2 of 2 scripted turns"):
        model.assert_done()
    ask(model)
    ask(model)
    model.assert_done()
    with pytest.raises(AssertionError, match="request 3, but the script has 2 turns"):
        ask(model)
    with pytest.raises(AssertionError, match="of 1 items"):
        ask(ScriptedModel([[say("x"), broken_after(2)]]))
    with pytest.raises(ValueError, match="at least one"):
        broken_after(0)


def test_model_sees_a_changed_prefix() -> None:
    model = ScriptedModel([[say("x")]] * 4)
    ask(model, request(user("a")))
    ask(model, request(user("a"), user("b")))
    model.assert_prompt_only_grows()
    ask(model, request(user("a"), user("c"), user("d")))
    with pytest.raises(AssertionError, match="request 3 changed item 1"):
        model.assert_prompt_only_grows()
    model = ScriptedModel([[say("x")]] * 2)
    ask(model, request(user("a")))
    ask(model, request(user("a"), tools=b"[1]"))
    with pytest.raises(AssertionError, match="request 2 changed the tools"):
        model.assert_prompt_only_grows()


def test_model_keeps_a_copy_of_a_live_prompt() -> None:
    live = [encode_item(user("a")).raw]
    asked = ModelRequest(
        thread_id="t", turn_id="u", items=live, tools=b"[]", context=turn_context()
    )
    model = ScriptedModel([[say("x")]])
    ask(model, asked)
    live.append(b"{}")
    assert len(model.prompts[0]) == 1


def test_model_waits_at_a_pause_and_counts_abandoned_streams() -> None:
    async def scene() -> None:
        gate = pause()
        model = ScriptedModel([[shell("ls"), gate, say("x")], [say("z")]])
        seen: list[ModelEvent] = []

        async def consume() -> None:
            seen.extend([event async for event in model.stream(request())])

        task = asyncio.create_task(consume())
        await gate.reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert model.abandoned == 1
        assert len([event async for event in model.stream(request())]) == 3
        await model.aclose()
        assert model.closed and model.abandoned == 1

    asyncio.run(scene())


def test_model_goes_on_after_a_release_and_refuses_a_second_stream() -> None:
    async def scene() -> None:
        gate = pause()
        model = ScriptedModel([[gate, say("x")]])
        stream = asyncio.ensure_future(anext(model.stream(request())))
        await gate.reached.wait()
        with pytest.raises(AssertionError, match="while another one streams"):
            await anext(model.stream(request()))
        gate.release()
        assert await stream == TextDelta("msg_1_0_0", "x")

    asyncio.run(scene())


def test_sandbox_finds_the_command_and_records_it() -> None:
    async def scene() -> None:
        sandbox = FakeSandbox({"ls": "a\n", "ls -l": Run((b"1", b"2"), 3)}, default=b"?")
        process: Process = await sandbox.spawn(spec("/bin/bash", "-c", "ls"))
        assert (await process.read(), await process.read(), await process.wait()) == (
            b"a\n",
            b"",
            0,
        )
        process = await sandbox.spawn(spec("/bin/bash", "-c", "cd x && ls -l"))
        assert [await process.read() for _ in range(3)] == [b"1", b"2", b""]
        assert await process.wait() == 3
        process = await sandbox.spawn(spec("date"))
        assert await process.read() == b"?"
        assert [one.argv[-1] for one in sandbox.spawned] == ["ls", "cd x && ls -l", "date"]
        with pytest.raises(AssertionError, match="no scripted outcome"):
            await FakeSandbox().spawn(spec("date"))
        with pytest.raises(ToolError, match="no such folder"):
            await FakeSandbox({"x": Run(error=ToolError("no such folder"))}).spawn(spec("x"))

    asyncio.run(scene())


def test_process_holds_until_it_is_ended_or_killed() -> None:
    async def scene() -> None:
        sandbox = FakeSandbox({"top": Run((b"$ ",), hold=True, answer=lambda data: data.upper())})
        process = await sandbox.spawn(spec("top", tty=True))
        assert await process.read() == b"$ "
        reading = asyncio.create_task(process.read())
        waiting = [asyncio.create_task(process.wait()) for _ in range(2)]
        await asyncio.sleep(0)
        reading.cancel()
        await process.write(b"hi\n")
        assert await process.read() == b"HI\n" and process.written == [b"hi\n"]
        process.kill()
        process.kill()
        assert await asyncio.gather(*waiting) == [137, 137] and process.killed
        assert await process.read() == b""
        with pytest.raises(ToolError):
            await process.write(b"x")
        with pytest.raises(AssertionError):
            process.emit(b"x")
        quiet = await sandbox.spawn(spec("top"))
        with pytest.raises(ToolError):
            await quiet.write(b"x")
        quiet.finish(4)
        quiet.close()
        assert await quiet.wait() == 4 and quiet.closed and not quiet.killed

    asyncio.run(scene())


def test_tools_answer_refuse_and_note_the_order() -> None:
    async def slow(text: str) -> str:
        await asyncio.sleep(0.01)
        return text

    async def scene() -> None:
        tools = ScriptedTools({"slow": slow, "quick": "ok", "bad": ToolError("no")})
        context = turn_context()
        run = [
            tools.prepare(FunctionCall(name, "{}", name), context).run(Context())
            for name in ("slow", "quick", "bad")
        ]
        results = await asyncio.gather(*run, return_exceptions=True)
        assert results[:2] == [ToolResult("{}"), ToolResult("ok")]
        assert isinstance(results[2], ToolError) and str(results[2]) == "no"
        assert tools.started == ["slow", "quick", "bad"] and tools.ended == ["quick", "bad", "slow"]
        task = asyncio.create_task(
            tools.prepare(FunctionCall("slow", "{}", "s2"), context).run(Context())
        )
        await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert tools.cancelled == ["s2"]
        tools.prepare(FunctionCall("quick", "{}", "q2"), context).declined(Context(), "policy")
        assert tools.declined == [("q2", "policy")]
        with pytest.raises(ToolError, match="unsupported call: nope"):
            tools.prepare(FunctionCall("nope", "{}", "n"), context)

    asyncio.run(scene())


class Context:
    """A tool context that nobody uses."""

    turn = turn_context()
    thread_id = "t"
    turn_id = "u"

    def now_ms(self) -> int:
        return 0

    def publish(self, event: object) -> None:
        raise AssertionError(event)

    def begin(self, item: object) -> None:
        raise AssertionError(item)

    def finish(self, item: object) -> None:
        raise AssertionError(item)


def test_rollout_stores_and_fails_from_the_chosen_append() -> None:
    rollout = MemoryRollout(fail_at=3)
    for turn in ("a", "b"):
        rollout.append(TurnStarted(turn, 0, 0))
    for _ in range(2):
        with pytest.raises(RolloutError, match="no space left"):
            rollout.append(TurnStarted("c", 0, 0))
    assert len(rollout.records) == 2
    rollout.close()
    with pytest.raises(AssertionError, match="closed"):
        rollout.append(TurnStarted("d", 0, 0))


def test_clock_and_ids() -> None:
    clock = FixedClock(10.0)
    clock.advance(2.5)
    assert (clock.now(), clock.monotonic()) == (12.5, 2.5)
    with pytest.raises(ValueError, match="back"):
        clock.advance(-1)
    ids, others = CountingIds(), CountingIds(1)
    made = [ids.new(), ids.new(), others.new()]
    assert made[0] == "00000000-0000-7000-8000-000000000001" and len(set(made)) == 3
