"""Which members only experimental clients see, by type and name on the wire.

Where the two schemas that Codex 0.169 generates differ. Methods say it of themselves.
"""

from __future__ import annotations

from collections.abc import Mapping

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
