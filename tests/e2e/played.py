"""A run of `quire exec --json` against a scripted model, without what differs from run to run."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from quire.testing.responses_server import ResponsesServer
from tests.e2e.quire import Place, Result


class Played:
    """A finished run: its result, and the requests as Codex's were compared, without what differs
    from run to run."""

    def __init__(self, place: Place, server: ResponsesServer, result: Result) -> None:
        self._place = place
        self.result = result
        self.events = [self._plain(event) for event in result.events]
        self.bodies = [json.loads(bytes(request.body)) for request in server.requests]

    @property
    def outputs(self) -> list[object]:
        """What the model was told of its calls, in the last request."""
        items = self.bodies[-1]["input"]
        return [self.text(item["output"]) for item in items if item["type"].endswith("_output")]

    def text(self, text: object) -> object:
        if not isinstance(text, str):
            return text
        text = text.replace(str(self._place.repo), "REPO")
        text = re.sub(r"Chunk ID: [0-9a-f]{6}\n", "Chunk ID: XXXXXX\n", text)
        text = re.sub(r"Wall time: \d+\.\d{4} seconds", "Wall time: T seconds", text)
        text = re.sub(r"Wall time: \d(\.\d)? seconds", "Wall time: t seconds", text)
        return re.sub(r"session ID \d+", "session ID N", text)

    def _plain(self, event: dict) -> dict:
        """An event without ids of threads and what Quire adds to errors."""
        for holder in (event, event.get("error"), event.get("item")):
            if isinstance(holder, dict):
                for name in ("thread_id", "code", "http_status"):
                    holder.pop(name, None)
                for name, value in holder.items():
                    holder[name] = self.text(value)
        for change in event.get("item", {}).get("changes", ()):
            change["path"] = self.text(change["path"])
        return event


def play(place: Place, script: Sequence[object], *words: str, config: str = "") -> Played:
    with ResponsesServer(script) as server:
        place.configure(server, config)
        result = place.exec(*words, "go")
        server.assert_done()
    return Played(place, server, result)


def call(tool: str, args: object) -> dict:
    return {"call": tool, "args": args}


def ran(code: int, tokens: int, text: str) -> str:
    return (
        f"Chunk ID: XXXXXX\nWall time: T seconds\nProcess exited with code {code}\n"
        f"Original token count: {tokens}\nOutput:\n{text}"
    )


def patch(body: str) -> str:
    return f"*** Begin Patch\n{body}*** End Patch\n"


def words_of(body: dict, role: str = "user") -> list[str]:
    """The texts of all messages of a role in a request, in order."""
    items = [item for item in body["input"] if item["type"] == "message" and item["role"] == role]
    return [part.get("text", "(image)") for item in items for part in item["content"]]
