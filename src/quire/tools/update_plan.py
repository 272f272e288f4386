"""`update_plan`: the model's plan, shown to people (row T12; off unless configured)."""

from __future__ import annotations

from msgspec import Struct

from quire.core.errors import ToolError
from quire.core.ports import Invocation, NoAction, ToolContext, ToolResult
from quire.protocol.events import ItemUpdated
from quire.protocol.items import FunctionCall, ToolCall
from quire.protocol.policy import TurnContext
from quire.protocol.thread import PlanStep, StepStatus, TodoListItem
from quire.tools.base import decode_arguments, load_description
from quire.tools.spec import function_spec

_PARAMETERS = b"""{"type":"object","properties":{"explanation":{"type":"string"},\
"plan":{"type":"array","items":{"type":"object","properties":{"step":{"type":"string"},\
"status":{"type":"string","enum":["pending","in_progress","completed"]}},\
"required":["step","status"],"additionalProperties":false}}},\
"required":["plan"],"additionalProperties":false}"""


class PlanItemArg(Struct, frozen=True, forbid_unknown_fields=True):
    """One step; the name is the one that error texts have (Codex 0.169)."""

    step: str
    status: StepStatus


class UpdatePlanArgs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    explanation: str | None = None
    plan: tuple[PlanItemArg, ...]

    @property
    def steps(self) -> tuple[PlanStep, ...]:
        return tuple(PlanStep(item.step, item.status) for item in self.plan)


class UpdatePlan:
    """The tool. One list a turn: begun with the first call, updated by the others."""

    name = "update_plan"
    parallel = False

    def __init__(self) -> None:
        self.shown_in_turn: str | None = None

    def spec(self) -> bytes:
        return function_spec(self.name, load_description(self.name), _PARAMETERS)

    def prepare(self, call: ToolCall, ctx: TurnContext) -> Invocation:
        if not isinstance(call, FunctionCall):
            raise ToolError(f"unsupported custom tool call: {self.name}")
        return PlanInvocation(
            self, decode_arguments(UpdatePlanArgs, call.arguments, "UpdatePlanArgs")
        )


class PlanInvocation:
    def __init__(self, tool: UpdatePlan, arguments: UpdatePlanArgs) -> None:
        self._tool = tool
        self._arguments = arguments

    @property
    def action(self) -> NoAction:
        return NoAction()

    def proposed(self, ctx: ToolContext) -> None:
        """Nobody is ever asked about it."""

    def declined(self, ctx: ToolContext, reason: str) -> None:
        """Never refused: it has no effect outside the thread."""

    async def run(self, ctx: ToolContext) -> ToolResult:
        item = TodoListItem(f"plan-{ctx.turn_id}", self._arguments.steps)
        if self._tool.shown_in_turn == ctx.turn_id:
            ctx.publish(ItemUpdated(ctx.turn_id, item))
        else:
            self._tool.shown_in_turn = ctx.turn_id
            ctx.begin(item)
        return ToolResult("Plan updated")
