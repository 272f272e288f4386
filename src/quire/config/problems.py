"""Says which value has the wrong type, where it stands, and what was expected."""

from __future__ import annotations

import msgspec

from quire.config.errors import ConfigError
from quire.config.layers import Layer, is_list, is_table, leaves
from quire.config.overrides import Path, nest, write_path
from quire.config.schema import Config

_WORDS = {
    "int": "an integer",
    "float": "a number",
    "str": "a string",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "null": "nothing",
}
_SECRET = ("token", "key", "secret", "header", "password")
_SHOWN = 60


def explain(layers: list[Layer], fallback: str) -> ConfigError:
    """The error for layers whose merged values do not fit the schema: it names the highest layer
    that holds a wrong value. `fallback` is said when no single value is wrong."""
    for layer in reversed(layers):
        for path, value in leaves(layer.values):
            if path[:2] == ("approval_policy", "granular"):
                continue  # Its parts belong together; they were looked at before.
            try:
                msgspec.convert(nest(path, value), Config)
            except msgspec.ValidationError as error:
                return ConfigError(_describe(layer, path, str(error)))
    return ConfigError(f"config: {fallback}")


def _describe(layer: Layer, path: Path, message: str) -> str:
    what, _, place = message.partition(" - at `$")
    wrong, got = _locate(layer, path, place.rstrip("`"))
    where = f"config: {layer.origin.place}"
    # An option already shows its key.
    key = "" if layer.origin.kind == "override" and wrong == write_path(path) else f"{wrong}: "
    return f"{where}: {key}{_expected(what, path)}, got {_show(got, path)}"


def _locate(layer: Layer, path: Path, place: str) -> tuple[str, object]:
    """The key as written and its value, from msgspec's place (`.key`, `[...]` for a table's entry,
    `[0]` for a list's item)."""
    depth = 0
    item: int | None = None
    for part in place.replace("[", ".[").split(".["):
        depth += part.count(".")
        if part.endswith("]") or "]." in part:
            index = part.partition("]")[0]
            item = int(index) if index.isdigit() else None
            depth += item is None
    value: object = layer.values
    for segment in path[:depth]:
        value = value[segment] if is_table(value) else value
    key = write_path(path[:depth])
    if item is not None and is_list(value):
        return f"{key}[{item}]", value[item]
    return key, value


def _expected(what: str, path: Path) -> str:
    """msgspec's words in ours."""
    if what.startswith("Invalid enum value"):
        return f"expected {_choices(path)}"
    text = what.removeprefix("Expected ").partition(", got ")[0]
    if text == "`str` of length >= 1":
        return "expected a string that is not empty"
    name, _, limit = text.partition("` ")
    names = [n for n in name.strip("`").split(" | ") if n != "null"]
    words = " or ".join(_WORDS.get(n, n) for n in names)
    return f"expected {words} {limit}".rstrip()


def _choices(path: Path) -> str:
    """The words that the key at `path` takes."""
    from quire.config.reference import choices_of

    *others, last = choices_of(path)
    return f"{', '.join(others)} or {last}" if others else last


def _show(value: object, path: Path) -> str:
    if is_table(value):
        return "a table"
    if is_list(value):
        return "a list"
    if any(word in segment.lower() for word in _SECRET for segment in path):
        return "something else"
    if isinstance(value, str):
        return f'"{value if len(value) <= _SHOWN else value[:_SHOWN] + "..."}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
