"""Server-sent events, cut anywhere, with every line end."""

from __future__ import annotations

import itertools
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quire.models.sse import EventTooLarge, SseParser


def parse(stream: bytes, *cuts: int) -> list[bytes]:
    parser = SseParser()
    found: list[bytes] = []
    edges = [0, *sorted(cuts), len(stream)]
    for start, end in itertools.pairwise(edges):
        found += parser.feed(stream[start:end])
    return found


def reference(stream: bytes) -> list[bytes]:
    """The format's own algorithm, line by line, over the whole text."""
    text = stream.removeprefix(b"\xef\xbb\xbf")
    lines = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    events: list[bytes] = []
    data: list[bytes] = []
    for line in lines[:-1]:
        if not line:
            if joined := b"\n".join(data):
                events.append(joined)
            data = []
        elif not line.startswith(b":"):
            name, _, value = line.partition(b":")
            if name == b"data":
                data.append(value.removeprefix(b" "))
    return events


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\n", [b"a"]),
        (b"data:a\n\n", [b"a"]),
        (b"data:  a\n\n", [b" a"]),
        (b"event: x\ndata: a\n\nevent: y\ndata: b\n\n", [b"a", b"b"]),
        (b"data: a\r\n\r\n", [b"a"]),
        (b"data: a\r\r", [b"a"]),
        (b"data: a\r\n\n", [b"a"]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b"event: x\ndata: a\ndata: b\n\n", [b"a\nb"]),
        (b"data: a\nid: 7\nretry: 10\n\n", [b"a"]),
        (b": ping\n\ndata: a\n\n", [b"a"]),
        (b": ping\ndata: a\n\n", [b"a"]),
        (b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
        (b"\xef\xbb\xbfevent: x\ndata: a\n\n", [b"a"]),
        (b"\n\n\ndata: a\n\n\n\n", [b"a"]),
        (b"\ndata: a\n\n", [b"a"]),
        (b"event: x\n\n", []),
        (b"data\n\n", []),
        (b"data:\n\n", []),
        (b"data\ndata\n\n", [b"\n"]),
        (b"dataset: a\n\n", []),
        (b"xdata: a\n\n", []),
        (b" data: a\n\n", []),
        (b"event: data: a\n\n", []),
        (b"data: unfinished\n", []),
        (b'data: {"s":"\xc3\xa9"}\n\n', [b'{"s":"\xc3\xa9"}']),
        (b"data: a\0b\n\n", [b"a\0b"]),
    ],
)
def test_events(stream: bytes, events: list[bytes]) -> None:
    assert parse(stream) == events
    assert reference(stream) == events
    for cut in range(len(stream) + 1):
        assert parse(stream, cut) == events, cut
    assert parse(stream, *range(len(stream))) == events


@given(
    st.lists(
        st.sampled_from(
            [b"data", b"event", b":", b" ", b"\n", b"\r", b"\r\n", b"\n\n", b"a", b"\xc3\xa9",
             b"\xef\xbb\xbf", b"data: x", b"event: y"]
        )
    ),
    st.lists(st.integers(0, 60), max_size=8),
)  # fmt: skip
def test_any_stream_cut_anywhere_is_read_as_the_format_says(
    pieces: list[bytes], cuts: list[int]
) -> None:
    stream = b"".join(pieces)
    cuts = [min(cut, len(stream)) for cut in cuts]
    assert parse(stream, *cuts) == reference(stream)


def test_a_last_event_without_its_blank_line_is_kept_apart() -> None:
    parser = SseParser()
    assert parser.feed(b"data: a\n\nevent: x\ndata: b\n") == [b"a"]
    assert parser.finish() == b"b"
    assert parser.finish() is None


def test_an_endless_event_is_refused() -> None:
    parser = SseParser(limit=100)
    assert parser.feed(b"data: " + b"x" * 90) == []
    with pytest.raises(EventTooLarge):
        parser.feed(b"x" * 10)


def test_a_large_event_in_small_pieces_costs_linear_time() -> None:
    parser = SseParser()
    piece = b"x" * 1024
    start = time.process_time()
    parser.feed(b"data: ")
    for _ in range(20 * 1024):
        assert parser.feed(piece) == []
    (event,) = parser.feed(b"\n\n")
    assert len(event) == 20 * 1024 * 1024
    assert time.process_time() - start < 1.0


def test_an_event_that_drips_in_costs_its_own_size() -> None:
    """Pieces are copied: kept as they were received, each would keep a page of memory."""
    parser = SseParser()
    tracemalloc.start()
    try:
        for number in range(50_000):
            parser.feed(b"%02d" % (number % 100))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 250_000
    with pytest.raises(EventTooLarge):
        SseParser(limit=10).feed(b"data: 12345")
