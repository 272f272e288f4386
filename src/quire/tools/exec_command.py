"""`exec_command`: run a shell command in the sandbox (Codex 0.169, rows T2, T3, T5, T6)."""

from __future__ import annotations

import os
from typing import Literal, Protocol

from msgspec import Raw, Struct

from quire.core.errors import ToolError, create_process_error
from quire.core.ports import (
    CommandAction,
    Invocation,
    SpawnSpec,
    ToolContext,
    ToolResult,
)
from quire.protocol.items import FunctionCall, ToolCall
from quire.protocol.policy import Permissions, TurnContext
from quire.protocol.thread import CommandExecutionItem
from quire.tools.base import U64, USize, decode_arguments, load_description
from quire.tools.capture import report
from quire.tools.patch_intercept import intercept
from quire.tools.sessions import Session, Sessions
from quire.tools.spec import function_spec

MIN_YIELD_MS, MAX_YIELD_MS, DEFAULT_YIELD_MS = 250, 30_000, 10_000
FALLBACK_SHELL = "/bin/sh"
NO_ADDITIONAL = (
    "additional permissions are disabled; enable `features.exec_permission_approvals` before using "
    "`with_additional_permissions`"
)
NO_LOGIN = "login shell is disabled by config; omit `login` or set it to false."
_START_FAILED = "Failed to create unified exec process: "
_PARAMETERS = b"""{"type":"object","properties":{\
"cmd":{"type":"string","description":"Shell command to run."},\
"workdir":{"type":"string","description":"Working directory; defaults to the turn's."},\
"shell":{"type":"string","description":"Shell binary; defaults to the user's."},\
"login":{"type":"boolean","description":"Whether it is a login shell; default true."},\
"tty":{"type":"boolean","description":"Give it a terminal, so that write_stdin can type."},\
"yield_time_ms":{"type":"number","description":"How long to wait for its end before \
returning; default 10000."},\
"max_output_tokens":{"type":"number","description":"Output beyond this is cut in the middle."},\
"sandbox_permissions":{"type":"string","enum":["use_default","require_escalated"],\
"description":"require_escalated asks to run outside the sandbox."},\
"justification":{"type":"string","description":"With require_escalated: one sentence for the \
person who decides."},\
"prefix_rule":{"type":"array","items":{"type":"string"},"description":"With \
require_escalated: the command prefix that could be allowed from now on."}},\
"required":["cmd"],"additionalProperties":false}"""


SandboxPermissions = Literal["use_default", "require_escalated", "with_additional_permissions"]
"""The last asks for more inside the sandbox."""


class ExecArguments(Struct, frozen=True):
    cmd: str
    workdir: str | None = None
    shell: str | None = None
    login: bool | None = None
    tty: bool = False
    yield_time_ms: U64 = DEFAULT_YIELD_MS
    max_output_tokens: USize | None = None
    sandbox_permissions: SandboxPermissions | None = None
    justification: str | None = None
    prefix_rule: tuple[str, ...] | None = None
    additional_permissions: Raw = Raw(b"null")


class Shell(Protocol):
    """How a script becomes a process: the environment it gets and the vector that runs it."""

    def launch(
        self, displayed: tuple[str, ...], call_id: str, ctx: ToolContext
    ) -> tuple[tuple[str, ...], dict[str, str]]:
        """The vector to run in place of `displayed` (`SHELL -lc SCRIPT`), which gives the same
        result, and its whole environment."""
        ...


def find_shell(named: str | None, default: str) -> str:
    """The shell that a call names (Codex 0.169): only the name counts, so that a path from
    another machine works. The person's shell if it is that one, else what PATH has, else
    `/bin/sh`, which also stands in for shells whose options are not those of `sh`."""
    if named is None:
        return default
    name = os.path.basename(named)
    if name not in ("bash", "zsh", "sh"):
        return FALLBACK_SHELL
    if os.path.basename(default) == name:
        return default
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        path = os.path.join(folder, name)
        if os.path.isabs(path) and os.access(path, os.X_OK):
            return path
    return FALLBACK_SHELL


class ExecCommand:
    """The tool. Its sessions are shared with `write_stdin`; `allow_login` is `allow_login_shell`
    of the configuration; `additional` lets a command ask for more inside its sandbox."""

    name = "exec_command"
    parallel = True

    def __init__(
        self,
        sessions: Sessions,
        shell: Shell,
        *,
        allow_login: bool = True,
        additional: bool = False,
    ) -> None:
        self._sessions = sessions
        self._shell = shell
        self._allow_login = allow_login
        self._additional = additional

    def spec(self) -> bytes:
        parameters = _PARAMETERS
        if self._additional:
            from quire.tools.asked_permissions import with_additional

            parameters = with_additional(parameters)
        return function_spec(self.name, load_description(self.name), parameters)

    def prepare(self, call: ToolCall, ctx: TurnContext) -> Invocation:
        if not isinstance(call, FunctionCall):
            raise ToolError(f"unsupported custom tool call: {self.name}")
        arguments = decode_arguments(ExecArguments, call.arguments)
        if arguments.login and not self._allow_login:
            raise ToolError(NO_LOGIN)
        workdir = os.path.join(ctx.cwd, arguments.workdir or "")
        workdir = os.path.normpath(workdir) if arguments.workdir else ctx.cwd
        if "\0" in workdir:
            raise ToolError(create_process_error(f"{_START_FAILED}nul byte found in workdir"))
        escalated, additional = self._asked(arguments, ctx)
        if not escalated and additional is None:
            patch = intercept(call.call_id, arguments.cmd, workdir, ctx)
            if patch is not None:
                return patch
        login = self._allow_login if arguments.login is None else arguments.login
        shell = find_shell(arguments.shell, ctx.shell)
        argv = (shell, "-lc" if login else "-c", arguments.cmd)
        action = CommandAction(
            script=arguments.cmd,
            argv=argv,
            cwd=workdir,
            escalated=escalated,
            justification=arguments.justification,
            prefix_rule=arguments.prefix_rule or (),
            additional=additional,
        )
        return ExecInvocation(self._sessions, self._shell, call.call_id, arguments, action, ctx)

    def _asked(self, arguments: ExecArguments, ctx: TurnContext) -> tuple[bool, Permissions | None]:
        """Whether it asks to leave the sandbox, and what it asks for inside. Raises `ToolError`."""
        asked, named = arguments.sandbox_permissions, bytes(arguments.additional_permissions)
        if self._additional and (named != b"null" or asked == "with_additional_permissions"):
            from quire.tools.asked_permissions import additional

            return False, additional(named, asked, ctx.cwd)
        if asked == "with_additional_permissions":
            if ctx.approval_policy != "never":
                raise ToolError(NO_ADDITIONAL)
            return True, None  # Refused as any other escalation.
        return asked == "require_escalated", None


class ExecInvocation:
    """One validated command."""

    def __init__(
        self,
        sessions: Sessions,
        shell: Shell,
        call_id: str,
        arguments: ExecArguments,
        action: CommandAction,
        turn: TurnContext,
    ) -> None:
        self._sessions = sessions
        self._shell = shell
        self._call_id = call_id
        self._arguments = arguments
        self._workdir = action.cwd
        self._argv = action.argv
        self._turn = turn
        self._proposed = False
        self.action = action

    def proposed(self, ctx: ToolContext) -> None:
        self._proposed = True
        ctx.begin(CommandExecutionItem(self._call_id, self._argv, self._workdir, source="agent"))

    def declined(self, ctx: ToolContext, reason: str) -> None:
        """Codex 0.169 shows no item for a command that was refused under `never`."""
        if self._proposed:
            ctx.finish(
                CommandExecutionItem(
                    self._call_id, self._argv, self._workdir, "declined", source="agent"
                )
            )

    async def run(self, ctx: ToolContext) -> ToolResult:
        item = CommandExecutionItem(self._call_id, self._argv, self._workdir)
        started = ctx.now_ms()
        ctx.begin(item)
        session = await self._start(item, ctx)
        limit = min(max(self._arguments.yield_time_ms, MIN_YIELD_MS), MAX_YIELD_MS)
        try:
            await session.wait(limit / 1000)
        except BaseException:
            # Interrupted: the model never learns this session's id, so nobody could end it.
            await self._sessions.stop(session)
            raise
        return await told(self._sessions, session, started, self._arguments.max_output_tokens, ctx)

    async def _start(self, item: CommandExecutionItem, ctx: ToolContext) -> Session:
        argv, env = self._shell.launch(self._argv, self._call_id, ctx)
        spec = SpawnSpec(
            argv=argv,
            cwd=self._workdir,
            env=env,
            policy=ctx.turn.sandbox,
            workspace_roots=ctx.turn.workspace_roots,
            tty=self._arguments.tty,
        )
        try:
            if "\0" in self._arguments.cmd:
                raise ToolError(f"{_START_FAILED}nul byte found in provided data")
            os.stat(os.path.join(self._workdir, "."))
            return await self._sessions.start(spec, item, ctx, self._turn.sandbox)
        except OSError as exc:
            reason = f"{_START_FAILED}{exc.strerror} (os error {exc.errno})"
        except ToolError as exc:
            reason = str(exc)
        ctx.finish(
            CommandExecutionItem(
                id=item.id,
                command=item.command,
                cwd=item.cwd,
                status="failed",
                aggregated_output=reason,
                exit_code=-1,
                duration_ms=0,
            )
        )
        raise ToolError(create_process_error(reason))


async def told(
    sessions: Sessions,
    session: Session,
    started_ms: int,
    max_tokens: int | None,
    ctx: ToolContext,
) -> ToolResult:
    """What the model is told of a session now, and the end of the session if it ended."""
    budget = ctx.turn.max_output_tokens
    if max_tokens is not None:
        budget = min(max_tokens, budget)
    outcome = f"Process running with session ID {session.id}"
    if session.exit_code is not None:
        outcome = f"Process exited with code {session.exit_code}"
        await sessions.forget(session)
    seconds = max(0, ctx.now_ms() - started_ms) / 1000
    chunk_id = os.urandom(3).hex()
    text = report(chunk_id, seconds, outcome, session.unread.take(), budget)
    return ToolResult(text, ok=session.exit_code in (None, 0))
