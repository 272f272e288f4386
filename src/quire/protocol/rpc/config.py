"""`config/*` and `configRequirements/read`: settings read with their origins, and written."""

from __future__ import annotations

from typing import Literal

from msgspec import Raw, Struct

from quire.protocol.rpc.method import Empty, Method

MergeStrategy = Literal["replace", "upsert"]
WriteStatus = Literal["ok", "okOverridden"]


class SystemConfigLayerSource(Struct, frozen=True, tag="system", tag_field="type"):
    """`file` need not exist."""

    file: str


class UserConfigLayerSource(Struct, frozen=True, tag="user", tag_field="type"):
    """`file` need not exist. `profile` is the name given with `-p` where the layer is that file."""

    file: str
    profile: str | None = None


class ProjectConfigLayerSource(
    Struct, frozen=True, rename="camel", tag="project", tag_field="type"
):
    """`dot_codex_folder` holds the project's `config.toml`."""

    dot_codex_folder: str


class SessionFlagsConfigLayerSource(Struct, frozen=True, tag="sessionFlags", tag_field="type"):
    """The command line."""


ConfigLayerSource = (
    SystemConfigLayerSource
    | UserConfigLayerSource
    | ProjectConfigLayerSource
    | SessionFlagsConfigLayerSource
)


class ConfigLayerMetadata(Struct, frozen=True, kw_only=True, rename="camel"):
    """`version` is `sha256:` and the digest of the layer as JSON with sorted keys."""

    name: ConfigLayerSource
    version: str


class ConfigLayer(Struct, frozen=True, kw_only=True, rename="camel"):
    name: ConfigLayerSource
    version: str
    config: Raw
    disabled_reason: str | None = None


class ConfigReadParams(Struct, frozen=True, kw_only=True, rename="camel"):
    """`cwd` is the folder whose project counts; the server's own without one."""

    include_layers: bool = False
    cwd: str | None = None


class ConfigReadResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    """`origins` has the path of each value that some layer sets, segments and places in lists
    joined by dots. `layers` come with the highest rank first."""

    config: Raw
    origins: dict[str, ConfigLayerMetadata]
    layers: tuple[ConfigLayer, ...] | None = None


class ConfigEdit(Struct, frozen=True, kw_only=True, rename="camel"):
    """`key_path` is dotted, segments quoted where need be. A `value` of null removes the key;
    `upsert` merges a table into the one that is there."""

    key_path: str
    value: Raw
    merge_strategy: MergeStrategy


class ConfigValueWriteParams(Struct, frozen=True, kw_only=True, rename="camel"):
    """One edit of the user's file. `expected_version` is the version that the client read."""

    key_path: str
    value: Raw
    merge_strategy: MergeStrategy
    file_path: str | None = None
    expected_version: str | None = None


class ConfigBatchWriteParams(Struct, frozen=True, kw_only=True, rename="camel"):
    """Edits of which all are made or none."""

    edits: tuple[ConfigEdit, ...]
    file_path: str | None = None
    expected_version: str | None = None
    reload_user_config: bool = False


class OverriddenMetadata(Struct, frozen=True, kw_only=True, rename="camel"):
    """What was written has no effect, because another layer says otherwise."""

    message: str
    overriding_layer: ConfigLayerMetadata
    effective_value: Raw


class ConfigWriteResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    status: WriteStatus
    version: str
    file_path: str
    overridden_metadata: OverriddenMetadata | None = None


ConfigWriteErrorCode = Literal[
    "configVersionConflict", "configValidationError", "configLayerReadonly"
]


class SettingsRefusal(Struct, frozen=True):
    """A write that is not made; `message` is one line for people."""

    code: ConfigWriteErrorCode
    message: str


class ConfigWriteErrorData(Struct, frozen=True):
    """The `data` of a refused write."""

    config_write_error_code: ConfigWriteErrorCode


class ConfigRequirementsReadResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    """`requirements` is null where no `requirements.toml` exists."""

    supports_independent_speed_modes: bool | None = True
    requirements: Raw | None = None


METHODS: tuple[Method, ...] = (
    Method("config/read", ConfigReadParams, ConfigReadResponse),
    Method("config/value/write", ConfigValueWriteParams, ConfigWriteResponse),
    Method("config/batchWrite", ConfigBatchWriteParams, ConfigWriteResponse),
    Method("configRequirements/read", Empty, ConfigRequirementsReadResponse),
)
NOTIFICATIONS = ()
REQUESTS = ()
