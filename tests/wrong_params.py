"""Parameters that are wrong in one place, for every method of the catalog."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
from msgspec import inspect as types

from quire.protocol.rpc.catalog import METHODS
from quire.protocol.rpc.method import Method

VALUES: tuple[Any, ...] = (5, -1, 1.5, True, "bogus", None, ["bogus"], {"bogus": 1}, [{}])


class Wrong(NamedTuple):
    """A call whose parameters are at fault at `member`."""

    method: str
    member: str
    params: Any


def wrong_calls() -> Iterator[Wrong]:
    """Each member in each wrong type, each required member left out, no object at all."""
    for method in METHODS:
        kind = types.type_info(method.params)
        assert isinstance(kind, types.StructType)
        sound = _sound(kind)
        for params in (5, "bogus", ["bogus"], True):
            if _is_wrong(method, params):
                yield Wrong(method.name, "", params)
        for member in _members(kind):
            name = member.encode_name
            if member.required:
                left = {key: value for key, value in sound.items() if key != name}
                yield Wrong(method.name, name, left)
            for value in (*VALUES, *_deeper(member.type)):
                params = {**sound, name: value}
                if _is_wrong(method, params):
                    yield Wrong(method.name, name, params)


def _is_wrong(method: Method, params: object) -> bool:
    try:
        msgspec.json.decode(msgspec.json.encode(params), type=method.params)
    except msgspec.ValidationError:
        return True
    return False


def _members(kind: types.StructType) -> tuple[types.Field, ...]:
    return kind.fields


def _sound(kind: types.StructType) -> dict[str, Any]:
    """The members that must be there."""
    found = {f.encode_name: _value(f.type) for f in kind.fields if f.required}
    if kind.tag is not None and kind.tag_field is not None:
        found = {kind.tag_field: kind.tag, **found}
    return found


def _value(kind: types.Type) -> Any:
    match kind:
        case types.StrType():
            return "/nowhere"
        case types.IntType():
            return 1
        case types.BoolType():
            return False
        case types.FloatType():
            return 1.5
        case types.LiteralType():
            return kind.values[0]
        case types.StructType():
            return _sound(kind)
        case types.UnionType():
            return _value(kind.types[0])
        case types.DictType() | types.RawType():
            return {}
        case types.ListType() | types.VarTupleType():
            return []
        case _:
            raise AssertionError(f"no value of {kind}")


def _deeper(kind: types.Type) -> Iterator[Any]:
    """Objects and lists that are wrong further in."""
    match kind:
        case types.UnionType():
            for choice in kind.types:
                yield from _deeper(choice)
        case types.VarTupleType() | types.ListType():
            yield from ([value] for value in (*VALUES, *_deeper(kind.item_type)))
        case types.DictType():
            yield from ({"key": value} for value in VALUES)
        case types.StructType():
            sound = _sound(kind)
            yield {}
            for member in kind.fields:
                for value in VALUES:
                    yield {**sound, member.encode_name: value}
                if member.required:
                    yield {k: v for k, v in sound.items() if k != member.encode_name}
        case _:
            return
