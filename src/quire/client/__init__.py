"""The Python SDK: typed calls and events over any transport, or in this process.

    from quire.client import AgentMessageDelta, Quire

    async with Quire() as q:
        thread = await q.thread(sandbox="workspace-write")
        async for event in thread.run("Make the failing test pass"):
            match event:
                case AgentMessageDelta(delta=text):
                    print(text, end="")

Everything public is a name of this package; importing it loads nothing until a name is used.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from quire.client.channel import Channel, memory_channels
    from quire.client.errors import (
        CallRefused,
        CannotConnect,
        ClientError,
        ConnectionLost,
        EventsNotRead,
        TurnFailed,
    )
    from quire.client.events import (
        AgentMessageDelta,
        CommandOutputDelta,
        ErrorOccurred,
        ItemCompleted,
        ItemStarted,
        McpProgress,
        PatchUpdated,
        PlanDelta,
        QuestionDeclined,
        ReasoningDelta,
        ReasoningSummaryDelta,
        ReasoningSummaryPart,
        TerminalInteraction,
        ThreadClosed,
        ThreadEvent,
        ThreadNameUpdated,
        ThreadSettingsUpdated,
        ThreadStatusChanged,
        TokenUsageUpdated,
        TurnCompleted,
        TurnDiffUpdated,
        TurnPlanUpdated,
        TurnStarted,
        UserInputRequest,
        Warned,
    )
    from quire.client.items import (
        AgentMessage,
        CommandExecution,
        FileChange,
        Image,
        LocalImage,
        Mention,
        Plan,
        Reasoning,
        Text,
        ThreadItem,
        UserMessage,
    )
    from quire.client.options import Prompt, ThreadOptions, TurnOptions
    from quire.client.questions import ApprovalRequest, Decision
    from quire.client.quire import Quire
    from quire.client.run import TurnResult, TurnRun
    from quire.client.thread import Thread
    from quire.protocol.review import (
        BaseBranchReviewTarget,
        CommitReviewTarget,
        CustomReviewTarget,
        UncommittedChangesReviewTarget,
    )

_MODULES = {
    "quire.client.channel": ("Channel", "memory_channels"),
    "quire.client.errors": (
        "CallRefused",
        "CannotConnect",
        "ClientError",
        "ConnectionLost",
        "EventsNotRead",
        "TurnFailed",
    ),
    "quire.client.events": (
        "AgentMessageDelta",
        "CommandOutputDelta",
        "ErrorOccurred",
        "ItemCompleted",
        "ItemStarted",
        "McpProgress",
        "PatchUpdated",
        "PlanDelta",
        "QuestionDeclined",
        "ReasoningDelta",
        "ReasoningSummaryDelta",
        "ReasoningSummaryPart",
        "TerminalInteraction",
        "ThreadClosed",
        "ThreadEvent",
        "ThreadNameUpdated",
        "ThreadSettingsUpdated",
        "ThreadStatusChanged",
        "TokenUsageUpdated",
        "TurnCompleted",
        "TurnDiffUpdated",
        "TurnPlanUpdated",
        "TurnStarted",
        "UserInputRequest",
        "Warned",
    ),
    "quire.client.items": (
        "AgentMessage",
        "CommandExecution",
        "FileChange",
        "Image",
        "LocalImage",
        "Mention",
        "Plan",
        "Reasoning",
        "Text",
        "ThreadItem",
        "UserMessage",
    ),
    "quire.client.options": ("Prompt", "ThreadOptions", "TurnOptions"),
    "quire.client.questions": ("ApprovalRequest", "Decision"),
    "quire.client.quire": ("Quire",),
    "quire.client.run": ("TurnResult", "TurnRun"),
    "quire.client.thread": ("Thread",),
    "quire.protocol.review": (
        "BaseBranchReviewTarget",
        "CommitReviewTarget",
        "CustomReviewTarget",
        "UncommittedChangesReviewTarget",
    ),
}


def __getattr__(name: str) -> object:
    """Load a public name when it is first used."""
    for module, names in _MODULES.items():
        if name in names:
            from importlib import import_module

            value = vars(import_module(module))[name]
            globals()[name] = value
            return value
    raise AttributeError(f"module 'quire.client' has no attribute {name!r}")


__all__ = [
    "AgentMessage",
    "AgentMessageDelta",
    "ApprovalRequest",
    "BaseBranchReviewTarget",
    "CallRefused",
    "CannotConnect",
    "Channel",
    "ClientError",
    "CommandExecution",
    "CommandOutputDelta",
    "CommitReviewTarget",
    "ConnectionLost",
    "CustomReviewTarget",
    "Decision",
    "ErrorOccurred",
    "EventsNotRead",
    "FileChange",
    "Image",
    "ItemCompleted",
    "ItemStarted",
    "LocalImage",
    "McpProgress",
    "Mention",
    "PatchUpdated",
    "Plan",
    "PlanDelta",
    "Prompt",
    "QuestionDeclined",
    "Quire",
    "Reasoning",
    "ReasoningDelta",
    "ReasoningSummaryDelta",
    "ReasoningSummaryPart",
    "TerminalInteraction",
    "Text",
    "Thread",
    "ThreadClosed",
    "ThreadEvent",
    "ThreadItem",
    "ThreadNameUpdated",
    "ThreadOptions",
    "ThreadSettingsUpdated",
    "ThreadStatusChanged",
    "TokenUsageUpdated",
    "TurnCompleted",
    "TurnDiffUpdated",
    "TurnFailed",
    "TurnOptions",
    "TurnPlanUpdated",
    "TurnResult",
    "TurnRun",
    "TurnStarted",
    "UncommittedChangesReviewTarget",
    "UserInputRequest",
    "UserMessage",
    "Warned",
    "memory_channels",
]
