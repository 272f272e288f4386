"""`thread/searchOccurrences` over the app-server, as Codex 0.169 answers it (row D8)."""

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

METHOD = "thread/searchOccurrences"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    Daemon(str(made.home)).stop()


def test_places_of_a_term_lead_to_their_turns(place: Place) -> None:
    with ResponsesServer([{"text": "hello world again, Hello"}, {"text": "no"}]) as server:
        place.configure(server)
        started = place.run("app-server", "daemon", "start")
        assert started.code == 0, started.err
        with RpcClient(json.loads(started.out)["socketPath"]) as client:
            thread = client.call("thread/start", {"cwd": str(place.repo)})["thread"]["id"]
            for words in ("say hello to the x", "bye"):
                said = [{"type": "text", "text": words, "text_elements": []}]
                client.call("turn/start", {"threadId": thread, "input": said})
                client.wait_for("turn/completed")

            def search(term: str, **more: Any) -> dict[str, Any]:
                result = client.call(
                    METHOD, {"threadId": thread, "searchTerm": term, "limit": 2, **more}
                )
                check_message("server", {"id": 1, "result": result}, answers=METHOD)
                return result

            first = search("hello")
            second = search("hello", cursor=first["nextCursor"])
            found = [*first["data"], *second["data"]]
            assert [(f["snippet"], f["snippetMatchRange"]) for f in found] == [
                ("say hello to the x", {"start": 4, "end": 9}),
                ("hello world again, Hello", {"start": 0, "end": 5}),
                ("hello world again, Hello", {"start": 19, "end": 24}),
            ]
            assert second["nextCursor"] is None
            turns = client.call(
                "thread/turns/list",
                {"threadId": thread, "cursor": found[2]["turnCursor"], "limit": 1},
            )
            assert [turn["id"] for turn in turns["data"]] == [found[2]["turnId"]]
            assert search("nowhere")["data"] == []
            for term, cursor, fault in (
                (" ", None, "requires a non-empty searchTerm"),
                ("hello", "x", "invalid cursor: x"),
                ("other", first["nextCursor"], "invalid cursor"),
            ):
                with pytest.raises(AssertionError, match=fault):
                    search(term, cursor=cursor)
