"""Messages of the app-server against two schemas: the peer's and Quire's own.

`tests/data/protocol/codex_0_169.json` is the peer's schema; its `source` says where it is from. It
is checked more strictly than it is written: members that it does not know are faults.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

from jsonschema import Draft7Validator, ValidationError

from quire.server.schema_words import words

PEER = Path(__file__).parent / "data" / "protocol" / "codex_0_169.json"
_REF = "#/definitions/"
_ANYTHING = {"type": ["string", "object"]}
"""How the peer's schema leaves room for later words: nothing is sent here that needs it."""
Schema = dict[str, Any]


def check_message(
    direction: Literal["server", "client"],
    message: Schema,
    *,
    answers: str | None = None,
    own: bool = True,
) -> None:
    """Raise `AssertionError` when a message is not one that `direction` may send. `answers` is
    the method of the request that a response answers; an error response needs none. Without
    `own` only the peer's schema counts, and methods that are not in it pass."""
    asking = "client" if direction == "server" else "server"
    if "method" in message:
        _check_named(direction, message, own)
    elif "error" in message:
        fault = message["error"]
        assert isinstance(fault.get("code"), int), fault
        assert isinstance(fault.get("message"), str), fault
    else:
        assert answers is not None, f"whose answer is {message}?"
        for schema, names in ((_peer(), _peer_names(asking)), (_own(), _own_names(asking)))[
            : 1 + own
        ]:
            if answers in names:
                schema.check(names[answers][1], message["result"])
        assert not own or answers in _own_names(asking), f"{answers} is not in the catalog"


def _check_named(direction: str, message: Schema, own: bool) -> None:
    """A notification or a request, with its params."""
    method = message["method"]
    notification = "id" not in message
    unknown = set(message) - {"id", "method", "params", "emittedAtMs"}
    assert not unknown, f"{method}: unknown members {unknown}"
    known = not own
    for schema, params_of in (
        (_peer(), _peer_told() if notification else _asked_with(_peer_names(direction))),
        (_own(), _own_told() if notification else _asked_with(_own_names(direction))),
    )[: 1 + own]:
        if method in params_of:
            known = True
            if (params := params_of[method]) is not None:
                schema.check(params, message.get("params", {}))
    assert known or (direction == "client" and notification), f"{method} is in no schema"


def _asked_with(names: dict[str, tuple[str | None, str]]) -> dict[str, str | None]:
    return {method: params for method, (params, _) in names.items()}


class Conversation:
    """Checks both sides of a connection, in the order in which they were sent."""

    def __init__(self, *, own: bool = True) -> None:
        """Without `own` only the peer's schema counts."""
        self._asked: dict[tuple[str, Any], str] = {}
        self._own = own

    def asked(self, message: Schema) -> None:
        """A request of the client that is wrong on purpose."""
        self._asked["client", message.get("id")] = message.get("method", "")

    def client(self, message: Schema) -> None:
        self._take("client", message)

    def server(self, message: Schema) -> None:
        self._take("server", message)

    def _take(self, direction: Literal["server", "client"], message: Schema) -> None:
        if "method" in message:
            if "id" in message:
                self._asked[direction, message["id"]] = message["method"]
            check_message(direction, message, own=self._own)
            return
        asking = "client" if direction == "server" else "server"
        answers = self._asked.pop((asking, message.get("id")), None)
        check_message(direction, message, answers=answers, own=self._own)


class Checked:
    """Definitions that values are checked against."""

    def __init__(self, definitions: Schema) -> None:
        self.definitions = {name: closed(schema) for name, schema in definitions.items()}
        self._validators: dict[str, Draft7Validator] = {}

    def check(self, name: str, value: Any) -> None:
        if name not in self._validators:
            root = {"definitions": self.definitions, "$ref": _REF + name}
            self._validators[name] = Draft7Validator(root)
        faults = sorted(self._validators[name].iter_errors(value), key=lambda fault: fault.path)
        assert not faults, f"{name}: {_explained(faults[0])}\nin {json.dumps(value)[:2000]}"


def _explained(fault: ValidationError) -> str:
    """The deepest cause: of several alternatives, the one that came furthest."""
    while fault.context:
        fault = max(fault.context, key=lambda cause: (len(cause.path), len(cause.schema_path)))
    return f"{fault.json_path}: {fault.message[:300]}"


def closed(schema: Any) -> Any:
    """The schema with objects that take no unknown members. Members beside alternatives go into
    each alternative."""
    if isinstance(schema, list):
        return [closed(part) for part in schema if part != _ANYTHING]
    if not isinstance(schema, dict):
        return schema
    for choice in ("oneOf", "anyOf"):
        if choice in schema and "properties" in schema:
            shared = {key: schema[key] for key in schema if key != choice}
            return {choice: [closed(_merged(shared, part)) for part in schema[choice]]}
    members = {
        key: {name: closed(part) for name, part in value.items()}
        if key in ("properties", "definitions")
        else closed(value)
        for key, value in schema.items()
        if key not in ("enum", "const", "required", "default")
    }
    kept = {key: schema[key] for key in ("enum", "const", "required") if key in schema}
    if "properties" in schema and "additionalProperties" not in schema:
        kept["additionalProperties"] = False
    return {**members, **kept}


def _merged(shared: Schema, part: Schema) -> Schema:
    properties = {**shared.get("properties", {}), **part.get("properties", {})}
    required = [*shared.get("required", []), *part.get("required", [])]
    return {**shared, **part, "properties": properties, "required": required}


@cache
def _peer_document() -> Schema:
    return json.loads(PEER.read_text("utf-8"))


@cache
def _peer() -> Checked:
    return Checked(_peer_document()["definitions"])


@cache
def _own() -> Checked:
    return Checked(words(experimental=True).definitions)


def _peer_names(asking: str) -> dict[str, tuple[str | None, str]]:
    """Params and result of each method that `asking` may call."""
    calls = _peer_document()["methods" if asking == "client" else "requests"]
    return {method: (call["params"], call["result"]) for method, call in calls.items()}


def _peer_told() -> dict[str, str | None]:
    return _peer_document()["notifications"]


@cache
def _own_names(asking: str) -> dict[str, tuple[str | None, str]]:
    spoken = words(experimental=True)
    calls = spoken.calls if asking == "client" else spoken.requests
    return {call.method: (call.params, call.result) for call in calls}


@cache
def _own_told() -> Mapping[str, str | None]:
    return dict(words(experimental=True).notifications)
