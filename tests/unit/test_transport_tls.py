"""TLS, authorities and proxies, with a real TLS server and a real proxy on the loopback."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
from base64 import b64encode
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from quire.core.errors import UsageError
from quire.models.connect import ConnectFailed, ProxyRefused, TlsRefused
from quire.models.proxy import is_loopback, proxy_for
from quire.models.tls import client_context
from quire.models.transport import HttpClient, StreamCut
from quire.models.url import parse_url
from tests.unit.model_server import RawServer
from tests.unit.test_transport import PLAIN, fetch, post

DATA = Path(__file__).parents[1] / "data"
CA = str(DATA / "tls_ca.pem")
ROOT = Path(__file__).parents[2]


def server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(DATA / "tls_server.pem")
    return context


def ask_tls(env: dict[str, str], ca_certificate: str | None = None) -> tuple[int, bytes]:
    async def run() -> tuple[int, bytes]:
        async with RawServer(PLAIN, tls=server_context()) as server:
            client = HttpClient(env, ca_certificate)
            try:
                first = await fetch(client, post(server.url))
                assert await fetch(client, post(server.url)) == first
                assert server.connections == 1
                return first
            finally:
                client.close()
                await asyncio.sleep(0)

    return asyncio.run(run())


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "QUIRE_CA_CERTIFICATE", "CODEX_CA_CERTIFICATE"])
def test_an_authority_from_the_environment(name: str) -> None:
    assert ask_tls({name: CA}) == (200, b"hello")


def test_an_authority_from_the_config() -> None:
    assert ask_tls({}, CA) == (200, b"hello")


def test_an_authority_from_a_hashed_directory(tmp_path: Path) -> None:
    found = subprocess.run(
        ["openssl", "x509", "-hash", "-noout", "-in", CA], capture_output=True, text=True
    )
    (tmp_path / f"{found.stdout.strip()}.0").write_text(Path(CA).read_text())
    assert ask_tls({"SSL_CERT_DIR": str(tmp_path)}) == (200, b"hello")


def test_an_unknown_authority_is_refused_with_the_remedy() -> None:
    with pytest.raises(TlsRefused, match=r"^the certificate of 127\.0\.0\.1 .*SSL_CERT_FILE$"):
        ask_tls({})


def test_a_server_without_tls_is_named() -> None:
    async def run() -> None:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(100)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            writer.close()

        async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            await HttpClient({}).post(post(f"https://127.0.0.1:{port}"))

    with pytest.raises(TlsRefused, match=r"127\.0\.0\.1:\d+ does not speak TLS as expected"):
        asyncio.run(run())


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "QUIRE_CA_CERTIFICATE"])
def test_an_authority_that_cannot_be_read(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=rf"^{name}: cannot read .*none\.pem: No such file"):
        client_context({name: str(tmp_path / "none.pem")}, None)
    (tmp_path / "junk.pem").write_text("junk")
    with pytest.raises(UsageError, match=rf"^{name}: .*junk\.pem holds no usable PEM"):
        client_context({name: str(tmp_path / "junk.pem")}, None)


def test_the_system_authorities_are_used_by_default() -> None:
    context = client_context({}, None)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


# --- proxies ---------------------------------------------------------------------------------


class Proxy:
    """A proxy that leads every tunnel to one port and answers plain requests itself."""

    def __init__(self, target: int, refusal: bytes | None = None) -> None:
        self._target = target
        self._refusal = refusal
        self.heads: list[str] = []
        self.port = 0

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncGenerator[Proxy]:
        server = await asyncio.start_server(self._handle, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.heads.append(head)
                if self._refusal is not None:
                    writer.write(self._refusal)
                elif head.startswith("CONNECT"):
                    await self._tunnel(reader, writer)
                    break
                else:
                    await reader.readexactly(2)
                    writer.write(PLAIN)
        writer.transport.abort()

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, outer = await asyncio.open_connection("127.0.0.1", self._target)
        writer.write(b"HTTP/1.1 200 Connection established\r\nvia: test\r\n\r\n")
        await asyncio.gather(_pipe(reader, outer), _pipe(inner, writer))


async def _pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    sink.close()


def through(url: str, proxy_env: str, refusal: bytes | None = None) -> tuple[list[str], list[str]]:
    """Two requests through a proxy: the heads it saw, and what the server was asked."""

    async def run() -> tuple[list[str], list[str]]:
        async with (
            RawServer(PLAIN, tls=server_context()) as server,
            Proxy(server.port, refusal).serve() as proxy,
        ):
            env = {"SSL_CERT_FILE": CA, "ALL_PROXY": proxy_env.format(port=proxy.port)}
            client = HttpClient(env)
            try:
                assert await fetch(client, post(url)) == (200, b"hello")
                assert await fetch(client, post(url)) == (200, b"hello")
            finally:
                client.close()
                await asyncio.sleep(0.01)
            return proxy.heads, [sent.line for sent in server.requests]

    return asyncio.run(run())


def test_tls_goes_through_a_tunnel() -> None:
    heads, lines = through("https://model.test/v1", "http://us%65r:pa%20ss@127.0.0.1:{port}")
    (head,) = heads
    assert head.startswith("CONNECT model.test:443 HTTP/1.1\r\n")
    token = b64encode(b"user:pa ss").decode()
    assert f"proxy-authorization: Basic {token}\r\n" in head
    assert lines == ["POST /v1/responses HTTP/1.1"] * 2


def test_plain_requests_name_the_whole_url_to_the_proxy() -> None:
    heads, _ = through("http://model.test:8080/v1", "127.0.0.1:{port}")
    assert len(heads) == 2
    assert heads[0].startswith("POST http://model.test:8080/v1/responses HTTP/1.1\r\n")
    assert "host: model.test:8080\r\n" in heads[0]


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (b"HTTP/1.1 407 Auth\r\ncontent-length: 0\r\n\r\n", ProxyRefused, "user and password"),
        (b"HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n", ProxyRefused, "refuses a connection"),
        (b"HTTP/1.1 502 Bad\r\ncontent-length: 0\r\n\r\n", ConnectFailed, "cannot reach"),
        (b"junk\r\n\r\n", ConnectFailed, "malformed answer"),
    ],
)
def test_a_proxy_that_refuses_is_named(answer: bytes, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=rf"proxy 127\.0\.0\.1:\d+ \(ALL_PROXY\).*{text}"):
        through("https://model.test/v1", "http://127.0.0.1:{port}", answer)


def test_a_proxy_that_is_down_is_named() -> None:
    with pytest.raises(ConnectFailed, match=r"^proxy 127\.0\.0\.1:9 \(ALL_PROXY\): Connection ref"):
        through("https://model.test/v1", "http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("url", "env", "expected"),
    [
        ("http://a.b", {"HTTP_PROXY": "http://p:1"}, "p:1"),
        ("http://a.b", {"http_proxy": "http://q:1", "HTTP_PROXY": "http://p:1"}, "q:1"),
        ("http://a.b", {"https_proxy": "http://p:1"}, None),
        ("https://a.b", {"https_proxy": "http://p:1"}, "p:1"),
        ("https://a.b", {"ALL_PROXY": "p:1"}, "p:1"),
        ("https://a.b", {"ALL_PROXY": "p:1", "HTTPS_PROXY": "q:2"}, "q:2"),
        ("https://a.b", {"ALL_PROXY": "https://p"}, "p"),
        ("https://a.b", {"ALL_PROXY": " "}, None),
        ("https://a.b", {"all_proxy": "p:1", "no_proxy": "*"}, None),
        ("https://a.b", {"all_proxy": "p:1", "NO_PROXY": "x, a.b"}, None),
        ("https://c.a.b", {"all_proxy": "p:1", "no_proxy": "a.b"}, None),
        ("https://c.a.b", {"all_proxy": "p:1", "no_proxy": ".a.b"}, None),
        ("https://c.a.b", {"all_proxy": "p:1", "no_proxy": "*.a.b"}, None),
        ("https://xa.b", {"all_proxy": "p:1", "no_proxy": "a.b"}, "p:1"),
        ("https://a.b:8443", {"all_proxy": "p:1", "no_proxy": "a.b:443"}, "p:1"),
        ("https://a.b", {"all_proxy": "p:1", "no_proxy": "a.b:443"}, None),
        ("https://10.1.2.3", {"all_proxy": "p:1", "no_proxy": "10.0.0.0/8"}, None),
        ("https://11.1.2.3", {"all_proxy": "p:1", "no_proxy": "10.0.0.0/8"}, "p:1"),
        ("https://[fd00::1]", {"all_proxy": "p:1", "no_proxy": "[fd00::1]:443"}, None),
        ("https://[fd00::1]", {"all_proxy": "p:1", "no_proxy": "fd00::1"}, None),
        ("https://a.b", {"all_proxy": "p:1", "no_proxy": "nonsense/8, .,,"}, "p:1"),
        ("http://127.0.0.1:8", {"all_proxy": "p:1"}, None),
        ("http://localhost:8", {"all_proxy": "p:1"}, None),
        ("http://[::1]:8", {"all_proxy": "p:1"}, None),
        ("http://127.0.0.1:8", {"all_proxy": "p:1", "QUIRE_PROXY_LOOPBACK": "1"}, "p:1"),
    ],
)
def test_choice_of_proxy(url: str, env: dict[str, str], expected: str | None) -> None:
    proxy = proxy_for(parse_url(url, "base_url"), env)
    assert (proxy and proxy.url.netloc) == expected


def test_loopback_names() -> None:
    assert is_loopback("x.localhost")
    assert not is_loopback("127.evil.test")
    assert not is_loopback("127.0.0.1.evil.test")


@pytest.mark.parametrize("value", ["socks5://p:1", "http://p:x"])
def test_a_proxy_that_cannot_be_used_is_an_error(value: str) -> None:
    with pytest.raises(UsageError, match=r"^HTTPS_PROXY: "):
        proxy_for(parse_url("https://a.b", "base_url"), {"HTTPS_PROXY": value})


def test_a_broken_tunnel_is_a_cut_stream() -> None:
    async def run() -> None:
        async with (
            RawServer((PLAIN[:-1], "close"), tls=server_context()) as server,
            Proxy(server.port).serve() as proxy,
        ):
            env = {"SSL_CERT_FILE": CA, "ALL_PROXY": f"http://127.0.0.1:{proxy.port}"}
            client = HttpClient(env)
            with pytest.raises(StreamCut):
                await fetch(client, post("https://model.test/v1"))
            await asyncio.sleep(0.01)

    asyncio.run(run())
