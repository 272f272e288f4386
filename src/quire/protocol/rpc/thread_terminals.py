"""`thread/shellCommand` and `thread/backgroundTerminals/*` of the app-server (Codex 0.169)."""

from __future__ import annotations

from msgspec import Struct

from quire.protocol.rpc.method import Method


class ThreadShellCommandParams(Struct, frozen=True, kw_only=True, rename="camel"):
    """A person's own command, run in the thread's folder without its sandbox."""

    thread_id: str
    command: str
    timeout_ms: int | None = None


class ThreadShellCommandResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    pass


class ThreadBackgroundTerminal(Struct, frozen=True, kw_only=True, rename="camel"):
    """A command that outlived the call that started it. `rss_kb` in KiB."""

    item_id: str
    process_id: str
    command: str
    cwd: str
    os_pid: int | None = None
    cpu_percent: float | None = None
    rss_kb: int | None = None


class ThreadBackgroundTerminalsListParams(Struct, frozen=True, kw_only=True, rename="camel"):
    thread_id: str
    cursor: str | None = None
    limit: int | None = None


class ThreadBackgroundTerminalsListResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    data: tuple[ThreadBackgroundTerminal, ...]
    next_cursor: str | None = None


class ThreadBackgroundTerminalsCleanParams(Struct, frozen=True, kw_only=True, rename="camel"):
    """End all of them."""

    thread_id: str


class ThreadBackgroundTerminalsCleanResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    pass


class ThreadBackgroundTerminalsTerminateParams(Struct, frozen=True, kw_only=True, rename="camel"):
    thread_id: str
    process_id: str


class ThreadBackgroundTerminalsTerminateResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    terminated: bool


METHODS = (
    Method("thread/shellCommand", ThreadShellCommandParams, ThreadShellCommandResponse),
    Method(
        "thread/backgroundTerminals/list",
        ThreadBackgroundTerminalsListParams,
        ThreadBackgroundTerminalsListResponse,
        experimental=True,
    ),
    Method(
        "thread/backgroundTerminals/clean",
        ThreadBackgroundTerminalsCleanParams,
        ThreadBackgroundTerminalsCleanResponse,
        experimental=True,
    ),
    Method(
        "thread/backgroundTerminals/terminate",
        ThreadBackgroundTerminalsTerminateParams,
        ThreadBackgroundTerminalsTerminateResponse,
        experimental=True,
    ),
)
