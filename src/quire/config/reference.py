"""The table of keys in `docs/config.md`, rendered from the schema. For documentation and error
texts only: it reads the schema's source for the docstrings of fields."""

from __future__ import annotations

from collections.abc import Iterator
from types import UnionType
from typing import Literal, Union, get_args, get_origin, get_type_hints

from msgspec import NODEFAULT, Struct
from msgspec.structs import fields

from quire.config.overrides import Path
from quire.config.schema import Config

_WORDS: dict[object, str] = {
    object: "value",
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
}


class Key(Struct, frozen=True):
    """One key. `path` has `<name>` where any name stands."""

    path: Path
    type: str
    default: str
    text: str


def all_keys() -> Iterator[Key]:
    """Every key, in the order of the schema."""
    return _keys_of(Config, ())


def render() -> str:
    """The table, in Markdown."""
    rows = ["| key | value | default | what it does |", "|---|---|---|---|"]
    for key in all_keys():
        name = ".".join(key.path)
        rows.append(f"| `{name}` | {key.type} | {key.default} | {key.text} |")
    return "\n".join(rows) + "\n"


def choices_of(path: Path) -> tuple[str, ...]:
    """The words that the key at `path` takes; empty when it takes anything."""
    node: object = Config
    for segment in path:
        if struct := _struct(node):
            node = _strip_none(get_type_hints(struct)[segment])
        elif get_origin(node) is dict:
            node = get_args(node)[1]
    return _literals(node)


def _keys_of(struct: type[Struct], prefix: Path) -> Iterator[Key]:
    hints = get_type_hints(struct)
    texts = _field_texts(struct)
    defaults = {field.name: field for field in fields(struct)}
    for name in struct.__struct_fields__:
        path, node = (*prefix, name), _strip_none(hints[name])
        if inner := _struct(node):
            yield from _keys_of(inner, path)
        elif get_origin(node) is dict and (entry := _struct(get_args(node)[1])):
            yield from _keys_of(entry, (*path, "<name>"))
        else:  # A table that stands beside words is told in the field's text.
            field = defaults[name]
            plain = field.default_factory is NODEFAULT and field.default not in (None, ())
            yield Key(path, _words(node), _toml(field.default) if plain else "", texts[name])


def _strip_none(node: object) -> object:
    """The type without `None`."""
    members = get_args(node)
    if type(None) in members:
        members = tuple(t for t in members if t is not type(None))
        return members[0] if len(members) == 1 else node
    return node


def _literals(node: object) -> tuple[str, ...]:
    """The words of a type, also when it takes something else besides."""
    members = get_args(node) if get_origin(node) in (Union, UnionType) else (node,)
    return tuple(w for m in members if get_origin(m) is Literal for w in get_args(m))


def _struct(node: object) -> type[Struct] | None:
    return node if isinstance(node, type) and issubclass(node, Struct) else None


def _words(node: object) -> str:
    if words := _literals(node):
        return ", ".join(f"`{value}`" for value in words)
    if get_origin(node) is tuple:
        return f"list of {_words(get_args(node)[0])}s"
    if get_origin(node) is dict:
        return f"table of {_words(get_args(node)[1])}s"
    return _WORDS[node]


def _toml(value: object) -> str:
    import json

    return f"`{json.dumps(value)}`"


def _field_texts(struct: type[Struct]) -> dict[str, str]:
    """Docstring of each field, on one line."""
    import ast
    from inspect import getsource

    definition = ast.parse(getsource(struct)).body[0]
    assert isinstance(definition, ast.ClassDef)
    texts: dict[str, str] = {}
    for field, text in zip(definition.body, definition.body[1:], strict=False):
        match field, text:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(words))),
            ):
                texts[name] = " ".join(words.split())
            case _:
                pass
    return texts
