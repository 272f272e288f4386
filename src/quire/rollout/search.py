"""Words in stored conversations: what people and the model said in turns that still count.

Upper and lower case are the same, and so is all white space. Snippets look like Codex's (0.169):
the words around the place, with `... ` where something was left out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from quire.protocol.records import ItemCompleted
from quire.protocol.revert import surviving
from quire.protocol.stored import Occurrence
from quire.protocol.thread import AgentMessageItem, UserMessageItem
from quire.rollout.history import Find
from quire.rollout.scan import BLOCK, open_log
from quire.rollout.turns import events_of

MAX_BYTES = 512 << 20
"""So much is read for one page of a search; its cursor goes on from there."""

_BEFORE, _AFTER = 48, 96


class Term:
    """What is looked for."""

    def __init__(self, text: str) -> None:
        self._wanted = _plain(text).lower()
        words = re.findall(r"[a-z0-9_]+", self._wanted)
        self._word = max(words, key=len, default="").encode()

    def __bool__(self) -> bool:
        return bool(self._wanted)

    def may_be_in(self, path: str) -> bool:
        """False when the file cannot hold it. Raises `OSError`."""
        if not self._word:
            return True
        fd = open_log(path)
        try:
            start, tail = 0, b""
            while block := os.pread(fd, BLOCK, start):
                block_lower = block.lower()
                if self._word in block_lower or self._word in tail + block_lower[: len(self._word)]:
                    return True
                tail = block_lower[-len(self._word) :]
                start += len(block)
        finally:
            os.close(fd)
        return False

    def snippet(self, path: str, find: Find) -> str | None:
        """The words around its first place; None when it is not there. Raises `RolloutError`."""
        found = next(self.occurrences(path, find), None)
        return found.snippet if found is not None else None

    def occurrences(self, path: str, find: Find) -> Iterator[Occurrence]:
        """All places, oldest first. Raises `RolloutError`."""
        for record in surviving(events_of(path, find)):
            if not isinstance(record, ItemCompleted):
                continue
            item = record.item
            if isinstance(item, UserMessageItem | AgentMessageItem):
                for snippet, start, end in self._places(_plain(item.text)):
                    yield Occurrence(record.turn_id, item.id, snippet, start, end)

    def _places(self, text: str) -> Iterator[tuple[str, int, int]]:
        lower = text.lower()
        if len(lower) != len(text):  # Some letters become two in lower case.
            text = lower
        place = lower.find(self._wanted)
        while place >= 0:
            end = place + len(self._wanted)
            first, last = max(0, place - _BEFORE), min(len(text), end + _AFTER)
            head, tail = "... " * (first > 0), " ..." * (last < len(text))
            start = _units(head + text[first:place])
            match = text[place:end]
            yield f"{head}{text[first:last]}{tail}", start, start + _units(match)
            place = lower.find(self._wanted, end)


def _plain(text: str) -> str:
    return " ".join(text.split())


def _units(text: str) -> int:
    """Its length in UTF-16 units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
