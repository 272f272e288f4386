"""One layer of configuration, and how layers become one table whose every value has an origin."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Literal, TypeGuard

from msgspec import Struct

from quire.config.overrides import Path, Table

LayerKind = Literal["system", "user", "profile", "project", "override", "flag"]


class Origin(Struct, frozen=True):
    """Where a value comes from. `place` is a file's path, or the option as it was given."""

    kind: LayerKind
    place: str


class Layer(Struct, frozen=True):
    """A table and where it comes from. Relative paths in it start from `folder`."""

    origin: Origin
    folder: str
    values: Table


def merge(layers: list[Layer]) -> tuple[Table, dict[Path, Origin]]:
    """All layers as one table, later ones first in rank, and the origin of each value.

    Tables are merged key by key; any other value replaces what was there."""
    merged: Table = {}
    origins: dict[Path, Origin] = {}
    for layer in layers:
        _merge_into(merged, layer.values, (), layer.origin, origins)
    return merged, origins


def leaves(values: Table, prefix: Path = ()) -> Iterator[tuple[Path, object]]:
    """Each value that is no table (or an empty one), with its path."""
    for key, value in values.items():
        path = (*prefix, key)
        if (table := as_table(value)) is not None and table:
            yield from leaves(table, path)
        else:
            yield path, value


def is_table(value: object) -> TypeGuard[Table]:
    """Whether a TOML value is a table."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[object]]:
    """Whether a TOML value is a list."""
    return isinstance(value, list)


def as_table(value: object) -> Table | None:
    """`value` when it is a table."""
    return value if is_table(value) else None


def table_at(values: Table, key: str) -> Table:
    """The table below `key`; an empty one when there is none."""
    return as_table(values.get(key)) or {}


def with_absolute_paths(values: Table, folder: str) -> Table:
    """The same table; its paths start from `folder`, `~` is the home folder."""
    changed = dict(values)
    for key in ("model_catalog_json", "model_instructions_file"):
        if isinstance(value := values.get(key), str) and value:
            changed[key] = absolute(value, folder)
    workspace = as_table(values.get("sandbox_workspace_write"))
    if workspace is not None and is_list(roots := workspace.get("writable_roots")):
        resolved = [absolute(r, folder) if isinstance(r, str) else r for r in roots]
        changed["sandbox_workspace_write"] = {**workspace, "writable_roots": resolved}
    providers = as_table(values.get("model_providers"))
    if providers is not None:
        changed["model_providers"] = {
            name: _provider_paths(entry, folder) for name, entry in providers.items()
        }
    return changed


def absolute(path: str, folder: str) -> str:
    """`path` as an absolute path without `.` and `..`."""
    return os.path.normpath(os.path.join(folder, os.path.expanduser(path)))


def _provider_paths(entry: object, folder: str) -> object:
    provider = as_table(entry)
    if provider is None or not isinstance(path := provider.get("ca_certificate"), str):
        return entry
    return {**provider, "ca_certificate": absolute(path, folder) if path else path}


def _merge_into(
    target: Table, source: Table, prefix: Path, origin: Origin, origins: dict[Path, Origin]
) -> None:
    for key, value in source.items():
        path = (*prefix, key)
        old, new = as_table(target.get(key)), as_table(value)
        if new is None:
            if old is not None:
                for below, _ in leaves(old, path):
                    origins.pop(below, None)
            target[key] = value
            origins[path] = origin
            continue
        if old is None:
            target[key] = old = {}
            origins[path] = origin
        if new:
            origins.pop(path, None)
        _merge_into(old, new, path, origin, origins)
