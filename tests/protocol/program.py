"""The server under test as a process that speaks JSONL on its standard streams.

`QUIRE_PROTOCOL_CMD` names another one than ours, with its arguments: `/path/codex app-server`.
Every message is held to the schemas, both ways.
"""

from __future__ import annotations

import json
import os
import queue
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Self

from quire.testing.responses_server import ResponsesServer, provider_config
from tests.protocol_schema import Conversation

Message = dict[str, Any]
Answers = Callable[[Message], Message]
"""From a request of the server to its result, or to `{"error": …}`."""

SOURCE = str(Path(__file__).resolve().parents[2] / "src")
SECONDS = 20.0
CLIENT = {"name": "suite", "title": "The suite", "version": "1.2.3"}
RETRIES = "request_max_retries = 0\nstream_max_retries = 0\n"


def command() -> list[str]:
    other = os.environ.get("QUIRE_PROTOCOL_CMD")
    return shlex.split(other) if other else [sys.executable, "-m", "quire", "app-server"]


class CallError(AssertionError):
    """A call was answered with an error: its `code` and `message`."""

    def __init__(self, error: Message) -> None:
        super().__init__(json.dumps(error))
        self.code: int = error["code"]
        self.message: str = error["message"]
        self.data: Any = error.get("data")


class Program:
    """The process and the conversation with it. `heard` is what it said, in order."""

    def __init__(self, home: Path, model: ResponsesServer, *, settings: str = "") -> None:
        """`settings` go before all else in the configuration, as lines of TOML."""
        self.home = home
        self.model = model
        home.mkdir(parents=True, exist_ok=True)
        config = provider_config(model.url, "gpt-5.5", RETRIES)
        (home / "config.toml").write_text(settings + config)
        paths = filter(None, [SOURCE, os.environ.get("PYTHONPATH", "")])
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(paths),
            "CODEX_HOME": str(home),
            "QUIRE_HOME": str(home),
            "MOCK_KEY": "sk-mock",
        }
        self._process = subprocess.Popen(
            command(),
            cwd=home,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.heard: list[Message] = []
        self._lines: queue.Queue[bytes | None] = queue.Queue()
        self._conversation = Conversation(own=is_ours())
        self._asked = 0
        self._results: dict[int | str, Message] = {}
        self._errors = bytearray()
        self._readers = (
            threading.Thread(target=self._read, daemon=True),
            threading.Thread(target=self._read_errors, daemon=True),
        )
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> int:
        """End its input and wait for its end; its exit code."""
        assert self._process.stdin is not None
        if not self._process.stdin.closed:
            self._process.stdin.close()
        try:
            return self._process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        finally:
            for reader in self._readers:
                reader.join(SECONDS)
            for stream in (self._process.stdout, self._process.stderr):
                if stream is not None:
                    stream.close()

    def end_input(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()

    @property
    def errors(self) -> str:
        """What it wrote to standard error."""
        return self._errors.decode("utf-8", "replace")

    # --- out -------------------------------------------------------------------------------

    def initialize(self, *, experimental: bool = True, **capabilities: object) -> Message:
        given = {"experimentalApi": experimental, **capabilities}
        result = self.call("initialize", {"clientInfo": CLIENT, "capabilities": given})
        self.send({"method": "initialized"})
        return result

    def write(self, data: bytes) -> None:
        """Bytes as they are."""
        assert self._process.stdin is not None
        self._process.stdin.write(data)
        self._process.stdin.flush()

    def send(self, message: Message, *, sound: bool = True) -> None:
        """`sound` messages are held to the schemas."""
        if sound:
            self._conversation.client(message)
        else:
            self._conversation.asked(message)
        self.write(json.dumps(message).encode() + b"\n")

    def expect(self, answer: int | str, method: str) -> None:
        """An answer will come to a call that `write` sent."""
        self._conversation.asked({"id": answer, "method": method})

    def ask(self, method: str, params: Message | None = None, *, sound: bool = True) -> int:
        """Send a call; its id."""
        self._asked += 1
        message: Message = {"id": self._asked, "method": method}
        if params is not None:
            message["params"] = params
        self.send(message, sound=sound)
        return self._asked

    def call(self, method: str, params: Message | None = None) -> Message:
        """The result of a call. Raises `CallError`."""
        return self.result(self.ask(method, params))

    def fault(self, method: str, params: Message | None = None, *, sound: bool = False) -> Message:
        """The error of a call that must not succeed."""
        asked = self.ask(method, params, sound=sound)
        try:
            result = self.result(asked)
        except CallError as exc:
            return {"code": exc.code, "message": exc.message}
        raise AssertionError(f"{method} was answered with {json.dumps(result)[:500]}")

    # --- in --------------------------------------------------------------------------------

    def result(self, asked: int | str) -> Message:
        while asked not in self._results:
            self.next()
        answer = self._results.pop(asked)
        if "error" in answer:
            raise CallError(answer["error"])
        return answer["result"]

    def next(self, seconds: float = SECONDS) -> Message:
        """The next message, which is also kept in `heard`."""
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            raise TimeoutError(f"silent after {self.words()[-8:]}; {self.errors[-500:]}") from None
        if line is None:
            self._lines.put(None)
            raise EOFError(f"it ended; {self.errors[-2000:]}")
        message = json.loads(line)
        self._conversation.server(message)
        self.heard.append(message)
        if "method" not in message:
            self._results[message["id"]] = message
        return message

    def wait_for(self, method: str, since: int = 0, **members: object) -> Message:
        """The first message of this method with these members of `params`; one that was heard
        before counts from number `since`."""
        number = since
        while True:
            while number >= len(self.heard):
                self.next()
            message = self.heard[number]
            number += 1
            if message.get("method") == method:
                params = message.get("params") or {}
                if all(params.get(name) == value for name, value in members.items()):
                    return message

    def listen(self, seconds: float) -> list[Message]:
        """All that comes within this time."""
        before, deadline = len(self.heard), time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            try:
                self.next(left)
            except (TimeoutError, EOFError):
                break
        return self.heard[before:]

    def words(self) -> list[str]:
        return [message.get("method", f"answer {message.get('id')}") for message in self.heard]

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._errors += line


@cache
def is_ours() -> bool:
    """False when the program under test is another one than Quire: its user agent says so."""
    if "QUIRE_PROTOCOL_CMD" not in os.environ:
        return True
    hello = {"id": 1, "method": "initialize", "params": {"clientInfo": CLIENT}}
    done = subprocess.run(
        command(),
        input=json.dumps(hello).encode() + b"\n",
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    return b" quire/" in done.stdout.partition(b"\n")[0]
