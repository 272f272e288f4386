"""The server's process at a WebSocket address, and clients that are half there when it ends."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from quire.server.daemon import Daemon
from tests.e2e.quire import Place

INITIALIZE = {
    "id": 1,
    "method": "initialize",
    "params": {"clientInfo": {"name": "test", "title": None, "version": "1"}},
}


def ended(process: subprocess.Popen[bytes]) -> tuple[int, bytes]:
    process.terminate()
    _, err = process.communicate(timeout=20)
    return process.returncode, err


def test_a_client_with_the_token_is_served(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("open sesame\n")
    place = Place(tmp_path)
    words = ("--ws-auth", "capability-token", "--ws-token-file", str(tmp_path / "token"))
    process = place.start("app-server", "--listen", "ws://127.0.0.1:0", *words)
    assert process.stderr is not None
    process.stderr.readline()
    found = re.search(rb"ws://127.0.0.1:\d+", process.stderr.readline())
    assert found is not None
    url, good = found[0].decode(), {"Authorization": "Bearer open sesame"}
    with connect(url, additional_headers=good) as client:
        client.send(json.dumps(INITIALIZE))
        assert json.loads(client.recv())["result"]["userAgent"].startswith("test/0.169.0 (")
        for headers, status in (({}, 401), (good | {"Origin": "http://evil"}, 403)):
            with pytest.raises(InvalidStatus) as caught:
                connect(url, additional_headers=headers)
            assert caught.value.response.status_code == status
        with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))) as half:
            half.sendall(b"GET / HTTP/1.1\r\n")
            code, err = ended(process)
        assert client.close_code == 1000
    assert (code, err) == (0, b"")  # The banner was read with its second line.


def test_a_silent_client_does_not_disturb_the_end(tmp_path: Path) -> None:
    place = Place(tmp_path)
    process = place.start("app-server", "--listen", "unix://")
    daemon = Daemon(str(place.home))
    while daemon.user_agent() is None and process.poll() is None:
        time.sleep(0.02)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(daemon.socket_path)
        assert daemon.user_agent() is not None  # Which was accepted after the silent one.
        assert ended(process) == (0, b"")
        assert silent.recv(10) == b""
