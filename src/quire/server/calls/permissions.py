"""`permissionProfile/list`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from quire.protocol.rpc.permissions import (
    PermissionProfileListParams,
    PermissionProfileListResponse,
    PermissionProfileSummary,
)
from quire.server.calls.answered import usage_errors_answered
from quire.server.calls.pages import page
from quire.server.routes import Caller, Routes, route


class Profiles(Protocol):
    """The permission profiles to choose from."""

    def profiles(self, cwd: str | None) -> Sequence[PermissionProfileSummary]:
        """As seen from a folder. Raises `UsageError` when the configuration cannot be read."""
        ...


class PermissionCalls:
    """Answers about permission profiles."""

    def __init__(self, profiles: Profiles) -> None:
        self._profiles = profiles

    def routes(self) -> Routes:
        return {"permissionProfile/list": route(PermissionProfileListParams, self.list_profiles)}

    async def list_profiles(
        self, params: PermissionProfileListParams, caller: Caller
    ) -> PermissionProfileListResponse:
        with usage_errors_answered():
            profiles = self._profiles.profiles(params.cwd)
        data, cursor = page(profiles, params.cursor, params.limit, "permission profiles")
        return PermissionProfileListResponse(data=data, next_cursor=cursor)
