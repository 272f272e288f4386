"""The HTTP transport against servers that send exact bytes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator

import pytest

from quire.core.errors import UsageError
from quire.models.connect import ConnectFailed
from quire.models.transport import HttpClient, Request, Silence, StreamCut
from quire.models.url import Url, parse_url
from tests.unit.model_server import CLOSE, HOLD, RESET, Answer, RawServer

PLAIN = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"


CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


WHOLE = (
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nx-fold: a\r\n b\r\n"
    b"transfer-encoding: chunked\r\n\r\n3;x\r\nhel\r\n2\r\nlo\r\n0\r\nt: 1\r\n\r\n"
)


class Text:
    """A request body of equal blocks."""

    def __init__(self, block: bytes = b"{}", count: int = 1) -> None:
        self._block = block
        self._count = count
        self.length = len(block) * count

    def blocks(self) -> Iterator[bytes]:
        for _ in range(self._count):
            yield self._block


def post(url: str, content: Text | None = None, timeout: float = 5.0) -> Request:
    target = parse_url(url + "/responses", "test")
    return Request(target, [(b"x-test", b"1")], content or Text(), timeout)


async def fetch(client: HttpClient, request: Request) -> tuple[int, bytes]:
    response = await client.post(request)
    body = await response.read_all(1 << 20, request.timeout)
    response.release()
    client.finish()
    return response.status, body


def against(
    answers: list[Answer], body: Callable[[RawServer, HttpClient], Awaitable[None]]
) -> RawServer:
    """Run `body` with a server that gives `answers`; the server, for what it saw."""

    async def run() -> RawServer:
        async with RawServer(*answers) as server:
            client = HttpClient({})
            try:
                await body(server, client)
            finally:
                client.close()
            return server

    return asyncio.run(run())


def one(answer: Answer, timeout: float = 5.0) -> tuple[int, bytes]:
    """What one request to a server that gives `answer` comes to."""
    found: list[tuple[int, bytes]] = []

    async def body(server: RawServer, client: HttpClient) -> None:
        found.append(await fetch(client, post(server.url, timeout=timeout)))

    against([answer], body)
    return found[0]


def test_what_is_sent() -> None:
    async def body(server: RawServer, client: HttpClient) -> None:
        await fetch(client, post(server.url, Text(b"abc", 3)))

    (sent,) = (server := against([PLAIN], body)).requests
    assert sent.line == "POST /v1/responses HTTP/1.1"
    assert sent.headers == {
        "host": f"127.0.0.1:{server.port}",
        "x-test": "1",
        "content-length": "9",
    }
    assert sent.body == b"abcabcabc"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (PLAIN, (200, b"hello")),
        (CHUNKED + b"5;x=y\r\nhello\r\n0\r\nx-trailer: 1\r\n\r\n", (200, b"hello")),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + PLAIN,
         (200, b"hello")),
        (b"HTTP/1.1 200 OK\r\nx-long: a\r\n  folded\r\ncontent-length: 5\r\n\r\nhello",
         (200, b"hello")),
        (b"HTTP/1.1 200\r\ncontent-length: 5\r\n\r\nhello", (200, b"hello")),
        (b"HTTP/1.1 204 No Content\r\n\r\n", (204, b"")),
        ((b"HTTP/1.1 200 OK\r\n\r\nhello", CLOSE), (200, b"hello")),
        ((b"HTTP/1.0 200 OK\r\n\r\nhello", CLOSE), (200, b"hello")),
        (b"HTTP/1.1 500 Oops\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\nhello",
         (500, b"hello")),
    ],
)  # fmt: skip
def test_framings(answer: Answer, expected: tuple[int, bytes]) -> None:
    assert one(answer) == expected


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nx: " + b"a" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: aaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n" * 3000 + b"\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 40,
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nbad header\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        CHUNKED + b"zz\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n",
    ],
)
def test_malformed_answers_are_refused(answer: bytes) -> None:
    with pytest.raises(StreamCut, match="malformed answer"):
        one((answer, CLOSE))


def test_an_answer_closed_at_every_byte_is_seen_as_cut() -> None:
    async def body(server: RawServer, client: HttpClient) -> None:
        for _ in range(len(WHOLE)):
            with pytest.raises(StreamCut):
                await fetch(client, post(server.url))
            client.close()
        assert await fetch(client, post(server.url)) == (200, b"hello")

    against([(WHOLE[:end], CLOSE) for end in range(len(WHOLE) + 1)], body)


def test_an_answer_reset_at_every_byte_is_seen_as_cut() -> None:
    async def body(server: RawServer, client: HttpClient) -> None:
        for _ in range(0, len(WHOLE), 7):
            with pytest.raises(StreamCut):
                await fetch(client, post(server.url))
            client.close()

    against([(WHOLE[:end], RESET) for end in range(0, len(WHOLE), 7)], body)


def test_an_answer_in_two_packets_cut_at_every_byte() -> None:
    async def body(server: RawServer, client: HttpClient) -> None:
        for _ in range(len(WHOLE) - 1):
            assert await fetch(client, post(server.url)) == (200, b"hello")
        assert server.connections == 1

    against([(WHOLE[:at], 0.001, WHOLE[at:]) for at in range(1, len(WHOLE))], body)


# --- connections -----------------------------------------------------------------------------


def test_one_connection_serves_many_requests() -> None:
    async def body(server: RawServer, client: HttpClient) -> None:
        for _ in range(3):
            assert await fetch(client, post(server.url)) == (200, b"hello")
        assert server.connections == 1

    against([PLAIN, WHOLE, PLAIN], body)


@pytest.mark.parametrize(
    "first",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello",
        b"HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        (PLAIN, CLOSE),
        PLAIN + b"HTTP/1.1 200 OK\r\n",
        WHOLE + b"x",
        (WHOLE, 0.01, b"x"),
    ],
)
def test_a_connection_that_cannot_be_kept_is_replaced(first: Answer) -> None:
    async def body(server: RawServer, client: HttpClient) -> None:
        assert await fetch(client, post(server.url)) == (200, b"hello")
        await asyncio.sleep(0.02)
        assert await fetch(client, post(server.url)) == (200, b"hello")
        assert server.connections == 2

    against([first, PLAIN], body)


@pytest.mark.parametrize("end", [CLOSE, RESET])
def test_a_kept_connection_that_is_closed_under_a_request_is_replaced_silently(end: str) -> None:
    async def body(server: RawServer, client: HttpClient) -> None:
        assert await fetch(client, post(server.url)) == (200, b"hello")
        assert await fetch(client, post(server.url)) == (200, b"hello")
        assert [sent.connection for sent in server.requests] == [1, 1, 2]

    against([PLAIN, (end,), PLAIN], body)


def test_a_kept_connection_that_fails_within_an_answer_is_not_tried_again() -> None:
    async def body(server: RawServer, client: HttpClient) -> None:
        assert await fetch(client, post(server.url)) == (200, b"hello")
        with pytest.raises(StreamCut):
            await fetch(client, post(server.url))
        assert len(server.requests) == 2

    against([PLAIN, (b"HTTP/1.1 200", CLOSE), PLAIN], body)


def test_silence_on_a_kept_connection_is_silence() -> None:
    async def body(server: RawServer, client: HttpClient) -> None:
        assert await fetch(client, post(server.url)) == (200, b"hello")
        with pytest.raises(Silence):
            await fetch(client, post(server.url, timeout=0.05))
        assert len(server.requests) == 2

    against([PLAIN, (HOLD,), PLAIN], body)


def test_a_request_does_not_show_its_headers() -> None:
    shown = Request(parse_url("http://h/v1?key=k", "x"), [(b"authorization", b"s")], Text(), 1)
    assert repr(shown) == "Request(http://h/v1)"


def test_a_connection_that_rested_for_long_is_not_used_again() -> None:
    async def body(server: RawServer, client: HttpClient) -> None:
        client = HttpClient({}, max_idle=0.05)
        for _ in range(2):
            assert await fetch(client, post(server.url)) == (200, b"hello")
        await asyncio.sleep(0.1)
        assert await fetch(client, post(server.url)) == (200, b"hello")
        client.close()
        assert [sent.connection for sent in server.requests] == [1, 1, 2]

    against([PLAIN], body)


def test_the_end_of_a_body_that_comes_late_is_read_past() -> None:
    async def body(server: RawServer, client: HttpClient) -> None:
        response = await client.post(post(server.url))
        assert await response.read(5) == b"hel"
        response.release()
        client.finish()
        await asyncio.sleep(0.05)
        assert await fetch(client, post(server.url)) == (200, b"hello")
        assert server.connections == 1

    head = CHUNKED + b"3\r\nhel\r\n"
    against([(head, 0.01, b"2\r\nlo\r\n", 0.01, b"0\r\n\r\n"), PLAIN], body)


@pytest.mark.parametrize("rest", [b"z", b"fffff\r\n" + b"x" * 200_000, b""])
def test_a_body_without_a_near_end_costs_its_connection(rest: bytes) -> None:
    async def body(server: RawServer, client: HttpClient) -> None:
        response = await client.post(post(server.url))
        assert await response.read(5) == b"hel"
        response.release()
        client.finish()
        await asyncio.sleep(0.05)
        assert await fetch(client, post(server.url)) == (200, b"hello")
        assert server.connections == 2

    head = CHUNKED + b"3\r\nhel\r\n"
    against([(head, 0.01, rest, HOLD), PLAIN], body)


def test_an_abandoned_answer_costs_its_connection() -> None:
    async def body(server: RawServer, client: HttpClient) -> None:
        await client.post(post(server.url))
        client.finish()
        assert await fetch(client, post(server.url)) == (200, b"hello")
        client.finish()
        assert await fetch(client, post(server.url)) == (200, b"hello")
        assert server.connections == 2

    against([PLAIN], body)


def test_cancelling_drops_the_connection() -> None:
    async def body(server: RawServer, client: HttpClient) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await client.post(post(server.url))
        assert await fetch(client, post(server.url)) == (200, b"hello")
        assert server.connections == 2

    against([(HOLD,), PLAIN], body)


# --- time ------------------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\n", PLAIN[:-2], WHOLE[:-3]])
def test_silence_is_not_awaited_for_ever(sent: bytes) -> None:
    with pytest.raises(Silence):
        one((sent, HOLD), timeout=0.05)


def test_slow_but_steady_is_no_silence() -> None:
    steps: list[bytes | float] = []
    for at in range(0, len(PLAIN), 8):
        steps += [PLAIN[at : at + 8], 0.08]
    assert one(steps, timeout=0.3) == (200, b"hello")


# --- large bodies ----------------------------------------------------------------------------


def test_a_large_body_arrives_whole() -> None:
    async def body(server: RawServer, client: HttpClient) -> None:
        content = Text(bytes(range(256)) * 1024, 20)
        assert await fetch(client, post(server.url, content)) == (200, b"hello")
        assert server.requests[0].body == b"".join(content.blocks())

    against([PLAIN], body)


def test_an_answer_that_comes_before_the_body_is_sent_is_read() -> None:
    async def body(server: RawServer, client: HttpClient) -> None:
        server.max_body = 1000
        status, said = await fetch(client, post(server.url, Text(b"x" * 65536, 400)))
        assert (status, said) == (413, b"big")
        assert await fetch(client, post(server.url)) == (200, b"hello")
        assert server.connections == 2

    against([b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig", PLAIN], body)


def test_a_server_that_stops_reading_is_not_awaited_for_ever() -> None:
    async def body(server: RawServer, client: HttpClient) -> None:
        server.max_body = 1000
        with pytest.raises(Silence):
            await fetch(client, post(server.url, Text(b"x" * 65536, 400), timeout=0.1))

    against([(HOLD,)], body)


def test_a_fast_answer_that_is_read_slowly_does_not_fill_the_memory() -> None:
    size = 30_000_000

    async def body(server: RawServer, client: HttpClient) -> None:
        response = await client.post(post(server.url))
        total = 0
        await asyncio.sleep(0.2)  # all of it would be here by now
        while piece := await response.read(5):
            total += len(piece)
            assert len(piece) < 2_000_000
        assert total == size

    head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size
    against([(head, bytes(size))], body)


# --- connecting ------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_refused_connection_has_a_short_cause(host: str) -> None:
    async def run() -> None:
        await HttpClient({}).post(post(f"http://{host}:{free_port()}"))

    with pytest.raises(ConnectFailed, match=r"^Connection refused$"):
        asyncio.run(run())


def test_localhost_is_this_machine() -> None:
    async def body(server: RawServer, client: HttpClient) -> None:
        url = f"http://localhost:{server.port}"
        assert await fetch(client, post(url)) == (200, b"hello")

    against([PLAIN], body)


# --- URLs ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "url", "netloc"),
    [
        ("https://a.b/v1", Url("https", "a.b", 443, "/v1"), "a.b"),
        ("http://a.b", Url("http", "a.b", 80, "/"), "a.b"),
        ("HTTP://A.B:81?q=1", Url("http", "a.b", 81, "/?q=1"), "a.b:81"),
        ("http://[::1]:81/x#f", Url("http", "::1", 81, "/x"), "[::1]:81"),
        ("http://[::1]", Url("http", "::1", 80, "/"), "[::1]"),
        ("http://u:p@a:1/x@y", Url("http", "a", 1, "/x@y", "u:p"), "a:1"),
        (" http://a/ ", Url("http", "a", 80, "/"), "a"),
    ],
)
def test_urls(text: str, url: Url, netloc: str) -> None:
    parsed = parse_url(text, "base_url")
    assert parsed == url
    assert parsed.netloc == netloc


@pytest.mark.parametrize(
    "text",
    ["", "a.b", "ftp://a", "http://", "http://a:x", "http://a:0", "http://a:99999", "http://a b/",
     "http://a/\nb", "http://ä/", "http://:80/"],
)  # fmt: skip
def test_what_is_no_url(text: str) -> None:
    with pytest.raises(UsageError, match=r"^base_url: "):
        parse_url(text, "base_url")


def test_a_password_in_a_url_is_not_shown() -> None:
    with pytest.raises(UsageError) as caught:
        parse_url("ftp://user:hunter2@host/", "HTTP_PROXY")
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in str(parse_url("http://user:hunter2@host/?key=hunter2", "base_url"))
