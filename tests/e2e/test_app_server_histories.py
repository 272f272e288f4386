"""Histories over the running app-server: what may be put in, and logs that are let go of."""

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


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    Daemon(str(made.home)).stop()


def test_a_thread_that_could_not_be_resumed_can_be_resumed_later(place: Place) -> None:
    with ResponsesServer([{"text": "done"}]) as server:
        place.configure(server)
        thread = place.exec("one").events[0]["thread_id"]
        done = place.run("app-server", "daemon", "start")
        words = {"config": {"model_instructions_file": str(place.repo / "words.md")}}
        with RpcClient(json.loads(done.out)["socketPath"]) as client:
            with pytest.raises(AssertionError, match="model_instructions_file"):
                client.call("thread/resume", {"threadId": thread, **words})
            (place.repo / "words.md").write_text("Be kind.")
            answer = client.call("thread/resume", {"threadId": thread, **words})
            assert answer["thread"]["id"] == thread


def called(call_id: str | None, kind: str = "function_call") -> dict[str, Any]:
    return {"type": kind, "call_id": call_id, "name": "t", "arguments": "{}", "input": ""}


def output(call_id: str | None) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": "x"}


def test_only_a_legal_history_is_put_in(place: Place) -> None:
    place.configure("http://127.0.0.1:9/v1")
    done = place.run("app-server", "daemon", "start")
    with RpcClient(json.loads(done.out)["socketPath"]) as client:
        thread = client.call("thread/start", {})["thread"]["id"]
        for items in (
            [called(None), output(None)],
            [called(""), output("")],
            [called("a")],
            [output("a")],
            [called("a"), output("a"), output("a")],
            [called("a", "custom_tool_call"), output("a")],
        ):
            with pytest.raises(AssertionError, match="-32600"):
                client.call("thread/inject_items", {"threadId": thread, "items": items})
        legal = [called("a"), called("b"), output("b"), output("a")]
        client.call("thread/inject_items", {"threadId": thread, "items": legal})
