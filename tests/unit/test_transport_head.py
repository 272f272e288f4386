"""Heads of responses, compared with h11's reading of the same bytes; heads of requests."""

from __future__ import annotations

from itertools import pairwise

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quire.models.head import Head, HeadError, HeadReader, parse_head, request_head

Reading = tuple[bytes, int, list[tuple[bytes, bytes]], str]


TIDIED = (b"content-length", b"transfer-encoding")  # h11 rewrites their values


def by_h11(text: bytes) -> Reading | None:
    """Version, status, headers and framing; None if refused."""
    conn = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    conn.send(h11.Request(method="POST", target="/", headers=[("host", "x")]))
    conn.receive_data(text)
    try:
        event = conn.next_event()
    except h11.RemoteProtocolError:
        return None
    assert isinstance(event, h11.Response | h11.InformationalResponse)
    headers = [(name, value) for name, value in event.headers if name not in TIDIED]
    found = dict(event.headers)
    framing = "chunked" if b"transfer-encoding" in found else "close"
    if framing == "close" and b"content-length" in found:
        framing = str(int(found[b"content-length"]))
    return b"HTTP/" + event.http_version, event.status_code, headers, framing


def ours(text: bytes) -> Reading | None:
    try:
        head = parse_head(text)
    except HeadError:
        return None
    headers = [(name, value) for name, value in head.headers if name not in TIDIED]
    framing = "close" if head.length is None else str(head.length)
    return head.version, head.status, headers, "chunked" if head.chunked else framing


NAMES = st.sampled_from(
    [b"x", b"Content-Length", b"transfer-encoding", b"connection", b"X_y!#$%&'*+-.^`|~9", b""]
)
VALUES = st.sampled_from(
    [b"", b"5", b"5, 5", b"5,6", b"-1", b"+5", b"0x5", b"5 5", b"chunked", b"Chunked", b"gzip",
     b"gzip, chunked", b"a  b", b"\xe9", b"a:b", b"1" * 30, b"\t a \t", b"a\x00", b"a\rb", b"\x7f"]
)  # fmt: skip
SPACES = st.sampled_from([b"", b" ", b"  ", b"\t", b" \t "])
ENDS = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n"])
STATUS = st.sampled_from(
    [b"HTTP/1.1 200 OK", b"HTTP/1.1 200", b"HTTP/1.1 200 ", b"HTTP/1.0 404 Not Found",
     b"HTTP/1.1 503 \xe9", b"HTTP/1.1 2000 OK", b"HTTP/1.1 20 OK", b"HTTP/2 200",
     b"http/1.1 200 OK",
     b"HTTP/1.1  200 OK", b"HTTP/1.1 +20 OK", b"junk", b"", b"HTTP/1.1 200 a\x00"]
)  # fmt: skip


@st.composite
def heads(draw: st.DrawFn) -> bytes:
    out = draw(st.one_of(st.just(b"HTTP/1.1 200 OK"), STATUS)) + draw(ENDS)
    for _ in range(draw(st.integers(0, 4))):
        if draw(st.integers(0, 5)) == 0:
            out += draw(SPACES) + draw(VALUES)  # a folded value, or no header at all
        else:
            out += draw(NAMES) + draw(st.sampled_from([b":", b":", b":", b" :", b""]))
            out += draw(SPACES) + draw(st.one_of(st.just(b"5"), VALUES)) + draw(SPACES)
        out += draw(ENDS)
    return out + draw(ENDS)


@given(heads())
def test_what_is_accepted_is_read_as_h11_reads_it(text: bytes) -> None:
    found = ours(text)
    if found is not None:
        assert found == by_h11(text)


@given(
    st.sampled_from([b"HTTP/1.1 200 OK", b"HTTP/1.0 500 Oops", b"HTTP/1.1 429"]),
    st.lists(
        st.tuples(
            st.sampled_from([b"X-a", b"content-type", b"retry-after"]),
            st.sampled_from([b"", b"1", b"a b", b"\xc3\xa9, x"]),
        )
    ),
    ENDS,
)
def test_well_formed_heads_are_accepted(
    line: bytes, headers: list[tuple[bytes, bytes]], end: bytes
) -> None:
    text = end.join([line, *(name + b": " + value for name, value in headers), b"", b""])
    assert ours(text) is not None
    assert ours(text) == by_h11(text)


@given(heads(), st.binary(max_size=20), st.lists(st.integers(0, 200), max_size=5))
def test_the_cut_does_not_matter(text: bytes, body: bytes, cuts: list[int]) -> None:
    def read(*pieces: bytes) -> tuple[Head | None, bytes] | str:
        reader = HeadReader()
        head = None
        rest = b""
        try:
            for piece in pieces:
                if head is None:
                    head = reader.feed(piece)
                    rest = reader.rest
                else:
                    rest += piece
        except HeadError:
            return "refused"
        return head, rest

    stream = b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + text + body
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[a:b] for a, b in pairwise(edges)]
    assert read(*pieces) == read(stream)


@pytest.mark.parametrize(
    "text",
    [
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 33,
        b"HTTP/1.1 200 OK\r\nx: " + b"a" * 65536 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"a" * 65536,
        b"\r\n\r\n",
        b"\n\n",
    ],
)
def test_heads_without_an_end_in_sight(text: bytes) -> None:
    with pytest.raises(HeadError):
        HeadReader().feed(text)


@pytest.mark.parametrize(
    ("version", "connection", "keep"),
    [
        (b"HTTP/1.1", b"", True),
        (b"HTTP/1.1", b"keep-alive", True),
        (b"HTTP/1.1", b"Close", False),
        (b"HTTP/1.0", b"keep-alive", False),
    ],
)
def test_keep_alive(version: bytes, connection: bytes, keep: bool) -> None:
    assert Head(version, 200, [(b"connection", connection)], False, 0).keep_alive is keep


def test_a_request_head_is_what_h11_writes() -> None:
    headers = [(b"host", b"h"), (b"x", b"a b"), (b"content-length", b"3")]
    written = h11.Connection(h11.CLIENT).send(
        h11.Request(method="POST", target="/a?b", headers=headers)
    )
    assert request_head(b"POST", "/a?b", headers) == written


@pytest.mark.parametrize(
    ("target", "header"),
    [("/\r\nx: 1", (b"a", b"b")), ("/", (b"a", b"b\r\nc: d")), ("/", (b"a\n", b"b")),
     ("/\x00", (b"a", b"b"))],
)  # fmt: skip
def test_nothing_breaks_out_of_a_request_head(target: str, header: tuple[bytes, bytes]) -> None:
    with pytest.raises(ValueError, match="control character"):
        request_head(b"POST", target, [header])
