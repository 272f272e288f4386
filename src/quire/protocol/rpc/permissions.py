"""`permissionProfile/list`: named sets of sandbox settings to choose from."""

from __future__ import annotations

from msgspec import Struct

from quire.protocol.rpc.method import Method
from quire.protocol.rpc.values import Limit


class PermissionProfileListParams(Struct, frozen=True, kw_only=True, rename="camel"):
    """`cwd` is the folder whose project counts."""

    cursor: str | None = None
    limit: Limit | None = None
    cwd: str | None = None


class PermissionProfileSummary(Struct, frozen=True, kw_only=True, rename="camel"):
    """`allowed` is false where the administrator does not let it be chosen."""

    id: str
    description: str | None = None
    allowed: bool


class PermissionProfileListResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    data: tuple[PermissionProfileSummary, ...]
    next_cursor: str | None = None


METHODS: tuple[Method, ...] = (
    Method("permissionProfile/list", PermissionProfileListParams, PermissionProfileListResponse),
)
NOTIFICATIONS = ()
REQUESTS = ()
