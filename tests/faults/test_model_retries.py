"""What the model adapter makes of refusals and failures: texts, classes, waits, budgets."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import pytest

from quire.core.errors import ModelError
from quire.core.ports import ModelEvent, Retrying
from quire.models.failures import asked_wait, retry_after
from quire.models.responses import ResponsesModel
from tests.unit.model_server import (
    CREATED,
    ITEM,
    OK,
    SECRET,
    Answer,
    RawServer,
    Sent,
    Waits,
    event,
    failed,
    model_at,
    provider,
    request,
    status,
    streamed,
    words,
)


class Outcome(NamedTuple):
    events: list[ModelEvent]
    error: ModelError | None
    slept: list[float]
    requests: list[Sent]

    @property
    def text(self) -> str:
        return str(self.error)


def ask(*answers: Answer, attempt: int = 0, **settings: Any) -> Outcome:
    """One `stream()` against a server that gives `answers`, without waiting for real."""
    waits = Waits()

    async def run() -> Outcome:
        events: list[ModelEvent] = []
        error = None
        async with RawServer(*answers) as server:
            model = model_at(server.url, waits, **settings)
            try:
                async for found in model.stream(request(attempt)):
                    events += [found]
            except ModelError as exc:
                error = exc
            await model.aclose()
            return Outcome(events, error, waits.slept, server.requests)

    return asyncio.run(run())


def error_body(message: str, code: str | None = None, kind: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "code": code, "type": kind}}


BUSY = status("503 Service Unavailable", error_body("busy"))
SLOW_DOWN = status("429 Too Many Requests", error_body("slow down"))


# --- failures that are tried again -----------------------------------------------------------


def test_a_short_outage_passes_in_silence() -> None:
    found = ask(BUSY, BUSY, BUSY, OK)
    assert words(found.events) == ["item message", "completed r0"]
    assert found.slept == [0.2, 0.4, 0.8]
    assert len({sent.body for sent in found.requests}) == 1


def test_a_storm_of_500s_ends_after_both_budgets() -> None:
    found = ask(status("500 Internal Server Error", error_body("boom")), stream_max_retries=2)
    assert len(found.requests) == 15
    silent = [0.2, 0.4, 0.8, 1.6]
    assert found.slept == [*silent, 0.2, *silent, 0.4, *silent]
    cause = r"(unexpected status 500 Internal Server Error: boom, url: http://127.0.0.1:"
    first, second = words(found.events)
    assert first.startswith(f"Reconnecting... 1/2 {cause}")
    assert second.startswith(f"Reconnecting... 2/2 {cause}")
    assert found.error is not None
    assert found.text.startswith(cause[1:])
    assert (found.error.code, found.error.http_status) == ("internalServerError", 500)


def test_a_storm_that_clears() -> None:
    found = ask(*[BUSY, SLOW_DOWN] * 4, OK)
    assert words(found.events)[-1] == "completed r0"
    assert found.error is None


def test_a_storm_of_429s_ends() -> None:
    found = ask(SLOW_DOWN)
    assert len(found.requests) == 6
    assert found.slept == [0.2, 0.4, 0.8, 1.6, 3.2]
    assert found.text.startswith("exceeded retry limit, last status: 429 Too Many Requests")
    assert found.error is not None
    assert found.error.code == "rateLimitExceeded"


def test_the_attempts_before_count() -> None:
    found = ask(SLOW_DOWN, attempt=4)
    assert len(found.requests) == 2
    assert words(found.events)[0].startswith("Reconnecting... 5/5 (")
    assert found.slept == [3.2]


def test_no_budget_no_retry() -> None:
    found = ask(BUSY, request_max_retries=0, stream_max_retries=0)
    assert len(found.requests) == 1
    assert found.slept == []
    assert found.events == []


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("retry-after: 2", 2),
        ("retry-after: 0", 0),
        ("Retry-After: 1.5", 1.5),
        ("retry-after: 86400", 300),
        ("retry-after: Fri, 20 Nov 2026 10:00:07 GMT\r\ndate: Fri, 20 Nov 2026 10:00:00 GMT", 7),
        ("retry-after: Fri, 20 Nov 2026 09:00:00 GMT\r\ndate: Fri, 20 Nov 2026 10:00:00 GMT", 0),
        ("retry-after: soon", 0.2),
        ("retry-after: -3", 0.2),
        ("retry-after: nan", 0.2),
    ],
)
def test_retry_after_is_honoured(header: str, seconds: float) -> None:
    refusal = status("429 Too Many Requests", error_body("wait"), header)
    found = ask(refusal, OK)
    assert found.slept == [seconds]
    assert words(found.events)[-1] == "completed r0"


def test_a_long_silent_wait_is_announced() -> None:
    found = ask(status("503 Service Unavailable", error_body("busy"), "retry-after: 20"), OK)
    assert found.slept == [20]
    assert words(found.events)[0].startswith("Waiting 20 s (unexpected status 503 Service")


def test_a_wait_can_be_interrupted() -> None:
    async def run() -> None:
        async with RawServer(status("429 Too Many", {}, "retry-after: 60"), OK) as server:
            model = model_at(server.url)
            stream = model.stream(request())
            assert isinstance(await anext(stream), Retrying)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await anext(stream)
            await model.aclose()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Rate limit reached. Please try again in 1.5s. Visit", 1.5),
        ("Please try again in 20ms.", 0.02),
        ("try again in 6m0s", 360),
        ("Try again in 2 seconds", 2),
        ("try again in 1h2m", 3720),
        ("try again later", None),
        ("", None),
    ],
)
def test_waits_in_words(text: str, seconds: float | None) -> None:
    assert asked_wait(text) == seconds


def test_retry_after_without_a_date_header_counts_from_now() -> None:
    assert retry_after({"retry-after": "Fri, 20 Nov 2020 10:00:07 GMT"}) == 0


def test_a_rate_limit_in_the_stream_waits_as_told() -> None:
    limit = failed("rate_limit_exceeded", "Rate limit reached. Please try again in 1.5s.")
    found = ask(streamed(CREATED, limit), OK)
    assert found.slept == [1.5]
    assert words(found.events)[0] == (
        "Reconnecting... 1/5 (rate limit exceeded: Rate limit reached. Please try again in 1.5s.)"
    )


@pytest.mark.parametrize(
    ("ending", "cause"),
    [
        (failed("server_error", "oops"), "oops"),
        (failed("weird", "odd"), "odd"),
        (event("response.failed", response={"error": None}), "response.failed event received"),
        (event("error", code="server_error", message="bang"), "bang"),
        (event("error", error={"code": "server_error", "message": "bang"}), "bang"),
        (b"", "stream closed before response.completed"),
    ],
)
def test_a_stream_that_ends_badly_is_tried_again(ending: bytes, cause: str) -> None:
    found = ask(streamed(CREATED, ending) if ending else streamed(CREATED), OK)
    assert words(found.events) == [
        f"Reconnecting... 1/5 (stream disconnected before completion: {cause})",
        "item message",
        "completed r0",
    ]


# --- failures that are not -------------------------------------------------------------------

ROOM = (
    "Quire ran out of room in the model's context window. "
    "Start a new thread or clear earlier history before retrying."
)


@pytest.mark.parametrize(
    ("answer", "text", "code"),
    [
        (
            status("400 Bad Request", {"error": {"message": "bad", "type": "x"}}),
            '{"error":{"message":"bad","type":"x"}}',
            "badRequest",
        ),
        (status("400 Bad Request", b""), "400 Bad Request from URL", "badRequest"),
        (
            status("400 Bad Request", error_body("long", "context_length_exceeded")),
            ROOM,
            "contextWindowExceeded",
        ),
        (
            status("403 Forbidden", error_body("not yours")),
            "403 Forbidden from URL: check the key in MOCK_KEY (not yours)",
            "unauthorized",
        ),
        (
            status("404 Not Found", error_body("The model `gpt-5.5` does not exist")),
            "The model `gpt-5.5` does not exist",
            "modelNotFound",
        ),
        (
            status("404 Not Found", error_body("no such thing", "model_not_found")),
            "model `gpt-5.5` not found: no such thing",
            "modelNotFound",
        ),
        (
            status("404 Not Found", b"<html>nginx</html>"),
            "unexpected status 404 Not Found: no explanation, url: URL; check base_url",
            "badRequest",
        ),
        (
            status("422 Unprocessable Entity", {"detail": "no"}),
            "unexpected status 422 Unprocessable Entity: no, url: URL",
            "badRequest",
        ),
        (
            status("429 Too Many Requests", error_body("?", "insufficient_quota")),
            "Quota exceeded. Check your plan and billing details.",
            "usageLimitExceeded",
        ),
        (
            status(
                "429 Too Many Requests",
                {"error": {"type": "usage_limit_reached", "resets_in_seconds": 7200}},
            ),
            "You've hit your usage limit. Try again in 2 h.",
            "usageLimitExceeded",
        ),
        (
            status("529 Overloaded", {"error": {"type": "overloaded_error"}}),
            "Selected model is at capacity. Please try a different model.",
            "serverOverloaded",
        ),
        (streamed(CREATED, failed("context_length_exceeded", "")), ROOM, "contextWindowExceeded"),
        (
            streamed(CREATED, failed("insufficient_quota", "")),
            "Quota exceeded. Check your plan and billing details.",
            "usageLimitExceeded",
        ),
        (streamed(CREATED, failed("invalid_prompt", "no good")), "no good", "badRequest"),
        (streamed(CREATED, failed("cyber_policy", "no")), "no", "badRequest"),
        (streamed(CREATED, failed("bio_policy", "no")), "no", "badRequest"),
        (streamed(CREATED, failed("usage_not_included", "no")), "no", "badRequest"),
        (streamed(CREATED, failed("model_not_found", "no m")), "no m", "modelNotFound"),
        (
            streamed(CREATED, failed("server_is_overloaded", "")),
            "Selected model is at capacity. Please try a different model.",
            "serverOverloaded",
        ),
        (
            streamed(
                CREATED,
                event(
                    "response.incomplete",
                    response={"incomplete_details": {"reason": "max_output_tokens"}},
                ),
            ),
            "Incomplete response returned, reason: max_output_tokens",
            "other",
        ),
        (
            status("200 OK", b"<html>log in</html>", "content-type: text/html; charset=utf-8"),
            "URL answered with text/html, not with events: check base_url and proxies",
            "httpConnectionFailed",
        ),
        (
            status("200 OK", {"error": "no"}, "content-type: application/json"),
            "URL answered with application/json, not with events: check base_url and proxies (no)",
            "httpConnectionFailed",
        ),
        (
            status("200 OK", b"\x1f\x8b", "content-encoding: gzip"),
            "URL answered with gzip content, not with events: check base_url and proxies",
            "httpConnectionFailed",
        ),
        (
            status("307 Temporary Redirect", b"", "location: https://evil.test/v1"),
            "URL redirects to https://evil.test/v1: if that is right, set base_url",
            "badRequest",
        ),
        (
            status("308 Permanent Redirect", b"", "location: //evil.test/v1"),
            "URL redirects to //evil.test/v1: if that is right, set base_url",
            "badRequest",
        ),
        (
            status("308 Permanent Redirect", b"", "location: /v1/responses"),
            "URL redirects in circles",
            "badRequest",
        ),
    ],
)
def test_failures_that_end_at_once(answer: bytes, text: str, code: str) -> None:
    found = ask(answer)
    assert found.error is not None
    url = f"http://{found.requests[0].headers['host']}/v1/responses"
    assert found.text == text.replace("URL", url)
    assert found.error.code == code
    assert found.slept == []
    assert found.events == []


def test_a_redirect_on_the_same_host_is_followed() -> None:
    found = ask(status("307 Temporary Redirect", b"", "location: /v2/responses?x=1"), OK)
    assert words(found.events)[-1] == "completed r0"
    assert found.requests[1].line == "POST /v2/responses?x=1 HTTP/1.1"
    assert found.requests[0].body == found.requests[1].body


def test_an_incomplete_answer_ends_after_its_items() -> None:
    ending = event("response.incomplete", response={"incomplete_details": None})
    found = ask(streamed(CREATED, ITEM, ending))
    assert words(found.events) == ["item message"]
    assert found.text == "Incomplete response returned, reason: unknown"


# --- keys ------------------------------------------------------------------------------------


def test_a_wrong_key_names_its_variable_in_the_first_event() -> None:
    refusal = status("401 Unauthorized", error_body(f"Incorrect API key provided: {SECRET}"))
    found = ask(refusal)
    url = f"http://{found.requests[0].headers['host']}/v1/responses"
    text = (
        f"401 Unauthorized from {url}: check the key in MOCK_KEY (Incorrect API key provided: ***)"
    )
    assert words(found.events)[0] == f"Reconnecting... 1/5 ({text})"
    assert found.text == text
    assert found.error is not None
    assert (found.error.code, found.error.http_status) == ("unauthorized", 401)
    assert len(found.requests) == 6


def test_no_key_at_all_says_how_to_set_one() -> None:
    async def run() -> str:
        async with RawServer(status("403 Forbidden", {})) as server:
            model = ResponsesModel(provider(server.url), None, env={})
            with pytest.raises(ModelError) as caught:
                [event async for event in model.stream(request())]
            await model.aclose()
            return str(caught.value)

    text = asyncio.run(run())
    assert "no key was sent; set OPENAI_API_KEY or run `quire login --with-api-key`" in text


@pytest.mark.parametrize(
    "answer",
    [
        status("400 Bad Request", b"you sent Bearer " + SECRET.encode() + b" and x-team-secret"),
        status("500 Oops", error_body(f"headers: {SECRET} x-team-secret")),
        status("403 Forbidden", error_body(f"{SECRET}, x-team-secret")),
        status("404 Not Found", error_body(f"model {SECRET} x-team-secret")),
        status("401 Unauthorized", error_body("Incorrect: sk-abcd1234*****wxyz")),
        streamed(CREATED, failed("server_error", f"{SECRET} x-team-secret")),
        streamed(CREATED, failed("invalid_prompt", f"{SECRET} x-team-secret")),
        status("307 T", b"", f"location: http://evil.test/{SECRET}/x-team-secret"),
    ],
)
def test_secrets_that_a_server_echoes_are_not_shown(answer: bytes) -> None:
    found = ask(answer, http_headers={"x-team": "x-team-secret"}, stream_max_retries=1)
    shown = repr(found.events) + repr(found.error) + repr(found.error and found.error.info)
    assert "***" in shown
    for secret in (SECRET, "x-team-secret", "sk-abcd", "wxyz"):
        assert secret not in shown


@pytest.mark.parametrize("code", ["500 Oops", "400 Bad Request", "403 No", "404 Model"])
def test_a_server_cannot_flood_or_colour_the_error(code: str) -> None:
    body = b"\x1b[31mmodel " + b"a\n" * 50_000
    found = ask(status(code, body), stream_max_retries=0)
    assert len(found.text) < 5000
    assert found.text.isprintable()
