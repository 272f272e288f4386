"""What happens in a thread, as typed events: the notifications of `quire.protocol.rpc` under short
names, and what they are made of. `match` takes them apart:

    match event:
        case AgentMessageDelta(delta=text): ...
        case ItemCompleted(item=CommandExecution(command=command, exit_code=code)): ...
        case TurnCompleted(turn=turn): ...
"""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from quire.protocol.rpc.approvals import ToolRequestUserInputParams as UserInputRequest
from quire.protocol.rpc.elicitation import FormElicitationParams, UrlElicitationParams
from quire.protocol.rpc.item import (
    AgentMessageDeltaNotification as AgentMessageDelta,
)
from quire.protocol.rpc.item import (
    CommandExecutionOutputDeltaNotification as CommandOutputDelta,
)
from quire.protocol.rpc.item import (
    FileChangePatchUpdatedNotification as PatchUpdated,
)
from quire.protocol.rpc.item import ItemCompletedNotification as ItemCompleted
from quire.protocol.rpc.item import ItemStartedNotification as ItemStarted
from quire.protocol.rpc.item import McpToolCallProgressNotification as McpProgress
from quire.protocol.rpc.item import PlanDeltaNotification as PlanDelta
from quire.protocol.rpc.item import (
    ReasoningSummaryPartAddedNotification as ReasoningSummaryPart,
)
from quire.protocol.rpc.item import (
    ReasoningSummaryTextDeltaNotification as ReasoningSummaryDelta,
)
from quire.protocol.rpc.item import ReasoningTextDeltaNotification as ReasoningDelta
from quire.protocol.rpc.item import TerminalInteractionNotification as TerminalInteraction
from quire.protocol.rpc.server import ErrorNotification as ErrorOccurred
from quire.protocol.rpc.server import WarningNotification as Warned
from quire.protocol.rpc.thread import ThreadClosedNotification as ThreadClosed
from quire.protocol.rpc.thread import ThreadNameUpdatedNotification as ThreadNameUpdated
from quire.protocol.rpc.thread import (
    ThreadSettingsUpdatedNotification as ThreadSettingsUpdated,
)
from quire.protocol.rpc.thread import ThreadStatusChangedNotification as ThreadStatusChanged
from quire.protocol.rpc.thread import ThreadTokenUsageUpdatedNotification as TokenUsageUpdated
from quire.protocol.rpc.turn import TurnCompletedNotification as TurnCompleted
from quire.protocol.rpc.turn import TurnDiffUpdatedNotification as TurnDiffUpdated
from quire.protocol.rpc.turn import TurnPlanUpdatedNotification as TurnPlanUpdated
from quire.protocol.rpc.turn import TurnStartedNotification as TurnStarted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from quire.client.questions import ApprovalRequest


class QuestionDeclined(Struct, frozen=True, kw_only=True):
    """Ours, not the server's: it asked, and there is no callback that could answer."""

    thread_id: str
    turn_id: str | None
    request: ApprovalRequest | UserInputRequest | FormElicitationParams | UrlElicitationParams


Notified = (
    TurnStarted
    | TurnCompleted
    | TurnDiffUpdated
    | TurnPlanUpdated
    | ItemStarted
    | ItemCompleted
    | AgentMessageDelta
    | PlanDelta
    | ReasoningSummaryDelta
    | ReasoningSummaryPart
    | ReasoningDelta
    | CommandOutputDelta
    | TerminalInteraction
    | PatchUpdated
    | McpProgress
    | TokenUsageUpdated
    | ThreadStatusChanged
    | ThreadNameUpdated
    | ThreadSettingsUpdated
    | ThreadClosed
    | ErrorOccurred
    | Warned
)
ThreadEvent = Notified | QuestionDeclined
"""Everything that is told about a thread."""

_KINDS: dict[str, type[Notified]] = {
    "turn/started": TurnStarted,
    "turn/completed": TurnCompleted,
    "turn/diff/updated": TurnDiffUpdated,
    "turn/plan/updated": TurnPlanUpdated,
    "item/started": ItemStarted,
    "item/completed": ItemCompleted,
    "item/agentMessage/delta": AgentMessageDelta,
    "item/plan/delta": PlanDelta,
    "item/reasoning/summaryTextDelta": ReasoningSummaryDelta,
    "item/reasoning/summaryPartAdded": ReasoningSummaryPart,
    "item/reasoning/textDelta": ReasoningDelta,
    "item/commandExecution/outputDelta": CommandOutputDelta,
    "item/commandExecution/terminalInteraction": TerminalInteraction,
    "item/fileChange/patchUpdated": PatchUpdated,
    "item/mcpToolCall/progress": McpProgress,
    "thread/tokenUsage/updated": TokenUsageUpdated,
    "thread/status/changed": ThreadStatusChanged,
    "thread/name/updated": ThreadNameUpdated,
    "thread/settings/updated": ThreadSettingsUpdated,
    "thread/closed": ThreadClosed,
    "error": ErrorOccurred,
    "warning": Warned,
}
_LOSSY = frozenset(
    [
        *(AgentMessageDelta, PlanDelta, ReasoningSummaryDelta, ReasoningSummaryPart),
        *(ReasoningDelta, CommandOutputDelta, PatchUpdated, McpProgress),
    ]
)


class Told(Struct, frozen=True):
    """A notification that nobody read yet."""

    kind: type[Notified]
    params: Raw

    @property
    def lossy(self) -> bool:
        return self.kind in _LOSSY

    def decode(self) -> Notified | None:
        """None when it is not as this version knows it."""
        try:
            return msgspec.json.decode(self.params, type=self.kind)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None


class _About(Struct, frozen=True, rename="camel"):
    thread_id: str | None = None


_about = msgspec.json.Decoder(_About)


def about(method: str, params: Raw) -> tuple[str | None, Told] | None:
    """(the thread, the notification); None for kinds that concern no thread."""
    kind = _KINDS.get(method)
    if kind is None:
        return None
    try:
        return _about.decode(params).thread_id, Told(kind, params)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def turn_of(event: ThreadEvent) -> str | None:
    """The turn that an event belongs to; None for those of the thread as a whole."""
    match event:
        case TurnStarted(turn=turn) | TurnCompleted(turn=turn):
            return turn.id
        case ThreadStatusChanged() | ThreadNameUpdated() | ThreadSettingsUpdated() | ThreadClosed():
            return None
        case Warned():
            return None
        case _:
            return event.turn_id
