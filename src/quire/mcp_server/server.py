"""`quire mcp-server`: calls of the two tools, answered by turns."""

from __future__ import annotations

from typing import Any

from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
    ListToolsResult,
    PaginatedRequestParams,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from quire import __version__
from quire.client.errors import ClientError
from quire.client.events import UserInputRequest
from quire.client.options import ThreadOptions
from quire.client.questions import ApprovalRequest, Decision
from quire.client.quire import Quire
from quire.client.thread import Thread
from quire.mcp_server import approvals
from quire.mcp_server.turns import PARKED_SECONDS, Asked, Parked, Progress, RunningTurn
from quire.mcp_server.words import (
    REPLY,
    START,
    TOOLS,
    BadArguments,
    ReplyArguments,
    StartArguments,
    arguments,
    result,
)

Context = ServerRequestContext[dict[str, Any], Any]
NAME = "quire_mcp"
_QUESTION = "question"
"""The name of our question where a result asks it."""


class ToolServer:
    """Answers calls of the two tools."""

    def __init__(self, quire: Quire, parked_seconds: float) -> None:
        self._quire = quire
        self._parked = Parked(parked_seconds)
        self._running: dict[str, RunningTurn] = {}

    async def list_tools(
        self, ctx: Context, params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        return ListToolsResult(tools=TOOLS)

    async def call_tool(
        self, ctx: Context, params: CallToolRequestParams
    ) -> CallToolResult | InputRequiredResult:
        """A call that the client gives up interrupts its turn."""
        try:
            turn = await self._turn(params)
        except BadArguments as exc:
            return result("", str(exc), failed=True)
        except ClientError as exc:
            return result("", str(exc), failed=True)
        try:
            return await self._follow(ctx, turn)
        except BaseException:
            turn.stop()
            raise

    async def _turn(self, params: CallToolRequestParams) -> RunningTurn:
        """The turn to follow: a new one, or one that waited for this call's answer."""
        if params.request_state is not None:
            return self._returned(params)
        if params.name == START:
            start = arguments(StartArguments, params.arguments)
            thread = await self._quire.thread(**self._options(start))
            return self._run(thread, start.prompt)
        if params.name == REPLY:
            reply = arguments(ReplyArguments, params.arguments)
            if reply.thread_id in self._running:
                raise BadArguments(f"a turn of thread {reply.thread_id} is running")
            thread = await self._quire.resume(
                reply.thread_id, approve=self._approve, answer=self._answer
            )
            return self._run(thread, reply.prompt)
        raise BadArguments(f"there is no tool {params.name!r}")

    def _run(self, thread: Thread, prompt: str) -> RunningTurn:
        turn = self._running[thread.id] = RunningTurn(thread, prompt)
        turn.on_end(lambda: self._ended(thread.id))
        return turn

    def _ended(self, thread_id: str) -> None:
        del self._running[thread_id]

    def _returned(self, params: CallToolRequestParams) -> RunningTurn:
        found = self._parked.take(params.request_state or "")
        if found is None:
            raise BadArguments("the turn that asked is not there any more; call the tool anew")
        turn, asked = found
        given = (params.input_responses or {}).get(_QUESTION)
        answer = given if isinstance(given, ElicitResult) else ElicitResult(action="decline")
        asked.reply(answer)
        return turn

    async def _follow(
        self, ctx: Context, turn: RunningTurn
    ) -> CallToolResult | InputRequiredResult:
        """Until the turn ends, or asks something that ends the request."""
        count = 0
        while True:
            step = await turn.next()
            match step:
                case Progress(text=text):
                    count += 1
                    await ctx.session.report_progress(count, message=text)
                case Asked() if step.answer.done():
                    continue  # The turn ended meanwhile.
                case Asked():
                    if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS and _can_ask(ctx):
                        return self._ask_by_result(turn, step)
                    step.reply(await _ask(ctx, step.form))
                case CallToolResult():
                    return step

    def _ask_by_result(self, turn: RunningTurn, asked: Asked) -> InputRequiredResult:
        request = ElicitRequest(params=asked.form)
        return InputRequiredResult(
            input_requests={_QUESTION: request}, request_state=self._parked.park(turn, asked)
        )

    async def _approve(self, request: ApprovalRequest) -> Decision:
        turn = self._running.get(request.thread_id)
        if turn is None:
            return "decline"
        answer = await turn.ask(approvals.approval_form(request))
        return approvals.decision(answer, request)

    async def _answer(self, request: UserInputRequest) -> dict[str, str]:
        turn = self._running.get(request.thread_id)
        if turn is None:
            return {}
        answer = await turn.ask(approvals.input_form(request))
        return approvals.input_answers(answer, request)

    def _options(self, start: StartArguments) -> ThreadOptions:
        """Raises `BadArguments`."""
        options = ThreadOptions(approve=self._approve, answer=self._answer, config=start.config)
        if start.cwd is not None:
            options["cwd"] = start.cwd
        if start.sandbox is not None:
            options["sandbox"] = start.sandbox
        if start.model is not None:
            options["model"] = start.model
        if start.base_instructions is not None:
            options["base_instructions"] = start.base_instructions
        if start.developer_instructions is not None:
            options["developer_instructions"] = start.developer_instructions
        match start.approval_policy:
            case None:
                pass
            case "on-request" | "never" as policy:
                options["approval_policy"] = policy
            case other:
                raise BadArguments(f"approval-policy: {other!r} is neither on-request nor never")
        return options


def _can_ask(ctx: Context) -> bool:
    return approvals.can_ask(ctx.session.client_capabilities)


async def _ask(ctx: Context, form: ElicitRequestFormParams) -> ElicitResult:
    """Ask within the request. A client that cannot be asked, or fails to answer, declines."""
    if not _can_ask(ctx):
        return ElicitResult(action="decline")
    try:
        return await ctx.session.elicit_form(form.message, form.requested_schema, ctx.request_id)
    except MCPError:
        return ElicitResult(action="decline")


async def serve(quire: Quire) -> None:
    """Serve the client on standard input and output until it is gone. A cancellation waits for
    that too: a thread reads."""
    server = make_server(quire)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


def make_server(quire: Quire, parked_seconds: float = PARKED_SECONDS) -> Server[dict[str, Any]]:
    """The server, to be run over streams of any kind."""
    tools = ToolServer(quire, parked_seconds)
    return Server(
        "quire",
        title="Quire",
        version=__version__,
        on_list_tools=tools.list_tools,
        on_call_tool=tools.call_tool,
    )
