"""Why a turn failed, and what it cost: `TurnError` and `ThreadTokenUsage` of Codex 0.169."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

CodexErrorWord = Literal[
    "contextWindowExceeded",
    "sessionBudgetExceeded",
    "usageLimitExceeded",
    "rateLimitExceeded",
    "flexUnavailable",
    "serverOverloaded",
    "modelNotFound",
    "policyCapacityUnavailable",
    "cyberPolicy",
    "misalignmentPolicyViolation",
    "tooManyDenials",
    "internalServerError",
    "unauthorized",
    "badRequest",
    "threadRollbackFailed",
    "sandboxError",
    "inferenceHookDenied",
    "other",
]


class HttpFailure(Struct, frozen=True, kw_only=True, rename="camel"):
    """The status that the provider answered, where it answered at all."""

    http_status_code: int | None = None


class ActiveTurnNotSteerable(Struct, frozen=True, kw_only=True, rename="camel"):
    turn_kind: Literal["review", "compact"]


class CodexErrorDetail(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A fault with something to say beside its name: exactly one member is set."""

    http_connection_failed: HttpFailure | None = None
    response_stream_connection_failed: HttpFailure | None = None
    response_stream_disconnected: HttpFailure | None = None
    response_too_many_failed_attempts: HttpFailure | None = None
    active_turn_not_steerable: ActiveTurnNotSteerable | None = None


CodexErrorInfo = CodexErrorWord | CodexErrorDetail


class TurnError(Struct, frozen=True, kw_only=True, rename="camel"):
    message: str
    codex_error_info: CodexErrorInfo | None = None
    additional_details: str | None = None
    misalignment: None = None


class TokenUsageBreakdown(Struct, frozen=True, kw_only=True, rename="camel"):
    total_tokens: int
    input_tokens: int
    cached_input_tokens: int
    cache_write_input_tokens: int = 0
    output_tokens: int
    reasoning_output_tokens: int


class ThreadTokenUsage(Struct, frozen=True, kw_only=True, rename="camel"):
    """`total` counts the whole thread, `last` its newest response."""

    total: TokenUsageBreakdown
    last: TokenUsageBreakdown
    model_context_window: int | None = None
