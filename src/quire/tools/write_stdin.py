"""`write_stdin`: type into a running command, or wait for more of its output (row T4)."""

from __future__ import annotations

import asyncio

from msgspec import Struct

from quire.core.errors import ToolError
from quire.core.ports import Invocation, NoAction, ToolContext, ToolResult
from quire.protocol.items import FunctionCall, ToolCall
from quire.protocol.policy import TurnContext
from quire.tools.base import I32, U64, USize, decode_arguments, load_description
from quire.tools.exec_command import told
from quire.tools.sessions import Session, Sessions
from quire.tools.spec import function_spec

WRITE_YIELD_MS, MIN_WRITE_YIELD_MS, MAX_WRITE_YIELD_MS = 250, 250, 30_000
MIN_POLL_YIELD_MS = 5_000
WRITE_SECONDS = 10.0
UNREAD = (
    "write_stdin failed: the command does not read its input; not all of it was typed. Wait for it "
    "to read, or end it"
)
CTRL_C = "\x03"
STDIN_CLOSED = (
    "write_stdin failed: stdin is closed for this session; rerun exec_command with tty=true to "
    "keep stdin open"
)
_PARAMETERS = b"""{"type":"object","properties":{\
"session_id":{"type":"number","description":"The session ID that exec_command returned."},\
"chars":{"type":"string","description":"What to type; empty to only wait."},\
"yield_time_ms":{"type":"number","description":"How long to wait for output."},\
"max_output_tokens":{"type":"number","description":"Output beyond this is cut in the middle."}},\
"required":["session_id"],"additionalProperties":false}"""


class WriteArguments(Struct, frozen=True):
    session_id: I32
    chars: str | None = None
    yield_time_ms: U64 | None = None
    max_output_tokens: USize | None = None


class WriteStdin:
    """The tool. `max_poll_ms` is `background_terminal_max_timeout` of the configuration;
    `write_seconds` is how long a command may take to read what is typed."""

    name = "write_stdin"
    parallel = False

    def __init__(
        self, sessions: Sessions, max_poll_ms: int, write_seconds: float = WRITE_SECONDS
    ) -> None:
        self._sessions = sessions
        self._max_poll_ms = max_poll_ms
        self._write_seconds = write_seconds

    def spec(self) -> bytes:
        return function_spec(self.name, load_description(self.name), _PARAMETERS)

    def prepare(self, call: ToolCall, ctx: TurnContext) -> Invocation:
        if not isinstance(call, FunctionCall):
            raise ToolError(f"unsupported custom tool call: {self.name}")
        arguments = decode_arguments(WriteArguments, call.arguments, "TerminalSessionArgs")
        return WriteInvocation(self._sessions, arguments, self._max_poll_ms, self._write_seconds)


class WriteInvocation:
    def __init__(
        self,
        sessions: Sessions,
        arguments: WriteArguments,
        max_poll_ms: int,
        write_seconds: float,
    ) -> None:
        self._sessions = sessions
        self._arguments = arguments
        self._max_poll_ms = max_poll_ms
        self._write_seconds = write_seconds

    @property
    def action(self) -> NoAction:
        return NoAction()

    def proposed(self, ctx: ToolContext) -> None:
        """Nobody is ever asked about it."""

    def declined(self, ctx: ToolContext, reason: str) -> None:
        """Nothing to show: this call has no item of its own."""

    async def run(self, ctx: ToolContext) -> ToolResult:
        arguments = self._arguments
        session = self._sessions.find(arguments.session_id)
        started = ctx.now_ms()
        wanted = WRITE_YIELD_MS if arguments.yield_time_ms is None else arguments.yield_time_ms
        if not arguments.chars:
            wait = min(max(wanted, MIN_POLL_YIELD_MS), self._max_poll_ms)
        else:
            wait = min(max(wanted, MIN_WRITE_YIELD_MS), MAX_WRITE_YIELD_MS)
            await _type(session, arguments.chars, self._write_seconds)
        await session.wait(wait / 1000)
        return await told(self._sessions, session, started, arguments.max_output_tokens, ctx)


async def _type(session: Session, chars: str, seconds: float) -> None:
    """Write to a session. One that ended is not an error: its end is what the model is told.
    Without a terminal, Ctrl-C alone still ends it. Raises `ToolError`, also when the command has
    not read it all after `seconds`: until it ends nobody may read the rest."""
    if session.ended:
        return
    if session.tty:
        try:
            async with asyncio.timeout(seconds):
                await session.process.write(chars.encode())
        except ToolError:
            if not await session.wait(0):
                raise
        except TimeoutError:
            raise ToolError(UNREAD) from None
    elif chars == CTRL_C:
        session.process.kill()
    else:
        raise ToolError(STDIN_CLOSED)
