"""A client of the app-server that speaks JSONL over its unix socket."""

from __future__ import annotations

import json
import socket
from typing import Any, Self

from quire.server.transport.place import connectable


class RpcClient:
    """Calls one after the other; what else comes meanwhile is kept in `notifications`."""

    def __init__(self, path: str, seconds: float = 30.0) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(seconds)
        self._socket.connect(connectable(path))
        self._lines = self._socket.makefile("rb")
        self._id = 0
        self.notifications: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        info = {"name": "test", "title": None, "version": "1"}
        self.call("initialize", {"clientInfo": info, "capabilities": {"experimentalApi": True}})
        self.send({"method": "initialized"})
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self._socket.close()

    def call(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """The result; an error fails."""
        self.post(method, params)
        while True:
            message = self.receive()
            if message.get("id") == self._id and "method" not in message:
                assert "error" not in message, message
                return message["result"]
            self.notifications.append(message)

    def post(self, method: str, params: dict[str, Any]) -> None:
        """Call, without waiting for the answer."""
        self._id += 1
        self.send({"id": self._id, "method": method, "params": params})

    def wait_for(self, method: str) -> dict[str, Any]:
        """The parameters of the next notification of this kind, which is taken away."""
        return self._next(method)["params"]

    def answer(self, method: str, result: dict[str, Any]) -> dict[str, Any]:
        """Answer the server's next question of this kind; its parameters."""
        question = self._next(method)
        self.send({"id": question["id"], "result": result})
        return question["params"]

    def _next(self, method: str) -> dict[str, Any]:
        while True:
            for number, message in enumerate(self.notifications):
                if message.get("method") == method:
                    return self.notifications.pop(number)
            self.notifications.append(self.receive())

    def send(self, message: dict[str, Any]) -> None:
        self._socket.sendall(json.dumps(message).encode() + b"\n")

    def receive(self) -> dict[str, Any]:
        line = self._lines.readline()
        assert line, "the server is gone"
        return json.loads(line)
