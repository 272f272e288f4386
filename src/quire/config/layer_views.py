"""Layers as the app-server shows them: where they come from, and their versions (Codex 0.169)."""

from __future__ import annotations

import os

import msgspec
from msgspec import Raw

from quire.config.layers import Layer, Origin, as_table, is_list, is_table, merge
from quire.config.load import ConfigSources
from quire.config.overrides import Path, Table
from quire.protocol.rpc.config import (
    ConfigLayer,
    ConfigLayerMetadata,
    ConfigLayerSource,
    ProjectConfigLayerSource,
    SessionFlagsConfigLayerSource,
    SystemConfigLayerSource,
    UserConfigLayerSource,
)


class LayerView:
    """One layer as it is shown: all options of the command line are one."""

    def __init__(self, source: ConfigLayerSource, values: Table) -> None:
        self.source = source
        self.values = values
        self.metadata = ConfigLayerMetadata(name=source, version=version_of(values))

    def shown(self) -> ConfigLayer:
        return ConfigLayer(
            name=self.source, version=self.metadata.version, config=Raw(encoded(self.values))
        )

    @property
    def overriding(self) -> str:
        """What is said when this layer makes a written value ineffective."""
        match self.source:
            case SessionFlagsConfigLayerSource():
                return "Overridden by session flags"
            case ProjectConfigLayerSource(folder):
                return f"Overridden by project config: {folder}/config.toml"
            case UserConfigLayerSource(file) | SystemConfigLayerSource(file):
                return f"Overridden by user config: {file}"


def views(layers: tuple[Layer, ...], sources: ConfigSources) -> list[LayerView]:
    """Lowest rank first. The system's and the user's layer are there even without a file."""
    user = os.path.join(sources.home, "config.toml")
    shown = [
        LayerView(SystemConfigLayerSource(sources.system_file), _values(layers, "system")),
        LayerView(UserConfigLayerSource(user), _values(layers, "user")),
    ]
    for layer in layers:
        place = layer.origin.place
        if layer.origin.kind == "profile":
            shown.append(LayerView(UserConfigLayerSource(place, sources.profile), layer.values))
        elif layer.origin.kind == "project":
            folder = os.path.dirname(place)
            shown.append(LayerView(ProjectConfigLayerSource(folder), layer.values))
    options = [layer for layer in layers if layer.origin.kind in ("override", "flag")]
    if options:
        shown.append(LayerView(SessionFlagsConfigLayerSource(), merge(options)[0]))
    return shown


def origins(shown: list[LayerView]) -> dict[str, ConfigLayerMetadata]:
    """The layer of each value, by its path with plain dots; lists are told item by item."""
    found: dict[str, ConfigLayerMetadata] = {}
    merged = merged_views(shown)
    for path, _ in _items(merged, ()):
        for view in reversed(shown):
            if holds(view.values, path):
                found[".".join(path)] = view.metadata
                break
    return found


def merged_views(shown: list[LayerView]) -> Table:
    """All of them as one table."""
    nowhere = Origin("flag", "")
    return merge([Layer(nowhere, "", view.values) for view in shown])[0]


def holds(values: object, path: Path) -> bool:
    """Whether a layer sets the value at `path`."""
    for key in path:
        if is_list(values) and key.isdigit() and int(key) < len(values):
            values = values[int(key)]
        elif (table := as_table(values)) is not None and key in table:
            values = table[key]
        else:
            return False
    return True


def value_at(values: object, path: Path) -> object:
    """The value at `path`; None where there is none (TOML has no null)."""
    for key in path:
        values = (as_table(values) or {}).get(key)
    return values


def version_of(values: Table) -> str:
    """`sha256:` and the digest of the table as JSON with sorted keys."""
    from hashlib import sha256

    return f"sha256:{sha256(encoded(values)).hexdigest()}"


def encoded(value: object) -> bytes:
    """A TOML value as JSON; dates and times as text."""
    return msgspec.json.encode(value, order="deterministic")


def _values(layers: tuple[Layer, ...], kind: str) -> Table:
    for layer in layers:
        if layer.origin.kind == kind:
            return layer.values
    return {}


def _items(value: object, path: Path) -> list[tuple[Path, object]]:
    if is_table(value):
        inner = [*value.items()]
    elif is_list(value):
        inner = [(str(place), below) for place, below in enumerate(value)]
    else:
        return [(path, value)]
    return [found for key, below in inner for found in _items(below, (*path, key))]
