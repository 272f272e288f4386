"""`quire debug`: the prompt as a model would get it, and the catalog."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from quire.testing.responses_server import ResponsesServer
from tests.e2e.quire import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def texts(items: list[dict]) -> list[tuple[str, list[str]]]:
    return [(item["role"], [part.get("text", "") for part in item["content"]]) for item in items]


def test_the_prompt_shown_is_the_prompt_sent(place: Place) -> None:
    (place.repo / "AGENTS.md").write_text("Be kind.\n")
    with ResponsesServer([{"text": "ok"}]) as server:
        place.configure(server)
        shown = json.loads(place.run("debug", "prompt-input", "-s", "workspace-write", "hi").out)
        assert place.exec("-s", "workspace-write", "hi").code == 0
        sent = json.loads(bytes(server.requests[0].body))["input"]
    assert texts(shown) == texts(sent)
    assert [role for role, _ in texts(shown)] == ["developer", "developer", "user", "user"]


def test_without_a_prompt_there_is_only_the_context(place: Place) -> None:
    shown = json.loads(place.run("debug", "prompt-input", "-m", "offline").out)
    assert len(shown) == 3
    assert not place.rollouts()


def test_the_catalog(place: Place) -> None:
    models = json.loads(place.run("debug", "models", "--bundled").out)["models"]
    assert "gpt-5.5" in {model["slug"] for model in models}


def test_wrong_words(place: Place) -> None:
    assert place.run("debug", "nope").code == 2
    place.run("debug", "nope").assert_one_line("nope")
