"""What the offline model reads of a request: the prompt, and its own calls with their outputs.

Formats: Responses API items; the texts of `exec_command`, `write_stdin` and `apply_patch` as
Codex 0.169 writes them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from quire.protocol.items import (
    CustomToolCall,
    CustomToolCallOutput,
    Encoded,
    FunctionCall,
    FunctionCallOutput,
    Message,
    OutputBody,
    ToolCall,
    history_item,
)

_FRAGMENTS = ("<", "# AGENTS.md instructions")
"""How user messages begin that no person wrote."""


_WALL_TIME = re.compile(r"^Wall time: (\d{1,6}(?:\.\d{1,6})?) seconds", re.MULTILINE)


class Exchange(Struct, frozen=True):
    """A call of this turn and the text that came back; None while it is missing."""

    call_id: str
    output: str | None

    @property
    def stage(self) -> str:
        """The stage that made the call: its id is `call_STAGE_NUMBER`."""
        parts = self.call_id.split("_")
        return parts[1] if len(parts) == 3 and parts[0] == "call" else ""

    @property
    def seconds(self) -> float:
        """How long the call took, as its output says; 0 where it does not."""
        head = (self.output or "").split("\nOutput:\n", 1)[0][:400]
        found = _WALL_TIME.search(head)
        return float(found.group(1)) if found else 0.0


class Transcript(Struct, frozen=True):
    """`prompts` are what people wrote, oldest first; `exchanges` are the calls since the last of
    them; `length` is the number of items."""

    prompts: tuple[str, ...]
    exchanges: tuple[Exchange, ...]
    length: int

    @property
    def prompt(self) -> str:
        return self.prompts[-1] if self.prompts else ""

    def of(self, *stages: str) -> list[Exchange]:
        return [exchange for exchange in self.exchanges if exchange.stage in stages]


def read_transcript(items: Sequence[Encoded]) -> Transcript:
    """Read a request's items. Kinds and shapes that are not known are passed over."""
    prompts: list[str] = []
    calls: list[ToolCall] = []
    outputs: dict[str, str] = {}
    for raw in items:
        item = history_item(raw).item()
        if isinstance(item, Message) and item.role == "user":
            if not item.text.lstrip().startswith(_FRAGMENTS):
                prompts.append(item.text)
                calls.clear()
        elif isinstance(item, FunctionCall | CustomToolCall):
            calls.append(item)
        elif isinstance(item, FunctionCallOutput | CustomToolCallOutput):
            outputs[item.call_id] = _text(item.output)
    exchanges = tuple(Exchange(call.call_id, outputs.get(call.call_id)) for call in calls)
    return Transcript(tuple(prompts), exchanges, len(items))


def _text(body: OutputBody) -> str:
    if isinstance(body, str):
        return body
    return Message(role="user", content=body).text


class CommandOutput(Struct, frozen=True):
    """One report about a command: it ended with `exit_code`, or runs on as `session_id`; with
    neither it never ran. `text` is what it printed since the last report."""

    exit_code: int | None
    session_id: int | None
    text: str


def command_output(output: str) -> CommandOutput:
    """Read what `exec_command` or `write_stdin` told."""
    head, mark, text = output.partition("\nOutput:\n")
    if not mark:
        return CommandOutput(None, None, output)
    exit_code = session_id = None
    for line in head.split("\n"):
        if line.startswith("Process exited with code "):
            exit_code = _number(line)
        elif line.startswith("Process running with session ID "):
            session_id = _number(line)
    return CommandOutput(exit_code, session_id, text)


def _number(line: str) -> int | None:
    word = line.rsplit(" ", 1)[-1]
    return int(word) if word.lstrip("-").isdigit() else None


class Command(Struct, frozen=True):
    """A command over all its reports. `finished` is false while it runs on; `lost` means that
    nothing can be learnt of it (never ran, or was interrupted)."""

    text: str
    exit_code: int | None
    session_id: int | None
    lost: bool
    polls: int
    news: str = ""
    """What the last report added."""

    @property
    def finished(self) -> bool:
        return self.exit_code is not None


def followed(exchanges: list[Exchange]) -> Command:
    """Put the reports of one command together: the call that began it and the polls after it."""
    text, last = "", CommandOutput(None, None, "")
    for exchange in exchanges:
        last = command_output(exchange.output or "")
        text += last.text
    lost = last.exit_code is None and last.session_id is None
    return Command(text, last.exit_code, last.session_id, lost, len(exchanges) - 1, last.text)


class _Tool(Struct, frozen=True):
    type: str = ""
    name: str = ""


def patch_form(tools: bytes) -> str:
    """How patches can be handed over: `custom`, `function`, or `shell` where no tool takes them."""
    try:
        offered = msgspec.json.decode(tools, type=list[_Tool])
    except msgspec.DecodeError:
        return "shell"
    for tool in offered:
        if tool.name == "apply_patch":
            return "custom" if tool.type == "custom" else "function"
    return "shell"
