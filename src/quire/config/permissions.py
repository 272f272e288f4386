"""Permission profiles: `default_permissions` and `[permissions.NAME]` (Codex 0.169).

A profile is told in the words of the sandbox. What the sandbox cannot hold is an error, never a
wider permission.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from msgspec import Struct
from msgspec.structs import replace

from quire.config.errors import ConfigError
from quire.config.layers import Layer
from quire.config.schema import Config, PermissionProfile, SandboxWorkspaceWrite

if TYPE_CHECKING:
    from quire.config.requirements import Requirements

Mode = Literal["read-only", "workspace-write", "danger-full-access"]
Entries = Mapping[str, str]

READ_ONLY, WORKSPACE, FULL_ACCESS = ":read-only", ":workspace", ":danger-full-access"
BUILT_IN = (READ_ONLY, WORKSPACE, FULL_ACCESS)
_ROOTS = ":workspace_roots"
_HIDDEN = ("none", "deny")
_SPECIAL = {":root", _ROOTS, ":slash_tmp", ":tmpdir"}
_PARENTS: dict[str, Entries] = {
    READ_ONLY: {":root": "read"},
    WORKSPACE: {":root": "read", _ROOTS: "write", ":slash_tmp": "write", ":tmpdir": "write"},
}


class ActiveProfile(Struct, frozen=True):
    """The profile that the sandbox settings come from, the one that it extends, and the absolute
    paths that it hides."""

    id: str
    extends: str | None = None
    denied_reads: tuple[str, ...] = ()


def with_permissions(
    config: Config, layers: list[Layer], required: Requirements | None
) -> tuple[Config, ActiveProfile | None, list[str]]:
    """The configuration with the sandbox settings of its profile, if one is in force: one that is
    set in the same layer as `sandbox_mode`, or in a higher one. Where the
    administrator does not allow it, his default takes its place. Raises `ConfigError`."""
    fallback = required.default_permissions if required else None
    name, warnings, mode = config.default_permissions, list[str](), config.sandbox_mode
    refused = mode is not None and required is not None and not required.allows_mode(mode)
    if name is None and fallback is None and not refused:
        if config.permissions:
            raise ConfigError(
                "config: config defines `[permissions]` profiles but does not set "
                "`default_permissions`"
            )
        return config, None, warnings
    above = _rank(layers, "sandbox_mode") > _rank(layers, "default_permissions")
    by_mode = above if name is not None else mode is not None
    if by_mode and not refused:
        return config, None, warnings
    chosen = name or fallback or READ_ONLY
    if by_mode:
        chosen = fallback or READ_ONLY
        warnings.append(
            "Configured value for `sandbox_mode` is disallowed by requirements; falling back to "
            f"required value {chosen}."
        )
    elif required is not None and not required.allows_profile(chosen):
        instead = fallback or READ_ONLY
        warnings.append(
            f"Configured value for `default_permissions` is disallowed by requirements; falling "
            f"back to required value {instead}."
        )
        chosen = instead
    mode, write, active = _settings(chosen, config.permissions)
    changed = replace(config, sandbox_mode=mode, sandbox_workspace_write=write)
    return changed, active, warnings


def _rank(layers: list[Layer], key: str) -> int:
    """The place of the highest layer that sets `key`; -1 when none does."""
    return max((n for n, layer in enumerate(layers) if key in layer.values), default=-1)


def _settings(
    name: str, profiles: Mapping[str, PermissionProfile]
) -> tuple[Mode, SandboxWorkspaceWrite, ActiveProfile]:
    """Sandbox mode and its table, and the profile. Raises `ConfigError`."""
    if name == FULL_ACCESS:
        return "danger-full-access", SandboxWorkspaceWrite(), ActiveProfile(name)
    if name in _PARENTS:
        return *_sandbox(name, _PARENTS[name], (), network=False), ActiveProfile(name)
    chain = _chain(name, profiles)
    entries: dict[str, str] = {}
    roots: list[str] = []
    network = False
    for one in reversed(chain):
        profile = profiles.get(one)
        if profile is None:
            entries |= _PARENTS[one]
            continue
        entries |= _entries(one, profile)
        roots += [root for root, used in profile.workspace_roots.items() if used]
        network = _network(one, profile, network)
    active = ActiveProfile(name, profiles[name].extends, _denied(name, entries))
    return *_sandbox(name, entries, tuple(_place(root) for root in roots), network=network), active


def _chain(name: str, profiles: Mapping[str, PermissionProfile]) -> list[str]:
    """The profile and what it extends, the last one being a built-in one or extending nothing."""
    for one in profiles:
        if one.startswith(":"):
            raise _fault(
                one, f"permissions profile `{one}` uses a reserved built-in profile prefix"
            )
    if not profiles:
        raise ConfigError("config: default_permissions requires a `[permissions]` table")
    if name not in profiles:
        raise ConfigError(f"config: default_permissions refers to undefined profile `{name}`")
    chain = [name]
    while chain[-1] in profiles and (parent := profiles[chain[-1]].extends) is not None:
        if parent in chain:
            shown = " -> ".join((*chain, parent))
            raise ConfigError(f"config: permissions profile inheritance cycle detected: {shown}")
        if parent.startswith(":") and parent not in _PARENTS:
            raise _fault(
                chain[-1],
                f"permissions profile `{chain[-1]}` cannot extend unsupported built-in profile "
                f"`{parent}`",
            )
        if parent not in profiles and parent not in _PARENTS:
            raise _fault(
                chain[-1],
                f"permissions profile `{chain[-1]}` extends undefined profile `{parent}`",
            )
        chain.append(parent)
    return chain


def _entries(name: str, profile: PermissionProfile) -> Entries:
    """The rules of one profile: a special name or an absolute path, and the access."""
    entries: dict[str, str] = {}
    for place, access in profile.filesystem.items():
        place = _ROOTS if place == ":project_roots" else place
        for inner, kind in access.items() if isinstance(access, dict) else ((".", access),):
            if any(mark in f"{place}{inner}" for mark in "*?["):
                raise _unheld(name, f"the pattern `{inner if inner != '.' else place}`")
            if inner == ".":
                entries[_place(place)] = str(kind)
            elif place == _ROOTS and kind != "write":
                raise _unheld(name, f'`{inner}` = "{kind}" below {_ROOTS}')
            elif place != _ROOTS:
                entries[os.path.join(_place(place), inner)] = str(kind)
    return entries


def _denied(name: str, entries: Entries) -> tuple[str, ...]:
    """The paths that are hidden. Nothing in one of them can be shown."""
    hidden = [p for p, access in entries.items() if access in _HIDDEN and p.startswith("/")]
    for place, access in entries.items():
        if access not in _HIDDEN and any(_within(place, folder) for folder in hidden):
            raise _unheld(name, f'`{place}` = "{access}" in a folder that is hidden')
    return tuple(hidden)


def _sandbox(
    name: str, entries: Entries, roots: tuple[str, ...], *, network: bool
) -> tuple[Mode, SandboxWorkspaceWrite]:
    """What the sandbox is told. It shows everything, and writes below roots as a whole."""
    for place in entries:
        if place.startswith(":") and place not in _SPECIAL:
            raise _unheld(name, f"`{place}`")
    if entries.get(":root") != "read":
        raise _unheld(name, '`:root` other than "read"')
    written = sorted(p for p, access in entries.items() if access == "write")
    for place, access in entries.items():
        if access in _HIDDEN and place.startswith(":"):
            raise _unheld(name, f'`{place}` = "{access}"')
        inside = any(_within(place, root) for root in written)
        if access == "read" and not place.startswith(":") and inside:
            raise _unheld(name, f'`{place}` = "read" below a folder that may be written')
    if not written and not network:
        return "read-only", SandboxWorkspaceWrite()
    if _ROOTS not in written:
        raise _unheld(name, f'writing or the network without `{_ROOTS}` = "write"')
    return "workspace-write", SandboxWorkspaceWrite(
        writable_roots=tuple(dict.fromkeys([p for p in written if p.startswith("/")] + [*roots])),
        network_access=network,
        exclude_tmpdir_env_var=":tmpdir" not in written,
        exclude_slash_tmp=":slash_tmp" not in written,
    )


def _network(name: str, profile: PermissionProfile, before: bool) -> bool:
    for key in profile.network:
        if key != "enabled":
            raise _unheld(name, f"`network.{key}`")
    enabled = profile.network.get("enabled", before)
    if not isinstance(enabled, bool):
        raise _fault(name, "network.enabled: expected true or false")
    return enabled


def _place(place: str) -> str:
    if place.startswith(":"):
        return place
    if place == "~" or place.startswith(("/", "~/")):
        return os.path.normpath(os.path.expanduser(place))
    raise ConfigError(
        f"config: permissions: filesystem path `{place}` must be absolute, use `~/...`, or start "
        "with `:`"
    )


def _within(place: str, folder: str) -> bool:
    return folder.startswith("/") and place.startswith(folder.rstrip("/") + "/")


def _fault(name: str, words: str) -> ConfigError:
    return ConfigError(f"config: permissions.{name}: {words}")


def _unheld(name: str, what: str) -> ConfigError:
    return _fault(name, f"{what} cannot be enforced by the sandbox of this version; leave it out")
