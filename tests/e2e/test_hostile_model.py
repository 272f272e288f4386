"""What a model cannot do, whatever it asks for: whole runs against a server that means harm."""

from __future__ import annotations

from pathlib import Path

import pytest

from quire.testing.responses_server import ResponsesServer
from tests.e2e.quire import Place, Result

WRITE = ("-s", "workspace-write")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "outside").mkdir()
    return Place(tmp_path)


def play(place: Place, script: list[dict], *options: str) -> tuple[Result, list[str]]:
    """Run the script to its end; the result and the outputs that the model got."""
    with ResponsesServer([*script, {"text": "Done."}]) as server:
        place.configure(server)
        result = place.exec(*options, "go")
        server.assert_done()
        items = server.requests[-1].json()["input"]
    assert result.code == 0, result.err + result.out
    return result, [item["output"] for item in items if item["type"].endswith("_output")]


def add(path: Path | str) -> dict:
    return {"patch": f"*** Begin Patch\n*** Add File: {path}\n+x\n*** End Patch\n"}


def test_a_root_that_a_command_makes_a_symlink_lets_no_patch_out(
    place: Place, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    script = [{"sh": f"ln -s {outside} build"}, add("build/file"), add(outside / "file")]
    _, outputs = play(place, script, *WRITE, "--add-dir", "build")
    assert ["outside of the project" in output for output in outputs] == [False, True, True]
    assert not list(outside.iterdir())
