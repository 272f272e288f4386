"""`process/*`: processes outside of any thread and any sandbox (Codex 0.169, app-server).

A `processHandle` is the client's own name for a process.
"""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from quire.protocol.rpc.command import ByteCount, Characters
from quire.protocol.rpc.method import Empty, Method, Notification, ServerRequest

ProcessOutputStream = Literal["stdout", "stderr"]


class ProcessTerminalSize(Struct, frozen=True, kw_only=True, rename="camel"):
    """In characters, at least 1 each."""

    rows: Characters
    cols: Characters


class ProcessSpawnParams(Struct, frozen=True, kw_only=True, rename="camel"):
    """As `CommandExecParams`, but `output_bytes_cap` and `timeout_ms` are lifted by a null and
    have the same defaults when absent."""

    command: tuple[str, ...]
    process_handle: str
    cwd: str
    tty: bool = False
    stream_stdin: bool = False
    stream_stdout_stderr: bool = False
    output_bytes_cap: ByteCount | UnsetType | None = UNSET
    timeout_ms: int | UnsetType | None = UNSET
    env: dict[str, str | None] | None = None
    size: ProcessTerminalSize | None = None


class ProcessWriteStdinParams(Struct, frozen=True, kw_only=True, rename="camel"):
    """`close_stdin` comes after the bytes."""

    process_handle: str
    delta_base64: str | None = None
    close_stdin: bool = False


class ProcessKillParams(Struct, frozen=True, kw_only=True, rename="camel"):
    process_handle: str


class ProcessResizePtyParams(Struct, frozen=True, kw_only=True, rename="camel"):
    process_handle: str
    size: ProcessTerminalSize


class ProcessOutputDeltaNotification(Struct, frozen=True, kw_only=True, rename="camel"):
    """`cap_reached` on the last piece of a stream that was cut."""

    process_handle: str
    stream: ProcessOutputStream
    delta_base64: str
    cap_reached: bool


class ProcessExitedNotification(Struct, frozen=True, kw_only=True, rename="camel"):
    """`exit_code` is 124 after the timeout. What was streamed is not here again."""

    process_handle: str
    exit_code: int
    stdout: str
    stdout_cap_reached: bool
    stderr: str
    stderr_cap_reached: bool
    output_drain_timed_out: bool | None = None


PROCESS_OUTPUT = Notification("process/outputDelta", ProcessOutputDeltaNotification)
PROCESS_OUTPUT_UNCAPPED = Notification(
    "process/outputDelta", ProcessOutputDeltaNotification, lossy=True
)
"""The same for a process without a cap: it could say more than a client ever reads."""
PROCESS_EXITED = Notification("process/exited", ProcessExitedNotification)

METHODS: tuple[Method, ...] = (
    Method("process/spawn", ProcessSpawnParams, Empty, experimental=True),
    Method("process/writeStdin", ProcessWriteStdinParams, Empty, experimental=True),
    Method("process/kill", ProcessKillParams, Empty, experimental=True),
    Method("process/resizePty", ProcessResizePtyParams, Empty, experimental=True),
)
NOTIFICATIONS: tuple[Notification, ...] = (PROCESS_OUTPUT, PROCESS_EXITED)
REQUESTS: tuple[ServerRequest, ...] = ()
