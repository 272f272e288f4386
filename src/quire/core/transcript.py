"""A conversation as text for someone who judges it: short, and unable to pass for anything else.

Everything in it is untrusted. An entry begins at the start of a line and goes on with indented
ones, so that none can pass for another; what looks like a marker of the frame is broken up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import Struct

from quire.protocol.items import (
    CustomToolCall,
    FunctionCall,
    HistoryItem,
    InputImage,
    InputText,
    Item,
    Message,
    OutputBody,
    OutputText,
    Reasoning,
    Refusal,
)

PERSON_LIMIT, PERSON_TOTAL = 4_000, 24_000
OTHER_LIMIT, OTHER_TOTAL = 2_000, 24_000
"""Characters of one entry and of all: of what the person said, and of the rest."""

_TAGGED = re.compile(r"<(?!image )[a-z_]+[ >]")
"""How messages begin that stand in the person's place and are not their words: the environment,
the output of commands, the findings of a review."""
_NAME = re.compile(r"[^A-Za-z0-9_.-]")
_PROJECT = "# AGENTS.md instructions"


class _Entry(Struct, frozen=True):
    label: str
    text: str

    @property
    def of_person(self) -> bool:
        return self.label == "person"


def transcript(items: Iterable[HistoryItem]) -> str:
    """Numbered entries, oldest first. The newest ones are kept when not all have room; the
    person's have room of their own, and the first thing they said is always there."""
    entries = [entry for item in items if (entry := _entry(item.item())) is not None]
    first = next((n for n, entry in enumerate(entries) if entry.of_person), None)
    left = {True: PERSON_TOTAL, False: OTHER_TOTAL}
    shown: dict[int, str] = {}
    for number in (*(() if first is None else (first,)), *range(len(entries) - 1, -1, -1)):
        entry = entries[number]
        limit = PERSON_LIMIT if entry.of_person else OTHER_LIMIT
        text = f"[{number + 1}] {entry.label}: {_indented(safe(cut(entry.text, limit)))}"
        if number not in shown and len(text) <= left[entry.of_person]:
            left[entry.of_person] -= len(text)
            shown[number] = text
    lines = [shown[number] for number in sorted(shown)]
    if omitted := len(entries) - len(shown):
        lines.insert(0, f"({omitted} entries are left out.)")
    return "\n\n".join(lines)


def cut(text: str, limit: int) -> str:
    """At most about `limit` characters: the middle is left out."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]} ...{len(text) - 2 * half} characters left out... {text[-half:]}"


def safe(text: str) -> str:
    """`text` without anything that reads like a marker."""
    return text.replace(">>>", "> > >")


def _indented(text: str) -> str:
    return "\n    ".join(text.splitlines())


def _entry(item: Item | None) -> _Entry | None:
    match item:
        case Message(role="user"):
            return _Entry(_label(item.text), item.text)
        case Message(role="assistant"):
            return _Entry("agent", item.text)
        case FunctionCall(name=name, arguments=text) | CustomToolCall(name=name, input=text):
            return _Entry(f"call of {_NAME.sub('?', name)}", text)
        case Message() | Reasoning() | None:
            return None
        case output:
            return _Entry("output", _text(output.output))


def _label(text: str) -> str:
    if text.startswith(_PROJECT):
        return "project instructions"
    return "note" if _TAGGED.match(text) else "person"


def _text(body: OutputBody) -> str:
    if isinstance(body, str):
        return body
    parts: list[str] = []
    for part in body:
        match part:
            case InputImage():
                parts.append("(an image)")
            case Refusal(text) | InputText(text) | OutputText(text):
                parts.append(text)
    return "".join(parts)
