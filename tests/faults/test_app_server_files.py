"""Files that are broken: the server is there all the same, and says what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from quire.testing.responses_server import ResponsesServer
from tests.protocol.program import CallError, Program
from tests.protocol.talk import Talk, decide


@pytest.fixture
def model() -> Iterator[ResponsesServer]:
    with ResponsesServer() as server:
        yield server


def test_a_config_that_is_no_toml(tmp_path: Path, model: ResponsesServer) -> None:
    with Program(tmp_path / "home", model, settings="broken = [\n") as program:
        program.initialize()
        warned = program.wait_for("configWarning")["params"]
        assert "config.toml" in warned["summary"]
        assert "\n" not in warned["summary"]
        assert program.call("thread/loaded/list", {})["data"] == []


def test_a_config_with_a_wrong_type(tmp_path: Path, model: ResponsesServer) -> None:
    with Program(tmp_path / "home", model, settings="sandbox_mode = 5\n") as program:
        program.initialize()
        assert "sandbox_mode" in program.wait_for("configWarning")["params"]["summary"]


def test_a_config_that_breaks_while_it_runs(tmp_path: Path, model: ResponsesServer) -> None:
    with Program(tmp_path / "home", model) as program:
        program.initialize()
        config = program.home / "config.toml"
        sound = config.read_text()
        config.write_text("broken = [\n")
        error = program.fault("config/read", {}, sound=True)
        assert error["code"] in (-32600, -32603)
        assert "config.toml" in error["message"]
        config.write_text(sound)
        assert program.call("config/read", {})["config"]["model"] == "gpt-5.5"


def test_a_rule_file_with_errors(tmp_path: Path, model: ResponsesServer) -> None:
    """The thread starts and says which file is wrong; commands ask or stay in the sandbox."""
    home = tmp_path / "home"
    (home / "rules").mkdir(parents=True)
    (home / "rules" / "bad.rules").write_text("prefix_rule(pattern=[\n")
    folder = tmp_path / "work"
    folder.mkdir()
    with Program(home, model) as program:
        program.initialize()
        talk = Talk(program, folder, approvalPolicy="on-request")
        warned = program.wait_for("warning", threadId=talk.id)["params"]
        assert "bad.rules" in warned["message"]
        model.swap([{"sh": "touch made", "args": {"login": False}}, {"text": "ok"}])
        turn = talk.run(answers=decide("accept"))
        assert turn.status == "completed"


def test_a_log_that_is_broken(tmp_path: Path, model: ResponsesServer) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    with Program(tmp_path / "home", model) as program:
        program.initialize()
        talk = Talk(program, folder)
        model.swap([{"text": "ok"}])
        talk.run()
    log = Path(talk.opened["thread"]["path"])
    log.write_bytes(b"\x00\xff not a log\n" + log.read_bytes()[40:])
    with Program(program.home, model) as later:
        later.initialize()
        for method in ("thread/resume", "thread/fork", "thread/read"):
            with pytest.raises(CallError) as caught:
                later.call(method, {"threadId": talk.id})
            assert caught.value.code in (-32600, -32603)
            assert "\n" not in caught.value.message
        assert later.call("thread/list", {"cwd": str(folder)})["data"] == []
        model.swap([{"text": "ok"}])
        assert Talk(later, folder).run().status == "completed"


def test_a_log_that_cannot_be_written(tmp_path: Path, model: ResponsesServer) -> None:
    with Program(tmp_path / "home", model) as program:
        program.initialize()
        (program.home / "sessions").write_text("in the way")
        model.swap([{"text": "ok"}])
        turn = Talk(program, tmp_path).run()
        assert turn.status == "failed"
        assert turn.turn["error"]["message"].startswith("cannot write the thread's log: ")
        assert program.errors == ""
