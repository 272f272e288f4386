"""The files of `generate-json-schema`."""

from __future__ import annotations

import json
from pathlib import Path

from jsonschema import Draft7Validator

from quire.server.schema_json import BUNDLE, BUNDLE_V2, write_json_schema
from tests.protocol_schema import PEER


def test_files_are_named_as_the_peers_and_stand_alone(tmp_path: Path) -> None:
    write_json_schema(str(tmp_path / "out"), experimental=True)
    files = sorted((tmp_path / "out").rglob("*.json"))
    assert len(files) > 150
    for file in files:
        schema = json.loads(file.read_text("utf-8"))
        Draft7Validator.check_schema(schema)
        defined = schema.get("definitions", {}).keys()
        text = json.dumps(schema)
        used = {part.split('"')[0] for part in text.split("#/definitions/")[1:]}
        assert used <= defined | {file.stem}, file
    known = json.loads(PEER.read_text("utf-8"))["definitions"]
    listed = {file.stem for file in (tmp_path / "out" / "v2").iterdir()}
    assert {"ThreadStartParams", "TurnCompletedNotification", "FsWriteFileResponse"} <= listed
    first_version = ("GetAuthStatus", "GitDiffToRemote")
    named = {f"{name}{kind}" for name in first_version for kind in ("Params", "Response")}
    assert listed - known.keys() <= named


def test_only_experimental_clients_see_what_is_experimental(tmp_path: Path) -> None:
    write_json_schema(str(tmp_path), experimental=False)
    bundle = json.loads((tmp_path / BUNDLE_V2).read_text("utf-8"))["definitions"]
    assert "ThreadQueueAddParams" not in bundle
    assert "permissions" not in bundle["ThreadStartParams"]["properties"]
    methods = (tmp_path / "ClientRequest.json").read_text("utf-8")
    assert '"thread/start"' in methods
    assert '"thread/queue/add"' not in methods
    assert json.loads((tmp_path / BUNDLE).read_text("utf-8"))["definitions"].keys() >= {
        "ThreadItem",
        "UserInput",
        "SandboxPolicy",
        "AskForApproval",
        "CodexErrorInfo",
        "ServerNotification",
    }
