"""Bodies of HTTP responses, compared with h11's reading of the same bytes."""

from __future__ import annotations

import itertools

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from quire.models.framing import Body, Chunked, FramingError, OfLength, UntilClose, body_of
from quire.models.head import Head


def read(body: Body, pieces: list[bytes]) -> tuple[bytes, bool]:
    """Payload, and whether the body came to its end."""
    payload = b"".join([body.feed(piece) for piece in pieces if not body.done])
    return payload, body.done


def by_h11(stream: bytes) -> tuple[bytes, bool | None]:
    """The same by h11; None instead of a bool where it refuses the bytes."""
    conn = h11.Connection(h11.CLIENT, max_incomplete_event_size=1024 * 1024)
    conn.send(h11.Request(method="GET", target="/", headers=[("host", "x")]))
    conn.send(h11.EndOfMessage())
    conn.receive_data(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + stream)
    payload = b""
    while True:
        try:
            event = conn.next_event()
        except h11.RemoteProtocolError:
            return payload, None
        if isinstance(event, h11.Data):
            payload += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            return payload, True
        elif event is h11.NEED_DATA:
            return payload, False


def split(stream: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    return [stream[a:b] for a, b in itertools.pairwise(edges)]


@st.composite
def chunked_streams(draw: st.DrawFn) -> bytes:
    out = b""
    for data in draw(st.lists(st.binary(min_size=1, max_size=40), max_size=5)):
        size = b"%x" % len(data)
        size = draw(st.sampled_from([size, size.upper(), b"000" + size]))
        out += size + draw(st.sampled_from([b"", b";ext", b';a=b;c="d"']))
        out += b"\r\n" + data + b"\r\n"
    trailers = draw(st.sampled_from([b"", b"x-check: 1\r\n", b"a: 1\r\nb: 2\r\n"]))
    return out + draw(st.sampled_from([b"0", b"000", b"0;last"])) + b"\r\n" + trailers + b"\r\n"


@given(chunked_streams(), st.lists(st.integers(0, 300), max_size=10))
def test_well_formed_chunks_cut_anywhere(stream: bytes, cuts: list[int]) -> None:
    assert read(Chunked(), split(stream, cuts)) == by_h11(stream) == (by_h11(stream)[0], True)


@given(chunked_streams(), st.integers(0, 300))
def test_a_body_closed_early_is_seen_as_cut(stream: bytes, end: int) -> None:
    end = min(end, len(stream) - 1)
    body = Chunked()
    body.feed(stream[:end])
    assert not body.done
    assert not body.at_eof()


@given(chunked_streams(), st.data())
@example(b"5\nabcde\r\n0\r\n\r\n", None)
def test_damaged_chunks_never_give_what_h11_refuses(
    stream: bytes, data: st.DataObject | None
) -> None:
    if data is not None:
        at = data.draw(st.integers(0, len(stream) - 1))
        stream = stream[:at] + data.draw(st.binary(max_size=2)) + stream[at + 1 :]
    expected, ended = by_h11(stream)
    try:
        found, whole = read(Chunked(), [stream])
    except FramingError:
        return  # being stricter than h11 is no danger
    if whole:
        # Trailers are read past here, so what h11 refuses in them passes; the payload never does.
        assert found == expected
        assert ended is not False
    else:
        assert ended is not True or b"\n" in stream.replace(b"\r\n", b"")  # h11 takes a lone LF


@pytest.mark.parametrize(
    "size", [b"0x5", b"+5", b"-5", b"5_0", b"", b" 5", b"g", b"\x005", b"5 5", b"1" * 17]
)
def test_sizes_that_python_reads_but_http_does_not(size: bytes) -> None:
    with pytest.raises(FramingError):
        Chunked().feed(size + b"\r\nabcde\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    "stream",
    [b"3\r\nabcdef\r\n0\r\n\r\n", b"f" * 20000, b"0\r\n" + b"a: b\r\n" * 6000, b"3\r\nabcX"],
)
def test_broken_or_endless_framing_is_refused(stream: bytes) -> None:
    with pytest.raises(FramingError):
        Chunked().feed(stream)


def test_lengths() -> None:
    body = OfLength(5)
    assert body.feed(b"abc") == b"abc"
    assert not body.done
    assert not body.at_eof()
    assert body.feed(b"defgh") == b"de"
    assert body.done
    assert body.at_eof()
    assert OfLength(0).done


def test_until_close_ends_with_the_connection() -> None:
    body = UntilClose()
    assert body.feed(b"abc") == b"abc"
    assert not body.done
    assert body.at_eof()


def test_choice_of_body() -> None:
    assert isinstance(body_of(Head(b"HTTP/1.1", 200, [], True, 4)), Chunked)
    assert isinstance(body_of(Head(b"HTTP/1.1", 200, [], False, 4)), OfLength)
    assert isinstance(body_of(Head(b"HTTP/1.1", 200, [], False, None)), UntilClose)
    assert body_of(Head(b"HTTP/1.1", 204, [], True, None)).done
