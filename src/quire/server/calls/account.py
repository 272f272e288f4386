"""`account/*` and `getAuthStatus`. Keys come in here and never go out again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from quire.core.errors import UsageError
from quire.protocol.rpc.account import (
    ACCOUNT_UPDATED,
    LOGIN_COMPLETED,
    LOGIN_TYPES,
    Account,
    AccountLoginCompletedNotification,
    AccountUpdatedNotification,
    CancelLoginAccountParams,
    CancelLoginAccountResponse,
    GetAccountParams,
    GetAccountRateLimitsResponse,
    GetAccountResponse,
    GetAuthStatusParams,
    GetAuthStatusResponse,
    LoginAccountParams,
    LoginAccountResponse,
)
from quire.protocol.rpc.method import Empty, Notification
from quire.server.calls.answered import usage_errors_answered
from quire.server.errors import InternalError, InvalidRequest
from quire.server.routes import Caller, Routes, route


class Keys(Protocol):
    """The API key of this installation, seen from outside."""

    @property
    def needed(self) -> bool:
        """Whether the provider in use takes the key of `quire login`. Raises `UsageError` when
        the configuration cannot be read."""
        ...

    @property
    def present(self) -> bool:
        """Whether there is such a key, stored or in the environment. Raises `UsageError` when the
        stored one cannot be read."""
        ...

    def save(self, value: str) -> None:
        """Keep a key. Raises `ValueError` (which says nothing of it) for what is no key, and
        `UsageError` when it cannot be stored."""
        ...

    def remove(self) -> None:
        """Forget the stored key, if there is one. Raises `UsageError`."""
        ...


class AccountCalls:
    """Answers about the account. `tell` reaches every client; without it, only who called."""

    def __init__(
        self, keys: Keys, tell: Callable[[Notification, Struct], None] | None = None
    ) -> None:
        self._keys = keys
        self._tell = tell

    def routes(self) -> Routes:
        return {
            "account/read": route(GetAccountParams, self.read),
            "account/login/start": route(LoginAccountParams, self.login),
            "account/login/cancel": route(CancelLoginAccountParams, self.cancel),
            "account/logout": route(Empty, self.logout),
            "account/rateLimits/read": route(Empty, self.rate_limits),
            "getAuthStatus": route(GetAuthStatusParams, self.auth_status),
        }

    async def read(self, params: GetAccountParams, caller: Caller) -> GetAccountResponse:
        needed = self._needed()
        account = Account() if needed and self._has_key() else None
        return GetAccountResponse(account=account, requires_openai_auth=needed)

    async def auth_status(
        self, params: GetAuthStatusParams, caller: Caller
    ) -> GetAuthStatusResponse:
        needed = self._needed()
        method = "apikey" if needed and self._has_key() else None
        return GetAuthStatusResponse(auth_method=method, requires_openai_auth=needed)

    async def login(self, params: LoginAccountParams, caller: Caller) -> LoginAccountResponse:
        """Store an API key. Other ways to sign in are refused."""
        if params.type not in LOGIN_TYPES:
            known = ", ".join(f"`{name}`" for name in LOGIN_TYPES)
            raise InvalidRequest(
                f"Invalid request: unknown variant `{params.type}`, expected one of {known}"
            )
        if params.type.startswith("chatgpt"):
            raise InvalidRequest("ChatGPT login is disabled. Use API key login instead.")
        if params.type != "apiKey":
            raise InvalidRequest(
                f"{params.type} login is not supported. Use API key login instead."
            )
        if params.api_key is None:
            raise InvalidRequest("Invalid request: missing field `apiKey`")
        try:
            self._keys.save(params.api_key)
        except ValueError:
            raise InvalidRequest("the API key is empty or has characters that no key has") from None
        except UsageError as exc:
            raise InternalError(f"failed to save api key: {exc}") from None
        self._announce(caller, LOGIN_COMPLETED, AccountLoginCompletedNotification(success=True))
        self._announce(caller, ACCOUNT_UPDATED, AccountUpdatedNotification(auth_mode="apikey"))
        return LoginAccountResponse()

    async def cancel(
        self, params: CancelLoginAccountParams, caller: Caller
    ) -> CancelLoginAccountResponse:
        """A login with a key is over at once: there is never one to cancel."""
        try:
            UUID(params.login_id)
        except ValueError:
            raise InvalidRequest(f"invalid login id: {params.login_id}") from None
        return CancelLoginAccountResponse(status="notFound")

    async def logout(self, params: Empty, caller: Caller) -> Empty:
        try:
            self._keys.remove()
        except UsageError as exc:
            raise InternalError(f"logout failed: {exc}") from None
        self._announce(caller, ACCOUNT_UPDATED, AccountUpdatedNotification())
        return Empty()

    async def rate_limits(self, params: Empty, caller: Caller) -> GetAccountRateLimitsResponse:
        """Limits belong to subscriptions; a key has none that can be read."""
        kind = "chatgpt" if self._has_key() else "codex account"
        raise InvalidRequest(f"{kind} authentication required to read rate limits")

    def _has_key(self) -> bool:
        with usage_errors_answered():
            return self._keys.present

    def _needed(self) -> bool:
        with usage_errors_answered():
            return self._keys.needed

    def _announce(self, caller: Caller, kind: Notification, params: Struct) -> None:
        """After the answer, as Codex 0.169 does."""
        tell = self._tell or caller.notify
        asyncio.get_running_loop().call_soon(tell, kind, params)
