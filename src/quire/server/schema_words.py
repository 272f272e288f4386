"""The app-server's words as JSON Schema definitions, made from the types in `protocol/rpc`."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterable
from typing import Literal, Union, get_origin

import msgspec
from msgspec import Struct

from quire.protocol.rpc import catalog
from quire.protocol.rpc.experimental import FIELDS
from quire.protocol.rpc.method import Empty, Method, ServerRequest

Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None
Schema = dict[str, Json]
Definitions = dict[str, Schema]

REF = "#/definitions/"
_PACKAGE = "quire.protocol.rpc."


class Call(Struct, frozen=True):
    """One method of a client or question of the server, by the names of its definitions. No
    `params` are none at all."""

    method: str
    params: str | None
    result: str


class Words(Struct, frozen=True):
    """All that can be said. `notifications` are pairs of method and definition; `sparse` names
    the definitions whose members are left out where they have nothing to say."""

    calls: tuple[Call, ...]
    notifications: tuple[tuple[str, str], ...]
    requests: tuple[Call, ...]
    definitions: Definitions
    sparse: frozenset[str]


def words(*, experimental: bool) -> Words:
    """The words with their definitions; without the experimental ones unless asked for."""
    methods = [m for m in catalog.METHODS if experimental or not m.experimental]
    named = _definitions(_types(methods))
    if not experimental:
        for name in named.keys() & FIELDS.keys():
            _drop(named[name], FIELDS[name])
    for method in methods:
        if method.result is Empty:
            named[_result_name(method)] = {"title": _result_name(method), "type": "object"}
    calls = tuple(Call(m.name, _params_name(m), _result_name(m)) for m in methods)
    told = tuple((n.name, n.params.__name__) for n in catalog.NOTIFICATIONS)
    asked = _requests(catalog.REQUESTS, named)
    used = [name for call in (*calls, *asked) for name in (call.params, call.result) if name]
    kept = reachable(named, (*used, *(name for _, name in told)))
    return Words(calls, told, asked, kept, frozenset(_sparse()))


def _sparse() -> list[str]:
    return [
        name
        for module in _modules()
        for name, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, Struct)
        and value.__struct_config__.omit_defaults
    ]


def _modules() -> list[types.ModuleType]:
    return [module for path, module in sorted(sys.modules.items()) if path.startswith(_PACKAGE)]


def _types(methods: Iterable[Method]) -> list[type[Struct]]:
    spoken = [side for method in methods for side in (method.params, method.result)]
    spoken += [notification.params for notification in catalog.NOTIFICATIONS]
    spoken += [side for asked in catalog.REQUESTS for side in (asked.params, asked.result)]
    return [side for side in dict.fromkeys(spoken) if side is not Empty]


def _params_name(method: Method) -> str | None:
    return None if method.params is Empty else method.params.__name__


def _result_name(method: Method) -> str:
    if method.result is not Empty:
        return method.result.__name__
    if method.name == "account/logout":
        return "LogoutAccountResponse"
    parts = method.name.replace("_", "/").split("/")
    return "".join(part[:1].upper() + part[1:] for part in parts) + "Response"


def _requests(requests: Iterable[ServerRequest], named: Definitions) -> tuple[Call, ...]:
    """One call for each question. One that is asked in several shapes has a definition that is
    any of them."""
    shapes: dict[str, list[ServerRequest]] = {}
    for request in requests:
        shapes.setdefault(request.name, []).append(request)
    calls: list[Call] = []
    for method, asked in shapes.items():
        params = asked[0].params.__name__
        if len(asked) > 1:
            params = asked[0].result.__name__.removesuffix("Response") + "Params"
            choices: list[Json] = [{"$ref": REF + one.params.__name__} for one in asked]
            named[params] = {"title": params, "anyOf": choices}
        calls.append(Call(method, params, asked[0].result.__name__))
    return tuple(calls)


def _definitions(spoken: Iterable[type[Struct]]) -> Definitions:
    """Every type that is reached, by name; unions and enumerations that have a name are
    definitions of their own."""
    _, components = msgspec.json.schema_components(spoken, ref_template=REF + "{name}")
    folded = _Folded()
    aliases: Definitions = {}
    for name, schema in sorted(_aliases(), key=lambda pair: len(msgspec.json.encode(pair[1]))):
        aliases.setdefault(name, {"title": name, **folded.members(schema)})
        folded.learn(name, schema)
    types_of = {name: _told(folded.members(schema)) for name, schema in components.items()}
    return {**aliases, **types_of}


def _told(schema: Schema) -> Schema:
    """The schema with a description that names members as they are on the wire."""
    description, properties = schema.get("description"), schema.get("properties")
    if isinstance(description, str) and isinstance(properties, dict):
        for name in properties:
            snake = "".join(f"_{part.lower()}" if part.isupper() else part for part in name)
            description = description.replace(f"`{snake}`", f"`{name}`")
        return {**schema, "description": description}
    return schema


def _aliases() -> list[tuple[str, Schema]]:
    found: list[tuple[str, Schema]] = []
    for module in _modules():
        for name, value in vars(module).items():
            union = isinstance(value, types.UnionType) or get_origin(value) in (Union, Literal)
            if union and name[:1].isupper() and name != "Json":
                found.append((name, _schema_of(value)))
    return found


def _schema_of(alias: object) -> Schema:
    (schema,), _ = msgspec.json.schema_components([alias], ref_template=REF + "{name}")
    return schema


class _Folded:
    """Replaces a schema that has a name by a reference to it."""

    def __init__(self) -> None:
        self._names: dict[bytes, str] = {}

    def learn(self, name: str, schema: Schema) -> None:
        self._names.setdefault(_key(self.members(schema)), name)

    def members(self, schema: Schema) -> Schema:
        """The same schema, with references inside."""
        return {key: self._value(value) for key, value in schema.items() if key != "discriminator"}

    def _value(self, value: Json) -> Json:
        if isinstance(value, list):
            return [self._value(part) for part in value]
        return self._reference(self.members(value)) if isinstance(value, dict) else value

    def _reference(self, schema: Schema) -> Schema:
        rest = {key: value for key, value in schema.items() if key != "default"}
        default: Schema = {"default": schema["default"]} if "default" in schema else {}
        name = self._names.get(_key(rest))
        if name is not None:
            return {"allOf": [{"$ref": REF + name}], **default} if default else {"$ref": REF + name}
        choices = rest.get("anyOf")
        null: Json = {"type": "null"}
        if isinstance(choices, list) and len(choices) > 2 and null in choices:
            others: Schema = {"anyOf": [choice for choice in choices if choice != null]}
            name = self._names.get(_key(others))
            if name is not None:
                return {"anyOf": [{"$ref": REF + name}, null], **default}
        return schema


def _key(schema: Schema) -> bytes:
    return msgspec.json.encode(schema, order="sorted")


def _drop(schema: Schema, members: Iterable[str]) -> None:
    properties, required = schema.get("properties"), schema.get("required")
    for member in members:
        if isinstance(properties, dict):
            properties.pop(member, None)
        if isinstance(required, list) and member in required:
            required.remove(member)


def reachable(named: Definitions, roots: Iterable[str]) -> Definitions:
    """The definitions that `roots` need, themselves included, by name in order."""
    found: Definitions = {}
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = named[name]
            waiting += references(named[name])
    return dict(sorted(found.items()))


def references(value: Json) -> list[str]:
    """The names that a schema refers to, as often as it does."""
    if isinstance(value, list):
        return [name for part in value for name in references(part)]
    if not isinstance(value, dict):
        return []
    reference = value.get("$ref")
    own = [reference.removeprefix(REF)] if isinstance(reference, str) else []
    return own + [name for part in value.values() for name in references(part)]
