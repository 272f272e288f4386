"""The connection itself: `initialize`, `server/diagnostics`, warnings, errors (Codex 0.169)."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from quire.protocol.rpc.faults import TurnError
from quire.protocol.rpc.method import Empty, Method, Notification
from quire.protocol.rpc.values import JsonObject


class ClientInfo(Struct, frozen=True, kw_only=True):
    name: str
    title: str | None = None
    version: str


class InitializeCapabilities(Struct, frozen=True, kw_only=True, rename="camel"):
    experimental_api: bool = False
    request_attestation: bool = False
    mcp_server_openai_form_elicitation: bool = False
    opt_out_notification_methods: tuple[str, ...] | None = None
    required_human_approval: bool = False
    extensions: JsonObject | None = None


class InitializeParams(Struct, frozen=True, kw_only=True, rename="camel"):
    client_info: ClientInfo
    capabilities: InitializeCapabilities | None = None


class InitializeResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    """`platform_family` is `unix` or `windows`, `platform_os` `linux`, `macos` or `windows`."""

    user_agent: str
    codex_home: str
    platform_family: str
    platform_os: str


class ServerDiagnosticsGauge(Struct, frozen=True, kw_only=True):
    name: str
    value: int


class ServerDiagnosticsProcess(Struct, frozen=True, kw_only=True, rename="camel"):
    id: int
    resident_memory_bytes: int | None = None
    physical_footprint_bytes: int | None = None


class ServerDiagnosticsResponse(Struct, frozen=True, kw_only=True):
    process: ServerDiagnosticsProcess
    gauges: tuple[ServerDiagnosticsGauge, ...]


class ErrorNotification(Struct, frozen=True, kw_only=True, rename="camel"):
    """With `will_retry` the turn goes on; without, it is about to fail."""

    error: TurnError
    will_retry: bool
    thread_id: str
    turn_id: str


class WarningNotification(Struct, frozen=True, kw_only=True, rename="camel"):
    thread_id: str | None = None
    message: str


class TextPosition(Struct, frozen=True, kw_only=True):
    """Both count from 1."""

    line: int
    column: int


class TextRange(Struct, frozen=True, kw_only=True):
    start: TextPosition
    end: TextPosition


class ConfigWarningNotification(Struct, frozen=True, kw_only=True):
    summary: str
    details: str | None = None
    path: str | UnsetType = UNSET
    range: TextRange | UnsetType = UNSET


class DeprecationNoticeNotification(Struct, frozen=True, kw_only=True):
    summary: str
    details: str | None = None


ERROR = Notification("error", ErrorNotification)
WARNING = Notification("warning", WarningNotification)
CONFIG_WARNING = Notification("configWarning", ConfigWarningNotification)
DEPRECATION_NOTICE = Notification("deprecationNotice", DeprecationNoticeNotification)

METHODS = (
    Method("initialize", InitializeParams, InitializeResponse),
    Method("server/diagnostics", Empty, ServerDiagnosticsResponse, experimental=True),
)
NOTIFICATIONS = (ERROR, WARNING, CONFIG_WARNING, DEPRECATION_NOTICE)
