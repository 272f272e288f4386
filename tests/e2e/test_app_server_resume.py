"""Threads that cannot be resumed at first."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

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
