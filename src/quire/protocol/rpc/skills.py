"""`skills/list` of the app-server (Codex 0.169)."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from quire.protocol.rpc.method import Method, Notification


class SkillsListParams(Struct, frozen=True, kw_only=True, rename="camel"):
    """No `cwds` mean the server's own folder."""

    cwds: tuple[str, ...] = ()
    force_reload: bool = False


class SkillErrorInfo(Struct, frozen=True, kw_only=True):
    path: str
    message: str


class SkillMetadata(Struct, frozen=True, kw_only=True, rename="camel"):
    name: str
    description: str
    short_description: str | None = None
    path: str
    scope: Literal["user", "repo", "system", "admin"]
    enabled: bool


class SkillsListEntry(Struct, frozen=True, kw_only=True):
    cwd: str
    skills: tuple[SkillMetadata, ...] = ()
    errors: tuple[SkillErrorInfo, ...] = ()


class SkillsListResponse(Struct, frozen=True, kw_only=True):
    """One entry for each folder asked about."""

    data: tuple[SkillsListEntry, ...]


class SkillsChangedNotification(Struct, frozen=True, kw_only=True):
    """Ask again."""


SKILLS_CHANGED = Notification("skills/changed", SkillsChangedNotification)

METHODS = (Method("skills/list", SkillsListParams, SkillsListResponse),)
NOTIFICATIONS = (SKILLS_CHANGED,)
