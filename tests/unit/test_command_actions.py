"""What a command line reads, lists and searches: as Codex 0.169 tells it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quire.config.command_actions import command_actions
from tests.protocol_schema import PEER

SAMPLES = [
    json.loads(line)
    for line in (Path(__file__).parent / "data" / "command_actions.jsonl").read_text().splitlines()
]
HEARD = [
    json.loads(line)
    for line in (PEER.parent / "codex_0_169_actions.jsonl").read_text("utf-8").splitlines()
]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample["script"][:50] or "empty")
def test_as_the_peer(sample: dict[str, object]) -> None:
    found = [msgspec.to_builtins(action) for action in command_actions(str(sample["script"]), "/w")]
    assert found == sample["actions"]


@pytest.mark.parametrize(("script", "actions"), HEARD, ids=[row[0] for row in HEARD])
def test_paths_are_as_written_without_a_folder(script: str, actions: list[object]) -> None:
    assert json.loads(msgspec.json.encode(command_actions(script))) == actions


@given(st.text(alphabet="catlsrgfindhe -|&;'\"\\$<>\n/.{}()=", max_size=40))
def test_any_text_has_actions(script: str) -> None:
    command_actions(script, "/w")


def test_plain_words_need_no_grammar() -> None:
    code = (
        "import sys; from quire.config.command_actions import command_actions;"
        "command_actions('rg -n foo src/quire', '/w');"
        "print([m for m in sys.modules if 'tree_sitter' in m])"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert run.stdout == "[]\n"
