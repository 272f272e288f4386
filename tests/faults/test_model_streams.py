"""Broken streams: what is complete counts once, what is not is asked for again."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from quire.core.errors import ModelError
from quire.core.ports import Completed, ItemDone, ModelEvent, Retrying, StreamBroken
from tests.unit.model_server import (
    CALL,
    CHUNKED_HEAD,
    COMPLETED,
    CREATED,
    DELTA,
    FRAMES,
    HOLD,
    ITEM,
    OK,
    RESET,
    STREAM_HEAD,
    Answer,
    RawServer,
    Waits,
    collect,
    cut,
    model_at,
    request,
    streamed,
    words,
)

DISCONNECTED = "stream disconnected before completion: "
CLOSED = f"{DISCONNECTED}connection closed before the answer was complete"


def with_model(*answers: Answer, waits: Waits | None = None, **settings: Any) -> list[ModelEvent]:
    async def run() -> list[ModelEvent]:
        async with RawServer(*answers) as server:
            model = model_at(server.url, waits or Waits(), **settings)
            try:
                return await collect(model)
            finally:
                await model.aclose()

    return asyncio.run(run())


# --- cut at every frame, cut at every byte ---------------------------------------------------


@pytest.mark.parametrize("frames", range(len(FRAMES)))
@pytest.mark.parametrize("ending", ["close", RESET, "tidy"])
def test_a_stream_cut_at_every_frame(frames: int, ending: str) -> None:
    sent = FRAMES[:frames]
    whole = streamed(*sent)
    answer: Answer = whole if ending == "tidy" else (whole[:-5], 0.005, ending)
    found = words(with_model(answer, OK))
    complete = sum(frame in (ITEM, CALL) for frame in sent)
    if complete:
        assert found[-1] == "broken"
        assert found[-2].startswith("Reconnecting... 1/5 (stream disconnected before completion")
        assert [word for word in found if word.startswith("item")] == [
            "item message",
            "item function_call",
        ][:complete]
    else:
        assert found[-2:] == ["item message", "completed r0"]
        assert sum(word.startswith("Reconnecting... 1/5") for word in found) == 1


def items_of(events: list[ModelEvent]) -> list[bytes]:
    return [bytes(event.item.raw) for event in events if isinstance(event, ItemDone)]


def test_a_stream_cut_at_every_byte_gives_every_item_once() -> None:
    whole = streamed(*FRAMES)
    expected = items_of(with_model(whole))
    assert len(expected) == 2

    async def run() -> set[str]:
        seen: set[str] = set()
        for at in range(len(CHUNKED_HEAD), len(whole), 3):
            async with RawServer((whole[:at], "close"), whole) as server:
                model = model_at(server.url, Waits())
                events = await collect(model)
                await model.aclose()
            last, requests = events[-1], len(server.requests)
            if isinstance(last, StreamBroken):  # something was complete: not asked for again
                assert requests == 1
                assert items_of(events) == expected[: len(items_of(events))] != []
            else:
                assert isinstance(last, Completed)
                assert items_of(events) == expected
            assert sum(isinstance(event, Retrying) for event in events) == (
                1 if requests == 2 or isinstance(last, StreamBroken) else 0
            )
            seen.add(f"{type(last).__name__} {requests}")
        return seen

    assert asyncio.run(run()) == {"Completed 2", "StreamBroken 1", "Completed 1"}


def test_the_request_after_a_broken_stream_extends_the_one_before() -> None:
    async def run() -> None:
        async with RawServer(cut(CREATED, CALL, ITEM), streamed(CREATED, COMPLETED)) as server:
            model = model_at(server.url, Waits())
            start = [b'{"n":0}']
            done = items_of(await collect(model, request(0, items=start)))
            assert words(await collect(model, request(1, items=start + done))) == ["completed r0"]
            await model.aclose()
            first, second = (sent.body for sent in server.requests)
            end = first.index(b'],"tools"')
            assert second == first[:end] + b"," + b",".join(done) + first[end:]

    asyncio.run(run())


def test_broken_streams_use_up_the_budget() -> None:
    waits = Waits()

    async def run() -> None:
        async with RawServer(cut(CREATED, ITEM)) as server:
            model = model_at(server.url, waits, stream_max_retries=2)
            for attempt in (0, 1):
                found = words(await collect(model, request(attempt)))
                assert found == [
                    "item message",
                    f"Reconnecting... {attempt + 1}/2 ({CLOSED})",
                    "broken",
                ]
            with pytest.raises(ModelError, match=CLOSED) as caught:
                await collect(model, request(2))
            assert caught.value.code == "responseStreamDisconnected"
            await model.aclose()

    asyncio.run(run())
    assert waits.slept == [0.2, 0.4]


def test_a_refusal_before_and_a_cut_after_share_the_budget() -> None:
    found = words(with_model(cut(CREATED), cut(CREATED, DELTA), cut(CREATED, ITEM)))
    assert [word.partition(" (")[0] for word in found] == [
        "Reconnecting... 1/5",
        "text hel",
        "Reconnecting... 2/5",
        "item message",
        "Reconnecting... 3/5",
        "broken",
    ]


def test_a_malformed_event_after_an_item_keeps_the_item() -> None:
    found = words(with_model(streamed(CREATED, ITEM, b"data: {oops\n\n", COMPLETED)))
    assert found[0] == "item message"
    assert "the server sent a malformed event" in found[1]
    assert found[2] == "broken"


@pytest.mark.parametrize(
    "answer",
    [
        (STREAM_HEAD + b"content-length: 100000\r\n\r\n" + CREATED, "close"),
        (CHUNKED_HEAD + b"zz\r\n" + CREATED, "close"),
        (STREAM_HEAD + b"\r\n" + CREATED, "close"),
        (b"HTTP/1.1 200 OK\r\nbroken", "close"),
        ("close",),
        (RESET,),
    ],
)
def test_broken_http_is_tried_again(answer: Answer) -> None:
    waits = Waits()
    found = words(with_model(answer, OK, waits=waits))
    assert found[-2:] == ["item message", "completed r0"]
    assert waits.slept == [0.2]


def test_a_server_that_never_answers_gives_its_cause() -> None:
    with pytest.raises(ModelError, match=f"{DISCONNECTED}connection closed before an answer came"):
        with_model(("close",), request_max_retries=1, stream_max_retries=1)


# --- silence ---------------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [b"", CHUNKED_HEAD, CHUNKED_HEAD + CREATED[:10]])
def test_a_silent_stream_is_given_up(sent: bytes) -> None:
    with pytest.raises(ModelError, match=f"^{DISCONNECTED}idle timeout waiting for SSE$"):
        with_model((sent, HOLD), stream_idle_timeout_ms=30, stream_max_retries=1)


def test_silence_after_an_item_breaks_the_stream() -> None:
    answer = (CHUNKED_HEAD + streamed(CREATED, ITEM)[len(CHUNKED_HEAD) : -5], HOLD)
    found = words(with_model(answer, stream_idle_timeout_ms=30))
    assert found == [
        "item message",
        f"Reconnecting... 1/5 ({DISCONNECTED}idle timeout waiting for SSE)",
        "broken",
    ]


def test_comments_keep_a_stream_alive() -> None:
    steps: list[bytes | float] = [STREAM_HEAD + b"\r\n" + CREATED]
    for _ in range(25):
        steps += [0.02, b": ping\n\n"]
    answer = (*steps, ITEM + COMPLETED, "close")
    found = words(with_model(answer, stream_idle_timeout_ms=400))
    assert found == ["item message", "completed r0"]


# --- no network ------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_refused_connection_is_waited_out_and_then_explained() -> None:
    waits = Waits()
    port = free_port()

    async def run() -> tuple[list[ModelEvent], ModelError]:
        events: list[ModelEvent] = []
        model = model_at(f"http://127.0.0.1:{port}/v1", waits, connect_timeout_s=60)
        try:
            async for event in model.stream(request()):
                events += [event]
        except ModelError as exc:
            return events, exc
        raise AssertionError("nobody listens there")

    events, error = asyncio.run(run())
    waiting = "Reconnecting... waiting for network (Connection failed: Connection refused)"
    assert 4 <= len(events) <= 7
    assert set(words(events)) == {waiting}
    assert waits.slept[:6] == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0]
    assert sum(waits.slept) == pytest.approx(60, abs=0.1)
    assert error.code == "httpConnectionFailed"
    assert str(error) == (
        f"cannot reach 127.0.0.1:{port} (Connection refused): check base_url of provider mock, "
        "that a server listens there, and network and proxy settings"
    )


def test_no_patience_fails_at_once() -> None:
    waits = Waits()
    with pytest.raises(ModelError, match=r"^cannot reach 127"):
        asyncio.run(
            collect(model_at(f"http://127.0.0.1:{free_port()}", waits, connect_timeout_s=0))
        )
    assert waits.slept == []


def test_a_server_that_appears_later_is_used() -> None:
    async def run() -> list[str]:
        server = RawServer(OK)
        server.port = free_port()
        model = model_at(server.url)
        asked = asyncio.create_task(collect(model))
        await asyncio.sleep(0.3)
        async with server:
            found = words(await asked)
            await model.aclose()
        return found

    found = asyncio.run(run())
    assert found[0].startswith("Reconnecting... waiting for network")
    assert found[-2:] == ["item message", "completed r0"]


def test_a_server_that_goes_away_and_comes_back() -> None:
    """Between two requests: the kept connection is gone, and for a while nobody listens."""

    async def run() -> list[str]:
        first = RawServer((OK, "close"))
        first.port = free_port()
        async with first:
            model = model_at(first.url)
            await collect(model)
        asked = asyncio.create_task(collect(model))
        await asyncio.sleep(0.1)
        second = RawServer(OK)
        second.port = first.port
        async with second:
            found = words(await asked)
            await model.aclose()
        return found

    assert asyncio.run(run())[-2:] == ["item message", "completed r0"]


def test_an_unusable_proxy_is_one_clear_error() -> None:
    async def run() -> None:
        env = {"ALL_PROXY": "socks5://127.0.0.1:1"}
        model = model_at("http://model.test/v1", Waits(), env)
        await collect(model)

    with pytest.raises(ModelError, match=r"^ALL_PROXY: socks5 proxies are not supported"):
        asyncio.run(run())
