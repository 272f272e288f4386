"""A scripted client of the app-server's calls: it keeps what it is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from quire.protocol.rpc.method import Notification, ServerRequest
from quire.server.connection import Answered
from quire.server.errors import RpcError
from quire.server.routes import Routes

SAMPLES = Path(__file__).parents[1] / "data" / "rpc"


class ScriptedCaller:
    """Implements `server.routes.Client`, and `Caller` where one call is all. `told` holds
    names and encoded parameters of the notifications, in order."""

    def __init__(self, name: str = "scripted") -> None:
        self.name = name
        self.experimental = True
        self.gone = False
        self.told: list[tuple[str, Any]] = []
        self._changed = asyncio.Event()
        self._on_close: list[Callable[[], None]] = []

    def notify(self, kind: Notification, params: msgspec.Struct) -> None:
        assert type(params) is kind.params
        self.told.append((kind.name, json.loads(msgspec.json.encode(params))))
        self._changed.set()

    def on_close(self, callback: Callable[[], None]) -> None:
        self._on_close.append(callback)

    def after_reply(self, callback: Callable[[], None]) -> None:
        callback()

    @property
    def client(self) -> ScriptedCaller:
        return self

    def forward(self, kind: Notification, frame: bytes) -> None:
        self.told.append((kind.name, json.loads(frame)["params"]))
        self._changed.set()

    def ask(self, kind: ServerRequest, params: msgspec.Struct, answered: Answered) -> int:
        raise NotImplementedError

    def withdraw(self, request_id: int) -> None: ...

    def close(self) -> None:
        self.gone = True
        for callback in self._on_close:
            callback()

    async def until(self, happened: Callable[[list[Any]], bool], name: str = "") -> list[Any]:
        """The parameters of the notifications called `name` (of all, without), once `happened`
        says yes to them; fails after ten seconds."""
        async with asyncio.timeout(10):
            while True:
                found = [params for kind, params in self.told if name in ("", kind)]
                if happened(found):
                    return found
                self._changed.clear()
                await self._changed.wait()


class ScriptedCall:
    """Implements `server.routes.Caller`: a new one for each call, as over a connection."""

    def __init__(self, client: ScriptedCaller) -> None:
        self.client = client
        self.name = client.name
        self.experimental = client.experimental
        self.notify = client.notify
        self.on_close = client.on_close
        self.after_reply = client.after_reply


async def call(
    routes: Routes, caller: ScriptedCaller, method: str, params: Mapping[str, Any]
) -> Any:
    """The decoded result, or `{"error": {"code": ..., "message": ...}}`."""
    raw = msgspec.Raw(msgspec.json.encode(params))
    try:
        return json.loads(msgspec.json.encode(await routes[method](raw, ScriptedCall(caller))))
    except RpcError as exc:
        return {"error": {"code": exc.code, "message": str(exc)}}


def samples(name: str, folder: str) -> list[Any]:
    """The lines of a file of recorded calls, `$FOLDER` replaced."""
    text = (SAMPLES / f"{name}.jsonl").read_text()
    return [json.loads(line.replace("$FOLDER", folder)) for line in text.splitlines()]
