"""`account/*` and `getAuthStatus`: whose key is used."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from quire.protocol.rpc.method import Empty, Method, Notification

AuthMode = Literal["apikey"]


class Account(Struct, frozen=True, kw_only=True, rename="camel"):
    type: Literal["apiKey"] = "apiKey"


class GetAccountParams(Struct, frozen=True, kw_only=True, rename="camel"):
    """`refresh_token` counts for sign-ins that are renewed; a key is not."""

    refresh_token: bool = False


class GetAccountResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    account: Account | None = None
    user_id: str | None = None
    requires_openai_auth: bool
    workspace_routing: None = None


class LoginAccountParams(Struct, frozen=True, kw_only=True, rename="camel"):
    """`type` is one of `LOGIN_TYPES`; `api_key` goes with `apiKey`."""

    type: str
    api_key: str | None = None

    def __repr__(self) -> str:
        """Without the key."""
        return f"LoginAccountParams(type={self.type!r})"


LOGIN_TYPES = (
    "apiKey",
    "chatgpt",
    "chatgptDeviceCode",
    "chatgptAuthTokens",
    "amazonBedrock",
    "amazonBedrockAccessKeys",
)


class LoginAccountResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    type: Literal["apiKey"] = "apiKey"


class CancelLoginAccountParams(Struct, frozen=True, kw_only=True, rename="camel"):
    login_id: str


class CancelLoginAccountResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    status: Literal["canceled", "notFound"]


class RateLimitSnapshot(Struct, frozen=True, kw_only=True, rename="camel"):
    """What a subscription has left; all null where a key is billed by use."""

    limit_id: str | None = None
    limit_name: str | None = None
    normal_model_slug: str | None = None
    primary: None = None
    secondary: None = None
    credits: None = None
    individual_limit: None = None
    spend_control_reached: bool | None = None
    plan_type: str | None = None
    rate_limit_reached_type: str | None = None


class GetAccountRateLimitsResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    ordinary_usage_allowed: bool | None = None
    rate_limits: RateLimitSnapshot
    rate_limits_by_limit_id: dict[str, RateLimitSnapshot] | None = None
    rate_limit_reset_credits: None = None
    account_id: str | None = None
    rate_limit_upsell: None = None


class GetAuthStatusParams(Struct, frozen=True, kw_only=True, rename="camel"):
    include_token: bool | None = None
    refresh_token: bool | None = None


class GetAuthStatusResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    """`auth_token` is always null: a key leaves its file for the provider only."""

    auth_method: AuthMode | None = None
    auth_token: str | None = None
    requires_openai_auth: bool | None = None


class AccountUpdatedNotification(Struct, frozen=True, kw_only=True, rename="camel"):
    auth_mode: AuthMode | None = None
    plan_type: str | None = None


class AccountLoginCompletedNotification(Struct, frozen=True, kw_only=True, rename="camel"):
    login_id: str | None = None
    success: bool
    error: str | None = None
    onboarding_entrypoint: str | None = None


ACCOUNT_UPDATED = Notification("account/updated", AccountUpdatedNotification)
LOGIN_COMPLETED = Notification("account/login/completed", AccountLoginCompletedNotification)

METHODS: tuple[Method, ...] = (
    Method("account/read", GetAccountParams, GetAccountResponse),
    Method("account/login/start", LoginAccountParams, LoginAccountResponse),
    Method("account/login/cancel", CancelLoginAccountParams, CancelLoginAccountResponse),
    Method("account/logout", Empty, Empty),
    Method("account/rateLimits/read", Empty, GetAccountRateLimitsResponse),
    Method("getAuthStatus", GetAuthStatusParams, GetAuthStatusResponse),
)
NOTIFICATIONS: tuple[Notification, ...] = (ACCOUNT_UPDATED, LOGIN_COMPLETED)
REQUESTS = ()
