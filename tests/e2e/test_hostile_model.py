"""What a model cannot do, whatever it asks for: whole runs against a server that means harm."""

from __future__ import annotations

import os
import stat
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


@pytest.mark.parametrize("mode", ["workspace-write", "danger-full-access"])
def test_nobody_else_can_write_or_read_the_home_whatever_the_umask(
    place: Place, tmp_path: Path, mode: str
) -> None:
    place.env |= {"OPENAI_API_KEY": "sk-secret-value", "QUIRE_HOME": str(tmp_path / "home")}
    before = os.umask(0)
    try:
        with ResponsesServer([{"sh": "true"}, {"text": "Done."}]) as server:
            url = f'openai_base_url="{server.url}"'
            result = place.exec("-s", mode, "-c", url, "-m", "gpt-5.5", "go")
    finally:
        os.umask(before)
    assert result.code == 0, result.err
    found = [tmp_path / "home", *(tmp_path / "home").rglob("*")]
    assert len(found) > 5
    assert [path for path in found if stat.S_IMODE(path.lstat().st_mode) & 0o077] == []


def test_commands_see_no_key_of_any_provider(place: Place) -> None:
    more = '[model_providers.b]\nbase_url = "http://b"\nenv_key = "B_CRED"\n'
    more += 'env_http_headers = { X-Team = "B_TEAM" }\n'
    place.env |= {"B_CRED": "secret", "B_TEAM": "secret", "GH_TOKEN": "secret"}
    with ResponsesServer([{"sh": "env"}, {"text": "Done."}]) as server:
        place.configure(server, more)
        result = place.exec("go")
    (command,) = result.items("command_execution")
    assert "PATH=" in command["aggregated_output"]
    assert "secret" not in command["aggregated_output"]


def test_arguments_that_no_system_takes_end_no_turn(place: Place) -> None:
    script = [
        {"call": "exec_command", "args": {"cmd": "true", "workdir": "a\0b"}},
        {"call": "exec_command", "args": {"cmd": "true", "shell": "a\0b"}},
        {"call": "view_image", "args": {"path": "a\0b"}},
        add("a\0b"),
    ]
    _, outputs = play(place, script, *WRITE)
    assert len(outputs) == 4
    assert not any("Exit code: 0" in output for output in outputs)


def test_the_working_folder_may_go(place: Place, tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    script = [{"sh": f"rmdir {folder}"}, add(tmp_path / "file"), {"text": "Done."}]
    with ResponsesServer(script) as server:
        place.configure(server)
        full = "--dangerously-bypass-approvals-and-sandbox"
        result = place.run("exec", full, "go", cwd=folder)
    assert result.code == 0, result.err
    assert "file" in result.err
    assert "Traceback" not in result.err


def test_a_submodule_cannot_be_made_to_run_a_program(place: Place, tmp_path: Path) -> None:
    allow = ("-c", "protocol.file.allow=always", "-c", "user.name=n", "-c", "user.email=e@x")
    place.git("clone", "-q", ".", str(tmp_path / "library"))
    place.git(*allow, "submodule", "add", "-q", str(tmp_path / "library"), "sub")
    place.git(*allow, "commit", "-qm", "a submodule")
    ran = tmp_path / "ran"
    hostile = f"""cp -r .git/modules/sub own
        printf '[core]\\nworktree = ../sub\\nfsmonitor = "touch {ran}; false"\\n' > own/config
        rm sub/.git; echo gitdir: ../own > sub/.git"""
    play(place, [{"sh": hostile}, add("sub/.git/x"), {"sh": "touch sub/new"}], *WRITE)
    place.git("status")
    assert not ran.exists()
    assert (place.repo / "sub" / "new").exists()
