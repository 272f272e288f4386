"""What the model sees: the items of a conversation, in the shape of the Responses API.

The encoded form of an item is at once what is stored in the rollout (`response_item` payload,
Codex 0.169) and what is sent in a request's `input`, so history is never serialised twice.
An item that came from a model keeps the bytes it came in; unknown kinds pass through unread.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

Encoded = bytes | memoryview
"""One JSON value, encoded as UTF-8."""


class InputText(Struct, frozen=True, tag="input_text", tag_field="type"):
    text: str


class InputImage(Struct, frozen=True, tag="input_image", tag_field="type"):
    """`image_url` is a data URL; `detail` is `auto`, `low`, `high` or `original`."""

    image_url: str
    detail: str | None = None


class OutputText(Struct, frozen=True, tag="output_text", tag_field="type"):
    text: str


class Refusal(Struct, frozen=True, tag="refusal", tag_field="type"):
    refusal: str


ContentPart = InputText | InputImage | OutputText | Refusal
Role = Literal["developer", "user", "assistant", "system"]


class Message(Struct, frozen=True, tag="message", tag_field="type"):
    """A message of any role. Made here: developer and user. Made by the model: assistant."""

    role: Role
    content: tuple[ContentPart, ...]
    id: str | UnsetType = UNSET

    @property
    def text(self) -> str:
        """All text parts, joined without a separator."""
        return "".join(
            part.refusal if isinstance(part, Refusal) else part.text
            for part in self.content
            if not isinstance(part, InputImage)
        )


class SummaryText(Struct, frozen=True, tag="summary_text", tag_field="type"):
    text: str


class ReasoningText(Struct, frozen=True, tag="reasoning_text", tag_field="type"):
    text: str


class Reasoning(Struct, frozen=True, tag="reasoning", tag_field="type"):
    """The model's reasoning: readable summaries, and content that only its maker can read."""

    summary: tuple[SummaryText, ...] = ()
    content: tuple[ReasoningText, ...] | None = None
    encrypted_content: str | None = None
    id: str | UnsetType = UNSET


class FunctionCall(Struct, frozen=True, tag="function_call", tag_field="type"):
    """`arguments` is JSON text exactly as the model wrote it; it may be malformed."""

    name: str
    arguments: str
    call_id: str
    namespace: str | UnsetType = UNSET
    id: str | UnsetType = UNSET


class CustomToolCall(Struct, frozen=True, tag="custom_tool_call", tag_field="type"):
    """A freeform call: `input` is text in the tool's own grammar."""

    name: str
    input: str
    call_id: str
    namespace: str | UnsetType = UNSET
    id: str | UnsetType = UNSET


ToolCall = FunctionCall | CustomToolCall
OutputBody = str | tuple[ContentPart, ...]


class FunctionCallOutput(Struct, frozen=True, tag="function_call_output", tag_field="type"):
    call_id: str
    output: OutputBody
    id: str | UnsetType = UNSET


class CustomToolCallOutput(Struct, frozen=True, tag="custom_tool_call_output", tag_field="type"):
    call_id: str
    output: OutputBody
    id: str | UnsetType = UNSET


ToolOutput = FunctionCallOutput | CustomToolCallOutput
Item = (
    Message | Reasoning | FunctionCall | CustomToolCall | FunctionCallOutput | CustomToolCallOutput
)

CALL_KINDS = frozenset({"function_call", "custom_tool_call", "local_shell_call"})
"""What must be answered by an output; without one the next request would be refused. Nothing
offers the last, but a model may know it."""
OUTPUT_KINDS = frozenset({"function_call_output", "custom_tool_call_output"})


class ItemHead(Struct, frozen=True):
    """The few members of an encoded item that history keeps apart from its bytes."""

    type: str
    call_id: str | None = None
    role: str | None = None


class HistoryItem(Struct, frozen=True):
    """One item of history: its encoded bytes and its head. `item()` decodes it when asked."""

    raw: Encoded
    head: ItemHead

    def item(self) -> Item | None:
        """The decoded item, or None for a kind (or a shape) this version does not know."""
        try:
            return _item_decoder.decode(self.raw)
        except msgspec.ValidationError:
            return None


_encoder = msgspec.json.Encoder()
_item_decoder = msgspec.json.Decoder(Item)
_head_decoder = msgspec.json.Decoder(ItemHead)


def encode_item(item: Item) -> HistoryItem:
    """Encode an item made here. The bytes are final: they are what is stored and sent."""
    head = ItemHead(
        type=str(item.__struct_config__.tag),
        call_id=None if isinstance(item, Message | Reasoning) else item.call_id,
        role=item.role if isinstance(item, Message) else None,
    )
    return HistoryItem(_encoder.encode(item), head)


def history_item(raw: Encoded) -> HistoryItem:
    """Take an encoded item as it is. Raises `msgspec.DecodeError` when it is no JSON object
    with a string `type`."""
    return HistoryItem(raw, _head_decoder.decode(raw))
