"""Why one try failed: HTTP statuses, events and broken connections as people-readable causes.

Classes and texts follow Codex 0.169. The texts name what to check; secrets are taken out before
anything is built here (`Redactor`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from quire.core.errors import ModelError
from quire.models.auth import KEY_VARIABLES, Key
from quire.models.provider import ProviderConfig
from quire.protocol.thread import ErrorInfo

Remedy = Literal["none", "stream", "request", "network"]
"""What helps: nothing; a new stream, announced; first a few silent requests; waiting."""

CONTEXT_FULL = (
    "Quire ran out of room in the model's context window. "
    "Start a new thread or clear earlier history before retrying."
)
QUOTA = "Quota exceeded. Check your plan and billing details."
OVERLOADED = "Selected model is at capacity. Please try a different model."
_SHOWN = 500  # characters of a server's own words
_RAW = 4096  # of a 400's body, which is shown as it is


class Failure(Exception):
    """One try failed. `wait` is how long the server asked us to wait, in seconds; `cause` is the
    short form of the message where there is one."""

    def __init__(
        self,
        message: str,
        code: str,
        remedy: Remedy,
        *,
        status: int | None = None,
        wait: float | None = None,
        cause: str = "",
    ) -> None:
        super().__init__(message)
        self.code = code
        self.remedy: Remedy = remedy
        self.status = status
        self.wait = wait
        self.cause = cause or message

    @property
    def info(self) -> ErrorInfo:
        return ErrorInfo(str(self), self.code, self.status)

    def final(self) -> ModelError:
        """The error to end the turn with."""
        return ModelError(str(self), self.code, self.status)


def disconnected(cause: str, remedy: Remedy = "stream", wait: float | None = None) -> Failure:
    """The stream ended before the answer did."""
    text = f"stream disconnected before completion: {cause}"
    return Failure(text, "responseStreamDisconnected", remedy, wait=wait)


def unreachable(cause: str, host: str, provider: ProviderConfig) -> Failure:
    """No connection to `host` could be made."""
    text = (
        f"cannot reach {host} ({cause}): check base_url of provider {provider.id}, "
        "that a server listens there, and network and proxy settings"
    )
    return Failure(text, "httpConnectionFailed", "network", cause=cause)


class ServerError(Struct):
    """The `error` member of a body or an event, as far as it is understood."""

    message: str | None = None
    code: str | None = None
    type: str | None = None
    resets_in_seconds: float | None = None

    @property
    def kind(self) -> str:
        return self.code or self.type or ""


class Answerer(Struct, frozen=True):
    """Who refused: for texts that say what to check."""

    url: str
    model: str
    key: Key | None


FINAL_KINDS = frozenset(
    ["bio_policy", "cyber_policy", "invalid_prompt", "invalid_request_error", "usage_not_included"]
)
"""Codes of `response.failed` that no new request would change (Codex 0.169)."""


def event_failure(error: ServerError) -> Failure:
    """The failure a `response.failed` or `error` event stands for."""
    text = one_line(error.message or "")
    kind = error.kind
    if known := _by_kind(kind, error):
        return known
    if kind in ("rate_limit_exceeded", "slow_down"):
        return Failure(
            f"rate limit exceeded: {text}", "rateLimitExceeded", "stream", wait=asked_wait(text)
        )
    if kind == "model_not_found":
        return Failure(text or "model not found", "modelNotFound", "none")
    if kind in FINAL_KINDS:
        return Failure(text or kind, "badRequest", "none")
    failure = disconnected(text or "response.failed event received")
    failure.code = "internalServerError" if kind == "server_error" else failure.code
    return failure


def status_failure(
    status: int, headers: Mapping[str, str], body: str, error: ServerError, who: Answerer
) -> Failure:
    """The failure an HTTP status stands for. `body` is the (redacted) start of its body."""
    wait = retry_after(headers)
    said = one_line(error.message or ("" if body.lstrip().startswith("<") else body))
    if status == 401 or status == 403:
        return _refused(status, said, who)
    if known := _by_kind(error.kind, error):
        known.status = status
        return known
    if status == 400:
        text = body.strip()[:_RAW]
        if not text.isprintable():
            text = one_line(text, _RAW)
        text = text or f"400 Bad Request from {who.url}"
        return Failure(text, "badRequest", "none", status=status)
    if status == 404 and ("model" in error.kind or "model" in said.lower()):
        text = said if who.model in said else f"model `{who.model}` not found: {said}"
        return Failure(text, "modelNotFound", "none", status=status)
    if status == 429:
        text = "exceeded retry limit, last status: 429 Too Many Requests"
        if said:
            text += f" ({said})"
        wait = asked_wait(said) if wait is None else wait
        return Failure(text, "rateLimitExceeded", "stream", status=status, wait=wait)
    text = f"unexpected status {status_line(status)}: {said or 'no explanation'}, url: {who.url}"
    if status >= 500:
        return Failure(text, "internalServerError", "request", status=status, wait=wait)
    if status in (408, 409, 425):
        return Failure(text, "httpConnectionFailed", "request", status=status, wait=wait)
    if status == 404:
        text += "; check base_url"
    return Failure(text, "badRequest", "none", status=status)


def _refused(status: int, said: str, who: Answerer) -> Failure:
    if who.key is None:
        check = f"no key was sent; set {KEY_VARIABLES[-1]} or run `quire login --with-api-key`"
    else:
        check = f"check the key in {who.key.source}"
    text = f"{status_line(status)} from {who.url}: {check}"
    if said:
        text += f" ({said})"
    return Failure(text, "unauthorized", "stream" if status == 401 else "none", status=status)


def _by_kind(kind: str, error: ServerError) -> Failure | None:
    """Failures that the server names itself, whatever the status; waiting does not mend them."""
    if kind == "context_length_exceeded":
        return Failure(CONTEXT_FULL, "contextWindowExceeded", "none")
    if kind in ("insufficient_quota", "billing_hard_limit_reached"):
        return Failure(QUOTA, "usageLimitExceeded", "none")
    if kind == "usage_limit_reached":
        when = error.resets_in_seconds
        hint = f"Try again in {span(when)}." if when else "Try again later."
        return Failure(f"You've hit your usage limit. {hint}", "usageLimitExceeded", "none")
    if kind in ("server_is_overloaded", "overloaded_error"):
        return Failure(OVERLOADED, "serverOverloaded", "none")
    return None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds a `retry-after` header asks for: a number, or an HTTP date against `date`."""
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        seconds = float(value)
        return seconds if 0 <= seconds < 1e9 else None
    except ValueError:
        pass
    import time
    from email.utils import parsedate_to_datetime

    try:
        now = headers.get("date")
        start = parsedate_to_datetime(now).timestamp() if now else time.time()
        return max(0.0, parsedate_to_datetime(value).timestamp() - start)
    except (ValueError, TypeError):
        return None


def asked_wait(text: str) -> float | None:
    """Seconds in a server's own words: "try again in 1.5s", "… in 20ms", "… in 6m0s"."""
    import re

    number = r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)"
    found = re.search(rf"try again in ((?:{number}\w*\s*)+)", text, re.IGNORECASE)
    if not found:
        return None
    units = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
    parts = re.findall(number, found[1], re.IGNORECASE)
    return sum(float(count) * units[unit.lower()] for count, unit in parts)


def status_line(status: int) -> str:
    """`401 Unauthorized`."""
    from http import HTTPStatus

    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def span(seconds: float) -> str:
    """A duration for people: `45 s`, `12 min`, `3 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"


def one_line(text: str, limit: int = _SHOWN) -> str:
    """A server's words as one printable line of bounded length."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * limit]).split())
    return line if len(line) <= limit else line[:limit] + "…"
