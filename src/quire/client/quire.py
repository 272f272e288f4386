"""`Quire`: a server in this process or elsewhere, and the threads on it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from typing import Self, TypedDict, TypeVar, Unpack

from quire.client.channel import Channel
from quire.client.connection import Params
from quire.client.errors import ClientError
from quire.client.link import Link, Notify
from quire.client.options import (
    ForkOptions,
    ListOptions,
    ThreadOptions,
    thread_callbacks,
    thread_params,
)
from quire.client.questions import AnswerInput, Approve, Callbacks, Elicit
from quire.client.run import TurnResult
from quire.client.thread import Thread
from quire.protocol.review import ReviewTarget
from quire.protocol.rpc.method import Empty
from quire.protocol.rpc.models import Model, ModelListParams, ModelListResponse
from quire.protocol.rpc.server import (
    ClientInfo,
    InitializeCapabilities,
    InitializeParams,
    InitializeResponse,
)
from quire.protocol.rpc.thread import Thread as ThreadView
from quire.protocol.rpc.thread import (
    ThreadForkParams,
    ThreadForkResponse,
    ThreadListParams,
    ThreadListResponse,
    ThreadResumeParams,
    ThreadResumeResponse,
    ThreadStartParams,
    ThreadStartResponse,
)

_Result = TypeVar("_Result")


class QuireOptions(TypedDict, total=False):
    """Where the server is: in this process, unless `connect` or `channel` says otherwise.

    `connect` is `stdio:COMMAND` (`app-server` is added to a command of one word), `unix:///PATH` or
    `ws://HOST:PORT`, the last with its `token`. `home`, `cwd`, `env` and `config` (overrides by
    dotted key) are for the server in this process. The callbacks are for all threads. `notify` is
    told, by method and parameters, what concerns no thread. `name` is what the client calls
    itself."""

    connect: str
    token: str
    channel: Channel
    home: str
    cwd: str
    env: Mapping[str, str]
    config: Mapping[str, object]
    approve: Approve
    answer: AnswerInput
    elicit: Elicit
    notify: Notify
    name: str
    version: str


class Quire:
    """A client:

        async with Quire() as q:
            thread = await q.thread(sandbox="workspace-write", approval_policy="on-request")
            result = await thread.ask("…")

    Entering raises `CannotConnect` when there is no server to reach or what is configured cannot be
    used. Leaving ends what runs in a server of this process; others go on."""

    def __init__(self, **options: Unpack[QuireOptions]) -> None:
        self._options = options
        self._opened = AsyncExitStack()
        self._link: Link | None = None
        self._info: InitializeResponse | None = None

    async def __aenter__(self) -> Self:
        options = self._options
        async with AsyncExitStack() as stack:
            channel = await self._channel(stack)
            callbacks = Callbacks(
                options.get("approve"), options.get("answer"), options.get("elicit")
            )
            link = Link(channel, callbacks, options.get("notify"))
            stack.push_async_callback(link.aclose)
            self._info = await link.call("initialize", self._hello(), InitializeResponse)
            await link.initialized()
            self._link = link
            self._opened = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._opened.aclose()

    @property
    def info(self) -> InitializeResponse:
        """What the server said of itself."""
        if self._info is None:
            raise ClientError(_NOT_OPEN)
        return self._info

    async def call(
        self, method: str, params: Params | None = None, result_type: type[_Result] = object
    ) -> _Result:
        """Any call of the protocol, by its name. Raises `CallRefused`, `ConnectionLost`."""
        return await self._opened_link().call(method, params or Empty(), result_type)

    async def thread(self, **options: Unpack[ThreadOptions]) -> Thread:
        """Start a thread."""
        params = thread_params(ThreadStartParams, options)
        return self._joined(await self.call("thread/start", params, ThreadStartResponse), options)

    async def resume(self, thread_id: str, **options: Unpack[ThreadOptions]) -> Thread:
        """Go on with a stored thread, or join one that is loaded. Raises `CallRefused` for an
        unknown id."""
        params = thread_params(ThreadResumeParams, options, thread_id=thread_id, exclude_turns=True)
        callbacks = thread_callbacks(options)
        self._opened_link().answer_for(thread_id, callbacks)
        return self._joined(await self.call("thread/resume", params, ThreadResumeResponse), options)

    async def fork(self, thread_id: str, **options: Unpack[ForkOptions]) -> Thread:
        """A new thread with the history of another. Raises `CallRefused` for an unknown id."""
        params = thread_params(ThreadForkParams, options, thread_id=thread_id, exclude_turns=True)
        return self._joined(await self.call("thread/fork", params, ThreadForkResponse), options)

    async def threads(self, **options: Unpack[ListOptions]) -> AsyncIterator[ThreadView]:
        """Stored threads, the newest first; pages are fetched as they are needed, `limit` threads
        each."""
        cursor: str | None = None
        while True:
            params = ThreadListParams(**options, cursor=cursor)
            page = await self.call("thread/list", params, ThreadListResponse)
            for thread in page.data:
                yield thread
            cursor = page.next_cursor
            if cursor is None:
                return

    async def models(self) -> tuple[Model, ...]:
        """The models that can be chosen."""
        found: list[Model] = []
        cursor: str | None = None
        while True:
            params = ModelListParams(cursor=cursor)
            page = await self.call("model/list", params, ModelListResponse)
            found += page.data
            cursor = page.next_cursor
            if cursor is None:
                return tuple(found)

    async def review(self, target: ReviewTarget, **options: Unpack[ThreadOptions]) -> TurnResult:
        """Review something in a thread of its own; the result's `text` is the review. Raises
        `TurnFailed`."""
        thread = await self.thread(**options)
        return await thread.review(target).result()

    def _opened_link(self) -> Link:
        if self._link is None:
            raise ClientError(_NOT_OPEN)
        return self._link

    def _joined(self, info: ThreadStartResponse, options: ThreadOptions) -> Thread:
        link = self._opened_link()
        link.answer_for(info.thread.id, thread_callbacks(options))
        return Thread(link, info)

    def _hello(self) -> InitializeParams:
        from quire import __version__

        options = self._options
        name, version = options.get("name", "quire_sdk"), options.get("version", __version__)
        return InitializeParams(
            client_info=ClientInfo(name=name, version=version),
            capabilities=InitializeCapabilities(experimental_api=True),
        )

    async def _channel(self, stack: AsyncExitStack) -> Channel:
        options = self._options
        address, channel = options.get("connect"), options.get("channel")
        if channel is not None:
            return channel
        if address is not None:
            from quire.client.connect import connect

            return await connect(address, options.get("token"))
        from quire.client.embedded import Place, serve

        place = Place(
            home=options.get("home"),
            cwd=os.path.abspath(options.get("cwd", ".")),
            env=options.get("env", os.environ),
            config=options.get("config", {}),
        )
        return await stack.enter_async_context(serve(place))


_NOT_OPEN = "the client is not open: use `async with Quire() as q:`"
