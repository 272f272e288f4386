"""`hooks/list` of the app-server (Codex 0.169). No hooks exist yet: the lists are empty."""

from __future__ import annotations

from msgspec import Raw, Struct

from quire.protocol.rpc.method import Method


class HooksListParams(Struct, frozen=True, kw_only=True, rename="camel"):
    """No `cwds` mean the server's own folder."""

    cwds: tuple[str, ...] = ()
    thread_id: str | None = None


class HookErrorInfo(Struct, frozen=True, kw_only=True):
    path: str
    message: str


class HooksListEntry(Struct, frozen=True, kw_only=True):
    cwd: str
    hooks: tuple[Raw, ...] = ()
    warnings: tuple[str, ...] = ()
    errors: tuple[HookErrorInfo, ...] = ()


class HooksListResponse(Struct, frozen=True, kw_only=True):
    """One entry for each folder asked about."""

    data: tuple[HooksListEntry, ...]


METHODS = (Method("hooks/list", HooksListParams, HooksListResponse),)
