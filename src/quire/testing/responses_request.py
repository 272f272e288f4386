"""What a scripted model server reads of a Responses request: enough to choose an answer."""

from __future__ import annotations

import json

import msgspec
from msgspec import Raw, Struct

from quire.testing.responses_script import ScriptError, TurnSpec, parse_step

PLAY = "#play "
"""A prompt that contains this word and a JSON list of steps carries its own script."""

_NULL = Raw(b"null")


class InputItem(Struct, frozen=True):
    type: str = "message"
    role: str | None = None
    content: Raw = _NULL
    output: Raw = _NULL


class ToolParameters(Struct, frozen=True):
    properties: dict[str, Raw] = {}


class Tool(Struct, frozen=True):
    """One offered tool: `function`, `custom`, or a kind that only the provider knows."""

    type: str
    name: str = ""
    parameters: ToolParameters | None = None


class ModelQuery(Struct, frozen=True):
    """A request for a model's answer. A later user message starts a new pass through a script."""

    model: str = ""
    input: tuple[InputItem, ...] | str = ()
    tools: tuple[Tool, ...] = ()

    @property
    def items(self) -> tuple[InputItem, ...]:
        return () if isinstance(self.input, str) else self.input

    def outputs_since(self, index: int) -> int:
        """How many tool outputs follow the item at `index`."""
        return sum(item.type.endswith("_output") for item in self.items[index + 1 :])

    def outputs_since_prompt(self) -> int:
        """How many tool outputs follow the last user message."""
        users = (n for n in reversed(range(len(self.items))) if self.items[n].role == "user")
        return self.outputs_since(next(users, -1))

    def newest_output_chars(self) -> int | None:
        """The length of the newest tool output as text; None when there is none."""
        for item in reversed(self.items):
            if item.type.endswith("_output"):
                return len(_text(item.output))
        return None

    def tool(self, name: str) -> Tool | None:
        return next((tool for tool in self.tools if tool.name == name), None)


class Play(Struct, frozen=True):
    """The script that a prompt carries: the step now due (None when it is finished), its number,
    and how many such prompts the conversation holds."""

    step: TurnSpec | None
    number: int
    prompts: int


class _Text(Struct, frozen=True):
    text: str = ""


_query_decoder = msgspec.json.Decoder(ModelQuery)
_text_decoder = msgspec.json.Decoder(tuple[_Text, ...] | str | None)


def decode_query(body: bytes) -> ModelQuery:
    """Raises `msgspec.DecodeError` when it is no Responses request."""
    return _query_decoder.decode(body)


def find_play(query: ModelQuery) -> Play | None:
    """The script in the last user message that has one. The step is chosen by the tool outputs
    that follow it. Raises `ScriptError`."""
    found: int | None = None
    text = ""
    prompts = 0
    for index, item in enumerate(query.items):
        if item.role == "user" and PLAY.encode() in bytes(item.content):
            found, text, prompts = index, _text(item.content), prompts + 1
    if found is None:
        return None
    steps = _steps(text[text.rindex(PLAY) + len(PLAY) :])
    number = query.outputs_since(found)
    passed = 0
    for step in steps:
        if passed == number:
            return Play(step, number, prompts)
        passed += max(1, step.calls)
    return Play(None, number, prompts)


def _steps(text: str) -> list[TurnSpec]:
    try:
        document: object = json.JSONDecoder().raw_decode(text.lstrip())[0]
    except ValueError as exc:
        raise ScriptError(f"no JSON after #play: {exc}") from exc
    steps = msgspec.convert(document, list[object]) if isinstance(document, list) else [document]
    return [parse_step(step, f"#play step {number}") for number, step in enumerate(steps)]


def _text(content: Raw) -> str:
    """The text of message content or of a tool output; parts that are not text count nothing."""
    try:
        parts = _text_decoder.decode(content)
    except msgspec.ValidationError:
        return ""
    if parts is None or isinstance(parts, str):
        return parts or ""
    return "".join(part.text for part in parts)
