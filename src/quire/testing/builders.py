"""Short ways to write items and settings down in tests.

What a model says (`say`, `call`, `shell`, `patch`, `reasoning`) has no ids yet: `ScriptedModel`
gives an item its ids when it streams it. Give `call_id` to choose one.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from quire.protocol.items import (
    CustomToolCall,
    FunctionCall,
    FunctionCallOutput,
    HistoryItem,
    InputText,
    Message,
    OutputText,
    Reasoning,
    SummaryText,
    history_item,
)
from quire.protocol.policy import SandboxPolicy, TurnContext


def say(text: str) -> Message:
    """The model's answer in words."""
    return Message(role="assistant", content=(OutputText(text),))


def call(name: str, args: Mapping[str, object] | str, call_id: str = "") -> FunctionCall:
    """A function call. A string of `args` is sent as it is, so it may be malformed JSON."""
    text = args if isinstance(args, str) else msgspec.json.encode(args).decode()
    return FunctionCall(name=name, arguments=text, call_id=call_id)


def shell(cmd: str, call_id: str = "", **args: object) -> FunctionCall:
    """A call of `exec_command`; `args` are further parameters (`yield_time_ms=100`)."""
    return call("exec_command", {"cmd": cmd, **args}, call_id)


def custom(name: str, text: str, call_id: str = "") -> CustomToolCall:
    """A freeform call: `text` in the tool's own grammar."""
    return CustomToolCall(name=name, input=text, call_id=call_id)


def patch(text: str, call_id: str = "") -> CustomToolCall:
    """A freeform call of `apply_patch`. The envelope lines are added when they are missing."""
    if not text.startswith("*** Begin Patch"):
        text = f"*** Begin Patch\n{text.rstrip()}\n*** End Patch\n"
    return custom("apply_patch", text, call_id)


def reasoning(summary: str, encrypted: str | None = "opaque") -> Reasoning:
    """Reasoning with one readable summary and content only its maker reads."""
    return Reasoning(summary=(SummaryText(summary),), encrypted_content=encrypted)


def raw(document: Mapping[str, object]) -> HistoryItem:
    """An item of any shape, also of a kind this version does not know."""
    return history_item(msgspec.json.encode(document))


def user(text: str) -> Message:
    return Message(role="user", content=(InputText(text),))


def developer(text: str) -> Message:
    return Message(role="developer", content=(InputText(text),))


def assistant(text: str, item_id: str = "msg_1") -> Message:
    """An answer that is already history, with its id."""
    return Message(role="assistant", content=(OutputText(text),), id=item_id)


def function_output(call_id: str, output: str) -> FunctionCallOutput:
    return FunctionCallOutput(call_id=call_id, output=output)


def turn_context(
    cwd: str = "/project", *, model: str = "test-model", sandbox: SandboxPolicy | None = None
) -> TurnContext:
    """Settings for a turn; use `msgspec.structs.replace` for the rarer ones."""
    return TurnContext(
        cwd=cwd,
        model=model,
        model_provider="test",
        sandbox=sandbox or SandboxPolicy(mode="workspace-write"),
        workspace_roots=(cwd,),
    )
