"""The server in the background, as processes."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from quire.cli.main import run
from quire.server.daemon import LOG_BYTES, Daemon, DaemonError, process_identity
from tests.e2e.quire import Place

INITIALIZE = {
    "id": 1,
    "method": "initialize",
    "params": {"clientInfo": {"name": "test", "title": None, "version": "1"}},
}
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(flush=True)
time.sleep(60)
"""
LINE = json.dumps(INITIALIZE).encode() + b"\n"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    Daemon(str(made.home)).stop()


def daemon(place: Place, command: str) -> dict:
    """What a daemon command says."""
    done = place.run("app-server", "daemon", command)
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_the_life_of_a_daemon(place: Place) -> None:
    assert daemon(place, "status")["status"] == "notRunning"
    place.run("app-server", "daemon", "version").assert_one_line("failed to connect to")
    started = daemon(place, "start")
    assert {key: started[key] for key in ("status", "backend", "cliVersion")} == {
        "status": "started",
        "backend": "pid",
        "cliVersion": "0.169.0",
    }
    assert started["socketPath"].endswith("/app-server-control/app-server-control.sock")
    assert started["appServerVersion"] == "0.169.0"
    assert os.getsid(started["pid"]) == started["pid"]
    again = daemon(place, "start")
    assert (again["status"], again["pid"]) == ("alreadyRunning", started["pid"])
    assert daemon(place, "version")["status"] == "running"
    registration = place.home / "app-server-daemon" / "daemon.json"
    assert stat.S_IMODE(registration.stat().st_mode) == 0o600
    assert json.loads(registration.read_bytes())["pid"] == started["pid"]
    restarted = daemon(place, "restart")
    assert restarted["status"] == "restarted"
    assert restarted["pid"] != started["pid"]
    assert daemon(place, "stop")["status"] == "stopped"
    assert process_identity(restarted["pid"]) is None
    assert daemon(place, "stop")["status"] == "notRunning"
    assert not registration.exists()


def test_starts_at_one_time_give_one_daemon(place: Place) -> None:
    running = [place.start("app-server", "daemon", "start") for _ in range(3)]
    said = [json.loads(process.communicate(timeout=60)[0]) for process in running]
    assert sorted(s["status"] for s in said) == ["alreadyRunning", "alreadyRunning", "started"]
    assert len({s["pid"] for s in said}) == 1


def test_a_killed_daemon_is_known_to_be_gone(place: Place) -> None:
    first = daemon(place, "start")["pid"]
    os.kill(first, signal.SIGKILL)
    assert daemon(place, "status")["status"] == "notRunning"
    second = daemon(place, "start")
    assert second["status"] == "started"
    assert second["pid"] != first


def test_a_process_that_got_the_same_id_is_not_taken_for_the_daemon(tmp_path: Path) -> None:
    ruler = Daemon(str(tmp_path))
    ruler.register("1")
    file = tmp_path / "app-server-daemon" / "daemon.json"
    assert ruler.registered() is not None
    said = json.loads(file.read_bytes())
    file.write_text(json.dumps(said | {"started": said["started"] + "1"}))
    assert ruler.registered() is None
    assert ruler.stop() is False  # And the test lives to see it.
    for broken in ("", "{}", "[]", '{"pid": "x"}', "\ud800".encode("utf-8", "surrogatepass")):
        file.write_bytes(broken if isinstance(broken, bytes) else broken.encode())
        assert ruler.registered() is None


def test_a_server_that_does_not_heed_sigterm_is_killed(tmp_path: Path) -> None:
    code = (
        "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    )
    stubborn = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert stubborn.stdout is not None
    stubborn.stdout.readline()
    ruler = Daemon(str(tmp_path), grace=0.1)
    ruler.register("1")
    file = tmp_path / "app-server-daemon" / "daemon.json"
    said = json.loads(file.read_bytes())
    identity = process_identity(stubborn.pid)
    file.write_text(json.dumps(said | {"pid": stubborn.pid, "started": identity}))
    assert ruler.stop() is True
    assert stubborn.wait(5) == -signal.SIGKILL
    stubborn.stdout.close()


def test_a_server_that_somebody_else_started_is_left_alone(place: Place) -> None:
    process = place.start("app-server", "--listen", "unix://")
    ruler = Daemon(str(place.home))
    try:
        deadline = time.monotonic() + 20
        while ruler.user_agent() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        assert daemon(place, "start")["status"] == "alreadyRunning"
        done = place.run("app-server", "daemon", "stop")
        done.assert_one_line("app server is running but is not managed by quire app-server daemon")
        second = place.run("app-server", "--listen", "unix://")
        second.assert_one_line("app-server control socket is already in use at /")
    finally:
        process.terminate()
        _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, b"")


def test_the_server_works_where_it_was_started(place: Place) -> None:
    pid = daemon(place, "start")["pid"]
    assert Path(f"/proc/{pid}/cwd").readlink() == place.repo
    (place.repo / "asyncio.py").write_text("raise SystemExit('imported')")
    assert daemon(place, "restart")["status"] == "restarted"


def test_a_server_that_cannot_start_says_why(place: Place) -> None:
    folder = place.home / "app-server-control"
    folder.mkdir(parents=True)
    (folder / "app-server-control.sock").write_text("")
    done = place.run("app-server", "daemon", "start")
    done.assert_one_line("ended at once: cannot listen at /", "no socket", "app-server.log)")
    assert daemon(place, "status")["status"] == "notRunning"


def test_a_faulty_configuration_ends_only_a_strict_server(place: Place) -> None:
    place.home.mkdir(parents=True, exist_ok=True)
    (place.home / "config.toml").write_text("model = [")
    place.run("app-server", "--strict-config", stdin=LINE).assert_one_line("config.toml")
    done = place.run("app-server", stdin=LINE)
    assert done.code == 0
    assert json.loads(done.out.splitlines()[0])["id"] == 1


def test_a_long_log_is_put_aside(place: Place) -> None:
    log = place.home / "log" / "app-server.log"
    log.parent.mkdir(parents=True)
    log.write_bytes(b"x" * LOG_BYTES)
    daemon(place, "start")
    assert (log.parent / "app-server.log.1").stat().st_size == LOG_BYTES
    assert log.stat().st_size < 1000
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_the_proxy_carries_both_ways_and_passes_the_end_on(place: Place) -> None:
    daemon(place, "start")
    long = b'{"id":2,"method":"none","params":{"long":"' + b"x" * 3_000_000 + b'"}}'
    done = place.run("app-server", "proxy", stdin=LINE + long)
    assert done.code == 0, done.err
    answers = [json.loads(line) for line in done.out.splitlines()]
    found = {answer["id"]: answer for answer in answers if "id" in answer}
    assert found[1]["result"]["userAgent"].startswith("test/0.169.0 (")
    assert found[2]["error"]["code"] == -32600


def test_the_proxy_ends_with_the_server(place: Place) -> None:
    pid = daemon(place, "start")["pid"]
    process = place.start("app-server", "proxy", stdin=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(LINE)
    process.stdin.flush()
    assert b'"userAgent"' in process.stdout.readline()
    os.kill(pid, signal.SIGKILL)
    process.communicate(timeout=10)
    assert process.returncode == 0


def test_without_a_server_the_proxy_says_what_to_do(place: Place) -> None:
    place.run("app-server", "proxy").assert_one_line(
        "failed to connect to socket at ", "daemon start"
    )
    place.run("app-server", "proxy", "--sock", "/none").assert_one_line("at /none: No such file")


def test_an_identity_is_one_process_and_ends_with_it() -> None:
    child = subprocess.Popen(["sleep", "30"])
    identity = process_identity(child.pid)
    assert identity is not None
    assert identity == process_identity(child.pid) != process_identity(os.getpid())
    child.kill()
    deadline = time.monotonic() + 5
    while process_identity(child.pid) == identity and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process_identity(child.pid) is None  # Ended, and not collected yet.
    child.wait()


def test_a_home_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DaemonError, match=r"cannot use .*File exists"):
        Daemon(str(tmp_path / "file")).start(["true"])


USES = [
    (("--listen", "tcp://x"), 2, "unsupported --listen URL `tcp://x`; expected `stdio://`"),
    (("--listen", "ws://foo:12"), 2, "invalid websocket --listen URL `ws://foo:12`; expected"),
    (("--listen", "ws://0.0.0.0:0"), 1, "refusing to start non-loopback websocket listener"),
    (("--listen", "off"), 1, "no transport configured; use --listen"),
    (("--listen", "stdio://", "--stdio"), 2, "cannot be used with '--stdio'"),
    (("--listen", "stdio://", "--listen", "off"), 2, "cannot be used multiple times"),
    (("--ws-auth", "bogus"), 2, "[possible values: capability-token, signed-bearer-token]"),
    (("--ws-token-file", "x"), 1, "websocket auth flags require `--ws-auth capability-token`"),
    (("--ws-max-clock-skew-seconds", "x"), 2, "invalid value 'x'"),
    (("nonsense",), 2, "there is no `quire app-server nonsense`"),
    (("daemon", "nonsense"), 2, "there is no `quire app-server daemon nonsense`"),
    (("proxy", "--listen", "off"), 2, "'--listen' does not go with `quire app-server proxy`"),
    (("generate-ts",), 2, "a folder is required: --out DIR"),
    (("daemon", "start", "more"), 2, "unexpected argument 'more' found"),
]


def test_options_may_stand_before_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    for before in (("--config", "a=1"), ("--config=a=1", "-c", "b=2", "--enable", "x"), ()):
        assert run([*before, "app-server", "--help"]) == 0
        assert "--ws-shared-secret-file" in capsys.readouterr().out
    for words in (("--config", "a=1"), ("-c", "a=1", "--listen", "app-server"), ("--config",)):
        assert run(list(words)) == 2
        assert capsys.readouterr().err.startswith("error: ")


def test_wrong_words_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    for words, code, message in USES:
        assert run(["app-server", *words]) == code, words
        said = capsys.readouterr().err
        assert said.startswith("error: ")
        assert said.count("\n") == 1
        assert message in said


def test_the_protocol_is_written_out(tmp_path: Path) -> None:
    assert run(["app-server", "generate-json-schema", "-o", str(tmp_path / "json")]) == 0
    assert (tmp_path / "json" / "ClientRequest.json").is_file()
    words = ["app-server", "generate-ts", "--experimental", "--out", str(tmp_path / "ts")]
    assert run(words) == 0
    assert (tmp_path / "ts" / "ClientRequest.ts").is_file()


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    for words, line in (
        ((), "--ws-shared-secret-file <PATH>"),
        (("proxy",), "--sock <SOCKET_PATH>"),
        (("daemon",), "  restart  End it and start it"),
    ):
        assert run(["app-server", *words, "--help"]) == 0
        assert line in capsys.readouterr().out
