"""Requests as bytes and events as words: the Responses adapter without trouble."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec
import pytest
from inline_snapshot import snapshot

from quire.core.errors import UsageError
from quire.core.ports import Completed, ItemDone, ModelEvent, ModelRequest, SummaryDelta, TextDelta
from quire.models.auth import Key
from quire.models.events import read_event
from quire.models.failures import Failure
from quire.models.request import (
    provider_headers,
    request_body,
    request_headers,
    turn_metadata,
    user_agent,
)
from quire.models.responses import ResponsesModel
from quire.protocol.thread import Usage
from tests.unit.model_server import (
    CALL,
    COMPLETED,
    CREATED,
    DELTA,
    ITEM,
    OK,
    Answer,
    RawServer,
    Sent,
    collect,
    event,
    model_at,
    provider,
    request,
    streamed,
    words,
)


def ask(*answers: Answer, asked: ModelRequest | None = None) -> tuple[list[ModelEvent], list[Sent]]:
    """The events of one request to a server that gives `answers`, and what it was sent."""

    async def run() -> tuple[list[ModelEvent], list[Sent]]:
        async with RawServer(*answers) as server:
            model = model_at(server.url)
            try:
                return await collect(model, asked), server.requests
            finally:
                await model.aclose()

    return asyncio.run(run())


# --- the request -----------------------------------------------------------------------------


def body_of(asked: ModelRequest) -> bytes:
    body = request_body(asked, turn_metadata(asked, "user"))
    joined = b"".join(body.blocks())
    assert len(joined) == body.length
    return joined


def test_the_body_field_by_field() -> None:
    items = [b'{"type":"message","n":1}', b'{"type":"message", "n":2}']
    body = body_of(request(items=items, effort="low", summary="auto", verbosity="high"))
    assert b'"input":[{"type":"message","n":1},{"type":"message", "n":2}],"tools":[{' in body
    fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    del fields["input"]
    metadata = msgspec.json.decode(fields.pop("client_metadata"))
    assert [f"{name}: {bytes(value).decode()}" for name, value in fields.items()] == snapshot(
        [
            'model: "gpt-5.5"',
            "stream: true",
            'tools: [{"type":"function","name":"t"}]',
            'tool_choice: "auto"',
            "parallel_tool_calls: true",
            'reasoning: {"effort":"low","summary":"auto"}',
            "store: false",
            'include: ["reasoning.encrypted_content"]',
            'prompt_cache_key: "thread-1"',
            'text: {"verbosity":"high"}',
        ]
    )
    assert list(metadata) == [
        "thread_id",
        "session_id",
        "root_turn_id",
        "turn_id",
        "x-codex-turn-metadata",
        "x-codex-window-id",
    ]
    assert msgspec.json.decode(metadata["x-codex-turn-metadata"]) == snapshot(
        {
            "session_id": "thread-1",
            "thread_id": "thread-1",
            "turn_id": "turn-1",
            "window_id": "thread-1:0",
            "window_number": 0,
            "request_kind": "turn",
            "root_turn_id": "turn-1",
            "thread_source": "user",
            "sandbox_mode": "read-only",
        }
    )


@pytest.mark.parametrize(
    ("context", "field", "value"),
    [
        ({}, "reasoning", None),
        ({}, "text", None),
        ({}, "service_tier", None),
        ({"summary": "none"}, "reasoning", None),
        ({"summary": "none", "effort": "xhigh"}, "reasoning", {"effort": "xhigh"}),
        ({"summary": "detailed"}, "reasoning", {"summary": "detailed"}),
        ({"service_tier": "fast"}, "service_tier", "priority"),
        ({"service_tier": "flex"}, "service_tier", "flex"),
        ({"parallel_tool_calls": False}, "parallel_tool_calls", False),
        (
            {"output_schema": '{"type": "object"}', "verbosity": "low"},
            "text",
            {
                "verbosity": "low",
                "format": {
                    "type": "json_schema",
                    "strict": True,
                    "name": "codex_output_schema",
                    "schema": {"type": "object"},
                },
            },
        ),
    ],
)
def test_settings_in_the_body(context: dict[str, Any], field: str, value: object) -> None:
    assert msgspec.json.decode(body_of(request(**context))).get(field) == value


def test_no_tools_no_field() -> None:
    asked = msgspec.structs.replace(request(), tools=b"[]")
    assert "tools" not in msgspec.json.decode(body_of(asked))


def test_a_longer_history_extends_the_bytes() -> None:
    items = [b'{"n":%d,"pad":"%s"}' % (n, b"x" * (n * 997 % 70_000)) for n in range(60)]
    items.append(b'{"big":"' + b"y" * 1_000_000 + b'"}')
    first = body_of(request(items=items))
    second = body_of(request(items=[*map(memoryview, items), b'{"n":99}']))
    end = first.index(b'],"tools"')
    assert second.startswith(first[:end] + b',{"n":99}],"tools"')
    assert second[end + 9 :] == first[end:]
    assert [*map(len, request_body(request(items=items), {}).blocks())][:-1] < [600_000] * 9


def test_an_empty_history() -> None:
    assert msgspec.json.decode(body_of(request(items=[])))["input"] == []


def test_headers() -> None:
    config = provider(
        "http://h/v1",
        http_headers={"X-Team": "a", "User-Agent": "mine"},
        env_http_headers={"X-Org": "ORG", "X-None": "UNSET"},
    )
    env = {"ORG": "o-1", "TERM": "xterm"}
    own = provider_headers(config, env)
    headers = request_headers(own, Key("sk-1", "K"), env, turn_metadata(request(), "user"))
    found = {name.decode(): value.decode() for name, value in headers}
    assert list(found) == [
        "x-codex-window-id",
        "x-codex-turn-metadata",
        "x-client-request-id",
        "session-id",
        "thread-id",
        "accept",
        "content-type",
        "authorization",
        "originator",
        "user-agent",
        "x-team",
        "x-org",
    ]
    assert found["authorization"] == "Bearer sk-1"
    assert found["accept"] == "text/event-stream"
    assert found["originator"] == "codex_exec"
    assert found["x-codex-window-id"] == "thread-1:0"
    assert found["user-agent"] == "mine"
    assert found["x-org"] == "o-1"


def test_the_client_names_itself() -> None:
    name = user_agent("codex_sdk_ts", {"TERM": "xterm"})
    assert name.startswith("codex_sdk_ts/0.169.0 (")
    assert " xterm (quire/" in name
    env = {"CODEX_INTERNAL_ORIGINATOR_OVERRIDE": "codex_sdk_ts"}
    headers = request_headers({}, None, env, turn_metadata(request(), "user"))
    assert (b"originator", b"codex_sdk_ts") in headers
    assert b"authorization" not in dict(headers)


def test_odd_words_in_the_environment_cannot_break_a_header() -> None:
    async def run() -> Sent:
        env = {"TERM": "x\r\nx-evil: 1", "CODEX_INTERNAL_ORIGINATOR_OVERRIDE": "ä\n\x00"}
        async with RawServer(OK) as server:
            model = ResponsesModel(provider(server.url), None, env=env)
            await collect(model)
            await model.aclose()
            return server.requests[0]

    assert "x-evil" not in asyncio.run(run()).headers


@pytest.mark.parametrize("headers", [{"X Y": "1"}, {"X-Y": "1\n2"}, {"": "1"}, {"X-Y": "\u2014"}])
def test_a_configured_header_that_cannot_be_sent_is_an_error_at_once(headers: object) -> None:
    with pytest.raises(UsageError, match="http_headers of provider mock: cannot send"):
        model_at("http://h", http_headers=headers)


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({}, "POST /v1/responses HTTP/1.1"),
        ({"query_params": {"api-version": "a b"}}, "POST /v1/responses?api-version=a+b HTTP/1.1"),
    ],
)
def test_the_address(settings: dict[str, Any], line: str) -> None:
    async def run() -> str:
        async with RawServer(OK) as server:
            model = model_at(server.url + "/", **settings)
            await collect(model)
            await model.aclose()
            return server.requests[0].line

    assert asyncio.run(run()) == line


def test_a_base_url_that_is_none_is_an_error_at_once() -> None:
    with pytest.raises(UsageError, match="base_url of provider mock: not an http or https URL"):
        model_at("localhost:8080")


# --- the events ------------------------------------------------------------------------------


def test_a_whole_answer() -> None:
    events, sent = ask(streamed(CREATED, DELTA, ITEM, CALL, COMPLETED))
    assert words(events) == [
        "text hel",
        "item message",
        "item function_call",
        "completed r0",
    ]
    last = events[-1]
    assert isinstance(last, Completed)
    assert last.usage == Usage(10, 4, 3, 5, 2, 15)
    assert len(sent) == 1
    assert sent[0].body == body_of(request())


def test_items_keep_the_bytes_they_came_in() -> None:
    raw = b'{ "type":"message",  "z":1.50, "role":"assistant","content":[], "unknown":{"a":[ ]} }'
    data = b'{"type":"response.output_item.done","item":' + raw + b',"output_index":0}'
    found = read_event(data)
    assert isinstance(found, ItemDone)
    assert found.item.raw == raw
    assert found.item.head.role == "assistant"


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        (b'{"type":"x",\n "a": "b \\n"}', '{"type":"x","a":"b \\n"}'),
        (b'{"type":"x","a":"\xff\xc3\xa9"}', '{"type": "x", "a": "\ufffdé"}'),
        (b'{"type":"x","a":"\\ud83d"}', '{"type": "x", "a": "?"}'),
        (b'{"type":"x","a":"\\ud83d\\ude00"}', '{"type":"x","a":"\\ud83d\\ude00"}'),
        (b'{"type":"x","a":"b\x00c"}', '{"type": "x", "a": "b\\u0000c"}'),
    ],
)
def test_an_item_becomes_one_line_of_strict_json(raw: bytes, kept: str) -> None:
    found = read_event(b'{"type":"response.output_item.done","item":' + raw + b"}")
    assert isinstance(found, ItemDone)
    assert found.item.raw == kept.encode()
    msgspec.json.decode(found.item.raw)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"type":"response.output_text.delta","delta":"a"}', TextDelta("", "a")),
        (b'{"delta":"a","item_id":"i","type":"response.output_text.delta"}', TextDelta("i", "a")),
        (b'{"type":"response.output_text.delta","delta":"\xff"}', TextDelta("", "\ufffd")),
        (b'{"type":"response.output_text.delta","delta":"\\ud83d"}', TextDelta("", "?")),
        (b'{"type":"response.output_text.delta","delta":"a\tb"}', TextDelta("", "a\tb")),
        (
            b'{"type":"response.reasoning_summary_text.delta","item_id":"i","delta":"a"}',
            SummaryDelta("i", "a"),
        ),
        (b'{"type":"response.reasoning_summary_part.added","summary_index":0}', None),
        (
            b'{"type":"response.reasoning_summary_part.added","summary_index":1,"item_id":"i"}',
            SummaryDelta("i", "\n\n"),
        ),
        (b'{"type":"response.reasoning_text.delta","delta":"a"}', None),
        (b'{"type":"response.output_item.added","item":7}', None),
        (b'{"type":"response.created","response":null}', None),
        (b'{"type":"codex.rate_limits","delta":[]}', None),
        (b'{"type":7}', None),
        (b"{}", None),
        (b"[1]", None),
        (b"null", None),
        (b"[DONE]", None),
        (b'{"type":"response.completed","response":{"id":"r"}}', Completed("r", Usage())),
        (
            b'{"type":"response.completed","response":{"id":"r","usage":null}}',
            Completed("r", Usage()),
        ),
        (
            b'{"type":"response.completed","response":{"usage":{"output_tokens":2}}}',
            Completed("", Usage(output_tokens=2, total_tokens=2)),
        ),
        (b'{"type":"response.completed","response":{"usage":"?"}}', Completed("", Usage())),
        (b'{"type":"response.completed"}', Completed("", Usage())),
    ],
)
def test_events(data: bytes, expected: ModelEvent | None) -> None:
    assert read_event(data) == expected


@pytest.mark.parametrize(
    "data",
    [
        b"{",
        b"nonsense",
        b'{"type":"response.output_item.done"}',
        b'{"type":"response.output_item.done","item":{}}',
        b'{"type":"response.output_item.done","item":7}',
        b'{"type":"response.output_item.done","item":{"type":"message"',
        b'{"type":"response.output_text.delta"}',
        b'{"type":"response.output_item.done","item":{"type":"x","a":' + b"[" * 100_000,
        b'{"type":"response.output_item.done","item":{"type":"x","a":"\\q"}}',
    ],
)
def test_events_that_cannot_be_read_break_the_stream(data: bytes) -> None:
    with pytest.raises(Failure, match="malformed event") as caught:
        read_event(data)
    assert caught.value.remedy == "stream"


def test_usage_with_holes() -> None:
    usage = {"input_tokens": 1, "output_tokens": None, "input_tokens_details": None}
    data = {"type": "response.completed", "response": {"id": "r", "usage": usage}}
    expected = Completed("r", Usage(input_tokens=1, total_tokens=1))
    assert read_event(msgspec.json.encode(data)) == expected


def test_the_smallest_stream() -> None:
    answer = streamed(
        event("response.created", response={"id": "r0"}),
        ITEM,
        event("response.completed", response={"id": "r0"}),
    )
    assert words(ask(answer)[0]) == ["item message", "completed r0"]


def test_a_last_event_without_its_blank_line_counts() -> None:
    assert words(ask(streamed(CREATED, ITEM, COMPLETED.rstrip(b"\n")))[0])[-1] == "completed r0"


def test_nothing_after_the_end_counts() -> None:
    assert words(ask(streamed(CREATED, COMPLETED, ITEM, COMPLETED))[0]) == ["completed r0"]


def test_requests_of_a_thread_share_a_connection() -> None:
    async def run() -> int:
        late_end = (OK[:-5], 0.01, OK[-5:])
        async with RawServer(OK, late_end, OK) as server:
            model = model_at(server.url)
            for _ in range(3):
                assert words(await collect(model))[-1] == "completed r0"
                await asyncio.sleep(0.03)
            await model.aclose()
            return server.connections

    assert asyncio.run(run()) == 1


@pytest.mark.parametrize("taken", [1, 2])
def test_a_consumer_that_leaves_drops_the_connection(taken: int) -> None:
    async def run() -> int:
        async with RawServer((OK[:-20], "hold"), OK) as server:
            model = model_at(server.url)
            stream = model.stream(request())
            await anext(stream)
            if taken == 2:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.02):
                        await anext(stream)
            else:
                await stream.aclose()
            assert words(await collect(model)) == ["item message", "completed r0"]
            await model.aclose()
            return server.connections

    assert asyncio.run(run()) == 2


def test_a_long_stream_costs_little() -> None:
    deltas = [
        event("response.output_text.delta", item_id="m1", output_index=0, delta="x" * 36)
        for _ in range(11_400)
    ]
    start = time.process_time()
    answer = streamed(CREATED, *deltas, ITEM, COMPLETED)
    ready = time.process_time()
    events, _ = ask(answer)
    took = time.process_time() - ready
    assert len(events) == 11_402
    # 40 ms on a quiet machine; a bound that only a change of order would break.
    assert took < 20 * (ready - start) + 1.0
