"""Questions of the server: `*/requestApproval`, `item/tool/requestUserInput` (Codex 0.169)."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from quire.protocol.rpc.items import CommandAction
from quire.protocol.rpc.method import Notification, ServerRequest
from quire.protocol.rpc.values import RequestId


class RootFileSystemSpecialPath(Struct, frozen=True, kw_only=True, tag="root", tag_field="kind"):
    """The whole file system."""


class MinimalFileSystemSpecialPath(
    Struct, frozen=True, kw_only=True, tag="minimal", tag_field="kind"
):
    """What any command needs to run."""


class ProjectRootsFileSystemSpecialPath(
    Struct, frozen=True, kw_only=True, tag="project_roots", tag_field="kind"
):
    subpath: str | None = None


class TmpdirFileSystemSpecialPath(
    Struct, frozen=True, kw_only=True, tag="tmpdir", tag_field="kind"
):
    """`$TMPDIR`."""


class SlashTmpFileSystemSpecialPath(
    Struct, frozen=True, kw_only=True, tag="slash_tmp", tag_field="kind"
):
    """`/tmp`."""


class UnknownFileSystemSpecialPath(
    Struct, frozen=True, kw_only=True, tag="unknown", tag_field="kind"
):
    path: str
    subpath: str | None = None


FileSystemSpecialPath = (
    RootFileSystemSpecialPath
    | MinimalFileSystemSpecialPath
    | ProjectRootsFileSystemSpecialPath
    | TmpdirFileSystemSpecialPath
    | SlashTmpFileSystemSpecialPath
    | UnknownFileSystemSpecialPath
)


class PathFileSystemPath(Struct, frozen=True, kw_only=True, tag="path", tag_field="type"):
    path: str


class GlobPatternFileSystemPath(
    Struct, frozen=True, kw_only=True, tag="glob_pattern", tag_field="type"
):
    pattern: str


class SpecialFileSystemPath(Struct, frozen=True, kw_only=True, tag="special", tag_field="type"):
    value: FileSystemSpecialPath


FileSystemPath = PathFileSystemPath | GlobPatternFileSystemPath | SpecialFileSystemPath


class FileSystemSandboxEntry(Struct, frozen=True, kw_only=True):
    path: FileSystemPath
    access: Literal["read", "write", "deny"]


class AdditionalFileSystemPermissions(Struct, frozen=True, kw_only=True, rename="camel"):
    read: tuple[str, ...] | None = None
    write: tuple[str, ...] | None = None
    glob_scan_max_depth: int | UnsetType | None = UNSET
    entries: tuple[FileSystemSandboxEntry, ...] | None = None


class AdditionalNetworkPermissions(Struct, frozen=True, kw_only=True):
    enabled: bool | None = None


class AdditionalPermissionProfile(Struct, frozen=True, kw_only=True, rename="camel"):
    """What a command may do beyond the sandbox policy."""

    network: AdditionalNetworkPermissions | None = None
    file_system: AdditionalFileSystemPermissions | None = None


class RequestPermissionProfile(
    AdditionalPermissionProfile, frozen=True, kw_only=True, rename="camel"
):
    """What the model asks for."""


class GrantedPermissionProfile(
    AdditionalPermissionProfile, frozen=True, kw_only=True, rename="camel"
):
    """What a person granted; nothing of it is nothing granted."""


class NetworkApprovalContext(Struct, frozen=True, kw_only=True):
    host: str
    protocol: Literal["http", "https", "socks5Tcp", "socks5Udp"]


class NetworkPolicyAmendment(Struct, frozen=True, kw_only=True):
    host: str
    action: Literal["allow", "deny"]


class ExecpolicyAmendmentChoice(Struct, frozen=True, kw_only=True):
    """The words of the prefix rule. A command line of several parts takes one rule for each:
    `execpolicy_amendments` has them all (ours; a client that echoes the offer sends it back)."""

    execpolicy_amendment: tuple[str, ...]
    execpolicy_amendments: tuple[tuple[str, ...], ...] | UnsetType = UNSET


class NetworkPolicyAmendmentChoice(Struct, frozen=True, kw_only=True):
    network_policy_amendment: NetworkPolicyAmendment


class CommandExecutionAmendment(
    Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True
):
    """Accept, and remember it as a rule: exactly one member is set."""

    accept_with_execpolicy_amendment: ExecpolicyAmendmentChoice | None = None
    apply_network_policy_amendment: NetworkPolicyAmendmentChoice | None = None


CommandExecutionApprovalDecision = (
    Literal["accept", "acceptForSession", "decline", "cancel"] | CommandExecutionAmendment
)
"""`decline`: the turn goes on; `cancel`: it ends."""


class CommandExecutionRequestApprovalParams(
    Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True
):
    """May this command run? What does not apply is left out."""

    kind: Literal["command", "writeStdin", "humanCommand"]
    thread_id: str
    turn_id: str
    item_id: str
    started_at_ms: int
    approval_id: str | None = None
    environment_id: str
    reason: str | None = None
    network_approval_context: NetworkApprovalContext | None = None
    command: str | None = None
    cwd: str | None = None
    command_actions: tuple[CommandAction, ...] | None = None
    additional_permissions: AdditionalPermissionProfile | None = None
    proposed_execpolicy_amendment: tuple[str, ...] | None = None
    proposed_network_policy_amendments: tuple[NetworkPolicyAmendment, ...] | None = None
    available_decisions: tuple[CommandExecutionApprovalDecision, ...] | None = None


class CommandExecutionRequestApprovalResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    decision: CommandExecutionApprovalDecision


class FileChangeRequestApprovalParams(Struct, frozen=True, kw_only=True, rename="camel"):
    """May this patch be applied? `grant_root` is a folder that would become writable."""

    thread_id: str
    turn_id: str
    item_id: str
    started_at_ms: int
    reason: str | None = None
    grant_root: str | None = None


FileChangeApprovalDecision = Literal["accept", "acceptForSession", "decline", "cancel"]


class FileChangeRequestApprovalResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    decision: FileChangeApprovalDecision


class PermissionsRequestApprovalParams(Struct, frozen=True, kw_only=True, rename="camel"):
    thread_id: str
    turn_id: str
    item_id: str
    environment_id: str | None = None
    started_at_ms: int
    cwd: str
    reason: str | None = None
    permissions: RequestPermissionProfile


class PermissionsRequestApprovalResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    permissions: GrantedPermissionProfile
    scope: Literal["turn", "session"] = "turn"
    strict_auto_review: bool | None = None


class ToolRequestUserInputOption(Struct, frozen=True, kw_only=True):
    label: str
    description: str


class ToolRequestUserInputQuestion(Struct, frozen=True, kw_only=True, rename="camel"):
    """`is_other`: an answer of the person's own is welcome; `is_secret`: do not show it."""

    id: str
    header: str
    question: str
    is_other: bool = False
    is_secret: bool = False
    options: tuple[ToolRequestUserInputOption, ...] | None = None


class ToolRequestUserInputParams(Struct, frozen=True, kw_only=True, rename="camel"):
    """Questions of the model. After `auto_resolution_ms` it goes on without an answer."""

    thread_id: str
    turn_id: str
    item_id: str
    questions: tuple[ToolRequestUserInputQuestion, ...]
    is_blocking: bool = True
    auto_resolution_ms: int | None = None


class ToolRequestUserInputAnswer(Struct, frozen=True, kw_only=True):
    answers: tuple[str, ...]


class ToolRequestUserInputResponse(Struct, frozen=True, kw_only=True):
    """Answers by the id of their question."""

    answers: dict[str, ToolRequestUserInputAnswer]


class ServerRequestResolvedNotification(Struct, frozen=True, kw_only=True, rename="camel"):
    """The question needs no answer any more: it was answered, or its turn ended."""

    thread_id: str
    request_id: RequestId


COMMAND_APPROVAL = ServerRequest(
    "item/commandExecution/requestApproval",
    CommandExecutionRequestApprovalParams,
    CommandExecutionRequestApprovalResponse,
)
FILE_CHANGE_APPROVAL = ServerRequest(
    "item/fileChange/requestApproval",
    FileChangeRequestApprovalParams,
    FileChangeRequestApprovalResponse,
)
PERMISSIONS_APPROVAL = ServerRequest(
    "item/permissions/requestApproval",
    PermissionsRequestApprovalParams,
    PermissionsRequestApprovalResponse,
)
USER_INPUT = ServerRequest(
    "item/tool/requestUserInput", ToolRequestUserInputParams, ToolRequestUserInputResponse
)
SERVER_REQUEST_RESOLVED = Notification("serverRequest/resolved", ServerRequestResolvedNotification)

NOTIFICATIONS = (SERVER_REQUEST_RESOLVED,)
REQUESTS = (COMMAND_APPROVAL, FILE_CHANGE_APPROVAL, PERMISSIONS_APPROVAL, USER_INPUT)
