"""What a command loads: start-up time is made of imports, so they are counted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from quire.testing.responses_server import ResponsesServer
from tests.e2e.quire import Place

HEAVY = {
    "_ssl",  # `ssl` itself may show up as the failed import that keeps it out
    "sqlite3",
    "inspect",
    "logging",
    "dataclasses",
    "pathlib",
    "tempfile",
    "shutil",
    "hashlib",
    "importlib.metadata",
    "http.client",
    "email",
    "h11",
    "prompt_toolkit",
    "rich",
    "mcp",
    "httpx",
    "tree_sitter",
    "tomlkit",
    "quire.models.offline",
    "quire.testing",
    "quire.rollout.resume",
    "quire.client.connection",
    "quire.protocol.rpc",
    "acp",
    "pydantic",
    "websockets",
}


# That typing_extensions is kept out shows in `inspect`, which it would load.
START = """\
import sys
sys.argv[0] = "quire"
from quire.__main__ import main
sys.exit(main())
"""


def imported(stderr: str) -> set[str]:
    lines = [line for line in stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


def run(place: Place, *words: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", START, *words],
        cwd=place.repo,
        env=place.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return imported(done.stderr)


def test_version_loads_next_to_nothing(tmp_path: Path) -> None:
    loaded = run(Place(tmp_path), "--version")
    assert not loaded & (HEAVY | {"asyncio", "msgspec", "re", "typing", "argparse"})
    assert {name for name in loaded if name.startswith("quire")} == {"quire", "quire.__main__"}


def test_a_run_over_plain_http_loads_nothing_heavy(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with ResponsesServer([{"sh": "echo hi"}, {"text": "ok"}]) as server:
        place.configure(server)
        loaded = run(place, "exec", "--json", "-s", "workspace-write", "go")
    assert "quire.core.turn" in loaded
    assert sorted(loaded & HEAVY) == []


def test_the_package_itself_loads_nothing(tmp_path: Path) -> None:
    place = Place(tmp_path)
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; a = set(sys.modules); import quire; print(sorted(set(sys.modules) - a))",
        ],
        env=place.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "['quire']"
