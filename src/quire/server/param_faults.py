"""What is wrong with a call's parameters, in the words of Codex 0.169.

Its words are those of Rust's serde: `invalid type: integer `5`, expected a string`. The first fault
counts: members in the order in which they were sent, then those that are missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import get_args, get_type_hints

import msgspec
from msgspec import Struct
from msgspec import inspect as types

from quire.protocol.rpc.method import Empty

Json = Mapping[str, "Json"] | list["Json"] | str | int | float | bool | None

_PATHS = frozenset(
    {
        "CommandExecParams.cwd",
        "GitDiffToRemoteParams.cwd",
        "HooksListParams.cwds",
        "LocalAudioUserInput.path",
        "LocalImageUserInput.path",
        "ProcessSpawnParams.cwd",
        "SkillUserInput.path",
        "SkillsListParams.cwds",
        "ThreadForkParams.path",
        "ThreadResumeParams.path",
        "TurnStartParams.cwd",
    }
)
"""Members that hold a path, beside those whose name says it."""
_PATH_NAMES = frozenset({"runtimeWorkspaceRoots", "writableRoots"})
_INTEGERS = {"timeoutMs": "i64", "outputBytesCap": "usize", "rows": "u16", "cols": "u16"}
"""The kinds of whole numbers by member; any other is a `u32`."""
_UNTAGGED = {
    "ThreadItemsListParams.cursor": "ThreadItemsListCursor",
    "ThreadListParams.cwd": "ThreadListCwdFilter",
}
_VARIANTS = {"granular": "`untrusted`, `on-request`, `granular`, `never`"}
"""The order of words and objects where they mix."""


class _Place(Struct, frozen=True):
    """A member of an object."""

    owner: type[Struct]
    member: types.Field | None = None

    @property
    def name(self) -> str:
        return "" if self.member is None else self.member.encode_name

    @property
    def label(self) -> str:
        return f"{self.owner.__name__}.{self.name}"

    @property
    def holds_path(self) -> bool:
        of_disk = self.owner.__name__.startswith("Fs") and self.name.lower().endswith("path")
        return of_disk or self.label in _PATHS or self.name in _PATH_NAMES

    def in_order(self, words: tuple[str, ...]) -> tuple[str, ...]:
        """`words` as the type states them."""
        if self.member is None:
            return words
        stated = _stated(get_type_hints(self.owner)[self.member.name])
        return tuple(word for word in stated if word in words)


def fault(raw: bytes, kind: type[Struct]) -> str | None:
    """The first fault of `raw`, a JSON value, as parameters of this type; None when none is
    found. Raises `msgspec.DecodeError` when it is no JSON."""
    value: Json = msgspec.json.decode(raw)
    return _fault(value, types.type_info(kind), _Place(kind))


def _fault(value: Json, kind: types.Type, place: _Place) -> str | None:
    match kind:
        case types.UnionType():
            return _union_fault(value, kind, place)
        case types.StructType():
            return _struct_fault(value, kind)
        case types.LiteralType():
            return _word_fault(value, place.in_order(_words(kind)))
        case types.ListType() | types.VarTupleType():
            if not isinstance(value, list):
                return _unexpected(value, "a sequence")
            return _first(_fault(each, kind.item_type, place) for each in value)
        case types.DictType():
            if not isinstance(value, Mapping):
                return _unexpected(value, "a map")
            return _first(_fault(each, kind.value_type, place) for each in value.values())
        case _:
            return _scalar_fault(value, kind, place)


def _scalar_fault(value: Json, kind: types.Type, place: _Place) -> str | None:
    match kind:
        case types.StrType():
            expected = "path string" if place.holds_path else "a string"
            return None if isinstance(value, str) else _unexpected(value, expected)
        case types.BoolType():
            return None if isinstance(value, bool) else _unexpected(value, "a boolean")
        case types.IntType():
            expected = _INTEGERS.get(place.name, "u32")
            if not isinstance(value, int) or isinstance(value, bool):
                return _unexpected(value, expected)
            sound = (kind.ge is None or value >= kind.ge) and (kind.le is None or value <= kind.le)
            return None if sound else f"invalid value: {_shown(value)}, expected {expected}"
        case types.FloatType():
            sound = isinstance(value, int | float) and not isinstance(value, bool)
            return None if sound else _unexpected(value, "f64")
        case types.NoneType():
            return None if value is None else _unexpected(value, "unit")
        case _:
            return None


def _struct_fault(value: Json, kind: types.StructType) -> str | None:
    if not isinstance(value, Mapping):
        wanted = "unit" if kind.cls is Empty else f"struct {kind.cls.__name__}"
        return _unexpected(value, wanted)
    members = {member.encode_name: member for member in kind.fields}
    for key, each in value.items():
        if key in members:
            found = _fault(each, members[key].type, _Place(kind.cls, members[key]))
            if found is not None:
                return found
    missing = (key for key, member in members.items() if member.required and key not in value)
    return _first(f"missing field `{key}`" for key in missing)


def _union_fault(value: Json, kind: types.UnionType, place: _Place) -> str | None:
    choices = [choice for choice in kind.types if not isinstance(choice, types.NoneType)]
    if value is None and len(choices) < len(kind.types):
        return None
    if len(choices) == 1:
        return _fault(value, choices[0], place)
    structs = [choice for choice in choices if isinstance(choice, types.StructType)]
    tag_field = structs[0].tag_field if structs else None
    if len(structs) == len(choices) and tag_field is not None:
        return _tagged_fault(value, structs, tag_field)
    words = [choice for choice in choices if isinstance(choice, types.LiteralType)]
    if len(words) + len(structs) == len(choices) and words:
        return _variant_fault(value, _words(*words), structs, place)
    if any(_fault(value, choice, place) is None for choice in choices):
        return None
    name = f" {_UNTAGGED[place.label]}" if place.label in _UNTAGGED else ""
    return f"data did not match any variant of untagged enum{name}"


def _tagged_fault(value: Json, structs: list[types.StructType], tag_field: str) -> str | None:
    """Objects that say in a member of their own what they are."""
    if not isinstance(value, Mapping):
        return _unexpected(value, f"internally tagged enum {_shared_name(structs)}")
    if tag_field not in value:
        return f"missing field `{tag_field}`"
    tag = value[tag_field]
    by_tag = {str(struct.tag): struct for struct in structs}
    if not isinstance(tag, str):
        return _unexpected(tag, "variant identifier")
    if tag not in by_tag:
        return f"unknown variant `{tag}`, expected {_one_of(tuple(by_tag))}"
    return _struct_fault(value, by_tag[tag])


def _variant_fault(
    value: Json, words: tuple[str, ...], structs: list[types.StructType], place: _Place
) -> str | None:
    """Words, or objects with a single member that is named like a word."""
    by_name = {field.encode_name: field for struct in structs for field in struct.fields}
    if isinstance(value, Mapping) and len(value) == 1:
        ((name, inner),) = value.items()
        if name in by_name:
            kind = by_name[name].type
            if isinstance(kind, types.StructType) and not isinstance(inner, Mapping):
                return _unexpected(inner, "struct variant")
            return _fault(inner, kind, place)
    return _word_fault(value, (*place.in_order(words), *by_name))


def _word_fault(value: Json, words: tuple[str, ...]) -> str | None:
    if isinstance(value, Mapping):
        if len(value) != 1:
            return "invalid value: map, expected map with a single key"
        (value,) = value
    elif isinstance(value, str) and value in words:
        return None
    elif not isinstance(value, str):
        return _unexpected(value, "string or map")
    return f"unknown variant `{value}`, expected {_one_of(words)}"


def _one_of(words: tuple[str, ...]) -> str:
    for mixed, order in _VARIANTS.items():
        if mixed in words:
            return f"one of {order}"
    quoted = [f"`{word}`" for word in words]
    if len(quoted) < 3:
        return " or ".join(quoted)
    return f"one of {', '.join(quoted)}"


def _words(*kinds: types.LiteralType) -> tuple[str, ...]:
    return tuple(str(word) for kind in kinds for word in kind.values)


def _shared_name(structs: list[types.StructType]) -> str:
    """`UserInput` of `TextUserInput` and `ImageUserInput`."""
    name = structs[0].cls.__name__
    others = [struct.cls.__name__ for struct in structs[1:]]
    while name and not all(other.endswith(name) for other in others):
        name = name[1:]
    return name.lstrip("abcdefghijklmnopqrstuvwxyz")


def _stated(hint: object) -> Iterator[str]:
    """The words of the literals in a type, in their order."""
    for each in get_args(hint):
        if isinstance(each, str):
            yield each
        else:
            yield from _stated(each)


def _unexpected(value: Json, expected: str) -> str:
    return f"invalid type: {_shown(value)}, expected {expected}"


def _shown(value: Json) -> str:
    if value is None:
        return "null"
    if isinstance(value, Mapping):
        return "map"
    match value:
        case bool():
            return f"boolean `{str(value).lower()}`"
        case int():
            return f"integer `{value}`"
        case float():
            return f"floating point `{value}`"
        case str():
            return f"string {msgspec.json.encode(value).decode()}"
        case _:
            return "sequence"


def _first(found: Iterable[str | None]) -> str | None:
    return next((each for each in found if each is not None), None)
