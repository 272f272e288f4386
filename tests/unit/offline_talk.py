"""A conversation with the offline model, the other side of it written by a test."""

from __future__ import annotations

import asyncio

import msgspec

from quire.core.ports import Completed, ItemDone, ModelEvent, ModelRequest, TextDelta
from quire.models.offline import OfflineModel
from quire.protocol.items import (
    CustomToolCall,
    CustomToolCallOutput,
    FunctionCall,
    FunctionCallOutput,
    HistoryItem,
    Item,
    Message,
    encode_item,
)
from quire.testing import turn_context, user

FREEFORM = b'[{"type":"function","name":"exec_command"},{"type":"custom","name":"apply_patch"}]'
FUNCTION = b'[{"type":"function","name":"apply_patch"}]'

SURVEY = {
    "quire_look": 1,
    "framework": "pytest",
    "interpreter": ".venv/bin/python",
    "version": "3.11",
    "tests": ["tests/test_a.py"],
    "test_files": 1,
    "source_files": 2,
}
CHANGE = {
    "path": "a.py",
    "line": 3,
    "function": "f",
    "kind": "comparison",
    "old": "if x < 1:",
    "new": "if x <= 1:",
    "hunks": [
        {
            "before": ["def f(x):"],
            "old": ["    if x < 1:"],
            "new": ["    if x <= 1:"],
            "after": ["        return 0"],
        }
    ],
}
FOUND = {
    "quire_repair": 1,
    "status": "repaired",
    "tests": {"total": 4, "passed": 3, "failed": 1},
    "changes": [CHANGE],
    "tried": 120,
    "candidates": 300,
    "passing_edits": 1,
    "fixed": 1,
    "seconds": 1.5,
}
ONE_FAILS = "FAILED tests/test_a.py::test_f - assert 1 == 0\n1 failed, 3 passed in 0.10s\n"
ALL_PASS = "....\n4 passed in 0.10s\n"
APPLIED = (
    "Exit code: 0\nWall time: 0.1 seconds\nOutput:\nSuccess. Updated the following files:\nM a"
)


def ended(text: str, code: int = 0, wall: float = 0.1) -> str:
    """What `exec_command` tells of a command that ended."""
    head = f"Chunk ID: abc123\nWall time: {wall} seconds\nProcess exited with code {code}"
    return f"{head}\nOriginal token count: 1\nOutput:\n{text}"


def running(text: str, session: int = 7) -> str:
    """What it tells of one that runs on."""
    head = f"Chunk ID: abc123\nWall time: 30.0 seconds\nProcess running with session ID {session}"
    return f"{head}\nOriginal token count: 1\nOutput:\n{text}"


def line(document: dict) -> str:
    return msgspec.json.encode(document).decode() + "\n"


class Talk:
    """The items so far, and the last answer: its text and its call."""

    def __init__(
        self, prompt: str, tools: bytes = FREEFORM, max_seconds: int | None = None
    ) -> None:
        self.max_seconds = max_seconds
        self.items: list[HistoryItem] = []
        self.tools = tools
        self.text = ""
        self.call: FunctionCall | CustomToolCall | None = None
        self.say(prompt)

    def say(self, prompt: str) -> None:
        self.take(user("<environment_context>\n  <cwd>/x</cwd>\n</environment_context>"))
        self.take(user(prompt))
        self.ask()

    def take(self, item: Item) -> None:
        self.items.append(encode_item(item))

    def ask(self) -> None:
        events = asyncio.run(answer(self.items, self.tools, self.max_seconds))
        items = [event.item for event in events if isinstance(event, ItemDone)]
        assert isinstance(events[-1], Completed)
        self.items += items
        decoded = [item.item() for item in items]
        messages = [item for item in decoded if isinstance(item, Message)]
        calls = [item for item in decoded if isinstance(item, FunctionCall | CustomToolCall)]
        assert len(messages) <= 1
        assert len(calls) <= 1
        self.text = messages[0].text if messages else ""
        deltas = [event.delta for event in events if isinstance(event, TextDelta)]
        assert "".join(deltas) == self.text
        self.call = calls[0] if calls else None

    def answer(self, output: str) -> None:
        """Give the output of the last call, and ask again."""
        assert self.call is not None
        if isinstance(self.call, CustomToolCall):
            self.take(CustomToolCallOutput(self.call.call_id, output))
        else:
            self.take(FunctionCallOutput(self.call.call_id, output))
        self.ask()

    @property
    def arguments(self) -> dict:
        assert isinstance(self.call, FunctionCall)
        return msgspec.json.decode(self.call.arguments)

    @property
    def command(self) -> str:
        return self.arguments["cmd"]

    @property
    def is_over(self) -> bool:
        return self.call is None

    def to_search(self) -> None:
        """Through the look and the first run."""
        self.answer(ended(line(SURVEY)))
        self.answer(ended(ONE_FAILS, 1))

    def to_patch(self) -> None:
        self.to_search()
        self.answer(ended(line(FOUND)))


async def answer(
    items: list[HistoryItem], tools: bytes, max_seconds: int | None = None
) -> list[ModelEvent]:
    """A model of its own for each request: nothing can be remembered."""
    request = ModelRequest(
        thread_id="t",
        turn_id="u",
        items=[item.raw for item in items],
        tools=tools,
        context=turn_context(),
    )
    return [event async for event in OfflineModel(max_seconds).stream(request)]
