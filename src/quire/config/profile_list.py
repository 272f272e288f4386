"""The permission profiles as the app-server's `permissionProfile/list` shows them."""

from __future__ import annotations

from collections.abc import Callable

from quire.config.load import LoadedConfig
from quire.config.permissions import BUILT_IN
from quire.protocol.rpc.permissions import PermissionProfileSummary


class ProfileList:
    """Implements `quire.server.calls.permissions.Profiles`. `load` gives the configuration as
    seen from a folder (the server's own for None) and may raise `ConfigError`."""

    def __init__(self, load: Callable[[str | None], LoadedConfig]) -> None:
        self._load = load

    def profiles(self, cwd: str | None) -> tuple[PermissionProfileSummary, ...]:
        """The built-in ones, then those of the configuration by name."""
        loaded = self._load(cwd)
        configured, required = loaded.config.permissions, loaded.requirements
        return tuple(
            PermissionProfileSummary(
                id=name,
                description=configured[name].description if name in configured else None,
                allowed=required is None or required.allows_profile(name),
            )
            for name in (*BUILT_IN, *sorted(configured))
        )
