"""The calls of a client in the same process: the same threads and turns as over JSON-RPC (see
`rpc`), with the types of the core and without JSON, so that little is imported.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from quire.protocol.policy import (
    ApprovalPolicy,
    ApprovalsReviewer,
    CollaborationMode,
    ReasoningEffort,
    ReasoningSummary,
    SandboxMode,
    SandboxPolicy,
    approval_words,
)


class TextInput(Struct, frozen=True, tag="text", tag_field="type"):
    text: str


class LocalImageInput(Struct, frozen=True, tag="localImage", tag_field="type"):
    """`path` may be relative to the turn's folder. A missing file is told to the model."""

    path: str


class ImageInput(Struct, frozen=True, tag="image", tag_field="type"):
    """`url` is a data URL, or one that the model's server can fetch."""

    url: str
    detail: str | None = None


InputPart = TextInput | LocalImageInput | ImageInput


class ThreadSettings(Struct, frozen=True, kw_only=True):
    """How a thread differs from the server's configuration. `config` has dotted keys with their
    values; `permissions` names a permission profile; `originator` is the client's name."""

    cwd: str | None = None
    model: str | None = None
    model_provider: str | None = None
    approval_policy: ApprovalPolicy | None = None
    approvals_reviewer: ApprovalsReviewer | None = None
    sandbox_mode: SandboxMode | None = None
    permissions: str | None = None
    config: dict[str, object] = {}
    base_instructions: str | None = None
    developer_instructions: str | None = None
    service_tier: str | None = None
    workspace_roots: tuple[str, ...] = ()
    originator: str | None = None

    def flags(self) -> dict[str, object]:
        """The settings that are keys of the configuration, by dotted key."""
        policy = self.approval_policy
        named: dict[str, object] = {
            "model": self.model,
            "model_provider": self.model_provider,
            "approval_policy": policy and msgspec.to_builtins(approval_words(policy)),
            "approvals_reviewer": self.approvals_reviewer,
            "sandbox_mode": self.sandbox_mode,
            "default_permissions": self.permissions,
            "developer_instructions": self.developer_instructions,
            "service_tier": self.service_tier,
        }
        return {**self.config, **{key: value for key, value in named.items() if value is not None}}


class TurnChanges(Struct, frozen=True, kw_only=True):
    """What changes with a turn and stays changed after it."""

    cwd: str | None = None
    model: str | None = None
    effort: ReasoningEffort | None = None
    summary: ReasoningSummary | None = None
    approval_policy: ApprovalPolicy | None = None
    approvals_reviewer: ApprovalsReviewer | None = None
    sandbox: SandboxPolicy | None = None
    permissions: str | None = None
    service_tier: str | None = None
    mode: CollaborationMode | None = None


class ThreadStartParams(Struct, frozen=True, kw_only=True):
    """Start a thread with the settings of the server's configuration. `ephemeral` keeps no log."""

    ephemeral: bool = False
    settings: ThreadSettings | None = None


class ThreadResumeParams(Struct, frozen=True, kw_only=True):
    """Load a stored thread by its id."""

    thread_id: str
    settings: ThreadSettings | None = None


class ThreadForkParams(Struct, frozen=True, kw_only=True):
    """Start a new thread with the history of a stored one."""

    thread_id: str
    ephemeral: bool = False
    last_turn_id: str | None = None
    before_turn_id: str | None = None
    settings: ThreadSettings | None = None


class ThreadInfo(Struct, frozen=True, kw_only=True):
    """A loaded thread. `path` is its rollout file (None when ephemeral), `warnings` what a person
    should know about how it was opened. `permission_profile` is the profile that `sandbox` comes
    from, and what that one extends."""

    id: str
    cwd: str
    model: str
    model_provider: str
    approval_policy: ApprovalPolicy
    sandbox: SandboxPolicy
    permission_profile: tuple[str, str | None] | None = None
    reasoning_effort: ReasoningEffort | None = None
    path: str | None = None
    forked_from_id: str | None = None
    warnings: tuple[str, ...] = ()


class TurnStartParams(Struct, frozen=True, kw_only=True):
    """Start a turn. `output_schema` is a JSON Schema as text; it holds for this turn only."""

    thread_id: str
    input: tuple[InputPart, ...]
    output_schema: str | None = None
    changes: TurnChanges | None = None
    client_id: str | None = None


class TurnStartResponse(Struct, frozen=True, kw_only=True):
    turn_id: str
