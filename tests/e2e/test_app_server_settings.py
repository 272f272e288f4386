"""Settings, profiles and keys over the running app-server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quire.server.daemon import Daemon
from quire.testing.responses_server import ResponsesServer
from tests.e2e.quire import Place
from tests.e2e.rpc_client import RpcClient
from tests.protocol_schema import check_message

KEY = "sk-never-shown-1234567"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    Daemon(str(made.home)).stop()


def connect(place: Place) -> RpcClient:
    done = place.run("app-server", "daemon", "start")
    assert done.code == 0, done.err
    return RpcClient(json.loads(done.out)["socketPath"])


def call(client: RpcClient, method: str, **params: Any) -> dict[str, Any]:
    result = client.call(method, params)
    check_message("server", {"id": 1, "result": result}, answers=method)
    return result


def refused(client: RpcClient, method: str, **params: Any) -> dict[str, Any]:
    with pytest.raises(AssertionError) as raised:
        client.call(method, params)
    return raised.value.args[0]["error"]


def test_settings_written_by_a_client_hold_at_once(place: Place) -> None:
    with ResponsesServer([{"sh": "cat token; echo x > made"}, {"text": "done"}]) as server:
        place.configure(server)
        (place.repo / "token").write_text("SECRET")
        with connect(place) as client:
            error = refused(
                client,
                "config/value/write",
                keyPath="model",
                value=3,
                mergeStrategy="replace",
            )
            assert error["data"] == {"config_write_error_code": "configValidationError"}
            profile = {
                "extends": ":workspace",
                "filesystem": {str(place.repo / "token"): "none"},
            }
            edits = [
                {"keyPath": "permissions.dev", "value": profile, "mergeStrategy": "replace"},
                {"keyPath": "default_permissions", "value": "dev", "mergeStrategy": "replace"},
            ]
            assert call(client, "config/batchWrite", edits=edits)["status"] == "ok"
            ids = [one["id"] for one in call(client, "permissionProfile/list")["data"]]
            assert ids == [":read-only", ":workspace", ":danger-full-access", "dev"]
            started = call(client, "thread/start", cwd=str(place.repo))
            assert started["activePermissionProfile"] == {"id": "dev", "extends": ":workspace"}
            assert started["sandbox"]["type"] == "workspaceWrite"
            thread = started["thread"]["id"]
            prompt = [{"type": "text", "text": "go"}]
            client.call("turn/start", {"threadId": thread, "input": prompt})
            client.wait_for("turn/completed")
        told = bytes(server.requests[-1].body).decode()
    assert "SECRET" not in told and "Permission denied" in told
    assert (place.repo / "made").read_text() == "x\n"


def test_a_client_chooses_a_profile(place: Place) -> None:
    with ResponsesServer([{"sh": "touch made"}, {"text": "done"}]) as server:
        place.configure(server)
        with connect(place) as client:
            started = call(client, "thread/start", cwd=str(place.repo), permissions=":workspace")
            assert started["activePermissionProfile"] == {"id": ":workspace", "extends": None}
            both = {"permissions": ":workspace", "sandbox": "read-only"}
            error = refused(client, "thread/start", **both)
            assert error["message"] == "`permissions` cannot be combined with `sandbox`"
            error = refused(client, "thread/start", permissions="zz")
            assert "default_permissions requires a `[permissions]` table" in error["message"]
            params = {
                "threadId": started["thread"]["id"],
                "input": [{"type": "text", "text": "go"}],
                "permissions": ":read-only",
            }
            client.call("turn/start", params)
            client.wait_for("turn/completed")
    assert not (place.repo / "made").exists()


def test_a_key_is_kept_and_never_told(place: Place) -> None:
    with connect(place) as client:
        assert call(client, "account/read")["requiresOpenaiAuth"] is True
        call(client, "account/login/start", type="apiKey", apiKey=KEY)
        assert client.wait_for("account/updated") == {"authMode": "apikey", "planType": None}
        answers = [
            call(client, "account/read"),
            call(client, "getAuthStatus", includeToken=True),
            call(client, "config/read", includeLayers=True),
        ]
        assert answers[0]["account"] == {"type": "apiKey"}
        assert KEY not in json.dumps(answers)
        call(client, "account/logout")
    left = [path for path in place.home.rglob("*") if path.is_file()]
    assert not any(KEY.encode() in path.read_bytes() for path in left)


def test_commands_of_a_client_need_no_key_of_a_model(place: Place) -> None:
    place.home.mkdir(parents=True, exist_ok=True)
    (place.home / "config.toml").write_text('model = "gpt-5.5"\n')
    with connect(place) as client:
        assert "no API key" in refused(client, "thread/start")["message"]
        answer = call(client, "command/exec", command=["/bin/echo", "hi"])
        assert (answer["exitCode"], answer["stdout"]) == (0, "hi\n")
