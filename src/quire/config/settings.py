"""Settings over the app-server: read with their origins, written to the user's file."""

from __future__ import annotations

import os

import msgspec
from msgspec import Raw

from quire.config.editing import Edit, EditError, edited, key_segments
from quire.config.errors import ConfigError, one_line
from quire.config.files import parse_toml
from quire.config.layer_views import (
    LayerView,
    encoded,
    holds,
    merged_views,
    origins,
    value_at,
    version_of,
    views,
)
from quire.config.layers import Layer, Origin, is_list, is_table, table_at, with_absolute_paths
from quire.config.load import LoadedConfig, check_layer, read_requirements
from quire.config.overrides import Table
from quire.config.requirements import shown as shown_requirements
from quire.config.schema import Config
from quire.config.store import ConfigStore
from quire.config.user_file import locked_user_file
from quire.protocol.policy import approval_words
from quire.protocol.rpc.config import (
    ConfigEdit,
    ConfigReadResponse,
    ConfigRequirementsReadResponse,
    ConfigWriteResponse,
    OverriddenMetadata,
    SettingsRefusal,
)

_MEMBERS = """
    model review_model model_context_window model_auto_compact_token_limit
    model_auto_compact_token_limit_scope model_provider approval_policy approvals_reviewer
    sandbox_mode sandbox_workspace_write forced_chatgpt_workspace_id forced_login_method web_search
    client_search_provider tools instructions developer_instructions compact_prompt
    model_reasoning_effort model_reasoning_summary model_verbosity service_tier analytics apps
    browser_use computer_use desktop
"""
"""Members of `Config` in Codex 0.169 that are null when nobody sets them."""
_CONFLICT = "Configuration was modified since last read. Fetch latest version and retry."
_LEGACY = (
    "`profile` is a legacy config selector and can no longer be written; use `--profile <name>` "
    "with `<name>.config.toml` instead"
)
_LARGEST = 2**63


class Settings:
    """Implements `quire.server.calls.config.SettingsFile`."""

    def __init__(self, store: ConfigStore) -> None:
        self._store = store

    def read(self, cwd: str | None, *, layers: bool) -> ConfigReadResponse:
        """The settings as seen from a folder. Raises `ConfigError`."""
        loaded = self._store.load(cwd)
        shown = views(loaded.layers, self._store.sources)
        return ConfigReadResponse(
            config=Raw(encoded(_effective(loaded, merged_views(shown)))),
            origins=origins(shown),
            layers=tuple(view.shown() for view in reversed(shown)) if layers else None,
        )

    def write(
        self, edits: tuple[ConfigEdit, ...], path: str | None, expected: str | None
    ) -> ConfigWriteResponse | SettingsRefusal:
        """Make all edits or none. Waits for other writers. Raises `ConfigError` when the file
        cannot be read or written; what may not be written is refused."""
        home = self._store.sources.home
        with locked_user_file(home) as file:
            if path is not None and os.path.realpath(path) != os.path.realpath(file.path):
                return SettingsRefusal(
                    "configLayerReadonly", "Only writes to the user config are allowed"
                )
            before = file.read()
            if expected is not None and expected != self._version(before, file.path):
                return SettingsRefusal("configVersionConflict", _CONFLICT)
            try:
                changes = tuple(map(_change, edits))
                after = edited(before, changes, file.path) if changes else before
                self._check(after, file.path)
            except EditError as error:
                return SettingsRefusal("configValidationError", one_line(str(error)))
            except ConfigError as error:
                parse_toml(before, file.path)  # A file that was broken before is no bad edit.
                return SettingsRefusal("configValidationError", _invalid(error, file.path))
            if after != before:
                file.replace(after)
            return self._written(changes, after, file.path)

    def requirements(self) -> ConfigRequirementsReadResponse:
        """What the administrator demands. Raises `ConfigError`."""
        found, _ = read_requirements(self._store.sources)
        if found is None:
            return ConfigRequirementsReadResponse()
        return ConfigRequirementsReadResponse(requirements=Raw(encoded(shown_requirements(found))))

    def _written(self, changes: tuple[Edit, ...], data: bytes, path: str) -> ConfigWriteResponse:
        overridden = self._overridden(changes)
        return ConfigWriteResponse(
            status="okOverridden" if overridden else "ok",
            version=self._version(data, path),
            file_path=os.path.realpath(path),
            overridden_metadata=overridden,
        )

    def _overridden(self, changes: tuple[Edit, ...]) -> OverriddenMetadata | None:
        """The first change that a layer above the user's makes ineffective."""
        shown = views(self._store.load().layers, self._store.sources)
        below, above = shown[:2], shown[2:]
        effective, wanted = merged_views(shown), merged_views(below)
        for change in changes:
            now = value_at(effective, change.path)
            if now == value_at(wanted, change.path):
                continue
            for view in reversed(above):
                if _touches(view, change):
                    return OverriddenMetadata(
                        message=view.overriding,
                        overriding_layer=view.metadata,
                        effective_value=Raw(encoded(now)),
                    )
        return None

    def _check(self, data: bytes, path: str) -> None:
        """Raises `ConfigError` for what is no configuration, `EditError` for what the
        administrator does not allow to be written."""
        layer = self._layer(data, path)
        check_layer(layer)
        found, _ = read_requirements(self._store.sources)
        if found is not None and (fault := found.refused_feature(layer.values)):
            raise EditError(f"Invalid configuration: {fault}")

    def _version(self, data: bytes, path: str) -> str:
        return version_of(self._layer(data, path).values)

    def _layer(self, data: bytes, path: str) -> Layer:
        folder = os.path.dirname(path)
        values = with_absolute_paths(parse_toml(data, path), folder)
        return Layer(Origin("user", path), folder, values)


def _touches(view: LayerView, change: Edit) -> bool:
    """Whether a layer says something at, above or below what was changed."""
    return any(holds(view.values, change.path[:n]) for n in range(len(change.path), 0, -1))


def _effective(loaded: LoadedConfig, merged: Table) -> Table:
    """All settings: what is known with its defaults, the rest as it is written."""
    shown: Table = {}
    shown.update((member, None) for member in _MEMBERS.split())
    typed: Table = msgspec.to_builtins(loaded.config)
    if (policy := loaded.config.approval_policy) is not None:
        typed["approval_policy"] = msgspec.to_builtins(approval_words(policy))
    # The protocol has this one member of `tools`; the layers show all.
    typed["tools"] = {"web_search": table_at(merged, "tools").get("web_search")}
    for key, value in typed.items():
        if key in merged or key not in shown:
            shown[key] = value
    known = Config.__struct_fields__
    shown.update((key, value) for key, value in merged.items() if key not in known)
    return shown


def _change(edit: ConfigEdit) -> Edit:
    """Raises `EditError`."""
    path = key_segments(edit.key_path)
    value: object = msgspec.json.decode(edit.value)
    if path == ("profile",) and value is not None:
        raise EditError(_LEGACY)
    if value is not None:
        _check_value(value)
    return Edit(path, value, edit.merge_strategy == "upsert")


def _check_value(value: object) -> None:
    """What JSON has and TOML does not."""
    if value is None:
        raise EditError("invalid value: invalid type: null, expected any valid TOML value")
    if isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
        raise EditError("invalid value: u64 value was too large")
    inner = value.values() if is_table(value) else value if is_list(value) else ()
    for below in inner:
        _check_value(below)


def _invalid(error: ConfigError, path: str) -> str:
    return "Invalid configuration: " + str(error).removeprefix(f"config: {path}: ")
