"""The app-server under load: many threads of one process, each a turn with one tool call."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from benchmarks.processes import Command, Cost, cpu_seconds, machine_seconds, resident

FOLDERS = 32
"""Work folders that the threads share."""
_SETTLE = 0.3
_PROMPT = "Do what the script says."


class Served(Struct, kw_only=True):
    """What a run cost. `initialize` is from the start of the process to the answer, in seconds;
    `per_thread` the growth of the server's memory by thread, in bytes; `wrong` what was not as it
    should be."""

    cost: Cost
    initialize: float
    per_thread: float
    wrong: list[str]


def serve(command: Command, folders: Sequence[str], threads: int) -> Served:
    """Start the server, open `threads` threads at once and run one turn in each."""
    started = time.time()
    with _Server(command) as server:
        server.call("initialize", {"clientInfo": {"name": "bench", "version": "1"}})
        initialize = time.time() - started
        server.send({"method": "initialized"})
        time.sleep(_SETTLE)
        before, busy = resident(server.pid), machine_seconds()
        begun = time.time()
        wrong = _turns(server, folders, threads)
        wall = time.time() - begun
        cpu = cpu_seconds(server.pid)
        others = max(0.0, machine_seconds() - busy - cpu) / wall
        grown = resident(server.pid) - before
    cost = Cost(codes=[], started=started, wall=wall, cpu=cpu, others=others)
    return Served(cost=cost, initialize=initialize, per_thread=grown / threads, wrong=wrong)


def _turns(server: _Server, folders: Sequence[str], threads: int) -> list[str]:
    """Run them all. What went wrong, in a few words each."""
    asked = {
        server.send_call(
            "thread/start",
            {
                "cwd": folders[number % len(folders)],
                "approvalPolicy": "never",
                "sandbox": "workspace-write",
            },
        )
        for number in range(threads)
    }
    wrong: list[str] = []
    ended = 0
    while ended < threads:
        message = server.read()
        if message.get("id") in asked and "method" not in message:
            if "error" in message:
                wrong.append(f"refused: {message['error']['message']}"[:80])
                ended += 1
                continue
            prompt = {"type": "text", "text": _PROMPT}
            thread_id = message["result"]["thread"]["id"]
            server.send_call("turn/start", {"threadId": thread_id, "input": [prompt]})
        elif message.get("method") == "turn/completed":
            ended += 1
            status = message["params"]["turn"]["status"]
            if status != "completed":
                wrong.append(f"a turn is {status}")
    return wrong


class _Server:
    """A server on standard input and output."""

    def __init__(self, command: Command) -> None:
        self._command = command
        self._last_id = 0

    def __enter__(self) -> _Server:
        self._errors = open(f"{self._command.output}.err", "wb")  # closed in __exit__
        self._process = subprocess.Popen(
            self._command.argv,
            cwd=self._command.cwd,
            env=self._command.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,
        )
        return self

    def __exit__(self, *exc: object) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, 9)
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(message) + b"\n")
        self._process.stdin.flush()

    def send_call(self, method: str, params: dict[str, Any]) -> int:
        self._last_id += 1
        self.send({"id": self._last_id, "method": method, "params": params})
        return self._last_id

    def call(self, method: str, params: dict[str, Any]) -> None:
        wanted = self.send_call(method, params)
        while self.read().get("id") != wanted:
            pass

    def read(self) -> dict[str, Any]:
        """The next message. Raises `EOFError` when the server is gone."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise EOFError("the server ended")
        return msgspec.json.decode(line)
