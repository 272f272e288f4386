"""`quire.client` against a scripted server at the other end of a memory channel."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import Any

import pytest

import quire.client
from quire.client import (
    AgentMessageDelta,
    CallRefused,
    Channel,
    ClientError,
    ConnectionLost,
    Decision,
    EventsNotRead,
    QuestionDeclined,
    Quire,
    TurnCompleted,
    UserInputRequest,
    memory_channels,
)
from quire.client.feed import MAX_WAITING_BYTES, MAX_WAITING_DELTAS
from tests.loops import in_loop

Json = dict[str, Any]

HELLO = {"userAgent": "x", "codexHome": "/h", "platformFamily": "unix", "platformOs": "linux"}
VIEW = {
    "id": "t",
    "sessionId": "t",
    "preview": "",
    "ephemeral": False,
    "modelProvider": "p",
    "createdAt": 1,
    "updatedAt": 1,
    "status": {"type": "idle"},
    "cwd": "/",
    "cliVersion": "0",
    "source": "vscode",
}
OPENED = {
    "thread": VIEW,
    "model": "m",
    "modelProvider": "p",
    "cwd": "/",
    "approvalPolicy": "never",
    "sandbox": {"type": "readOnly"},
}
RUNNING = {"id": "turn", "status": "inProgress"}
USER_QUESTION = {
    "threadId": "t",
    "turnId": "turn",
    "itemId": "i",
    "questions": [{"id": "colour", "header": "Colour", "question": "Which?"}],
}
COMMAND_QUESTION = {
    "kind": "command",
    "threadId": "t",
    "turnId": "turn",
    "itemId": "i",
    "startedAtMs": 1,
    "environmentId": "local",
    "command": "ls",
}


class Scripted:
    """The server's end. `answers` are results by method; others are refused."""

    def __init__(self, answers: Json | None = None) -> None:
        self.channel, self._end = memory_channels()
        self.answers: Json = {
            "initialize": HELLO,
            "thread/start": OPENED,
            "turn/start": {"turn": RUNNING},
            "turn/interrupt": {},
        } | (answers or {})
        self.calls: list[str] = []
        self._replies: dict[int, asyncio.Future[Json]] = {}
        self._task = asyncio.create_task(self._serve())

    async def _serve(self) -> None:
        while (frame := await self._end.receive()) is not None:
            message = json.loads(frame)
            if "method" not in message:
                self._replies[message["id"]].set_result(message)
            elif "id" in message:
                self.calls.append(message["method"])
                answer: Json = {"id": message["id"]}
                if message["method"] in self.answers:
                    answer["result"] = self.answers[message["method"]]
                else:
                    answer["error"] = {"code": -32600, "message": "not in the script"}
                await self.send(answer)

    async def send(self, message: Json) -> None:
        await self._end.send(json.dumps(message).encode())

    async def raw(self, frame: bytes) -> None:
        await self._end.send(frame)

    async def tell(self, method: str, **params: object) -> None:
        await self.send({"method": method, "params": {"threadId": "t", "turnId": "turn"} | params})

    async def finish(self, status: str = "completed") -> None:
        await self.tell("turn/completed", turn={"id": "turn", "status": status})

    def asking(self, number: int, method: str, params: Json) -> asyncio.Future[Json]:
        """The answer to a question that is sent by awaiting `send`."""
        self._replies[number] = asyncio.get_running_loop().create_future()
        return self._replies[number]

    async def ask(self, method: str, params: Json, number: int = 0) -> Json:
        """The whole answer to a question."""
        reply = self.asking(number, method, params)
        await self.send({"method": method, "id": number, "params": params})
        async with asyncio.timeout(5):
            return await reply

    async def close(self) -> None:
        await self._end.aclose()


@in_loop
async def test_a_question_to_the_person_is_answered_by_its_callback() -> None:
    scripted = Scripted()

    async def answer(request: UserInputRequest) -> dict[str, str]:
        return {question.id: "blue" for question in request.questions}

    async with Quire(channel=scripted.channel, answer=answer):
        reply = await scripted.ask("item/tool/requestUserInput", USER_QUESTION)
    assert reply["result"] == {"answers": {"colour": {"answers": ["blue"]}}}


@in_loop
async def test_without_callbacks_each_kind_is_declined() -> None:
    scripted = Scripted()
    elicitation = {
        "mode": "form",
        "threadId": "t",
        "serverName": "s",
        "message": "m",
        "requestedSchema": {},
    }
    permissions = {
        "threadId": "t",
        "turnId": "turn",
        "itemId": "i",
        "startedAtMs": 1,
        "cwd": "/",
        "permissions": {"network": {"enabled": True}},
    }
    async with Quire(channel=scripted.channel) as q:
        thread = await q.thread()
        events = thread.events()
        first = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        reply = await scripted.ask("item/tool/requestUserInput", USER_QUESTION)
        assert reply["result"] == {"answers": {}}
        assert isinstance(await first, QuestionDeclined)
        reply = await scripted.ask("mcpServer/elicitation/request", elicitation)
        assert reply["result"]["action"] == "decline"
        reply = await scripted.ask("item/permissions/requestApproval", permissions)
        assert reply["result"]["permissions"] == {"network": None, "fileSystem": None}
        reply = await scripted.ask("item/tool/call", {})
        assert "no answer to item/tool/call" in reply["error"]["message"]
        reply = await scripted.ask("item/fileChange/requestApproval", {"threadId": 1})
        assert "cannot be read" in reply["error"]["message"]
        await events.aclose()


@in_loop
async def test_a_question_that_was_resolved_elsewhere_is_withdrawn() -> None:
    scripted = Scripted()
    looking = asyncio.Event()
    withdrawn = asyncio.Event()

    async def approve(request: object) -> Decision:
        looking.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            withdrawn.set()
            raise
        return "accept"

    async with Quire(channel=scripted.channel, approve=approve):
        method = "item/commandExecution/requestApproval"
        scripted.asking(0, method, COMMAND_QUESTION)
        await scripted.send({"method": method, "id": 0, "params": COMMAND_QUESTION})
        await looking.wait()
        await scripted.tell("serverRequest/resolved", requestId=0)
        async with asyncio.timeout(5):
            await withdrawn.wait()


@in_loop
async def test_who_reads_slowly_loses_deltas_and_no_ends() -> None:
    scripted = Scripted()
    async with Quire(channel=scripted.channel) as q:
        thread = await q.thread()
        events = thread.run("go").__aiter__()
        first = asyncio.ensure_future(anext(events))
        while "turn/start" not in scripted.calls:
            await asyncio.sleep(0)
        for number in range(3 * MAX_WAITING_DELTAS):
            await scripted.tell("item/agentMessage/delta", itemId="i", delta=str(number))
        item = {"type": "agentMessage", "id": "i", "text": "whole"}
        await scripted.tell("item/completed", item=item, completedAtMs=1)
        await scripted.finish()
        await q.call("initialize")  # All that was sent before its answer has come.
        got = [await first, *[event async for event in events]]
    assert isinstance(got[-1], TurnCompleted)
    deltas = [event for event in got if isinstance(event, AgentMessageDelta)]
    assert MAX_WAITING_DELTAS <= len(deltas) < 2 * MAX_WAITING_DELTAS
    assert len(got) == len(deltas) + 2


@in_loop
async def test_who_does_not_read_at_all_is_given_up() -> None:
    scripted = Scripted()
    async with Quire(channel=scripted.channel) as q:
        thread = await q.thread()
        events = thread.run("go").__aiter__()
        first = asyncio.ensure_future(anext(events))
        while "turn/start" not in scripted.calls:
            await asyncio.sleep(0)
        item = {"type": "agentMessage", "id": "i", "text": "x" * (MAX_WAITING_BYTES // 3)}
        for _ in range(5):
            await scripted.tell("item/completed", item=item, completedAtMs=1)
        await first
        with pytest.raises(EventsNotRead):
            async for _ in events:
                pass
        assert scripted.calls[-1] == "turn/interrupt"


@in_loop
async def test_events_of_other_turns_are_not_part_of_a_run() -> None:
    scripted = Scripted()
    async with Quire(channel=scripted.channel) as q:
        run = (await q.thread()).run("go")
        reading = asyncio.ensure_future(run.result())
        while "turn/start" not in scripted.calls:
            await asyncio.sleep(0)
        item = {"type": "agentMessage", "id": "i", "text": "of another"}
        await scripted.tell("item/completed", turnId="other", item=item, completedAtMs=1)
        await scripted.tell("turn/completed", turn={"id": "other", "status": "completed"})
        await scripted.finish()
        assert (await reading).text == ""


@in_loop
async def test_what_cannot_be_read_is_passed_over() -> None:
    scripted = Scripted({"thread/read": {"thread": 5}})
    told: list[str] = []
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))

    def notify(method: str, params: object) -> None:
        told.append(method)
        raise KeyError("a fault of the caller's")

    async with Quire(channel=scripted.channel, notify=notify) as q:
        thread = await q.thread()
        run = thread.run("go")
        reading = asyncio.ensure_future(run.result())
        while "turn/start" not in scripted.calls:
            await asyncio.sleep(0)
        for frame in (b"{", b"[]", b"null", b'{"id":{}}', b"\xff", b'{"id":77,"result":{}}'):
            await scripted.raw(frame)
        await scripted.raw(b'{"method":"serverRequest/resolved","params":{}}')
        await scripted.tell("item/started", item={"type": "of the future"})
        await scripted.tell("item/agentMessage/delta", delta=7)
        await scripted.tell("account/updated")
        await scripted.finish()
        assert (await reading).status == "completed"
        assert told == ["account/updated"] and len(reported) == 1
        with pytest.raises(ClientError, match="cannot be read"):
            await thread.read()
        with pytest.raises(CallRefused, match="not in the script"):
            await thread.archive()


@in_loop
async def test_a_server_that_goes_away_ends_calls_and_runs() -> None:
    scripted = Scripted()
    async with Quire(channel=scripted.channel) as q:
        thread = await q.thread()
        running = asyncio.ensure_future(thread.ask("go"))
        while "turn/start" not in scripted.calls:
            await asyncio.sleep(0)
        await scripted.close()
        with pytest.raises(ConnectionLost):
            await running
        with pytest.raises(ConnectionLost):
            await q.models()


@in_loop
async def test_a_run_cancelled_while_it_starts_is_interrupted() -> None:
    scripted = Scripted()
    async with Quire(channel=scripted.channel) as q:
        thread = await q.thread()
        asked = asyncio.ensure_future(thread.ask("go"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert scripted.calls[-2:] == ["turn/start", "turn/interrupt"]


@in_loop
async def test_a_memory_channel_waits_for_its_reader() -> None:
    one, other = memory_channels()
    await one.send(b"x" * 2_000_000)
    waiting = asyncio.ensure_future(one.send(b"y"))
    await asyncio.sleep(0)
    assert not waiting.done()
    assert await received(other) == 2_000_000
    await waiting
    await other.aclose()
    assert await one.receive() is None
    with pytest.raises(ConnectionError):
        await one.send(b"z")


async def received(channel: Channel) -> int:
    return len(await channel.receive() or b"")


def test_every_public_name_is_there() -> None:
    for name in quire.client.__all__:
        assert getattr(quire.client, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = quire.client.nothing


def test_the_package_loads_nothing_until_a_name_is_used() -> None:
    code = "import sys, quire.client; print([n for n in sys.modules if n.startswith('quire')])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "['quire', 'quire.client']"
