"""Threads and turns of the server under test, as tests speak of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.protocol.program import Answers, Message, Program

Json = dict[str, Any]


def text(words: str) -> list[Json]:
    return [{"type": "text", "text": words}]


PASSING = frozenset(
    {
        "account/rateLimits/updated",
        "item/commandExecution/outputDelta",
        "thread/readState/changed",
        "thread/tokenUsage/updated",
    }
)
"""What has no fixed place among the rest: sums, deltas, and what only the peer tells."""


class Turn:
    """What was told of one turn: `said` are its notifications and requests in order, `turn` is
    the turn of `turn/completed`."""

    def __init__(self, said: list[Message]) -> None:
        self.said = said
        self.turn: Json = said[-1]["params"]["turn"]

    @property
    def words(self) -> list[str]:
        return [message["method"] for message in self.said]

    @property
    def story(self) -> list[str]:
        """What was told, in short: `active`, `turn/started`, `started userMessage`, …"""
        return [_short(message) for message in self.said if message["method"] not in PASSING]

    @property
    def status(self) -> str:
        return self.turn["status"]

    def params(self, method: str) -> list[Json]:
        return [message["params"] for message in self.said if message["method"] == method]

    def completed(self, kind: str) -> list[Json]:
        """The items of this type that were completed."""
        items = [params["item"] for params in self.params("item/completed")]
        return [item for item in items if item["type"] == kind]

    def requests(self, method: str) -> list[Json]:
        return [m["params"] for m in self.said if m["method"] == method and "id" in m]


def _short(message: Message) -> str:
    method, params = message["method"], message["params"]
    match method:
        case "item/started" | "item/completed":
            return f"{method.removeprefix('item/')} {params['item']['type']}"
        case "thread/status/changed":
            status = params["status"]
            return " ".join([status["type"], *status.get("activeFlags", [])])
        case _:
            return method


class Talk:
    """One thread of the server."""

    def __init__(self, program: Program, folder: Path, **params: object) -> None:
        given = {"approvalPolicy": "never", "sandbox": "workspace-write", **params}
        self.program = program
        self.folder = folder
        self.opened = program.call("thread/start", {"cwd": str(folder), **given})
        self.id: str = self.opened["thread"]["id"]

    def play(self, *script: object) -> None:
        """What the model answers from now on."""
        self.program.model.swap(script)

    def begin(self, words: str = "go", **params: object) -> str:
        """Start a turn; its id."""
        given = {"threadId": self.id, "input": text(words), **params}
        return self.program.call("turn/start", given)["turn"]["id"]

    def run(self, words: str = "go", answers: Answers | None = None, **params: object) -> Turn:
        """A whole turn."""
        since = len(self.program.heard)
        return self.end(self.begin(words, **params), since, answers)

    def end(self, turn_id: str, since: int = 0, answers: Answers | None = None) -> Turn:
        """Wait for the end of a turn; `answers` answers what the server asks meanwhile."""
        heard, number = self.program.heard, since
        said: list[Message] = []
        while True:
            while number >= len(heard):
                self.program.next()
            message = heard[number]
            number += 1
            params = message.get("params") or {}
            if "method" not in message or params.get("threadId") != self.id:
                continue
            said.append(message)
            if "id" in message:
                assert answers is not None, f"nobody answers {message}"
                self.answer(message, answers(message))
            if message["method"] == "turn/completed" and params["turn"]["id"] == turn_id:
                return Turn(said)

    def answer(self, request: Message, result: Message) -> None:
        kind = {} if "error" in result else {"result": result}
        self.program.send({"id": request["id"], **(kind or result)})

    def read(self, **params: object) -> Json:
        given = {"threadId": self.id, **params}
        return self.program.call("thread/read", given)["thread"]


def decide(decision: object) -> Answers:
    """The same answer to every approval."""
    return lambda request: {"decision": decision}
