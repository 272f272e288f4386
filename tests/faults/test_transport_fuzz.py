"""Whatever bytes a client sends, in whatever pieces: the server lives, its memory is bounded, and
other clients do not notice."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quire.server.channel import MAX_FRAME
from quire.server.transport.stdio import open_descriptors
from quire.server.transport.streams import READ_AHEAD
from tests.unit.channels import echo

ROOT = Path(__file__).parents[2]
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
LIGHT = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def frame(head: int, payload: bytes, *, masked: bool = True, claims: int | None = None) -> bytes:
    """A WebSocket frame; `claims` is a length that need not be true."""
    size, mask = len(payload) if claims is None else claims, 0x80 if masked else 0
    if size < 126:
        length = bytes([mask | size])
    elif size < 65536:
        length = bytes([mask | 126]) + size.to_bytes(2, "big")
    else:
        length = bytes([mask | 127]) + size.to_bytes(8, "big")
    return bytes([head]) + length + (b"\0\0\0\0" if masked else b"") + payload


junk = st.binary(max_size=200)
pieces_of_lines = st.one_of(
    junk,
    st.sampled_from([b"\n", b"\r\n", b'{"a":1}\n', b"\0\0\n", b"\xff\xfe\n", b'"crash"\n', b"{"]),
    st.integers(1, 300_000).map(lambda size: b"x" * size),
)
pieces_of_websocket = st.one_of(
    junk,
    st.just(UPGRADE),
    st.builds(
        frame,
        st.sampled_from([0x81, 0x01, 0x80, 0x00, 0x82, 0x88, 0x89, 0x8A, 0x8B, 0xC1, 0xFF]),
        st.one_of(junk, st.sampled_from([b'"crash"', b"\x03\xe8", b"\xff", b"\0"])),
        masked=st.sampled_from([True, True, True, False]),
        claims=st.one_of(st.none(), st.none(), st.sampled_from([0, 5, 1 << 16, 1 << 40, 1 << 62])),
    ),
)


class Server:
    """The echo server, with a client of each kind that must never notice anything."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "s")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.echo_server", self.path],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.process.stdout is not None and self.process.stderr is not None
        self.process.stdout.readline()
        os.set_blocking(self.process.stderr.fileno(), False)
        self._said = self.process.stderr.read() or b""
        found = re.search(rb"ws://127.0.0.1:(\d+)", self._said)
        assert found is not None, self._said
        self.port = int(found[1])
        self.lines = self.connect("unix")
        self.websocket = self.open_websocket("tcp")

    def connect(self, kind: str) -> socket.socket:
        made = socket.socket(socket.AF_UNIX if kind == "unix" else socket.AF_INET)
        made.settimeout(10)
        made.connect(self.path if kind == "unix" else ("127.0.0.1", self.port))
        return made

    def open_websocket(self, kind: str) -> socket.socket:
        made = self.connect(kind)
        made.sendall(UPGRADE)
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += made.recv(4096)
        assert answer.startswith(b"HTTP/1.1 101 ")
        return made

    def assert_well(self) -> None:
        self.lines.sendall(b'"well"\n')
        assert self.lines.recv(100) == b'"well"\n'
        self.websocket.sendall(frame(0x81, b'"well"'))
        assert self.websocket.recv(100) == b'\x81\x06"well"'

    def megabytes(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def close(self) -> bytes:
        """What it said while it ran."""
        self.lines.close()
        self.websocket.close()
        self.process.terminate()
        out, err = self.process.communicate(timeout=10)
        del out
        return self._said + err


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("fuzz"))
    yield made
    said = made.close().decode()
    assert "Traceback" not in said
    for line in said.splitlines()[5:]:
        assert line == "a client was dropped: ValueError: as told"


def attack(client: socket.socket, pieces: list[bytes], end: str) -> None:
    """Send the pieces without reading anything, then go in some way."""
    try:
        client.settimeout(0.05)
        for piece in pieces:
            client.sendall(piece)
        if end == "half":
            client.shutdown(socket.SHUT_WR)
            client.recv(65536)
        elif end == "reset":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    except (OSError, TimeoutError):
        return
    finally:
        client.close()


ends = st.sampled_from(["close", "half", "reset"])


@LIGHT
@given(st.lists(pieces_of_lines, max_size=8), ends)
def test_lines(server: Server, pieces: list[bytes], end: str) -> None:
    attack(server.connect("unix"), pieces, end)
    server.assert_well()


@LIGHT
@given(st.lists(pieces_of_websocket, max_size=8), ends, st.sampled_from(["unix", "tcp"]))
def test_websocket_frames(server: Server, pieces: list[bytes], end: str, kind: str) -> None:
    attack(server.open_websocket(kind), pieces, end)
    server.assert_well()


@LIGHT
@given(st.lists(pieces_of_websocket, max_size=4), ends)
def test_requests_that_are_none(server: Server, pieces: list[bytes], end: str) -> None:
    attack(server.connect("tcp"), pieces, end)
    server.assert_well()


@settings(LIGHT, max_examples=40)
@given(st.lists(pieces_of_lines.filter(lambda piece: b"crash" not in piece), max_size=8))
def test_standard_streams(pieces: list[bytes]) -> None:
    async def main() -> bytes:
        (there, here), (back, out) = os.pipe(), os.pipe()
        channel = open_descriptors(there, out)
        writing = asyncio.create_task(asyncio.to_thread(_write, here, pieces))
        reading = asyncio.create_task(asyncio.to_thread(_read, back))
        await echo(channel)
        await channel.aclose()
        await writing
        return await reading

    sent = b"".join(pieces).split(b"\n")
    expected = b"".join(line + b"\n" for line in sent if line.strip())
    assert asyncio.run(main()) == expected


def test_a_huge_message_is_skipped_and_its_memory_given_back(server: Server) -> None:
    before = server.megabytes()
    client = server.connect("unix")
    chunk = b"x" * (1 << 20)
    for _ in range(MAX_FRAME // len(chunk) + 8):
        client.sendall(chunk)
    client.sendall(b'\n"after"\n')
    with client.makefile("rb") as answers:
        assert b"was skipped" in answers.readline()
        assert answers.readline() == b'"after"\n'
    client.close()
    server.assert_well()
    assert server.megabytes() - before < 20


@pytest.mark.parametrize("kind", ["lines", "websocket"])
def test_a_client_that_does_not_read_costs_little(server: Server, kind: str) -> None:
    before = server.megabytes()
    client = server.connect("unix") if kind == "lines" else server.open_websocket("unix")
    client.settimeout(0.3)
    message = b'"' + b"x" * 10_000 + b'"'
    packed = message + b"\n" if kind == "lines" else frame(0x81, message)
    sent = 0
    try:
        while sent < 10 * READ_AHEAD:
            sent += client.send(packed)
    except TimeoutError:
        server.assert_well()
    client.close()
    assert sent < 10 * READ_AHEAD
    assert server.megabytes() - before < 20


def _write(fd: int, pieces: list[bytes]) -> None:
    with open(fd, "wb", buffering=0) as file:
        file.writelines(pieces)


def _read(fd: int) -> bytes:
    with open(fd, "rb") as file:
        return file.read()
