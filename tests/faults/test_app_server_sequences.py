"""Any calls in any order: what must hold whatever two clients do."""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quire.app.embedding import open_server
from quire.app.server import AppServer
from quire.client.channel import memory_channels
from quire.testing.responses_server import ResponsesServer, provider_config
from tests.protocol_schema import Conversation

ESCALATED = {"sandbox_permissions": "require_escalated", "justification": "x", "login": False}
SCRIPT = {
    "loop": True,
    "turns": [
        [{"reasoning": "Hm."}, {"sh": "true", "args": {"login": False}}],
        {"text": "one"},
        {"sh": "sleep 5", "args": {"login": False}},
        {"text": "two", "chunk": 1},
        {"sh": "true", "args": ESCALATED},
        {"patch": "*** Begin Patch\n*** Add File: a.txt\n+x\n*** End Patch\n"},
        {"text": "three"},
        {"status": 400, "error": {"error": {"message": "no"}}},
        {"call": "nothing"},
        {"text": "four"},
    ],
}
TEXT = [{"type": "text", "text": "go"}]
ITEM = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "note"}]}
ACTIONS = (
    "thread/start",
    "turn/start",
    "turn/start",
    "turn/steer",
    "turn/interrupt",
    "thread/read",
    "thread/resume",
    "thread/fork",
    "thread/archive",
    "thread/unarchive",
    "thread/delete",
    "thread/inject_items",
    "thread/revert",
    "thread/turns/list",
    "thread/list",
    "answer",
    "answer",
    "wait",
)
actions = st.lists(
    st.tuples(st.sampled_from(ACTIONS), st.integers(0, 1), st.integers(0, 3)),
    min_size=4,
    max_size=18,
)


class Client:
    """A client in this process. `heard` is all that it was told."""

    def __init__(self, server: AppServer) -> None:
        self._channel, other = memory_channels()
        self.task = asyncio.create_task(server.serve(other))
        self._reader = asyncio.create_task(self._read())
        self.conversation = Conversation()
        self.answers: dict[int, list[dict[str, Any]]] = {}
        self.heard: list[dict[str, Any]] = []
        self.questions: list[dict[str, Any]] = []
        self.asked = 0

    async def _read(self) -> None:
        while (frame := await self._channel.receive()) is not None:
            message = json.loads(frame)
            self.conversation.server(message)
            if "method" not in message:
                self.answers.setdefault(message["id"], []).append(message)
                continue
            self.heard.append(message)
            if "id" in message:
                self.questions.append(message)

    async def send(self, message: dict[str, Any]) -> None:
        self.conversation.client(message)
        await self._channel.send(json.dumps(message).encode())

    async def ask(self, method: str, params: dict[str, Any]) -> int:
        self.asked += 1
        await self.send({"id": self.asked, "method": method, "params": params})
        return self.asked

    async def result(self, asked: int) -> dict[str, Any]:
        while asked not in self.answers:
            assert not self._reader.done(), self._reader.result()
            await asyncio.sleep(0.001)
        return self.answers[asked][0]

    async def call(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        return await self.result(await self.ask(method, params))

    async def close(self) -> None:
        await self._channel.aclose()
        await self.task
        await self._reader


class Play:
    """The actions of one example."""

    def __init__(self, server: AppServer, cwd: str) -> None:
        self._cwd = cwd
        self.clients = [Client(server), Client(server)]
        self._threads: list[str] = []
        self._turns: list[str] = ["none"]

    async def greet(self) -> None:
        for client in self.clients:
            capabilities = {"experimentalApi": True}
            info = {"name": "play", "version": "1"}
            await client.call("initialize", {"clientInfo": info, "capabilities": capabilities})
            await client.call("thread/loaded/list", {})
        await self.take("thread/start", 0, 0)

    async def take(self, action: str, client: int, number: int) -> None:
        speaker = self.clients[client]
        if action == "wait":
            await asyncio.sleep(0.02 * number)
        elif action == "answer":
            if speaker.questions:
                word = ("accept", "decline", "cancel", "acceptForSession")[number]
                question = speaker.questions.pop()
                await speaker.send({"id": question["id"], "result": {"decision": word}})
        else:
            asked = await speaker.ask(action, self._params(action, number))
            if number != 3:  # Else the next call does not wait for this one.
                self._learn(await speaker.result(asked))

    def _params(self, action: str, number: int) -> dict[str, Any]:
        thread = (
            {"threadId": self._threads[-1 - number % len(self._threads)]} if self._threads else {}
        )
        turn = self._turns[-1 - number % len(self._turns)]
        match action:
            case "thread/start":
                return {"cwd": self._cwd, "approvalPolicy": "on-request", "ephemeral": number == 2}
            case "thread/list":
                return {}
            case "turn/start":
                return {**thread, "input": TEXT}
            case "turn/steer":
                return {**thread, "expectedTurnId": turn, "input": TEXT}
            case "turn/interrupt":
                return {**thread, "turnId": turn}
            case "thread/inject_items":
                return {**thread, "items": [ITEM]}
            case "thread/revert":
                return {**thread, "beforeTurnId": turn}
            case _:
                return thread

    def _learn(self, answer: dict[str, Any]) -> None:
        result = answer.get("result", {})
        if "thread" in result:
            self._threads.append(result["thread"]["id"])
        if "turn" in result:
            self._turns.append(result["turn"]["id"])

    async def end(self) -> None:
        """Until nothing runs and every call was answered."""
        for client in self.clients:
            for asked in range(1, client.asked + 1):
                await client.result(asked)
        first = self.clients[0]
        loaded = (await first.call("thread/loaded/list", {}))["result"]["data"]
        for thread in loaded:
            await first.call("thread/resume", {"threadId": thread, "excludeTurns": True})
            await first.call("turn/interrupt", {"threadId": thread, "turnId": ""})
        await asyncio.sleep(0.01)
        for client in self.clients:
            await client.call("thread/loaded/list", {})


def check(client: Client) -> None:
    assert {n: len(each) for n, each in client.answers.items() if len(each) != 1} == {}
    assert len(client.answers) == client.asked
    told: Counter[tuple[str, str]] = Counter()
    turn_of: dict[str, str] = {}
    ended: dict[str, str] = {}
    for message in client.heard:
        params = message["params"]
        match message["method"]:
            case "item/started" | "item/completed":
                told[message["method"], params["item"]["id"]] += 1
                turn_of[params["item"]["id"]] = params["turnId"]
            case "turn/started" | "turn/completed":
                told[message["method"], params["turn"]["id"]] += 1
                ended[params["turn"]["id"]] = params["turn"]["status"]
    assert all(count == 1 for count in told.values()), told
    for method, name in told:
        if method == "turn/started":
            assert told["turn/completed", name] == 1, name
        elif method == "item/started" and ended[turn_of[name]] == "completed":
            # What an interrupt cuts off has no end of its own, as in Codex 0.169.
            assert told["item/completed", name] == 1, name


def check_requests(model: ResponsesServer) -> None:
    """Each call that the model was shown has exactly one output, after it."""
    for request in model.requests:
        open_calls: set[str] = set()
        for item in json.loads(bytes(request.body))["input"]:
            kind = item.get("type", "")
            if kind in ("function_call", "custom_tool_call"):
                assert item["call_id"] not in open_calls
                open_calls.add(item["call_id"])
            elif kind in ("function_call_output", "custom_tool_call_output"):
                assert item["call_id"] in open_calls
                open_calls.discard(item["call_id"])
        assert open_calls == set()


# An interrupt that meets `loop.create_connection` between two of its own steps leaves the socket to
# the garbage collector (CPython 3.11, with `happy_eyeballs_delay`).
@pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.timeout(300)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions)
def test_any_calls_in_any_order(tmp_path: Path, taken: list[tuple[str, int, int]]) -> None:
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)

    async def play(model: ResponsesServer) -> None:
        (home / "config.toml").write_text(provider_config(model.url, "gpt-5.5"))
        env = {**os.environ, "MOCK_KEY": "sk-mock"}
        server = open_server(str(home), str(tmp_path), env, {})
        try:
            game = Play(server, str(tmp_path))
            await game.greet()
            for action, client, number in taken:
                await game.take(action, client, number)
            await game.end()
            for client in game.clients:
                check(client)
                await client.close()
        finally:
            await server.aclose()
            await asyncio.sleep(0.05)  # Transports that were closed end in the loop's next passes.

    with ResponsesServer(SCRIPT) as model:
        asyncio.run(asyncio.wait_for(play(model), 30))
        check_requests(model)
