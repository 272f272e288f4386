"""`thread/*` of the app-server: threads, how they are opened, listed and kept (Codex 0.169)."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, Raw, Struct, UnsetType

from quire.protocol.rpc.faults import ThreadTokenUsage
from quire.protocol.rpc.method import Method, Notification
from quire.protocol.rpc.turn import Turn, TurnItemsView
from quire.protocol.rpc.values import (
    ActivePermissionProfile,
    ApprovalsReviewer,
    AskForApproval,
    CollaborationMode,
    JsonObject,
    Limit,
    MultiAgentMode,
    Personality,
    ReasoningEffort,
    ReasoningSummary,
    SandboxMode,
    SandboxPolicy,
    SortDirection,
)

ThreadActiveFlag = Literal["waitingOnApproval", "waitingOnUserInput"]
ThreadHistoryMode = Literal["legacy", "paginated"]
ThreadSortKey = Literal["created_at", "updated_at", "recency_at", "section_position"]
ThreadSourceKind = Literal[
    "cli",
    "vscode",
    "exec",
    "appServer",
    "subAgent",
    "subAgentReview",
    "subAgentCompact",
    "subAgentThreadSpawn",
    "subAgentOther",
    "unknown",
]


class NotLoadedThreadStatus(Struct, frozen=True, kw_only=True, tag="notLoaded", tag_field="type"):
    """It lies on disk."""


class IdleThreadStatus(Struct, frozen=True, kw_only=True, tag="idle", tag_field="type"):
    """It is loaded and no turn runs."""


class SystemErrorThreadStatus(
    Struct, frozen=True, kw_only=True, tag="systemError", tag_field="type"
):
    """Its last turn failed; it takes more."""


class ActiveThreadStatus(
    Struct, frozen=True, kw_only=True, rename="camel", tag="active", tag_field="type"
):
    """A turn runs; the flags say what it waits for."""

    active_flags: tuple[ThreadActiveFlag, ...] = ()


ThreadStatus = (
    NotLoadedThreadStatus | IdleThreadStatus | SystemErrorThreadStatus | ActiveThreadStatus
)


class ThreadEnvironment(Struct, frozen=True, kw_only=True, rename="camel"):
    environment_id: str
    cwd: str
    runtime_workspace_roots: tuple[str, ...]


class GitInfo(Struct, frozen=True, kw_only=True, rename="camel"):
    """Where the repository stood when the thread began."""

    sha: str | None = None
    branch: str | None = None
    origin_url: str | None = None


ThreadGitInfo = GitInfo
"""Its name where `quire.protocol.records.GitInfo` is near."""


class ThreadSpawn(Struct, frozen=True, kw_only=True):
    parent_thread_id: str
    depth: int
    agent_path: str | None = None
    agent_nickname: str | None = None
    agent_role: str | None = None


class SubAgentDetail(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Exactly one member is set."""

    thread_spawn: ThreadSpawn | None = None
    other: str | None = None


SubAgentSource = Literal["review", "compact", "memory_consolidation"] | SubAgentDetail


class SessionSourceDetail(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Exactly one member is set."""

    custom: str | None = None
    sub_agent: SubAgentSource | None = None


SessionSource = Literal["cli", "vscode", "exec", "appServer", "unknown"] | SessionSourceDetail


class Thread(Struct, frozen=True, kw_only=True, rename="camel"):
    """A thread. Times in seconds since the epoch; `preview` is usually its first user message.

    `turns` is filled by `thread/resume`, `thread/fork` and `thread/read` with `includeTurns`."""

    id: str
    environments: tuple[ThreadEnvironment, ...] | None = None
    extra: None = None
    session_id: str
    forked_from_id: str | None = None
    attached_to_thread_id: str | None = None
    parent_thread_id: str | None = None
    preview: str
    ephemeral: bool
    section: None = None
    section_entered_at: None = None
    project_id: None = None
    history_mode: ThreadHistoryMode = "paginated"
    model_provider: str
    model: str | None = None
    reasoning_effort: ReasoningEffort | None = None
    created_at: int
    updated_at: int
    recency_at: int | None = None
    status: ThreadStatus
    path: str | None = None
    cwd: str
    cli_version: str
    originator: str | None = None
    source: SessionSource
    can_accept_direct_input: bool | None = None
    thread_source: str | None = None
    agent_nickname: str | None = None
    agent_role: str | None = None
    git_info: GitInfo | None = None
    name: str | None = None
    daybreak_enabled: None = None
    turns: tuple[Turn, ...] = ()


class ThreadOverrides(Struct, frozen=True, kw_only=True, rename="camel"):
    """How a thread that is opened differs from the configuration. What is absent comes from there
    (or from the thread's log); `config` holds overrides by dotted key."""

    model: str | None = None
    model_provider: str | None = None
    service_tier: str | None = None
    cwd: str | None = None
    runtime_workspace_roots: tuple[str, ...] | None = None
    approval_policy: AskForApproval | None = None
    approvals_reviewer: ApprovalsReviewer | None = None
    sandbox: SandboxMode | None = None
    permissions: str | None = None
    config: JsonObject | None = None
    base_instructions: str | None = None
    developer_instructions: str | None = None


class ThreadStartParams(ThreadOverrides, frozen=True, kw_only=True, rename="camel"):
    service_name: str | None = None
    personality: Personality | None = None
    multi_agent_mode: MultiAgentMode | None = None
    ephemeral: bool | None = None
    history_mode: ThreadHistoryMode | None = None
    session_start_source: Literal["startup", "clear"] | None = None
    thread_source: str | None = None


class ThreadStartResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    """The thread and the settings that its next turn has."""

    thread: Thread
    model: str
    model_provider: str
    service_tier: str | None = None
    disabled_plugin_ids: tuple[str, ...] = ()
    cwd: str
    runtime_workspace_roots: tuple[str, ...] = ()
    instruction_sources: tuple[str, ...] = ()
    approval_policy: AskForApproval
    approvals_reviewer: ApprovalsReviewer = "user"
    sandbox: SandboxPolicy
    active_permission_profile: ActivePermissionProfile | None = None
    reasoning_effort: ReasoningEffort | None = None
    multi_agent_mode: MultiAgentMode = "explicitRequestOnly"


class ThreadResumeInitialTurnsPageParams(Struct, frozen=True, kw_only=True, rename="camel"):
    limit: Limit | None = None
    sort_direction: SortDirection | None = None
    items_view: TurnItemsView | None = None


class ThreadResumeParams(ThreadOverrides, frozen=True, kw_only=True, rename="camel"):
    """Load a stored thread: by `history`, else by `path`, else by `thread_id`."""

    thread_id: str
    history: tuple[Raw, ...] | None = None
    path: str | None = None
    personality: Personality | None = None
    exclude_turns: bool = False
    initial_turns_page: ThreadResumeInitialTurnsPageParams | None = None


class TurnsPage(Struct, frozen=True, kw_only=True, rename="camel"):
    data: tuple[Turn, ...]
    next_cursor: str | None = None
    backwards_cursor: str | None = None


class ThreadResumeResponse(ThreadStartResponse, frozen=True, kw_only=True, rename="camel"):
    collaboration_mode: CollaborationMode | None = None
    initial_turns_page: TurnsPage | None = None
    turns_backwards_cursor: str | None = None
    items_backwards_cursor: str | None = None


class ThreadForkParams(ThreadOverrides, frozen=True, kw_only=True, rename="camel"):
    """A new thread with the history of another, up to `last_turn_id` (that turn included) or
    `before_turn_id` (that turn excluded)."""

    thread_id: str
    last_turn_id: str | None = None
    before_turn_id: str | None = None
    path: str | None = None
    ephemeral: bool = False
    thread_source: str | None = None
    exclude_turns: bool = False


class ThreadForkResponse(ThreadStartResponse, frozen=True, kw_only=True, rename="camel"):
    pass


class ThreadReadParams(Struct, frozen=True, kw_only=True, rename="camel"):
    thread_id: str
    include_turns: bool = False


class ThreadReadResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    thread: Thread


class ThreadListParams(Struct, frozen=True, kw_only=True, rename="camel"):
    """`model_providers` and `source_kinds` that are empty mean all; `cwd` is one or several."""

    cursor: str | None = None
    limit: Limit | None = None
    sort_key: ThreadSortKey | None = None
    sort_direction: SortDirection | None = None
    model_providers: tuple[str, ...] | None = None
    source_kinds: tuple[ThreadSourceKind, ...] | None = None
    originators: tuple[str, ...] | None = None
    archived: bool | None = None
    cwd: str | tuple[str, ...] | None = None
    search_term: str | None = None
    excluded_thread_ids: tuple[str, ...] | None = None
    parent_thread_id: str | None = None
    ancestor_thread_id: str | None = None
    use_state_db_only: bool = False


class ThreadListResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    data: tuple[Thread, ...]
    next_cursor: str | None = None
    backwards_cursor: str | None = None


class ThreadLoadedListParams(Struct, frozen=True, kw_only=True, rename="camel"):
    cursor: str | None = None
    limit: Limit | None = None


class ThreadLoadedListResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    """Ids of threads."""

    data: tuple[str, ...]
    next_cursor: str | None = None


class ThreadArchiveParams(Struct, frozen=True, kw_only=True, rename="camel"):
    thread_id: str


class ThreadArchiveResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    pass


class ThreadUnarchiveParams(Struct, frozen=True, kw_only=True, rename="camel"):
    thread_id: str


class ThreadUnarchiveResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    thread: Thread


class ThreadDeleteParams(Struct, frozen=True, kw_only=True, rename="camel"):
    thread_id: str


class ThreadDeleteResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    pass


class ThreadSetNameParams(Struct, frozen=True, kw_only=True, rename="camel"):
    thread_id: str
    name: str


class ThreadSetNameResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    pass


class ThreadMetadataGitInfoUpdateParams(Struct, frozen=True, kw_only=True, rename="camel"):
    """An absent member stays as it is; null removes it."""

    sha: str | UnsetType | None = UNSET
    branch: str | UnsetType | None = UNSET
    origin_url: str | UnsetType | None = UNSET


class ThreadMetadataUpdateParams(Struct, frozen=True, kw_only=True, rename="camel"):
    thread_id: str
    git_info: ThreadMetadataGitInfoUpdateParams | None = None


class ThreadMetadataUpdateResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    thread: Thread


class ThreadUnsubscribeParams(Struct, frozen=True, kw_only=True, rename="camel"):
    thread_id: str


class ThreadUnsubscribeResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    status: Literal["notLoaded", "notSubscribed", "unsubscribed"]


class ThreadStartedNotification(Struct, frozen=True, kw_only=True, rename="camel"):
    thread: Thread


class ThreadStatusChangedNotification(Struct, frozen=True, kw_only=True, rename="camel"):
    thread_id: str
    status: ThreadStatus


class ThreadArchivedNotification(Struct, frozen=True, kw_only=True, rename="camel"):
    thread_id: str


class ThreadUnarchivedNotification(Struct, frozen=True, kw_only=True, rename="camel"):
    thread_id: str


class ThreadDeletedNotification(Struct, frozen=True, kw_only=True, rename="camel"):
    thread_id: str


class ThreadClosedNotification(Struct, frozen=True, kw_only=True, rename="camel"):
    """It was unloaded and lies on disk."""

    thread_id: str


class ThreadNameUpdatedNotification(Struct, frozen=True, kw_only=True, rename="camel"):
    thread_id: str
    thread_name: str | None = None


class ThreadSettings(Struct, frozen=True, kw_only=True, rename="camel"):
    """What the next turn of a loaded thread has."""

    cwd: str
    environments: tuple[ThreadEnvironment, ...] | None = None
    approval_policy: AskForApproval
    approvals_reviewer: ApprovalsReviewer = "user"
    sandbox_policy: SandboxPolicy
    active_permission_profile: ActivePermissionProfile | None = None
    model: str
    model_provider: str
    service_tier: str | None = None
    disabled_plugin_ids: tuple[str, ...] = ()
    effort: ReasoningEffort | None = None
    summary: ReasoningSummary | None = None
    collaboration_mode: CollaborationMode
    multi_agent_mode: MultiAgentMode = "explicitRequestOnly"
    personality: Personality | None = None


class ThreadSettingsUpdatedNotification(Struct, frozen=True, kw_only=True, rename="camel"):
    thread_id: str
    thread_settings: ThreadSettings


class ThreadTokenUsageUpdatedNotification(Struct, frozen=True, kw_only=True, rename="camel"):
    thread_id: str
    turn_id: str
    token_usage: ThreadTokenUsage


THREAD_STARTED = Notification("thread/started", ThreadStartedNotification)
THREAD_STATUS_CHANGED = Notification("thread/status/changed", ThreadStatusChangedNotification)
THREAD_ARCHIVED = Notification("thread/archived", ThreadArchivedNotification)
THREAD_UNARCHIVED = Notification("thread/unarchived", ThreadUnarchivedNotification)
THREAD_DELETED = Notification("thread/deleted", ThreadDeletedNotification)
THREAD_CLOSED = Notification("thread/closed", ThreadClosedNotification)
THREAD_NAME_UPDATED = Notification("thread/name/updated", ThreadNameUpdatedNotification)
THREAD_SETTINGS_UPDATED = Notification("thread/settings/updated", ThreadSettingsUpdatedNotification)
THREAD_TOKEN_USAGE = Notification("thread/tokenUsage/updated", ThreadTokenUsageUpdatedNotification)

METHODS = (
    Method("thread/start", ThreadStartParams, ThreadStartResponse),
    Method("thread/resume", ThreadResumeParams, ThreadResumeResponse),
    Method("thread/fork", ThreadForkParams, ThreadForkResponse),
    Method("thread/read", ThreadReadParams, ThreadReadResponse),
    Method("thread/list", ThreadListParams, ThreadListResponse),
    Method("thread/loaded/list", ThreadLoadedListParams, ThreadLoadedListResponse),
    Method("thread/archive", ThreadArchiveParams, ThreadArchiveResponse),
    Method("thread/unarchive", ThreadUnarchiveParams, ThreadUnarchiveResponse),
    Method("thread/delete", ThreadDeleteParams, ThreadDeleteResponse),
    Method("thread/name/set", ThreadSetNameParams, ThreadSetNameResponse),
    Method("thread/metadata/update", ThreadMetadataUpdateParams, ThreadMetadataUpdateResponse),
    Method("thread/unsubscribe", ThreadUnsubscribeParams, ThreadUnsubscribeResponse),
)
NOTIFICATIONS = (
    THREAD_STARTED,
    THREAD_STATUS_CHANGED,
    THREAD_ARCHIVED,
    THREAD_UNARCHIVED,
    THREAD_DELETED,
    THREAD_CLOSED,
    THREAD_NAME_UPDATED,
    THREAD_SETTINGS_UPDATED,
    THREAD_TOKEN_USAGE,
)
