"""Bad input: one clear line that names the place and the remedy, the right exit code, nothing
lost."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from quire.testing.responses_server import ResponsesServer
from tests.e2e.quire import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--nope", "x"], ["--nope", "--help"]),
        (["-s", "everything", "x"], ["everything", "read-only"]),
        (["-m"], ["-m"]),
        (["one", "two"], ["two"]),
        (["--last", "x"], ["--last"]),
        (["resume"], ["--last"]),
        (["-m", "a", "-m", "b", "x"], ["multiple times"]),
    ],
)
def test_usage_errors_are_2(place: Place, words: list[str], parts: list[str]) -> None:
    result = place.run("exec", *words)
    assert result.code == 2
    result.assert_one_line(*parts)


def test_an_unknown_command(place: Place) -> None:
    result = place.run("exce")
    assert result.code == 2
    result.assert_one_line("exce", "quire help")


def test_broken_toml(place: Place) -> None:
    place.configure("http://127.0.0.1:9/v1", more="oops = = 1\n")
    result = place.exec("x")
    assert result.code == 1
    result.assert_one_line("config.toml", "line")


def test_a_wrong_type(place: Place) -> None:
    place.configure("http://127.0.0.1:9/v1")
    result = place.exec("-c", "model_context_window=abc", "x")
    assert result.code == 1
    result.assert_one_line("model_context_window")


def test_unknown_keys_warn_and_strict_refuses(place: Place) -> None:
    with ResponsesServer([{"text": "ok"}]) as server:
        place.configure(server)
        loose = place.exec("-c", "modle=1", "x")
        strict = place.exec("--strict-config", "-c", "modle=1", "x")
    assert loose.code == 0
    assert any("modle" in item["message"] for item in loose.items("error"))
    assert strict.code == 1
    strict.assert_one_line("modle")


def test_a_missing_folder(place: Place) -> None:
    result = place.exec("-C", "nowhere", "x")
    assert result.code == 1
    result.assert_one_line("nowhere", "-C")


def test_the_current_folder_is_gone(place: Place, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    import subprocess
    import sys

    script = (
        "import os, sys; os.chdir(sys.argv[1]); os.rmdir(sys.argv[1]); "
        "os.execv(sys.executable, [sys.executable, '-m', 'quire', 'exec', 'x'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(gone)],
        env=place.environment(),
        capture_output=True,
        stdin=subprocess.DEVNULL,
        check=False,
        timeout=30,
    )
    assert done.returncode == 1, done.stderr
    assert b"Traceback" not in done.stderr
    assert done.stderr.count(b"error: ") == 1


def test_no_repository(place: Place, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    result = place.exec("x", cwd=outside)
    assert result.code == 1
    result.assert_one_line(
        "Not inside a trusted directory and --skip-git-repo-check was not specified."
    )
    with ResponsesServer([{"text": "ok"}]) as server:
        place.configure(server)
        assert place.exec("--skip-git-repo-check", "x", cwd=outside).code == 0


def test_no_git_program(place: Place) -> None:
    with ResponsesServer([{"text": "ok"}]) as server:
        place.configure(server)
        assert place.exec("x", env={"PATH": "/nonexistent"}).code == 0


def test_no_prompt(place: Place) -> None:
    assert place.exec(stdin=b"").code == 1
    place.exec(stdin=b"").assert_one_line("No prompt provided via stdin.")
    place.exec(stdin=b"\xff\xfe\x00").assert_one_line("not valid UTF-16")
    place.exec(stdin=b"caf\xe9").assert_one_line("not valid UTF-8 (at byte 3)")


def test_an_unreadable_agents_md(place: Place) -> None:
    (place.repo / "AGENTS.md").mkdir()
    with ResponsesServer([{"text": "ok"}]) as server:
        place.configure(server)
        result = place.exec("x")
    assert result.code == 0
    assert any("AGENTS.md" in item["message"] for item in result.items("error"))


def test_the_endpoint_is_down(place: Place) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    place.configure(f"http://127.0.0.1:{port}/v1")
    result = place.exec("x")
    assert result.code == 1
    failed = result.events[-1]
    assert failed["type"] == "turn.failed"
    assert f"127.0.0.1:{port}" in failed["error"]["message"]
    assert failed["error"]["code"]


def test_the_key_is_wrong(place: Place) -> None:
    body = {"error": {"message": "Incorrect API key provided: sk-secret-value", "code": "bad"}}
    with ResponsesServer([{"status": 401, "error": body, "times": 9}]) as server:
        place.configure(server)
        result = place.exec("x")
    assert result.code == 1
    errors = [event for event in result.events if event["type"] in ("error", "turn.failed")]
    assert "MOCK_VARIABLE" in json.dumps(errors[0])
    assert errors[-1]["error"]["code"] == "unauthorized"
    assert "sk-secret-value" not in result.out + result.err


def test_the_key_is_missing(place: Place) -> None:
    place.configure("http://127.0.0.1:9/v1")
    result = place.exec("x", env={"MOCK_VARIABLE": ""})
    assert result.code == 1
    result.assert_one_line("MOCK_VARIABLE")


def test_a_model_without_a_key(place: Place) -> None:
    result = place.exec("-m", "gpt-5.5", "x")
    assert result.code == 1
    result.assert_one_line("QUIRE_API_KEY", "-m offline")


def test_an_unknown_provider(place: Place) -> None:
    result = place.exec("-c", "model_provider=nosuch", "x")
    assert result.code == 1
    result.assert_one_line("nosuch", "model_providers.nosuch")


@pytest.mark.parametrize(("text", "part"), [("{", "JSON"), ("[]", "object"), (None, "No such")])
def test_an_invalid_schema(place: Place, text: str | None, part: str) -> None:
    place.configure("http://127.0.0.1:9/v1")
    schema = place.repo.parent / "schema.json"
    if text is not None:
        schema.write_text(text)
    result = place.exec("--output-schema", str(schema), "x")
    assert result.code == 1
    result.assert_one_line("schema.json", part)


def test_a_missing_profile(place: Place) -> None:
    result = place.exec("-p", "work", "x")
    assert result.code == 1
    result.assert_one_line("work.config.toml")


def test_an_unknown_thread(place: Place) -> None:
    place.configure("http://127.0.0.1:9/v1")
    thread = "01900000-0000-7000-8000-000000000000"
    result = place.exec("resume", thread, "x")
    assert result.code == 1
    result.assert_one_line(thread)


def stored(place: Place) -> Path:
    with ResponsesServer([{"sh": "echo one"}, {"text": "ok"}]) as server:
        place.configure(server)
        assert place.exec("x").code == 0
    (path,) = place.rollouts()
    return path


def test_a_torn_rollout_is_repaired(place: Place) -> None:
    path = stored(place)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"timestamp":"2026-')
    with ResponsesServer([{"text": "on"}]) as server:
        place.configure(server)
        result = place.exec("resume", "--last", "go on")
    assert result.code == 0, result.err
    assert path.read_bytes().startswith(whole)
    assert all(json.loads(line) for line in path.read_bytes().splitlines())


def test_a_corrupt_rollout_is_named_and_kept(place: Place) -> None:
    path = stored(place)
    lines = path.read_bytes().splitlines(keepends=True)
    damaged = b"".join([*lines[:3], b"\x00garbage\n", *lines[3:]])
    path.write_bytes(damaged)
    with ResponsesServer([{"text": "on"}]) as server:
        place.configure(server)
        result = place.exec("resume", "--last", "go on")
    assert "Traceback" not in result.err
    shown = result.out + result.err
    assert f"{path.name}:4" in shown
    assert path.read_bytes().startswith(damaged), "nothing is lost"


def test_a_full_disk(place: Place) -> None:
    import resource
    import subprocess
    import sys

    path = stored(place)
    size = path.stat().st_size
    script = (
        "import os, resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size + 900}, {size + 900})); "
        "os.execv(sys.executable, [sys.executable, '-m', 'quire', 'exec', '--json', "
        "'resume', '--last', 'go on'])"
    )
    assert resource.RLIMIT_FSIZE
    with ResponsesServer([{"text": "on" * 2000}]) as server:
        place.configure(server)
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=place.repo,
            env=place.environment(),
            capture_output=True,
            stdin=subprocess.DEVNULL,
            check=False,
            timeout=30,
        )
    assert done.returncode == 1, done.stderr
    assert b"Traceback" not in done.stderr
    assert path.name in (done.stdout + done.stderr).decode()
    assert all(json.loads(line) for line in path.read_bytes().splitlines())
    with ResponsesServer([{"text": "space again"}]) as server:
        place.configure(server)
        assert place.exec("resume", "--last", "go on").code == 0


def test_a_second_writer_is_told_who_holds_the_thread(place: Place) -> None:
    with ResponsesServer([{"sh": "echo up; sleep 5"}, {"text": "a"}]) as server:
        place.configure(server)
        first = place.start("exec", "--json", "x")
        assert first.stdout is not None
        thread = ""
        for line in first.stdout:
            event = json.loads(line)
            thread = event.get("thread_id", thread)
            if event["type"] == "item.started":
                break
        result = place.exec("resume", thread, "me too")
        first.terminate()
        first.communicate(timeout=10)
    assert result.code == 1
    result.assert_one_line(thread, str(first.pid))


def test_an_unwritable_home(place: Place) -> None:
    place.home.parent.mkdir(parents=True, exist_ok=True)
    place.home.write_text("a file")
    result = place.exec("x")
    assert result.code == 1
    result.assert_one_line(str(place.home))


def test_stdout_is_closed(place: Place) -> None:
    with ResponsesServer([{"text": "ok"}]) as server:
        place.configure(server)
        process = place.start("exec", "--json", "x")
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        err = process.stderr.read()
        process.wait(30)
        process.stderr.close()
    assert b"Traceback" not in err
    assert process.returncode == 1
    assert os.path.exists(place.home)


def test_names_cannot_write_to_the_terminal(place: Place) -> None:
    """Names come from repositories and models; errors repeat them."""
    for words in (("-C", "/none\x1b]0;x\x07"), ("resume", "\x9b31m"), ("--no\x1b[2J",)):
        result = place.run("exec", *words, "go")
        assert result.code in (1, 2)
        assert result.err.startswith("error: ")
        assert result.err.removesuffix("\n").isprintable()
