"""Loads the configuration: flags over `-c` over project over profile over user over system."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec import Struct

from quire.config.errors import ConfigError, one_line
from quire.config.files import read_toml
from quire.config.layers import (
    Layer,
    Origin,
    as_table,
    is_list,
    merge,
    table_at,
    with_absolute_paths,
)
from quire.config.overrides import Path, Table, nest, parse_override, read_path, write_path
from quire.config.project import ProjectFiles
from quire.config.repository import find_root
from quire.config.schema import Config, TrustLevel
from quire.config.unknown import check_keys

if TYPE_CHECKING:
    from quire.config.permissions import ActiveProfile
    from quire.config.requirements import Requirements

SYSTEM_FILE = "/etc/quire/config.toml"
REQUIREMENTS_FILES = ("/etc/quire/requirements.toml", "/etc/codex/requirements.toml")


class ConfigSources(Struct, frozen=True, kw_only=True):
    """Where to look. `home` and `cwd` are absolute folders; `overrides` are the arguments of `-c`
    as given; `flags` are the other options as dotted keys with typed values (`{"model": "x",
    "features.goals": False}`). `ignore_user` leaves `HOME/config.toml` out; `lenient` ignores
    unknown keys in `flags`, too: a client may know of more than this version."""

    home: str
    cwd: str
    overrides: tuple[str, ...] = ()
    flags: Mapping[str, object] = {}
    profile: str | None = None
    strict: bool = False
    lenient: bool = False
    ignore_user: bool = False
    system_file: str = SYSTEM_FILE
    requirements_files: tuple[str, ...] = REQUIREMENTS_FILES


class LoadedConfig(Struct, frozen=True, kw_only=True):
    """The configuration and where it comes from. `origins` has an entry for each value that some
    layer sets, by its dotted key. `warnings` are lines for people. `layers` are in rank order,
    lowest first. `project_root` is the nearest folder with a root marker; `trust` is what you
    decided about the project, `sources` where it was looked for.
    `requirements` is what the administrator demands: `config` keeps to it, and what is chosen
    later has to be asked of it. `permissions` is the permission profile in force."""

    config: Config
    origins: Mapping[str, Origin]
    warnings: tuple[str, ...]
    layers: tuple[Layer, ...]
    project_root: str | None
    trust: TrustLevel | None
    sources: ConfigSources
    requirements: Requirements | None = None
    permissions: ActiveProfile | None = None


def load(sources: ConfigSources) -> LoadedConfig:
    """Read all layers. Raises `ConfigError` for a broken or unreadable file, a wrong type, a
    setting that is no longer supported, a missing profile, and unknown keys with `strict`."""
    below = _files(sources)
    above = _options(sources)
    known, _ = merge([*below, *above])
    root = find_root(sources.cwd, _markers(known))
    project = ProjectFiles(sources.cwd, root, sources.home, table_at(known, "projects"))
    layers = [*below, *project.layers(), *above]
    values, origins = merge(layers)
    warnings = [*project.warnings, *check_keys(layers, sources.strict, sources.lenient)]
    config = _convert(_current(values, origins, warnings), layers)
    requirements, unknown = read_requirements(sources)
    warnings += unknown
    active = None
    if config.default_permissions or config.permissions or requirements is not None:
        from quire.config.permissions import with_permissions

        config, active, changed = with_permissions(config, layers, requirements)
        warnings += changed
    if requirements is not None:
        from quire.config.requirements import constrained

        config, changed = constrained(config, requirements)
        warnings += changed
    return LoadedConfig(
        config=config,
        origins={write_path(path): origin for path, origin in origins.items()},
        warnings=tuple(dict.fromkeys(map(one_line, warnings))),
        layers=tuple(layers),
        project_root=root,
        trust=project.trust,
        sources=sources,
        requirements=requirements,
        permissions=active,
    )


def read_requirements(sources: ConfigSources) -> tuple[Requirements | None, list[str]]:
    """What the administrator of this machine demands, and warnings about what of it is not
    enforced. Raises `ConfigError` when it cannot be read: then nothing may run."""
    for place in sources.requirements_files:
        values = read_toml(place)
        if values is not None:
            from quire.config.requirements import parse_requirements

            return parse_requirements(values, place)
    return None, []


def check_layer(layer: Layer) -> None:
    """Whether a layer is a valid configuration by itself. Raises `ConfigError`."""
    values, origins = merge([layer])
    _convert(_current(values, origins, []), [layer])


def empty_config(sources: ConfigSources) -> LoadedConfig:
    """The defaults, for a process that goes on although its files cannot be used."""
    return LoadedConfig(
        config=Config(),
        origins={},
        warnings=(),
        layers=(),
        project_root=find_root(sources.cwd),
        trust=None,
        sources=sources,
    )


def _files(sources: ConfigSources) -> list[Layer]:
    """The layers of system, user and profile, as far as they exist."""
    user = os.path.join(sources.home, "config.toml")
    layers = [_file("system", sources.system_file)]
    if not sources.ignore_user:
        layers.append(_file("user", user))
    if sources.profile is not None:
        layers.append(_profile(sources.home, sources.profile))
    return [layer for layer in layers if layer is not None]


def _file(kind: Literal["system", "user", "profile"], path: str) -> Layer | None:
    values = read_toml(path)
    if values is None:
        return None
    folder = os.path.dirname(path)
    return Layer(Origin(kind, path), folder, with_absolute_paths(values, folder))


def _profile(home: str, name: str) -> Layer:
    if not name or not name.replace("-", "").replace("_", "").isalnum():
        raise ConfigError(f"config: -p {name}: pass a plain name such as `work`")
    path = os.path.join(home, f"{name}.config.toml")
    layer = _file("profile", path)
    if layer is None:
        raise ConfigError(f"config: -p {name}: {path} does not exist; create it or leave -p out")
    return layer


def _options(sources: ConfigSources) -> list[Layer]:
    layers: list[Layer] = []
    for text in sources.overrides:
        path, value = parse_override(text)
        layers.append(_option(Origin("override", f"-c {text}"), path, value, sources.cwd))
    for key, value in sources.flags.items():
        layers.append(_option(Origin("flag", "command line"), read_path(key), value, sources.cwd))
    return layers


def _option(origin: Origin, path: Path, value: object, cwd: str) -> Layer:
    return Layer(origin, cwd, with_absolute_paths(nest(path, value), cwd))


def _markers(values: Table) -> tuple[str, ...]:
    """`project_root_markers` before the whole is validated."""
    markers = values.get("project_root_markers")
    if is_list(markers):
        return tuple(m for m in markers if isinstance(m, str) and m)
    return Config().project_root_markers


def _current(values: Table, origins: Mapping[Path, Origin], warnings: list[str]) -> Table:
    """Settings of other versions in today's words; what has none raises `ConfigError`."""
    if "profile" in values:
        name = values["profile"] if isinstance(values["profile"], str) else "NAME"
        raise ConfigError(
            f"config: {_place(origins, 'profile')}: `profile` is no longer supported; "
            f"use `-p {name}` with {name}.config.toml"
        )
    for name, provider in table_at(values, "model_providers").items():
        if (as_table(provider) or {}).get("wire_api") == "chat":
            place = _place(origins, "model_providers", name, "wire_api")
            raise ConfigError(
                f'config: {place}: model_providers.{name}: `wire_api = "chat"` is no longer '
                'supported; set `wire_api = "responses"`'
            )
    return _current_approvals(values, origins, warnings)


def _current_approvals(values: Table, origins: Mapping[Path, Origin], warnings: list[str]) -> Table:
    """The same for approvals; the table `granular` is taken out of its wrapping."""
    changed = dict(values)
    policy = values.get("approval_policy")
    if policy == "untrusted":
        raise ConfigError(
            f"config: {_place(origins, 'approval_policy')}: "
            'approval_policy = "untrusted" is no longer supported; remove this setting'
        )
    if policy == "on-failure":
        warnings.append('approval_policy: "on-failure" is not supported and counts as "on-request"')
        changed["approval_policy"] = "on-request"
    elif (table := as_table(policy)) is not None:
        from quire.config.approvals import granular_table

        changed["approval_policy"] = granular_table(table, _place(origins, "approval_policy"))
    if values.get("approvals_reviewer") == "guardian_subagent":
        changed["approvals_reviewer"] = "auto_review"
    return changed


def _place(origins: Mapping[Path, Origin], *path: str) -> str:
    """Where the value at `path`, or the first one below it, comes from."""
    return next(o.place for p, o in origins.items() if p[: len(path)] == path)


def _convert(values: Table, layers: list[Layer]) -> Config:
    try:
        return msgspec.convert(values, Config)
    except msgspec.ValidationError as error:
        from quire.config.problems import explain

        raise explain(layers, str(error)) from None
