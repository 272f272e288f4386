"""Values that the words of several namespaces share (Codex 0.169, app-server)."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Raw, Struct

from quire.protocol.policy import ApprovalWords
from quire.protocol.policy import ReasoningSummary as ReasoningSummary
from quire.protocol.policy import SandboxMode as SandboxMode

ApprovalsReviewer = Literal["user", "auto_review", "guardian_subagent"]
ReasoningEffort = str
"""An effort that the model's catalog entry names; never empty."""
Personality = Literal["none", "friendly", "pragmatic"]
SortDirection = Literal["asc", "desc"]
NetworkAccess = Literal["restricted", "enabled"]
RequestId = str | int
Limit = Annotated[int, Meta(ge=0)]
"""How many a page holds at most."""


AskForApproval = Literal["untrusted"] | ApprovalWords
"""`untrusted` is a word of old clients: it is read, and refused with a reason."""


class DangerFullAccessSandboxPolicy(
    Struct, frozen=True, kw_only=True, tag="dangerFullAccess", tag_field="type"
):
    """No sandbox."""


class ReadOnlySandboxPolicy(
    Struct, frozen=True, kw_only=True, rename="camel", tag="readOnly", tag_field="type"
):
    network_access: bool = False


class ExternalSandboxSandboxPolicy(
    Struct, frozen=True, kw_only=True, rename="camel", tag="externalSandbox", tag_field="type"
):
    """The client runs the server in a sandbox of its own."""

    network_access: NetworkAccess = "restricted"


class WorkspaceWriteSandboxPolicy(
    Struct, frozen=True, kw_only=True, rename="camel", tag="workspaceWrite", tag_field="type"
):
    writable_roots: tuple[str, ...] = ()
    network_access: bool = False
    exclude_tmpdir_env_var: bool = False
    exclude_slash_tmp: bool = False


SandboxPolicy = (
    DangerFullAccessSandboxPolicy
    | ReadOnlySandboxPolicy
    | ExternalSandboxSandboxPolicy
    | WorkspaceWriteSandboxPolicy
)


class ActivePermissionProfile(Struct, frozen=True, kw_only=True, rename="camel"):
    """The permission profile that the settings in force came from."""

    id: str
    extends: str | None = None


class CustomMultiAgentMode(Struct, frozen=True, kw_only=True):
    custom: str


MultiAgentMode = Literal["explicitRequestOnly", "proactive"] | CustomMultiAgentMode


class Settings(Struct, frozen=True, kw_only=True):
    """The settings of a collaboration mode (snake case on the wire)."""

    model: str
    reasoning_effort: ReasoningEffort | None = None
    developer_instructions: str | None = None


class CollaborationMode(Struct, frozen=True, kw_only=True, rename="camel"):
    mode: Literal["plan", "default"]
    settings: Settings


JsonObject = dict[str, Raw]
"""A JSON object whose members are not read here."""


def json_null() -> Raw:
    """The default of a member that may hold any JSON value: what is absent reads as null."""
    return Raw(b"null")
