"""What callers may say about threads and turns, and the words it becomes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TypedDict, TypeVar

import msgspec
from msgspec import Raw, Struct

from quire.client.questions import AnswerInput, Approve, Callbacks, Elicit
from quire.protocol.rpc.items import TextUserInput, UserInput
from quire.protocol.rpc.thread import ThreadSortKey, ThreadSourceKind
from quire.protocol.rpc.turn import TurnStartParams
from quire.protocol.rpc.values import (
    ApprovalsReviewer,
    AskForApproval,
    DangerFullAccessSandboxPolicy,
    ReadOnlySandboxPolicy,
    ReasoningEffort,
    ReasoningSummary,
    SandboxMode,
    SandboxPolicy,
    SortDirection,
    WorkspaceWriteSandboxPolicy,
)

Prompt = str | UserInput | Sequence[str | UserInput]


class ThreadOptions(TypedDict, total=False):
    """What is absent comes from the configuration. `config` holds overrides by dotted key, such
    as `{"model_reasoning_effort": "low"}`; the callbacks go before those of the client."""

    cwd: str
    model: str
    model_provider: str
    sandbox: SandboxMode
    approval_policy: AskForApproval
    approvals_reviewer: ApprovalsReviewer
    base_instructions: str
    developer_instructions: str
    service_tier: str
    ephemeral: bool
    config: Mapping[str, object]
    approve: Approve
    answer: AnswerInput
    elicit: Elicit


class ForkOptions(ThreadOptions, total=False):
    """`last_turn_id`: copy up to that turn, which is included; `before_turn_id`: excluded."""

    last_turn_id: str
    before_turn_id: str


class TurnOptions(TypedDict, total=False):
    """All but `output_schema` hold for later turns too. `output_schema` is a JSON Schema that the
    final message must fit; `sandbox` a mode, or a policy with writable roots and network."""

    cwd: str
    model: str
    effort: ReasoningEffort
    summary: ReasoningSummary
    sandbox: SandboxMode | SandboxPolicy
    approval_policy: AskForApproval
    approvals_reviewer: ApprovalsReviewer
    service_tier: str
    output_schema: Mapping[str, object]


class ListOptions(TypedDict, total=False):
    """Which stored threads: see `thread/list`."""

    archived: bool
    cwd: str | tuple[str, ...]
    search_term: str
    limit: int
    sort_key: ThreadSortKey
    sort_direction: SortDirection
    model_providers: tuple[str, ...]
    source_kinds: tuple[ThreadSourceKind, ...]


_Params = TypeVar("_Params", bound=Struct)


def thread_params(kind: type[_Params], options: ThreadOptions, **more: object) -> _Params:
    """The parameters of `thread/start`, `thread/resume` and `thread/fork`. Raises `TypeError` for
    options that the call does not have."""
    values = {name: value for name, value in options.items() if name not in _CALLBACKS}
    if "cwd" in options:
        values["cwd"] = os.path.abspath(options["cwd"])
    if "config" in options:
        values["config"] = raw_values(options["config"])
    return kind(**values, **more)


_CALLBACKS = ("approve", "answer", "elicit")


def raw_values(config: Mapping[str, object]) -> dict[str, Raw]:
    return {key: Raw(msgspec.json.encode(value)) for key, value in config.items()}


def thread_callbacks(options: ThreadOptions) -> Callbacks:
    return Callbacks(options.get("approve"), options.get("answer"), options.get("elicit"))


def turn_params(thread_id: str, prompt: Prompt, options: TurnOptions) -> TurnStartParams:
    cwd, schema = options.get("cwd"), options.get("output_schema")
    return TurnStartParams(
        thread_id=thread_id,
        input=user_input(prompt),
        cwd=None if cwd is None else os.path.abspath(cwd),
        model=options.get("model"),
        effort=options.get("effort"),
        summary=options.get("summary"),
        sandbox_policy=_sandbox(options.get("sandbox")),
        approval_policy=options.get("approval_policy"),
        approvals_reviewer=options.get("approvals_reviewer"),
        service_tier=options.get("service_tier"),
        output_schema=Raw(msgspec.json.encode(schema)),
    )


def user_input(prompt: Prompt) -> tuple[UserInput, ...]:
    """Texts and images, in their order."""
    if isinstance(prompt, str):
        return (TextUserInput(text=prompt),)
    parts = prompt if isinstance(prompt, Sequence) else (prompt,)
    return tuple(TextUserInput(text=part) if isinstance(part, str) else part for part in parts)


def _sandbox(sandbox: SandboxMode | SandboxPolicy | None) -> SandboxPolicy | None:
    match sandbox:
        case "read-only":
            return ReadOnlySandboxPolicy()
        case "workspace-write":
            return WorkspaceWriteSandboxPolicy()
        case "danger-full-access":
            return DangerFullAccessSandboxPolicy()
        case _:
            return sandbox
