"""Keys that have no effect: those of features that do not exist yet, and those nobody knows."""

from __future__ import annotations

from msgspec import Struct

from quire.config.errors import ConfigError
from quire.config.files import MAX_CONFIG_BYTES, read_regular
from quire.config.keys import (
    FEATURES,
    NESTED_UNSUPPORTED,
    SUPPORTED_FEATURES,
    UNSUPPORTED,
    WITHOUT_EFFECT,
)
from quire.config.layers import Layer, as_table, table_at
from quire.config.overrides import Path, Table, read_path, write_path
from quire.config.schema import MAPS, TABLES, Config


def check_keys(layers: list[Layer], strict: bool, lenient: bool = False) -> list[str]:
    """Warnings about keys without effect. An unknown key raises `ConfigError` when an option of
    the command line names it, unless `lenient`, and everywhere with `strict`."""
    unsupported: dict[str, str] = {}
    unknown: list[tuple[Layer, Path]] = []
    for layer in layers:
        for path in _strangers(layer.values):
            if _is_unsupported(path):
                if _value_at(layer.values, path) is False:
                    continue  # What does not exist is switched off already.
                unsupported.setdefault(write_path(path), layer.origin.place)
            else:
                unknown.append((layer, path))
        for name, switch in table_at(layer.values, "features").items():
            if name not in FEATURES:
                unknown.append((layer, ("features", name)))
            elif switch is True and name not in SUPPORTED_FEATURES:
                unsupported.setdefault(write_path(("features", name)), layer.origin.place)
    fatal = [one for one in unknown if strict or (one[0].origin.kind == "flag" and not lenient)]
    if fatal:
        more = f" (and {len(fatal) - 1} more)" if len(fatal) > 1 else ""
        raise ConfigError(_unknown(*fatal[0], "") + more)
    return [
        *(f"`{key}` is not supported yet and is ignored ({at})" for key, at in unsupported.items()),
        *(_unknown(layer, path, " is ignored") for layer, path in unknown),
    ]


def _strangers(values: Table) -> list[Path]:
    """Paths of keys that the schema does not have, the silently accepted ones left out."""
    known = frozenset(Config.__struct_fields__)
    found = [(key,) for key in values if key not in known and key not in WITHOUT_EFFECT]
    paths: list[Path] = [*found]
    for key in TABLES[Config]:
        paths += _below(table_at(values, key), TABLES[Config][key], (key,))
    for key, struct in MAPS.items():
        for name, entry in table_at(values, key).items():
            paths += _below(as_table(entry) or {}, struct, (key, name))
    return paths


def _below(values: Table, struct: type[Struct], prefix: Path) -> list[Path]:
    known = struct.__struct_fields__
    paths: list[Path] = [(*prefix, key) for key in values if key not in known]
    for key, inner in TABLES.get(struct, {}).items():
        paths += _below(table_at(values, key), inner, (*prefix, key))
    return paths


def _is_unsupported(path: Path) -> bool:
    if len(path) == 1:
        return path[0] in UNSUPPORTED
    return path[-1] in NESTED_UNSUPPORTED.get(path[0], ())


def _value_at(values: Table, path: Path) -> object:
    for key in path[:-1]:
        values = table_at(values, key)
    return values.get(path[-1])


def _unknown(layer: Layer, path: Path, verdict: str) -> str:
    place = layer.origin.place
    line = _line_of(path, place) if layer.origin.kind not in ("override", "flag") else None
    where = f"{place}:{line}" if line else place
    near = _nearest(path)
    advice = f"; did you mean `{near}`?" if near else ""
    return f"config: {where}: unknown key `{write_path(path)}`{verdict}{advice}"


def _nearest(path: Path) -> str | None:
    """The known key most like the last segment of `path`."""
    import difflib

    names: list[str] = []
    if len(path) == 1:
        names = [*Config.__struct_fields__, *UNSUPPORTED, *WITHOUT_EFFECT]
    elif path[0] == "features":
        names = [*FEATURES]
    elif (struct := _struct_of(path[:-1])) is not None:
        names = [*struct.__struct_fields__]
    close = difflib.get_close_matches(path[-1], names, n=1, cutoff=0.75)
    return write_path((*path[:-1], close[0])) if close else None


def _struct_of(path: Path) -> type[Struct] | None:
    if path[0] in MAPS:
        return MAPS[path[0]]
    struct: type[Struct] | None = Config
    for segment in path:
        struct = TABLES.get(struct, {}).get(segment) if struct else None
    return struct


def _line_of(path: Path, file: str) -> int | None:
    """The line of the file that sets `path`, as far as plain `[table]` and `key =` lines tell."""
    data = read_regular(file, MAX_CONFIG_BYTES) or b""
    table: Path = ()
    for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
        stripped = line.strip()
        try:
            if stripped.startswith("["):
                here = table = read_path(stripped.strip("[]"))
            else:
                here = (*table, *read_path(stripped.partition("=")[0]))
        except ConfigError:
            continue
        if here[: len(path)] == path:
            return number
    return None
