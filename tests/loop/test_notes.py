"""Messages for the model that a person caused beside the conversation: where they may stand."""

from __future__ import annotations

import asyncio
import json

from quire.protocol.ops import Interrupt
from quire.testing import ScriptedModel, ScriptedTools, call, pause, say
from tests.loop.support import World, assert_legal

NOTE = "<user_shell_command>"


def kinds(items: tuple[bytes, ...]) -> list[str]:
    """The kind of each item since the person's message; `note` for ours."""
    decoded = [json.loads(item) for item in items]
    found = ["note" if NOTE in json.dumps(item) else item["type"] for item in decoded]
    return found[-4:]


def test_a_note_waits_for_open_calls() -> None:
    reached, release = asyncio.Event(), asyncio.Event()

    async def act(_: str) -> str:
        reached.set()
        await release.wait()
        return "ran"

    async def body() -> None:
        model = ScriptedModel([[call("act", {})], [say("done")]])
        world = World(model, ScriptedTools({"act": act}))
        await world.start()
        await reached.wait()
        world.thread.tell_model(NOTE)
        release.set()
        assert await world.thread.wait() == "completed"
        assert kinds(model.prompts[1])[1:] == ["function_call", "function_call_output", "note"]
        assert_legal(world.thread.state.prompt)

    asyncio.run(body())


def test_a_note_beside_the_last_answer_causes_no_request() -> None:
    async def body() -> None:
        waiting = pause()
        model = ScriptedModel([[say("done"), waiting], [say("later")]])
        world = World(model, ScriptedTools())
        await world.start()
        await waiting.reached.wait()
        world.thread.tell_model(NOTE)
        waiting.release()
        assert await world.thread.wait() == "completed"
        assert len(model.requests) == 1
        world.thread.tell_model(NOTE)  # Without a turn it is recorded at once.
        assert await world.run("again") == "completed"
        assert kinds(model.prompts[1]) == ["message", "note", "note", "message"]
        assert_legal(world.thread.state.prompt)

    asyncio.run(body())


def test_an_interrupt_keeps_a_note() -> None:
    async def body() -> None:
        waiting = pause()
        world = World(ScriptedModel([[waiting]]), ScriptedTools())
        await world.start()
        await waiting.reached.wait()
        world.thread.tell_model(NOTE)
        await world.thread.submit(Interrupt())
        texts = [bytes(item) for item in world.thread.state.prompt]
        assert NOTE.encode() in texts[-2]
        assert b"<turn_aborted>" in texts[-1]

    asyncio.run(body())
