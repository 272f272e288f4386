"""The `Model` port over the Responses API: streaming HTTP, with retries inside.

Format and behaviour: OpenAI Responses API as Codex 0.169 uses it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping

import msgspec
from msgspec import Struct

from quire.core.errors import UsageError
from quire.core.ports import Completed, ItemDone, ModelEvent, ModelRequest, StreamBroken
from quire.models.auth import Key, Redactor, secrets_of
from quire.models.connect import ConnectFailed, ProxyRefused, TlsRefused, TransportError
from quire.models.events import read_event
from quire.models.failures import (
    Answerer,
    Failure,
    ServerError,
    disconnected,
    one_line,
    status_failure,
    unreachable,
)
from quire.models.provider import ProviderConfig
from quire.models.request import provider_headers, request_body, request_headers, turn_metadata
from quire.models.retry import Timing, Tries
from quire.models.sse import EventTooLarge, SseParser
from quire.models.transport import HttpClient, Request, Response, Silence, StreamCut
from quire.models.url import Url, parse_url

_ERROR_BODY = 64 * 1024
_ERROR_SECONDS = 10.0
_MAX_REDIRECTS = 5
_NOT_EVENTS = ("text/html", "application/xhtml+xml", "application/json")
_SILENCE = "idle timeout waiting for SSE"


class _ErrorBody(Struct):
    error: ServerError | str | None = None
    message: str | None = None
    detail: str | None = None


class ResponsesModel:
    """One thread's model behind `POST {base_url}/responses`."""

    def __init__(
        self,
        provider: ProviderConfig,
        key: Key | None,
        *,
        env: Mapping[str, str],
        ca_certificate: str | None = None,
        thread_source: str = "user",
        timing: Timing | None = None,
    ) -> None:
        """`env` gives proxies, certificates and the client's name; `ca_certificate` is the
        config's; `thread_source` says who began the thread (`user`, …). Raises `UsageError` for
        a base URL or a header that is none."""
        self._provider = provider
        self._key = key
        self._env = env
        self._thread_source = thread_source
        self._timing = timing or Timing()
        self._url = _endpoint(provider)
        self._headers = provider_headers(provider, env)
        self._idle = max(0.001, provider.stream_idle_timeout_ms / 1000)
        self._client = HttpClient(env, ca_certificate)
        self._redactor = Redactor(secrets_of(provider, key, env))

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent]:
        """See the `Model` port."""
        http = self._http(request)
        tries = Tries(self._provider, request.attempt, self._timing)
        some_done = False
        while True:
            try:
                answer = await self._open(http, request.context.model)
                tries.connected()
                while not answer.ended:
                    for event in await answer.events():
                        some_done = some_done or isinstance(event, ItemDone)
                        yield event
                return
            except Failure as failure:
                cleaned = self._clean(failure)
            finally:
                self._client.finish()
            pause = tries.failed(cleaned, resumable=not some_done)
            if pause.news is not None:
                yield pause.news
            await self._timing.sleep(pause.seconds)
            if some_done:
                yield StreamBroken(str(cleaned))
                return

    async def aclose(self) -> None:
        """See the `Model` port."""
        self._client.close()

    def _http(self, request: ModelRequest) -> Request:
        metadata = turn_metadata(request, self._thread_source)
        return Request(
            self._url,
            request_headers(self._headers, self._key, self._env, metadata),
            request_body(request, metadata),
            self._idle,
        )

    async def _open(self, http: Request, model: str) -> _Answer:
        """Send the request up to a head that promises events. Raises `Failure`."""
        try:
            for _ in range(_MAX_REDIRECTS):
                response = await self._client.post(http)
                if response.status not in (307, 308):
                    break
                http = _redirected(http, response.header("location"))
            else:
                raise Failure(f"{http.url} redirects in circles", "badRequest", "none")
            if not 200 <= response.status < 300:
                raise await self._status(response, http.url, model)
        except ConnectFailed as exc:
            raise unreachable(str(exc), http.url.authority, self._provider) from None
        except (TlsRefused, ProxyRefused, UsageError) as exc:
            raise Failure(str(exc), "httpConnectionFailed", "none") from None
        except Silence:
            raise disconnected(_SILENCE) from None
        except TransportError as exc:
            raise disconnected(str(exc), "request") from None
        if odd := _odd_content(response):
            text = f"{http.url} answered with {odd}, not with events: check base_url and proxies"
            if said := await self._said(response):
                text += f" ({said})"
            raise Failure(text, "httpConnectionFailed", "none", status=response.status)
        return _Answer(response, self._idle)

    async def _status(self, response: Response, url: Url, model: str) -> Failure:
        """The failure that an HTTP status and its body stand for."""
        text = await self._body(response)
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in response.head.headers
        }
        who = Answerer(str(url), model, self._key)
        return status_failure(response.status, headers, text, error_of(text), who)

    async def _said(self, response: Response) -> str:
        """The server's own words in a body that is no stream, if it has any."""
        return one_line(error_of(await self._body(response)).message or "")

    async def _body(self, response: Response) -> str:
        """The start of a body, without secrets; empty if it does not come."""
        try:
            async with asyncio.timeout(_ERROR_SECONDS):
                body = await response.read_all(_ERROR_BODY, self._idle)
        except (StreamCut, TimeoutError):
            return ""  # the status says enough
        return self._redactor.clean(body.decode(errors="replace"))

    def _clean(self, failure: Failure) -> Failure:
        """The failure without secrets: servers echo what they were sent."""
        text = self._redactor.clean(str(failure))
        return Failure(
            text,
            failure.code,
            failure.remedy,
            status=failure.status,
            wait=failure.wait,
            cause=self._redactor.clean(failure.cause),
        )


class _Answer:
    """A response read as events."""

    def __init__(self, response: Response, idle: float) -> None:
        self._response = response
        self._idle = idle
        self._parser = SseParser()
        self._failure: Failure | None = None
        self.ended = False

    async def events(self) -> list[ModelEvent]:
        """The next events, at least one; `ended` is set with the last. Raises `Failure`, once
        the events before it were given."""
        while True:
            if self._failure is not None:
                raise self._failure
            events = self._decode(await self._payloads())
            if events:
                return events

    async def _payloads(self) -> list[bytes]:
        try:
            data = await self._response.read(self._idle)
            if data:
                return self._parser.feed(data)
        except Silence:
            raise disconnected(_SILENCE) from None
        except TransportError as exc:
            raise disconnected(str(exc)) from None
        except EventTooLarge as exc:
            raise Failure(f"malformed answer: {exc}", "other", "none") from None
        self._failure = disconnected("stream closed before response.completed")
        rest = self._parser.finish()
        return [rest] if rest else []

    def _decode(self, payloads: list[bytes]) -> list[ModelEvent]:
        events: list[ModelEvent] = []
        try:
            for payload in payloads:
                event = read_event(payload)
                if event is not None:
                    events.append(event)
                    if isinstance(event, Completed):
                        self.ended = True
                        self._response.release()
                        break
        except Failure as failure:
            self._failure = failure
        return events


def _odd_content(response: Response) -> str:
    """What the head promises instead of events, or nothing."""
    encoding = response.header("content-encoding").lower()
    if encoding not in ("", "identity"):
        return f"{encoding} content"
    kind = response.header("content-type").partition(";")[0].strip().lower()
    return kind if kind in _NOT_EVENTS else ""


def error_of(body: str) -> ServerError:
    """The error in an HTTP body, in the shapes that servers and gateways use."""
    try:
        found = msgspec.json.decode(body, type=_ErrorBody)
    except msgspec.DecodeError:
        return ServerError()
    if isinstance(found.error, ServerError):
        return found.error
    return ServerError(found.error or found.message or found.detail)


def _endpoint(provider: ProviderConfig) -> Url:
    base, _, query = provider.base_url.partition("?")
    url = base.rstrip("/") + "/responses"
    if provider.query_params:
        from urllib.parse import urlencode

        query = "&".join(filter(None, (query, urlencode(provider.query_params))))
    return parse_url(f"{url}?{query}" if query else url, f"base_url of provider {provider.id}")


def _redirected(http: Request, location: str) -> Request:
    """The request again for the place a redirect names; only on the same host, since it carries
    a key."""
    url = http.url
    origin = f"{url.scheme}://{url.netloc}"
    if location.startswith("/") and not location.startswith("//"):
        location = origin + location
    if not location.startswith(origin + "/"):
        place = location.partition("?")[0][:200] or "nowhere"
        text = f"{url} redirects to {place}: if that is right, set base_url"
        raise Failure(text, "badRequest", "none")
    return Request(parse_url(location, "redirect"), http.headers, http.content, http.timeout)
