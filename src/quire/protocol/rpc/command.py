"""`command/exec`: one command outside of any thread, in the sandbox (Codex 0.169, app-server).

A `processId` is the client's own name for a command, for the calls and notifications about it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from quire.protocol.rpc.method import Empty, Method, Notification, ServerRequest
from quire.protocol.rpc.values import SandboxPolicy

CommandExecOutputStream = Literal["stdout", "stderr"]
Characters = Annotated[int, Meta(ge=0, le=65_535)]
ByteCount = Annotated[int, Meta(ge=0)]


class CommandExecTerminalSize(Struct, frozen=True, kw_only=True, rename="camel"):
    """In characters, at least 1 each."""

    rows: Characters
    cols: Characters


class CommandExecParams(Struct, frozen=True, kw_only=True, rename="camel"):
    """`env` is laid over the environment that commands get; a null removes a variable. `tty`
    includes both kinds of streaming, and everything streamed needs a `process_id`. Without words
    about it the output is cut after 1 MiB a stream and the command ends after ten seconds."""

    command: tuple[str, ...]
    process_id: str | None = None
    tty: bool = False
    stream_stdin: bool = False
    stream_stdout_stderr: bool = False
    output_bytes_cap: ByteCount | None = None
    disable_output_cap: bool = False
    disable_timeout: bool = False
    timeout_ms: int | None = None
    cwd: str | None = None
    env: dict[str, str | None] | None = None
    size: CommandExecTerminalSize | None = None
    sandbox_policy: SandboxPolicy | None = None
    permission_profile: str | None = None


class CommandExecResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    """`exit_code` is 124 after the timeout. What was streamed is not here again."""

    exit_code: int
    stdout: str
    stderr: str


class CommandExecWriteParams(Struct, frozen=True, kw_only=True, rename="camel"):
    """`close_stdin` comes after the bytes."""

    process_id: str
    delta_base64: str | None = None
    close_stdin: bool = False


class CommandExecTerminateParams(Struct, frozen=True, kw_only=True, rename="camel"):
    process_id: str


class CommandExecResizeParams(Struct, frozen=True, kw_only=True, rename="camel"):
    process_id: str
    size: CommandExecTerminalSize


class CommandExecOutputDeltaNotification(Struct, frozen=True, kw_only=True, rename="camel"):
    """`cap_reached` on the last piece of a stream that was cut."""

    process_id: str
    stream: CommandExecOutputStream
    delta_base64: str
    cap_reached: bool


COMMAND_OUTPUT = Notification("command/exec/outputDelta", CommandExecOutputDeltaNotification)
COMMAND_OUTPUT_UNCAPPED = Notification(
    "command/exec/outputDelta", CommandExecOutputDeltaNotification, lossy=True
)
"""The same for a command without a cap: it could say more than a client ever reads."""

METHODS: tuple[Method, ...] = (
    Method("command/exec", CommandExecParams, CommandExecResponse),
    Method("command/exec/write", CommandExecWriteParams, Empty),
    Method("command/exec/terminate", CommandExecTerminateParams, Empty),
    Method("command/exec/resize", CommandExecResizeParams, Empty),
)
NOTIFICATIONS: tuple[Notification, ...] = (COMMAND_OUTPUT,)
REQUESTS: tuple[ServerRequest, ...] = ()
