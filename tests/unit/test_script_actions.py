"""What command lines are shown to do: as the peer shows them."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quire.config.script_actions import command_actions
from tests.protocol_schema import PEER

HEARD = [
    json.loads(line)
    for line in (PEER.parent / "codex_0_169_actions.jsonl").read_text("utf-8").splitlines()
]
WORDS = ["cat", "-n", ";", "|", "&&", "a.txt", "rg", "find", "-e"]
BETTER = {"head -5 a.txt; tail -n 3 b.txt"}
"""Lines that Codex shows as unknown and Quire understands."""


@pytest.mark.parametrize(("script", "actions"), HEARD, ids=[row[0] for row in HEARD])
def test_a_line_is_shown_as_the_peer_shows_it(script: str, actions: list[Any]) -> None:
    shown = json.loads(msgspec.json.encode(command_actions(script)))
    if script in BETTER:
        assert [action["type"] for action in shown] == ["read", "read"]
    else:
        assert shown == actions


@pytest.mark.parametrize(
    ("script", "kinds"),
    [
        ("cd src && cat a.py", [("read", "src/a.py")]),
        ("cat a.py && rm a.py", [("unknown", None)]),
        ("find . -name x -delete", [("unknown", None)]),
        ("rg -A 3 -e foo lib/core", [("search", "core")]),
        ("grep -n foo a | sort | uniq -c | wc -l", [("search", "a")]),
        ("cat -n notes/a.md", [("read", "notes/a.md")]),
        ("head -n 5", [("unknown", None)]),
        ("ls; $(rm x)", [("unknown", None)]),
        ("", [("unknown", None)]),
    ],
)
def test_other_lines(script: str, kinds: list[tuple[str, str | None]]) -> None:
    shown = json.loads(msgspec.json.encode(command_actions(script)))
    assert [(action["type"], action.get("path")) for action in shown] == kinds


@given(st.text(max_size=40) | st.lists(st.sampled_from(WORDS)).map(" ".join))
def test_every_line_has_at_least_one_action(script: str) -> None:
    assert command_actions(script)
