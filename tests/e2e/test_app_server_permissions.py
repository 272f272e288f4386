"""More than the sandbox gives, asked over the app-server and held by the real sandbox (row A13)."""

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

CONFIG = """
[features]
request_permissions_tool = true
exec_permission_approvals = true

[sandbox_workspace_write]
exclude_slash_tmp = true
exclude_tmpdir_env_var = true
"""
QUESTION = "item/permissions/requestApproval"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    for name in ("granted", "sibling"):
        (tmp_path / name).mkdir()
    yield made
    Daemon(str(made.home)).stop()


class Talk:
    """A client with one thread."""

    def __init__(self, place: Place, server: ResponsesServer) -> None:
        place.configure(server, CONFIG)
        done = place.run("app-server", "daemon", "start")
        assert done.code == 0, done.err
        self.client = RpcClient(json.loads(done.out)["socketPath"])

    def __enter__(self) -> Talk:
        self.client.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.client.__exit__()

    def open(self, place: Place) -> None:
        params = {"cwd": str(place.repo), "sandbox": "workspace-write"}
        started = self.client.call("thread/start", {**params, "approvalPolicy": "on-request"})
        self.thread = started["thread"]["id"]

    def start(self) -> None:
        prompt = [{"type": "text", "text": "go"}]
        self.client.call("turn/start", {"threadId": self.thread, "input": prompt})

    def answer(self, method: str, result: dict[str, Any]) -> dict[str, Any]:
        params = self.client.answer(method, result)
        check_message("server", {"id": 1, "method": method, "params": params})
        return params

    def end(self) -> None:
        assert self.client.wait_for("turn/completed")["turn"]["status"] == "completed"


def probe(place: Place, mark: str) -> dict[str, Any]:
    """Writes beside the workspace, into a granted folder and beside that."""
    places = [f"../granted/{mark}", f"../sibling/{mark}", f"../granted/.git/{mark}"]
    return {"sh": "; ".join(f"mkdir -p {path}" for path in places)}


def test_a_grant_opens_its_folder_until_the_turn_ends(place: Place) -> None:
    granted, sibling = place.repo.parent / "granted", place.repo.parent / "sibling"
    wanted = {"file_system": {"write": ["../granted"]}, "network": {"enabled": True}}
    script = [
        {"items": [{"call": "request_permissions", "args": {"permissions": wanted}}]},
        probe(place, "first"),
        {"text": "done"},
        probe(place, "second"),
        {"text": "done"},
    ]
    with ResponsesServer(script) as server, Talk(place, server) as talk:
        talk.open(place)
        talk.start()
        allowed = {"fileSystem": {"write": [str(granted), str(sibling)]}}
        params = talk.answer(QUESTION, {"permissions": allowed, "scope": "turn"})
        assert params["permissions"] == {
            "network": {"enabled": True},
            "fileSystem": {
                "read": None,
                "write": [str(granted)],
                "entries": [{"path": {"type": "path", "path": str(granted)}, "access": "write"}],
            },
        }
        talk.end()
        talk.start()
        talk.end()
        told = bytes(server.requests[1].body).decode()
    expected = {"network": None, "file_system": {"write": [str(granted)]}}
    answer = json.dumps({"permissions": expected, "scope": "turn"}, separators=(",", ":"))
    assert json.dumps(answer)[1:-1] in told
    assert [path.name for path in granted.iterdir()] == ["first"]
    assert list(sibling.iterdir()) == []


def test_a_command_asks_for_itself(place: Place) -> None:
    granted = place.repo.parent / "granted"
    args = {
        "sandbox_permissions": "with_additional_permissions",
        "additional_permissions": {"file_system": {"write": [str(granted)]}},
        "justification": "please",
    }
    script = [
        {"items": [{"sh": "mkdir ../granted/one ../sibling/one", "args": args}]},
        {"sh": "mkdir ../granted/two"},
        {"text": "done"},
    ]
    with ResponsesServer(script) as server, Talk(place, server) as talk:
        talk.open(place)
        talk.start()
        params = talk.answer("item/commandExecution/requestApproval", {"decision": "accept"})
        wanted = f"please (asks for more in its sandbox: write {granted})"
        assert params["reason"] == wanted
        assert params["availableDecisions"] == ["accept", "cancel"]
        assert params["additionalPermissions"]["fileSystem"]["write"] == [str(granted)]
        talk.end()
    assert [path.name for path in granted.iterdir()] == ["one"]
    assert list((place.repo.parent / "sibling").iterdir()) == []
