"""`app-server generate-json-schema`: the words in files named as Codex 0.169 names them."""

from __future__ import annotations

import os
from collections.abc import Iterable

import msgspec

from quire.server.schema_words import REF, Call, Definitions, Json, Schema, Words, reachable, words

_DRAFT = "http://json-schema.org/draft-07/schema#"
_REQUEST_ID: Schema = {"anyOf": [{"type": "string"}, {"type": "integer"}]}
BUNDLE = "codex_app_server_protocol.schemas.json"
BUNDLE_V2 = "codex_app_server_protocol.v2.schemas.json"


def write_json_schema(out: str, experimental: bool) -> None:
    """Write one file for each message type and two bundles of all of them below the folder
    `out`, which is made where it is missing. Raises `OSError`."""
    spoken = words(experimental=experimental)
    envelopes = envelopes_of(spoken)
    everything = {**spoken.definitions, **envelopes}
    os.makedirs(os.path.join(out, "v1"), exist_ok=True)
    os.makedirs(os.path.join(out, "v2"), exist_ok=True)
    for name in envelopes:
        _write(out, f"{name}.json", _file(everything, name))
    for folder, names in folders_of(spoken).items():
        for name in names:
            _write(os.path.join(out, folder), f"{name}.json", _file(everything, name))
    _write(out, BUNDLE, _bundle("CodexAppServerProtocol", everything))
    _write(out, BUNDLE_V2, _bundle("CodexAppServerProtocolV2", everything))


def folders_of(spoken: Words) -> dict[str, tuple[str, ...]]:
    """Which definitions have a file of their own, by its folder: what the server asks lies at
    the top, the handshake in `v1`, all else in `v2`."""
    asked = tuple(name for call in spoken.requests for name in (call.params, call.result) if name)
    called = [name for call in spoken.calls for name in (call.params, call.result) if name]
    told = [name for _, name in spoken.notifications]
    first = tuple(name for name in called if name.startswith("Initialize"))
    second = tuple(name for name in dict.fromkeys([*called, *told]) if name not in first)
    return {"": asked, "v1": first, "v2": second}


def envelopes_of(spoken: Words) -> Definitions:
    """The messages themselves: JSON-RPC without its `jsonrpc` member."""
    return {
        "RequestId": _REQUEST_ID,
        "ClientRequest": {"oneOf": [_request(call) for call in spoken.calls]},
        "ClientNotification": {"oneOf": [_message("initialized", None)]},
        "ServerRequest": {"oneOf": [_request(call) for call in spoken.requests]},
        "ServerNotification": {
            "oneOf": [_message(method, params) for method, params in spoken.notifications]
        },
        "JSONRPCErrorError": _object(
            {"code": {"type": "integer"}, "message": {"type": "string"}, "data": {}},
            ("code", "message"),
        ),
        "JSONRPCError": _object(
            {"id": _ref("RequestId"), "error": _ref("JSONRPCErrorError")}, ("id", "error")
        ),
        "JSONRPCResponse": _object({"id": _ref("RequestId"), "result": {}}, ("id", "result")),
        "JSONRPCRequest": _object(
            {"id": _ref("RequestId"), "method": {"type": "string"}, "params": {}},
            ("id", "method"),
        ),
        "JSONRPCNotification": _object(
            {"method": {"type": "string"}, "params": {}, "emittedAtMs": {"type": "integer"}},
            ("method",),
        ),
        "JSONRPCMessage": {
            "anyOf": [
                _ref(f"JSONRPC{kind}") for kind in ("Request", "Notification", "Response", "Error")
            ]
        },
    }


def _request(call: Call) -> Json:
    schema = _message(call.method, call.params)
    properties = schema["properties"]
    required = schema["required"]
    if isinstance(properties, dict) and isinstance(required, list):
        properties["id"] = _ref("RequestId")
        required.append("id")
    return schema


def _message(method: str, params: str | None) -> Schema:
    properties: Schema = {"method": {"type": "string", "enum": [method]}}
    if params is not None:
        properties["params"] = _ref(params)
    return _object(properties, tuple(properties))


def _object(properties: Schema, required: Iterable[str]) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required)}


def _ref(name: str) -> Schema:
    return {"$ref": REF + name}


def _file(named: Definitions, name: str) -> Schema:
    needed = {key: value for key, value in reachable(named, (name,)).items() if key != name}
    inner: Schema = {"definitions": dict(needed)} if needed else {}
    return {"$schema": _DRAFT, "title": name, **named[name], **inner}


def _bundle(title: str, named: Definitions) -> Schema:
    ordered: Schema = dict(sorted(named.items()))
    return {"$schema": _DRAFT, "title": title, "type": "object", "definitions": ordered}


def _write(folder: str, name: str, schema: Schema) -> None:
    text = msgspec.json.format(msgspec.json.encode(schema), indent=2)
    with open(os.path.join(folder, name), "wb") as file:
        file.write(text + b"\n")
