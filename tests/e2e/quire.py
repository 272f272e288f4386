"""The `quire` command as a process, in a small repository, against a scripted model server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from quire.testing.responses_server import ResponsesServer

QUIRE = (sys.executable, "-m", "quire")
SOURCE = str(Path(__file__).resolve().parents[2] / "src")

CONFIG = """\
model = "gpt-5.5"
model_provider = "mock"
[model_providers.mock]
name = "mock"
base_url = "{url}"
env_key = "MOCK_VARIABLE"
request_max_retries = 1
stream_max_retries = 1
connect_timeout_s = 0
"""


class Result:
    """What a run left: exit code, stdout, stderr as text."""

    def __init__(self, code: int, out: bytes, err: bytes) -> None:
        self.code = code
        self.out = out.decode("utf-8", "replace")
        self.err = err.decode("utf-8", "replace")

    @property
    def events(self) -> list[dict]:
        """The lines of `--json`."""
        return [json.loads(line) for line in self.out.splitlines()]

    def items(self, kind: str) -> list[dict]:
        """Completed items of this type."""
        found = [event["item"] for event in self.events if event["type"] == "item.completed"]
        return [item for item in found if item["type"] == kind]

    def assert_one_line(self, *parts: str) -> None:
        """Failed with one clear line on stderr that holds all `parts`, and no traceback."""
        lines = [line for line in self.err.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, self.err
        assert "Traceback" not in self.err
        for part in parts:
            assert part in lines[0], lines[0]


class Place:
    """A home and a Git repository. `env` is added to the environment of every run."""

    def __init__(self, folder: Path) -> None:
        self.home = Path(os.environ["QUIRE_HOME"])
        self.repo = folder / "repo"
        self.repo.mkdir()
        self.env: dict[str, str] = {"MOCK_VARIABLE": "sk-secret-value"}
        self.git("init", "-q")
        (self.repo / "README.md").write_text("# demo\n")
        self.git("add", ".")
        self.git("commit", "-qm", "start")

    def git(self, *words: str) -> str:
        done = subprocess.run(["git", *words], cwd=self.repo, check=True, capture_output=True)
        return done.stdout.decode()

    def configure(self, server: ResponsesServer | str, more: str = "") -> None:
        url = server if isinstance(server, str) else server.url
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home / "config.toml").write_text(CONFIG.format(url=url) + more)

    def environment(self) -> dict[str, str]:
        paths = [SOURCE, os.environ.get("PYTHONPATH", "")]
        found = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        found["PYTHONWARNINGS"] = "error"
        return found | self.env

    def start(self, *words: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*QUIRE, *words],
            env=self.environment(),
            cwd=self.repo,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(
        self,
        *words: str,
        stdin: bytes | None = None,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Result:
        """Without `stdin` there is none; with it, it is piped in."""
        process = subprocess.Popen(
            [*QUIRE, *words],
            cwd=cwd or self.repo,
            env=self.environment() | dict(env or {}),
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            out, err = process.communicate(stdin, timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return Result(process.returncode, out, err)

    def exec(
        self,
        *words: str,
        stdin: bytes | None = None,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Result:
        return self.run("exec", "--json", *words, stdin=stdin, cwd=cwd, env=env)

    def rollouts(self) -> list[Path]:
        return sorted((self.home / "sessions").rglob("rollout-*.jsonl"))
