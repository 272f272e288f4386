"""Loaded threads: watched, left, unloaded when nobody needs them (row J10)."""

from __future__ import annotations

import asyncio
import gc
import weakref

import msgspec
import pytest
from msgspec.structs import replace

from quire.core.admit import Facts
from quire.core.errors import RolloutError, UsageError
from quire.core.gate import Gate
from quire.core.ports import Judgement
from quire.core.thread import Ports, Thread
from quire.protocol.events import FilesPatched, FileTexts
from quire.protocol.items import InputImage
from quire.protocol.local import (
    TextInput,
    ThreadForkParams,
    ThreadInfo,
    ThreadResumeParams,
    ThreadStartParams,
    TurnChanges,
    TurnStartParams,
)
from quire.protocol.ops import ContextSources
from quire.protocol.policy import SandboxPolicy
from quire.protocol.records import SessionMeta, TurnStarted
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
        self.new_rollout: type[MemoryRollout] = MemoryRollout

    def start(self, params: ThreadStartParams) -> Opened:
        context = turn_context()
        facts = Facts(judge=lambda _: Judgement(), writable=lambda path, turn: True)
        self.rollout = self.new_rollout()
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


def test_a_thread_is_closed_whole_though_whoever_asked_is_gone() -> None:
    async def body() -> None:
        opener = Opener([pause(), say("never")])
        hubs = hubs_of(opener, 60)
        hub = hubs.start(ThreadStartParams())
        thread_id = hub.loaded.id
        turn = TurnStartParams(thread_id=thread_id, input=(TextInput("go"),))
        await hubs.threads.start_turn(turn)
        asking = asyncio.create_task(hubs.unload(thread_id))
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(InvalidRequest, match="is closing; retry thread/resume"):
            hubs.resume(ThreadResumeParams(thread_id=thread_id))
        await hubs.unload(thread_id)
        assert opener.rollout.closed
        assert hub.loaded.thread.state.turn_id is None

    asyncio.run(body())


def test_what_runs_beside_the_turns_ends_before_the_log_is_closed() -> None:
    async def body() -> None:
        opener = Opener()
        hubs = hubs_of(opener, 60)
        hub = hubs.start(ThreadStartParams())
        closed: list[bool] = []

        async def beside() -> None:
            try:
                await asyncio.Future()
            finally:
                closed.append(opener.rollout.closed)

        hub.keep(asyncio.create_task(beside()))
        await asyncio.sleep(0)
        await hubs.unload(hub.loaded.id)
        assert closed == [False]

    asyncio.run(body())


def test_what_happens_is_kept_back_until_the_last_answer() -> None:
    async def body() -> None:
        hubs = hubs_of(Opener([say("done")]), 60)
        hub = hubs.start(ThreadStartParams())
        client = ScriptedCaller()
        hub.join(client)
        hub.hold()
        hub.hold()
        turn = TurnStartParams(thread_id=hub.loaded.id, input=(TextInput("go"),))
        await hubs.threads.start_turn(turn)
        hub.release()
        await hub.loaded.thread.wait()
        assert client.told == []
        hub.release()
        assert client.told[-1][0] == "turn/completed"
        await hubs.aclose()

    asyncio.run(body())


def test_the_same_diff_is_told_again_in_another_turn() -> None:
    async def body() -> None:
        hubs = hubs_of(Opener(), 60)
        hub = hubs.start(ThreadStartParams())
        client = ScriptedCaller()
        hub.join(client)
        for turn_id in ("one", "two"):
            hub.put(TurnStarted(turn_id, 0, 1))
            hub.put(FilesPatched(turn_id, (FileTexts("/p/a", b"old\n", b"new\n"),)))
        told = [params["turnId"] for name, params in client.told if name == "turn/diff/updated"]
        assert told == ["one", "two"]
        await hubs.aclose()

    asyncio.run(body())


def test_a_client_that_stays_keeps_no_thread_that_it_left() -> None:
    async def body() -> None:
        hubs = hubs_of(Opener(), 60)
        client = ScriptedCaller()
        hub = hubs.start(ThreadStartParams())
        thread_id, left = hub.loaded.id, weakref.ref(hub)
        hub.join(client)
        hub.leave(client)
        del hub
        await hubs.unload(thread_id)
        await asyncio.sleep(0)
        gc.collect()
        assert left() is None
        client.close()

    asyncio.run(body())


def test_a_turn_that_cannot_start_changes_no_settings() -> None:
    def unreadable(_: object) -> ContextSources:
        raise UsageError("the instructions cannot be read")

    async def body() -> None:
        hubs = hubs_of(Opener(), 60)
        loaded = hubs.start(ThreadStartParams()).loaded
        before = loaded.context
        wider = replace(before, sandbox=SandboxPolicy(mode="danger-full-access"))
        loaded.opened = replace(loaded.opened, revise=lambda *_: wider, sources=unreadable)
        words = (TextInput("go"),)
        turn = TurnStartParams(thread_id=loaded.id, input=words, changes=TurnChanges())
        with pytest.raises(UsageError, match="cannot be read"):
            await hubs.threads.start_turn(turn)
        assert loaded.context == before
        await hubs.aclose()

    asyncio.run(body())


class FullDisk(MemoryRollout):
    def close(self) -> None:
        raise RolloutError("no room")


def test_a_log_that_cannot_be_closed_keeps_no_other_thread_open() -> None:
    async def body() -> None:
        opener = Opener()
        hubs = hubs_of(opener, 60)
        opener.new_rollout = FullDisk
        hubs.start(ThreadStartParams())
        opener.new_rollout = MemoryRollout

        async def slow() -> None:
            try:
                await asyncio.Future()
            finally:
                await asyncio.sleep(0.02)

        hubs.start(ThreadStartParams()).keep(asyncio.create_task(slow()))
        await asyncio.sleep(0)
        with pytest.raises(RolloutError, match="no room"):
            await hubs.aclose()
        assert opener.rollout.closed

    asyncio.run(body())
