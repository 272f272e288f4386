"""Loaded threads: watched, left, unloaded when nobody needs them (row J10)."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from quire.core.admit import Facts
from quire.core.gate import Gate
from quire.core.ports import Judgement
from quire.core.thread import Ports, Thread
from quire.protocol.items import InputImage
from quire.protocol.local import (
    TextInput,
    ThreadForkParams,
    ThreadInfo,
    ThreadResumeParams,
    ThreadStartParams,
    TurnStartParams,
)
from quire.protocol.ops import ContextSources
from quire.protocol.policy import SandboxPolicy
from quire.protocol.records import SessionMeta
from quire.server.errors import InvalidRequest
from quire.server.events import Translator
from quire.server.hubs import Hubs
from quire.server.terminals import ThreadTerminals
from quire.server.threads import Opened, Threads
from quire.testing import (
    CountingIds,
    FixedClock,
    MemoryRollout,
    ScriptedModel,
    ScriptedTools,
    pause,
    say,
    turn_context,
)
from quire.testing.scripted_model import Turn
from tests.unit.rpc_caller import ScriptedCaller


class Opener:
    """Opens threads with scripted edges."""

    def __init__(self, *scripts: Turn) -> None:
        self._scripts = scripts
        self._ids = CountingIds()

    def start(self, params: ThreadStartParams) -> Opened:
        context = turn_context()
        facts = Facts(judge=lambda _: Judgement(), writable=lambda path, turn: True)
        self.rollout = MemoryRollout()
        ports = Ports(
            ScriptedModel([*self._scripts]),
            ScriptedTools(),
            self.rollout,
            Gate(facts),
            FixedClock(),
            self._ids,
        )
        thread = Thread(ports)
        meta = SessionMeta(thread_id=self._ids.new(), timestamp="", cwd=context.cwd)
        thread.record(meta)
        info = ThreadInfo(
            id=meta.thread_id,
            cwd=context.cwd,
            model=context.model,
            model_provider=context.model_provider,
            approval_policy=context.approval_policy,
            sandbox=SandboxPolicy(),
        )
        return Opened(
            thread=thread,
            info=info,
            context=context,
            meta=meta,
            base_instructions="",
            sources=lambda _: ContextSources(base_instructions="be good"),
            revise=lambda context, _: context,
            reviewer=_no_reviewer,
            judge=_no_reviewer,
            terminals=_no_terminals,
        )

    def resume(self, params: ThreadResumeParams) -> Opened:
        raise NotImplementedError

    def fork(self, params: ThreadForkParams) -> Opened:
        raise NotImplementedError

    def read_image(self, path: str) -> InputImage:
        raise NotImplementedError

    def new_id(self) -> str:
        return self._ids.new()


def _no_reviewer(*_: object) -> Opened:
    raise NotImplementedError


def _no_terminals() -> ThreadTerminals:
    raise NotImplementedError


def hubs_of(opener: Opener, seconds: float) -> Hubs:
    return Hubs(Threads(opener), lambda thread_id: Translator(thread_id, lambda: 0), seconds)


async def until_unloaded(hubs: Hubs) -> None:
    async with asyncio.timeout(5):
        while hubs.loaded:
            await asyncio.sleep(0.01)


def test_a_thread_that_nobody_watches_is_unloaded() -> None:
    async def body() -> None:
        opener = Opener([say("done")])
        hubs = hubs_of(opener, 0.02)
        hub = hubs.start(ThreadStartParams())
        client = ScriptedCaller()
        hub.join(client)
        await asyncio.sleep(0.1)
        assert hubs.loaded == (hub,), "it is watched"
        client.close()
        await until_unloaded(hubs)
        assert opener.rollout.closed
        with pytest.raises(InvalidRequest, match="thread not found"):
            hubs.find(hub.loaded.id)

    asyncio.run(body())


def test_a_turn_that_nobody_watches_goes_on_to_its_end() -> None:
    async def body() -> None:
        stop = pause()
        hubs = hubs_of(Opener([stop, say("done")]), 0.02)
        hub = hubs.start(ThreadStartParams())
        turn = TurnStartParams(thread_id=hub.loaded.id, input=(TextInput("go"),))
        await hubs.threads.start_turn(turn)
        await stop.reached.wait()
        await asyncio.sleep(0.1)
        assert hubs.loaded == (hub,)
        stop.release()
        await until_unloaded(hubs)

    asyncio.run(body())


def test_what_a_call_set_off_is_told_after_its_answer() -> None:
    async def body() -> None:
        hubs = hubs_of(Opener([say("done")]), 60)
        hub = hubs.start(ThreadStartParams())
        client = ScriptedCaller()
        hub.join(client)
        hub.hold()
        turn = TurnStartParams(thread_id=hub.loaded.id, input=(TextInput("go"),))
        await hubs.threads.start_turn(turn)
        await hub.loaded.thread.wait()
        assert client.told == []
        hub.release()
        names = [name for name, _ in client.told]
        assert names[:2] == ["thread/status/changed", "turn/started"]
        assert names[-1] == "turn/completed"
        await hubs.aclose()
        assert client.told[-1][0] == "thread/closed"
        assert msgspec.json.encode(client.told[-1][1]).decode().count(hub.loaded.id) == 1

    asyncio.run(body())
