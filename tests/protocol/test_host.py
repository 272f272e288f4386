"""P140-P173: models, settings, commands, files, accounts, reviews and the server itself."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest

from tests.protocol.conftest import NewProgram
from tests.protocol.program import Program
from tests.protocol.talk import Talk

KEY = "sk-test-0123456789abcdef"


def encoded(words: bytes) -> str:
    return base64.b64encode(words).decode()


# --- models ------------------------------------------------------------------------------------


def test_p140_models(program: Program) -> None:
    models = program.call("model/list", {})["data"]
    known = {model["model"] for model in models}
    assert "gpt-5.5" in known
    assert [model["isDefault"] for model in models].count(True) == 1
    for model in models:
        efforts = [effort["reasoningEffort"] for effort in model["supportedReasoningEfforts"]]
        assert model["defaultReasoningEffort"] in efforts


def test_p141_models_in_pages(program: Program) -> None:
    whole = program.call("model/list", {})["data"]
    first = program.call("model/list", {"limit": 2})
    rest = program.call("model/list", {"limit": 100, "cursor": first["nextCursor"]})
    assert [*first["data"], *rest["data"]] == whole
    assert rest["nextCursor"] is None


def test_p142_hidden_models(program: Program) -> None:
    shown = program.call("model/list", {})["data"]
    every = program.call("model/list", {"includeHidden": True})["data"]
    assert len(every) >= len(shown)
    assert not any(model["hidden"] for model in shown)


# --- settings ----------------------------------------------------------------------------------


def test_p143_settings_are_read(program: Program) -> None:
    read = program.call("config/read", {"includeLayers": True})
    assert read["config"]["model"] == "gpt-5.5"
    assert read["origins"]["model"]["name"]["type"] == "user"
    assert read["layers"]


def test_p144_a_setting_is_written_and_keeps_comments(new_program: NewProgram) -> None:
    program = new_program(settings='# about the style\nmodel_verbosity = "low"\n')
    program.initialize()
    written = program.call(
        "config/value/write",
        {"keyPath": "model_reasoning_effort", "value": "high", "mergeStrategy": "replace"},
    )
    assert written["status"] == "ok"
    text = (program.home / "config.toml").read_text()
    assert "# about the style" in text
    assert 'model_reasoning_effort = "high"' in text
    assert program.call("config/read", {})["config"]["model_reasoning_effort"] == "high"


def test_p145_null_removes_a_setting(new_program: NewProgram) -> None:
    program = new_program(settings='model_verbosity = "low"\n')
    program.initialize()
    given = {"keyPath": "model_verbosity", "value": None, "mergeStrategy": "replace"}
    program.call("config/value/write", given)
    assert "model_verbosity" not in (program.home / "config.toml").read_text()


def test_p146_an_older_version_is_refused(new_program: NewProgram) -> None:
    program = new_program()
    program.initialize()
    given = {"keyPath": "model_verbosity", "value": "low", "mergeStrategy": "replace"}
    error = program.fault("config/value/write", {**given, "expectedVersion": "sha256:0"})
    assert error["code"] == -32600
    version = program.call("config/value/write", given)["version"]
    again = {**given, "value": "high", "expectedVersion": version}
    assert program.call("config/value/write", again)["status"] == "ok"


def test_p147_several_settings_at_once(new_program: NewProgram) -> None:
    program = new_program()
    program.initialize()
    edits = [
        {"keyPath": "model_verbosity", "value": "low", "mergeStrategy": "replace"},
        {"keyPath": "sandbox_mode", "value": "read-only", "mergeStrategy": "replace"},
    ]
    program.call("config/batchWrite", {"edits": edits})
    config = program.call("config/read", {})["config"]
    assert (config["model_verbosity"], config["sandbox_mode"]) == ("low", "read-only")


def test_p148_a_value_that_is_none(new_program: NewProgram) -> None:
    program = new_program()
    program.initialize()
    given = {"keyPath": "sandbox_mode", "value": "bogus", "mergeStrategy": "replace"}
    before = (program.home / "config.toml").read_text()
    assert program.fault("config/value/write", given)["code"] == -32600
    assert (program.home / "config.toml").read_text() == before


def test_p149_no_requirements(program: Program) -> None:
    assert program.call("configRequirements/read")["requirements"] is None


# --- commands ----------------------------------------------------------------------------------


def test_p150_a_command(program: Program, folder: Path) -> None:
    given = {"command": ["sh", "-c", "echo out; echo err >&2; exit 3"], "cwd": str(folder)}
    said = program.call("command/exec", given)
    assert said == {"exitCode": 3, "stdout": "out\n", "stderr": "err\n"}


def test_p151_a_command_that_takes_too_long(program: Program, folder: Path) -> None:
    given = {"command": ["sleep", "20"], "cwd": str(folder), "timeoutMs": 200}
    assert program.call("command/exec", given)["exitCode"] == 124


def test_p152_a_command_in_a_sandbox(program: Program, folder: Path) -> None:
    given = {"command": ["touch", "made"], "cwd": str(folder)}
    read_only = {**given, "sandboxPolicy": {"type": "readOnly"}}
    assert program.call("command/exec", read_only)["exitCode"] != 0
    full = {**given, "sandboxPolicy": {"type": "dangerFullAccess"}}
    assert program.call("command/exec", full)["exitCode"] == 0
    assert (folder / "made").exists()


def test_p153_a_command_that_is_fed(program: Program, folder: Path) -> None:
    since = len(program.heard)
    asked = program.ask(
        "command/exec",
        {
            "command": ["cat"],
            "cwd": str(folder),
            "processId": "cat",
            "streamStdin": True,
            "streamStdoutStderr": True,
        },
    )
    write = {"processId": "cat", "deltaBase64": encoded(b"hello\n"), "closeStdin": True}
    program.call("command/exec/write", write)
    assert program.result(asked)["exitCode"] == 0
    deltas = [
        base64.b64decode(message["params"]["deltaBase64"])
        for message in program.heard[since:]
        if message.get("method") == "command/exec/outputDelta"
    ]
    assert b"".join(deltas) == b"hello\n"


def test_p154_a_command_that_is_ended(program: Program, folder: Path) -> None:
    given = {"command": ["sleep", "20"], "cwd": str(folder), "processId": "sleeper"}
    asked = program.ask("command/exec", given)
    program.call("command/exec/terminate", {"processId": "sleeper"})
    assert program.result(asked)["exitCode"] != 0


def test_p155_an_empty_command(program: Program) -> None:
    error = program.fault("command/exec", {"command": []})
    assert error == {"code": -32600, "message": "command must not be empty"}


# --- files -------------------------------------------------------------------------------------


def test_p156_files_are_written_and_read(program: Program, folder: Path) -> None:
    path = str(folder / "a.bin")
    program.call("fs/writeFile", {"path": path, "dataBase64": encoded(b"\x00\xff")})
    assert (folder / "a.bin").read_bytes() == b"\x00\xff"
    assert program.call("fs/readFile", {"path": path}) == {"dataBase64": encoded(b"\x00\xff")}


def test_p157_a_file_that_is_not_there(program: Program, folder: Path) -> None:
    error = program.fault("fs/readFile", {"path": str(folder / "none")})
    assert error["code"] == -32603


def test_p158_a_relative_path(program: Program) -> None:
    error = program.fault("fs/readFile", {"path": "a.txt"})
    message = "Invalid request: AbsolutePathBuf deserialized without a base path"
    assert error == {"code": -32600, "message": message}


def test_p159_folders(program: Program, folder: Path) -> None:
    program.call("fs/createDirectory", {"path": str(folder / "a" / "b")})
    (folder / "a" / "f").write_text("x")
    entries = program.call("fs/readDirectory", {"path": str(folder / "a")})["entries"]
    named = {entry["fileName"]: (entry["isDirectory"], entry["isFile"]) for entry in entries}
    assert named == {"b": (True, False), "f": (False, True)}
    about = program.call("fs/getMetadata", {"path": str(folder / "a")})
    assert (about["isDirectory"], about["isFile"], about["isSymlink"]) == (True, False, False)


def test_p160_copies_and_removals(program: Program, folder: Path) -> None:
    (folder / "a").mkdir()
    (folder / "a" / "f").write_text("x")
    paths = {"sourcePath": str(folder / "a"), "destinationPath": str(folder / "b")}
    program.call("fs/copy", {**paths, "recursive": True})
    assert (folder / "b" / "f").read_text() == "x"
    program.call("fs/remove", {"path": str(folder / "b"), "recursive": True})
    assert not (folder / "b").exists()


def test_p161_files_are_watched(program: Program, folder: Path) -> None:
    (folder / "f").write_text("x")
    program.call("fs/watch", {"path": str(folder / "f"), "watchId": "w"})
    (folder / "f").write_text("y")
    told = program.wait_for("fs/changed", watchId="w")
    assert told["params"]["changedPaths"] == [str(folder / "f")]
    program.call("fs/unwatch", {"watchId": "w"})


# --- searches, git -----------------------------------------------------------------------------


def test_p162_files_are_searched(program: Program, folder: Path) -> None:
    (folder / "src").mkdir()
    (folder / "src" / "widget.py").write_text("x")
    (folder / "other.txt").write_text("x")
    given = {"query": "wdgt", "roots": [str(folder)], "cancellationToken": None}
    (found,) = program.call("fuzzyFileSearch", given)["files"]
    assert (found["path"], found["file_name"]) == ("src/widget.py", "widget.py")


def test_p163_a_search_that_goes_on(program: Program, folder: Path) -> None:
    (folder / "widget.py").write_text("x")
    program.call("fuzzyFileSearch/sessionStart", {"sessionId": "s", "roots": [str(folder)]})
    program.call("fuzzyFileSearch/sessionUpdate", {"sessionId": "s", "query": "widg"})
    told = program.wait_for("fuzzyFileSearch/sessionCompleted", sessionId="s")
    assert told["params"]["sessionId"] == "s"
    program.call("fuzzyFileSearch/sessionStop", {"sessionId": "s"})


# --- accounts ----------------------------------------------------------------------------------


def test_p164_an_api_key(new_program: NewProgram) -> None:
    program = new_program()
    program.initialize()
    assert program.call("account/read", {})["account"] is None
    program.call("account/login/start", {"type": "apiKey", "apiKey": KEY})
    assert program.wait_for("account/login/completed")["params"]["success"] is True
    assert program.wait_for("account/updated")["params"]["authMode"] == "apikey"
    auth = program.home / "auth.json"
    assert KEY in auth.read_text()
    assert auth.stat().st_mode & 0o077 == 0


def test_p165_logging_out(new_program: NewProgram) -> None:
    program = new_program()
    program.initialize()
    program.call("account/login/start", {"type": "apiKey", "apiKey": KEY})
    program.call("account/logout")
    assert program.call("account/read", {})["account"] is None
    assert not (program.home / "auth.json").exists()


def test_p166_rate_limits_need_an_account(program: Program) -> None:
    error = program.fault("account/rateLimits/read")
    assert error["code"] == -32600
    assert "authentication required to read rate limits" in error["message"]


# --- reviews -----------------------------------------------------------------------------------

FINDINGS = {
    "findings": [],
    "overall_correctness": "patch is correct",
    "overall_explanation": "All is well.",
    "overall_confidence_score": 0.9,
}


@pytest.fixture
def repository(folder: Path) -> Path:
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "start"]):
        subprocess.run(["git", "-C", str(folder), *words], check=True)
    (folder / "a.py").write_text("x = 1\n")
    return folder


def test_p167_a_review(repository: Path, talk: Talk) -> None:
    talk.play({"json": FINDINGS})
    since = len(talk.program.heard)
    target = {"threadId": talk.id, "target": {"type": "uncommittedChanges"}}
    started = talk.program.call("review/start", {**target, "delivery": "inline"})
    assert started["reviewThreadId"] == talk.id
    turn = talk.end(started["turn"]["id"], since)
    assert turn.status == "completed"
    kinds = [params["item"]["type"] for params in turn.params("item/completed")]
    assert kinds.index("enteredReviewMode") < kinds.index("exitedReviewMode")
    (left,) = turn.completed("exitedReviewMode")
    assert "All is well." in left["review"]


def test_p168_a_review_is_not_steered(repository: Path, talk: Talk) -> None:
    talk.play({"items": [{"json": FINDINGS}], "delay": 0.5})
    since = len(talk.program.heard)
    target = {"threadId": talk.id, "target": {"type": "custom", "instructions": "look"}}
    turn_id = talk.program.call("review/start", target)["turn"]["id"]
    talk.program.wait_for("turn/started", since, threadId=talk.id)
    given = {"threadId": talk.id, "expectedTurnId": turn_id}
    words = [{"type": "text", "text": "more"}]
    error = talk.program.fault("turn/steer", {**given, "input": words})
    assert error["message"] == "cannot steer a review turn"
    assert talk.end(turn_id, since).status == "completed"


def test_p169_a_review_needs_words(talk: Talk) -> None:
    target = {"type": "custom", "instructions": "  "}
    error = talk.program.fault("review/start", {"threadId": talk.id, "target": target})
    assert error == {"code": -32600, "message": "instructions must not be empty"}


# --- the server --------------------------------------------------------------------------------


def test_p170_diagnostics(program: Program) -> None:
    said = program.call("server/diagnostics", {})
    assert said


def test_p171_providers(program: Program) -> None:
    listed = program.call("modelProvider/list", {})["data"]
    assert "mock" in [provider["id"] for provider in listed]


def test_p172_permission_profiles(program: Program) -> None:
    names = [profile["id"] for profile in program.call("permissionProfile/list", {})["data"]]
    assert {":read-only", ":workspace"} <= set(names)


def test_p173_skills_and_hooks_by_folder(program: Program, folder: Path) -> None:
    (skills,) = program.call("skills/list", {"cwds": [str(folder)]})["data"]
    (hooks,) = program.call("hooks/list", {"cwds": [str(folder)]})["data"]
    assert skills["cwd"] == hooks["cwd"] == str(folder)
    assert hooks["hooks"] == []
