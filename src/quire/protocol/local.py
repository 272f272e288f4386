"""The calls a client makes of a server: one Params type each, and what it answers.

In process these objects are passed as they are; over JSON-RPC they are camelCase (Codex 0.169,
app-server v2).
"""

from __future__ import annotations

from msgspec import Struct

from quire.protocol.policy import ApprovalPolicy, ReasoningEffort, SandboxPolicy


class TextInput(Struct, frozen=True, tag="text", tag_field="type"):
    text: str


class LocalImageInput(Struct, frozen=True, tag="localImage", tag_field="type"):
    """`path` may be relative to the turn's folder. A missing file is told to the model."""

    path: str


InputPart = TextInput | LocalImageInput


class ThreadStartParams(Struct, frozen=True, kw_only=True, rename="camel", tag="thread/start"):
    """Start a thread with the settings of the server's configuration. `ephemeral` keeps no log."""

    ephemeral: bool = False


class ThreadResumeParams(Struct, frozen=True, kw_only=True, rename="camel", tag="thread/resume"):
    """Load a stored thread by its id."""

    thread_id: str


class ThreadForkParams(Struct, frozen=True, kw_only=True, rename="camel", tag="thread/fork"):
    """Start a new thread with the history of a stored one."""

    thread_id: str
    ephemeral: bool = False


class ThreadInfo(Struct, frozen=True, kw_only=True, rename="camel"):
    """A loaded thread. `path` is its rollout file (None when ephemeral), `warnings` what a person
    should know about how it was opened."""

    id: str
    cwd: str
    model: str
    model_provider: str
    approval_policy: ApprovalPolicy
    sandbox: SandboxPolicy
    reasoning_effort: ReasoningEffort | None = None
    path: str | None = None
    forked_from_id: str | None = None
    warnings: tuple[str, ...] = ()


class TurnStartParams(Struct, frozen=True, kw_only=True, rename="camel", tag="turn/start"):
    """Start a turn. `output_schema` is a JSON Schema as text; it holds for this turn only."""

    thread_id: str
    input: tuple[InputPart, ...]
    output_schema: str | None = None


class TurnStartResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    turn_id: str
