"""WebSocket clients: the door, the messages, the end."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from quire.core.errors import UsageError
from quire.server.transport.addresses import Stdio, WebSocket, parse_url
from quire.server.transport.auth import Auth, AuthOptions, make_auth
from quire.server.transport.websocket import FRAGMENT, Door, WebSocketChannel
from tests.unit.channels import listening

UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


@contextlib.asynccontextmanager
async def server(
    capsys: pytest.CaptureFixture[str], auth: Auth | None = None
) -> AsyncIterator[int]:
    async with listening(WebSocket("127.0.0.1", 0, auth)):
        found = re.search(r"listening on: ws://127.0.0.1:(\d+)\n", capsys.readouterr().err)
        assert found is not None
        yield int(found[1])


async def ask(port: int, request: str) -> tuple[int, str]:
    """Status and body of an HTTP answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request.encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    status = int(head.split()[1])
    body = b"" if status == 101 else await reader.read()
    writer.close()
    return status, body.decode()


def request(path: str = "/", extra: str = UPGRADE, method: str = "GET") -> str:
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n{extra}\r\n"


ANSWERS = [
    (request(), 101, ""),
    (request("/any/path"), 101, ""),
    (request("/readyz", ""), 200, ""),
    (request("/healthz", ""), 200, ""),
    (request("/readyz", "", "HEAD"), 200, ""),
    (request("/readyz", "", "POST"), 405, ""),
    (request(extra="Origin: http://evil\r\n" + UPGRADE), 403, ""),
    (request("/readyz", "Origin: http://evil\r\n"), 403, ""),
    (request(extra=""), 400, "Connection header did not include 'upgrade'"),
    (
        request(extra=UPGRADE.replace("13", "12")),
        400,
        "`Sec-WebSocket-Version` header did not include '13'",
    ),
]


def test_answers_before_the_websocket_opens(capsys: pytest.CaptureFixture[str]) -> None:
    async def main() -> None:
        async with server(capsys) as port:
            for sent, status, body in ANSWERS:
                assert await ask(port, sent) == (status, body), sent

    asyncio.run(main())


def test_the_banner_says_where(capsys: pytest.CaptureFixture[str]) -> None:
    async def main() -> None:
        async with listening(WebSocket("::1", 0)):
            pass

    asyncio.run(main())
    assert re.fullmatch(
        r"quire app-server \(WebSockets\)\n"
        r"  listening on: ws://\[::1\]:(\d+)\n"
        r"  readyz: http://\[::1\]:\1/readyz\n"
        r"  healthz: http://\[::1\]:\1/healthz\n"
        r"  note: binds localhost only \(use SSH port-forwarding for remote access\)\n",
        capsys.readouterr().err,
    )


def test_messages_come_whole_and_only_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    async def main() -> None:
        async with server(capsys) as port, connect(f"ws://127.0.0.1:{port}") as client:
            await client.send(b"binary is nothing")
            await client.send(['"in ', "three ", 'parts"'])
            await client.send('"' + "x" * 300_000 + '"')
            await client.send('"é"')
            assert await client.recv() == '"in three parts"'
            assert len(await client.recv()) == 300_002
            assert await client.recv() == '"é"'
            await (await client.ping())

    asyncio.run(main())


def test_a_long_message_goes_out_in_parts(capsys: pytest.CaptureFixture[str]) -> None:
    async def main() -> list[int]:
        async with (
            server(capsys) as port,
            connect(f"ws://127.0.0.1:{port}", max_size=None) as client,
        ):
            await client.send("x" * (2 * FRAGMENT + 1))
            return [len(part) async for part in client.recv_streaming()]

    assert asyncio.run(main()) == [FRAGMENT, FRAGMENT, 1]


def test_both_sides_close_properly(capsys: pytest.CaptureFixture[str]) -> None:
    async def main() -> list[tuple[int | None, str | None]]:
        ends: list[tuple[int | None, str | None]] = []
        async with server(capsys) as port:
            async with connect(f"ws://127.0.0.1:{port}") as client:
                await client.send('"close"')
                await client.wait_closed()
            ends.append((client.close_code, client.close_reason))
            async with connect(f"ws://127.0.0.1:{port}") as client:
                await client.send('"x"')
                await client.close()
            ends.append((client.close_code, client.close_reason))
            staying = await connect(f"ws://127.0.0.1:{port}")
        await staying.wait_closed()
        ends.append((staying.close_code, staying.close_reason))
        return ends

    assert asyncio.run(main()) == [(1000, "")] * 3


def test_bad_messages_close_with_a_code(capsys: pytest.CaptureFixture[str]) -> None:
    async def attempt(port: int, raw: bytes) -> int:
        async with connect(f"ws://127.0.0.1:{port}") as client:
            client.transport.write(raw)
            with pytest.raises(ConnectionClosed):
                await client.recv()
        return client.close_code or 0

    async def main() -> list[int]:
        async with server(capsys) as port:
            return [
                await attempt(port, b"\x81\x82\0\0\0\0\xff\xfe"),  # Not UTF-8.
                await attempt(port, b"\x81\xff" + (1 << 40).to_bytes(8, "big") + b"\0\0\0\0"),
                await attempt(port, b"\x81\x01x"),  # Not masked.
                await attempt(port, b"\xf1\x80\0\0\0\0"),  # Reserved bits.
            ]

    assert asyncio.run(main()) == [1007, 1009, 1002, 1002]


def test_frames_before_the_websocket_is_open_end_the_client(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def main() -> bytes:
        async with server(capsys) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request().encode() + b"\x88\x80\0\0\0\0\x81\x81\0\0\0\0x")
            try:
                return await reader.read()
            except ConnectionError:
                return b""
            finally:
                writer.close()

    assert asyncio.run(main()) == b""


def test_pings_of_a_client_that_does_not_read_do_not_pile_up(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def main() -> int:
        async with server(capsys) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request().encode())
            await reader.readuntil(b"\r\n\r\n")
            opened = writer.get_extra_info("socket")
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            writer.transport.pause_reading()  # type: ignore[attr-defined] # it can read
            sent = 0
            ping = (b"\x89\xfd" + b"\0" * 4 + b"p" * 125) * 500
            for _ in range(400):
                writer.write(ping)
                await asyncio.sleep(0.0005)
                sent = 400 * len(ping) - writer.transport.get_write_buffer_size()
            writer.transport.abort()
            return sent

    assert asyncio.run(main()) < 20_000_000


def test_silence_is_broken_by_pings_and_ends_those_who_never_ask() -> None:
    async def main() -> tuple[bytes, bytes]:
        opened: list[WebSocketChannel] = []

        def channel() -> WebSocketChannel:
            return WebSocketChannel(Door(), opened.append, patience=0.1, quiet=0.02)

        serving = await asyncio.get_running_loop().create_server(channel, "127.0.0.1", 0)
        port = serving.sockets[0].getsockname()[1]
        asking, writer = await asyncio.open_connection("127.0.0.1", port)
        silent, silent_writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request().encode())
        await asking.readuntil(b"\r\n\r\n")
        try:
            return await asking.readexactly(4), await silent.read()
        finally:
            for one in (writer, silent_writer):
                one.close()
            await opened[0].aclose()
            serving.close()

    assert asyncio.run(main()) == (b"\x89\0\x89\0", b"")


def test_only_loopback_listens_without_a_token(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    auth = make_auth(AuthOptions("capability-token", token_file=str(tmp_path / "token")))
    assert parse_url("ws://127.0.0.1:0", "/h") == WebSocket("127.0.0.1", 0)
    assert parse_url("ws://[::1]:80", "/h") == WebSocket("::1", 80)
    assert parse_url("ws://0.0.0.0:1", "/h", auth) == WebSocket("0.0.0.0", 1, auth)
    assert parse_url("stdio://", "/h") == Stdio()
    with pytest.raises(UsageError) as caught:
        parse_url("ws://0.0.0.0:1", "/h")
    assert str(caught.value) == (
        "refusing to start non-loopback websocket listener 0.0.0.0:1 without auth; configure "
        "`--ws-auth capability-token` or `--ws-auth signed-bearer-token`"
    )


@pytest.mark.parametrize(
    "url",
    [
        "ws://localhost:1",
        "ws://127.0.0.1",
        "ws://127.0.0.1:0/p",
        "ws://::1:2",
        "ws://1.2.3.4:99999",
    ],
)
def test_a_websocket_address_is_an_ip_and_a_port(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_url(url, "/h")
    assert str(caught.value) == f"invalid websocket --listen URL `{url}`; expected `ws://IP:PORT`"


@pytest.mark.parametrize("url", ["tcp://x", "unix:rel", "wss://127.0.0.1:0", "stdio://x", ""])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(UsageError, match="unsupported --listen URL `"):
        parse_url(url, "/h")
