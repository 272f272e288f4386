"""What all tools share: the shape of a tool, and how arguments and descriptions are read."""

from __future__ import annotations

from typing import Annotated, Protocol, TypeVar

import msgspec
from msgspec import Meta, Struct

from quire.core.errors import ToolError
from quire.core.ports import Invocation
from quire.protocol.items import ToolCall
from quire.protocol.policy import TurnContext

_LARGEST = 2**63 - 1
"""What a bound of msgspec can say; half of what the names below promise, and plenty."""
U64 = Annotated[int, Meta(ge=0, le=_LARGEST, title="u64")]
USize = Annotated[int, Meta(ge=0, le=_LARGEST, title="usize")]
I32 = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1, title="i32")]
"""Integers of an arguments Struct; the title is the word for them in an error text."""

_Arguments = TypeVar("_Arguments", bound=Struct)


class Tool(Protocol):
    """One tool of a thread. It may keep state for the thread; `prepare` has no effect."""

    @property
    def name(self) -> str:
        """The name by which the model calls it."""
        ...

    @property
    def parallel(self) -> bool:
        """True when calls of it may run beside other calls of the same response."""
        ...

    def spec(self) -> bytes:
        """Its entry in the request's `tools`: one encoded JSON object (Responses API), the same
        bytes for the whole thread."""
        ...

    def prepare(self, call: ToolCall, ctx: TurnContext) -> Invocation:
        """Parse and validate. Raises `ToolError` with words for the model."""
        ...


def decode_arguments(
    struct_type: type[_Arguments], text: str, root: str = "ToolEnvironmentArgs"
) -> _Arguments:
    """Decode a function call's arguments. Members that `struct_type` does not name are ignored.

    Raises `ToolError`: `failed to parse function arguments: ...` in the words of Codex 0.169
    (serde_json's); `root` is its name there for the whole document.
    """
    decoded: _Arguments | None = None
    fault = ""
    try:
        decoded = msgspec.json.decode(text, type=struct_type)
        if not _repeats(struct_type, text):
            return decoded
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        fault = str(error)
    from quire.tools.argument_errors import explain

    cause = explain(struct_type, text, root)
    if decoded is not None and cause is None:
        return decoded
    raise ToolError(f"failed to parse function arguments: {cause or fault}")


def _repeats(struct_type: type[Struct], text: str) -> bool:
    """True when a member may be there twice: msgspec takes the last, Codex refuses."""
    return any(text.count(f'"{name}"') > 1 for name in struct_type.__struct_fields__)


def load_description(name: str) -> str:
    """The description for the model: the text of `NAME.md` beside the tools, without the final
    newline. Read from the installed package; a missing file is a bug."""
    import os.path

    path = os.path.join(os.path.dirname(__file__), f"{name}.md")
    with open(path, encoding="utf-8") as file:
        return file.read().rstrip("\n")
