"""What is only for experimental clients: methods, and members by type and name on the wire.

Where the two schemas that Codex 0.169 generates differ.
"""

from __future__ import annotations

from collections.abc import Mapping

METHODS = frozenset(
    {
        "fuzzyFileSearch/sessionStart",
        "fuzzyFileSearch/sessionStop",
        "fuzzyFileSearch/sessionUpdate",
        "process/kill",
        "process/resizePty",
        "process/spawn",
        "process/writeStdin",
        "server/diagnostics",
        "thread/backgroundTerminals/clean",
        "thread/backgroundTerminals/list",
        "thread/backgroundTerminals/terminate",
        "thread/queue/add",
        "thread/queue/delete",
        "thread/queue/list",
        "thread/queue/reorder",
        "thread/queue/start",
        "thread/queue/update",
        "thread/search",
        "thread/searchOccurrences",
    }
)
"""The same that the catalog marks: here without loading it."""

FIELDS: Mapping[str, tuple[str, ...]] = {
    "CommandExecParams": ("permissionProfile",),
    "CommandExecutionRequestApprovalParams": ("additionalPermissions", "availableDecisions"),
    "GetAccountResponse": ("workspaceRouting",),
    "Thread": (
        "attachedToThreadId",
        "canAcceptDirectInput",
        "daybreakEnabled",
        "environments",
        "extra",
    ),
    "ThreadForkParams": ("beforeTurnId", "path", "permissions", "runtimeWorkspaceRoots"),
    "ThreadForkResponse": ("activePermissionProfile", "multiAgentMode", "runtimeWorkspaceRoots"),
    "ThreadItemOutputDeferral": ("commandExecution", "mcpToolCall"),
    "ThreadListParams": ("ancestorThreadId", "parentThreadId"),
    "ThreadResumeParams": (
        "history",
        "initialTurnsPage",
        "path",
        "permissions",
        "runtimeWorkspaceRoots",
    ),
    "ThreadResumeResponse": (
        "activePermissionProfile",
        "initialTurnsPage",
        "multiAgentMode",
        "runtimeWorkspaceRoots",
    ),
    "ThreadSettings": ("environments", "multiAgentMode"),
    "ThreadStartParams": (
        "historyMode",
        "multiAgentMode",
        "permissions",
        "runtimeWorkspaceRoots",
    ),
    "ThreadStartResponse": ("activePermissionProfile", "multiAgentMode", "runtimeWorkspaceRoots"),
    "TurnStartParams": (
        "additionalContext",
        "collaborationMode",
        "multiAgentMode",
        "permissions",
        "runtimeWorkspaceRoots",
    ),
    "TurnSteerParams": ("additionalContext",),
}
