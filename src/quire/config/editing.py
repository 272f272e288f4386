"""Edits of a TOML text that leave everything else as it is: comments, order, layout.

A key path is Codex's (0.169, `config/value/write`): segments with dots between them, in double
quotes where they hold one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from quire.config.errors import ConfigError
from quire.config.files import BOM, parse_toml
from quire.config.layers import is_list, is_table
from quire.config.overrides import Path, Table

if TYPE_CHECKING:
    from tomlkit.items import InlineTable


class EditError(ValueError):
    """An edit that makes no sense; one line."""


class Edit(Struct, frozen=True):
    """One change. A `value` of None removes the key. With `merge`, a table is merged into the one
    that is there; otherwise it takes its place."""

    path: Path
    value: object
    merge: bool


def key_segments(text: str) -> Path:
    """The segments of a key path. Raises `EditError` in the words of Codex 0.169."""
    if not text.strip():
        raise EditError("keyPath must not be empty")
    segments: list[str] = []
    rest = text
    while True:
        segment, rest = _quoted(rest[1:]) if rest.startswith('"') else _bare(rest)
        segments.append(segment)
        if not rest:
            return tuple(segments)
        if not rest.startswith("."):
            raise EditError("invalid quoted keyPath segment")
        rest = rest[1:]


def apply(values: Table, edits: tuple[Edit, ...]) -> Table:
    """What `values` mean after the edits. Raises `EditError` when one goes through a value that
    is no table."""
    for edit in edits:
        values = _applied(values, edit, edit.path)
    return values


def edited(data: bytes, edits: tuple[Edit, ...], path: str) -> bytes:
    """The text of `path` after the edits. Raises `ConfigError` when the text is no TOML, and
    `EditError` when an edit makes no sense or the text cannot be changed without rewriting it."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    wanted = apply(parse_toml(data, path), edits)
    document = tomlkit.parse(data.removeprefix(BOM).decode())
    try:
        for edit in edits:
            _edit(document, edit, edit.path)
        changed = document.as_string().encode()
        if _pruned(parse_toml(changed, path)) == _pruned(wanted):
            return changed
    except (ConfigError, TOMLKitError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        pass  # The layout is one that the editor of texts cannot handle.
    raise EditError(f"{path} cannot be edited without rewriting it; make this change by hand")


def _applied(values: Table, edit: Edit, path: Path) -> Table:
    key, *below = path
    changed = dict(values)
    old = values.get(key)
    if below:
        if old is not None and not is_table(old):
            raise EditError(f"`{'.'.join(edit.path)}`: `{key}` is not a table")
        if old is None and edit.value is None:
            return values
        changed[key] = _applied(old or {}, edit, tuple(below))
    elif edit.value is None:
        changed.pop(key, None)
    elif edit.merge and is_table(old) and is_table(edit.value):
        changed[key] = _merged(old, edit.value)
    else:
        changed[key] = edit.value
    return changed


def _pruned(values: Table) -> Table:
    """Without tables that hold nothing: a header over tables goes with the last of them."""
    inner = {key: _pruned(v) if is_table(v) else v for key, v in values.items()}
    return {key: value for key, value in inner.items() if value != {}}


def _merged(old: Table, new: Table) -> Table:
    merged = dict(old)
    for key, value in new.items():
        before = merged.get(key)
        if is_table(before) and is_table(value):
            merged[key] = _merged(before, value)
        else:
            merged[key] = value
    return merged


def _edit(table: Table, edit: Edit, path: Path) -> None:
    """The same on the document, which looks like a table and keeps its comments."""
    key, *below = path
    old = table.get(key)
    if below:
        if old is None:
            if edit.value is None:
                return
            _put(table, key, _nested(tuple(below), edit.value))
        elif is_table(old):
            _edit(old, edit, tuple(below))
    elif edit.value is None:
        table.pop(key, None)
    else:
        _set(table, key, edit.value, edit.merge)


def _set(table: Table, key: str, value: object, merge: bool) -> None:
    old = table.get(key)
    if not (is_table(old) and is_table(value)):
        _put(table, key, value)
        return
    if not merge:
        for name in [name for name in old if name not in value]:
            del old[name]
    for name, inner in value.items():
        _set(old, name, inner, merge)


def _put(table: Table, key: str, value: object) -> None:
    """A new value, or another for the one that is there."""
    import tomlkit
    from tomlkit.items import InlineTable

    if not is_table(value):
        table[key] = tomlkit.item(_plain(value))
    elif isinstance(table, InlineTable):
        table[key] = _inline(value)
    else:
        if key in table:
            del table[key]
        table[key] = _table(value)


def _table(values: Table) -> Table:
    """A table of the document with a header of its own; a table inside a list is written inline."""
    import tomlkit

    simple = {key: value for key, value in values.items() if not is_table(value)}
    table: Table = tomlkit.table(is_super_table=bool(values) and not simple)
    for key, value in simple.items():
        table[key] = tomlkit.item(_plain(value))
    for key, value in values.items():
        if is_table(value):
            table[key] = _table(value)
    return table


def _plain(value: object) -> object:
    """Tables inside a list are written inline, on one line."""
    if not is_list(value):
        return value
    import tomlkit

    items = [_inline(inner) if is_table(inner) else tomlkit.item(_plain(inner)) for inner in value]
    return tomlkit.array(f"[{', '.join(item.as_string() for item in items)}]")


def _inline(values: Table) -> InlineTable:
    import tomlkit

    table = tomlkit.inline_table()
    for key, value in values.items():
        table[key] = _inline(value) if is_table(value) else _plain(value)
    return table


def _nested(path: Path, value: object) -> Table:
    table: Table = {path[-1]: value}
    for key in reversed(path[:-1]):
        table = {key: table}
    return table


def _bare(text: str) -> tuple[str, str]:
    segment, dot, rest = text.partition(".")
    if not segment.strip() or (dot and not rest):
        raise EditError("keyPath segments must not be empty")
    if '"' in segment or "'" in segment:
        raise EditError("invalid quoted keyPath segment")
    return segment, dot + rest


def _quoted(text: str) -> tuple[str, str]:
    characters: list[str] = []
    position = 0
    while position < len(text) and text[position] != '"':
        position += text[position] == "\\"
        characters.append(text[position : position + 1])
        position += 1
    if position >= len(text):
        raise EditError("unterminated quoted keyPath segment")
    return "".join(characters), text[position + 1 :]
