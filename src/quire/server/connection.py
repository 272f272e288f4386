"""One client: its calls in, answers, notifications and questions out."""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import Callable
from contextlib import ExitStack, suppress

from msgspec import Raw, Struct

from quire.core.errors import QuireError, RolloutError
from quire.protocol.rpc.method import Notification, ServerRequest
from quire.protocol.rpc.server import InitializeParams, InitializeResponse
from quire.server.channel import Channel
from quire.server.errors import INTERNAL_ERROR, INVALID_REQUEST, OVERLOADED, RpcError
from quire.server.frames import (
    Incoming,
    RequestId,
    answer,
    decode,
    notification,
    question,
    refusal,
)
from quire.server.greeting import Greeter
from quire.server.outbox import Outbox
from quire.server.routes import Routes, decode_params

MAX_CALLS = 1024
"""Calls of one client that may be under way at one time."""
_FLUSH_SECONDS = 5.0
_DRAIN_SECONDS = 10.0
"""How long calls may go on whose client says no more, before they are given up."""
_LOOK_SECONDS = 0.5

Answered = Callable[[Raw | None], None]
"""Called with the result of a question, or with None when the client answered with an error."""


class Connection:
    """Serves one client until it is gone."""

    def __init__(
        self,
        channel: Channel,
        routes: Routes,
        greeter: Greeter,
        welcome: Callable[[Connection], None] | None = None,
    ) -> None:
        """`welcome` is called once the client was greeted."""
        self._channel = channel
        self._routes = routes
        self._greeter = greeter
        self._welcome = welcome
        self._outbox = Outbox()
        self._calls: set[asyncio.Task[None]] = set()
        self._questions: dict[int, Answered] = {}
        self._next_question = 0
        self._closing: list[Callable[[], None]] = []
        self._silenced: frozenset[str] = frozenset()
        self._params: InitializeParams | None = None
        self._gone = False

    @property
    def name(self) -> str:
        return self._params.client_info.name if self._params is not None else ""

    @property
    def experimental(self) -> bool:
        capabilities = self._params.capabilities if self._params is not None else None
        return capabilities is not None and capabilities.experimental_api

    @property
    def gone(self) -> bool:
        return self._gone

    def notify(self, kind: Notification, params: Struct) -> None:
        if kind.name not in self._silenced and self._params is not None:
            self._outbox.put(notification(kind, params), lossy=kind.lossy)

    def forward(self, kind: Notification, frame: bytes) -> None:
        """`notify` with a frame that was encoded already."""
        if kind.name not in self._silenced:
            self._outbox.put(frame, lossy=kind.lossy)

    def ask(self, kind: ServerRequest, params: Struct, answered: Answered) -> int:
        """Put a question to the client; its id."""
        request_id = self._next_question
        self._next_question += 1
        self._questions[request_id] = answered
        self._outbox.put(question(kind, request_id, params))
        return request_id

    def withdraw(self, request_id: int) -> None:
        """An answer that comes later is passed over."""
        self._questions.pop(request_id, None)

    def on_close(self, callback: Callable[[], None]) -> None:
        if self._gone:
            callback()
        else:
            self._closing.append(callback)

    @property
    def in_flight(self) -> int:
        """Calls under way."""
        return len(self._calls)

    async def serve(self) -> None:
        """Serve until the client is gone. A cancellation closes the connection."""
        writer = asyncio.create_task(self._write())
        reader = asyncio.create_task(self._read())
        deaf = asyncio.create_task(self._outbox.overflow())
        try:
            await asyncio.wait([reader, writer, deaf], return_when=asyncio.FIRST_COMPLETED)
            if deaf.done():
                writer.cancel()
            await self._finish_calls(writer)
        finally:
            deaf.cancel()
            try:
                self._close()
            finally:
                await self._let_go(reader, writer)

    async def _let_go(self, reader: asyncio.Task[None], writer: asyncio.Task[None]) -> None:
        reader.cancel()
        for call in tuple(self._calls):
            call.cancel()
        with suppress(TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout(_FLUSH_SECONDS):
                await writer
        writer.cancel()
        await asyncio.gather(reader, writer, *self._calls, return_exceptions=True)
        await self._channel.aclose()

    async def _finish_calls(self, writer: asyncio.Task[None]) -> None:
        """A client that says no more still gets what it asked for, within a limit."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _DRAIN_SECONDS
        while self._calls and self._channel.half_open and not writer.done():
            left = deadline - loop.time()
            if left <= 0:
                return
            await asyncio.wait(
                [writer, *self._calls],
                timeout=min(left, _LOOK_SECONDS),
                return_when=asyncio.FIRST_COMPLETED,
            )

    def _close(self) -> None:
        self._gone = True
        self._outbox.close()
        self._questions.clear()
        _call_all(self._closing)

    async def _write(self) -> None:
        with suppress(ConnectionError):
            while (frame := await self._outbox.next()) is not None:
                await self._channel.send(frame)

    async def _read(self) -> None:
        while (frame := await self._channel.receive()) is not None:
            message = decode(frame)
            if message is not None:
                self._take(message)

    def _take(self, message: Incoming) -> None:
        if isinstance(message.method, str):
            if not isinstance(message.id, int | str):
                return  # `initialized` and others: nothing follows from them.
            if len(self._calls) >= MAX_CALLS:
                text = "Server overloaded; retry later."
                self._outbox.put(refusal(message.id, OVERLOADED, text))
                return
            call = asyncio.create_task(self._take_call(message.id, message.method, message.params))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)
        elif isinstance(message.id, int):
            answered = self._questions.pop(message.id, None)
            if answered is not None:
                answered(message.result if isinstance(message.result, Raw) else None)

    async def _take_call(self, request_id: RequestId, method: str, params: Raw) -> None:
        call = Call(self)
        try:
            self._outbox.put(await self._answer(request_id, method, params, call))
        finally:
            call.replied()

    async def _answer(self, request_id: RequestId, method: str, params: Raw, call: Call) -> bytes:
        """The answer to a call."""
        try:
            return answer(request_id, await self._handle(method, params, call))
        except RpcError as exc:
            return refusal(request_id, exc.code, str(exc), exc.data)
        except RolloutError as exc:
            return refusal(request_id, INTERNAL_ERROR, str(exc))
        except QuireError as exc:
            return refusal(request_id, INVALID_REQUEST, str(exc))
        except Exception as exc:  # A bug in one call must not end the others.
            traceback.print_exc(file=sys.stderr)
            text = f"internal error: {type(exc).__name__}: {exc}"
            return refusal(request_id, INTERNAL_ERROR, text)

    async def _handle(self, method: str, params: Raw, call: Call) -> Struct:
        if method == "initialize":
            return self._initialize(params, call)
        if self._params is None:
            raise RpcError("Not initialized")
        handler = self._routes.get(method)
        if handler is None:
            known = ", ".join(f"`{name}`" for name in ("initialize", *self._routes))
            raise RpcError(f"Invalid request: unknown variant `{method}`, expected one of {known}")
        if not self.experimental:
            from quire.server.capabilities import needs_experimental

            refused = needs_experimental(method, params)
            if refused is not None:
                raise RpcError(f"{refused} requires experimentalApi capability")
        return await handler(params, call)

    def _initialize(self, params: Raw, call: Call) -> InitializeResponse:
        if self._params is not None:
            raise RpcError("Already initialized")
        given = decode_params(InitializeParams, params)
        response = self._greeter.response(given)
        self._params = given
        if given.capabilities is not None:
            self._silenced = frozenset(given.capabilities.opt_out_notification_methods or ())
        welcome = self._welcome
        if welcome is not None:
            call.after_reply(lambda: welcome(self))
        return response


class Call:
    """One call under way: the `Caller` that its handler sees."""

    def __init__(self, connection: Connection) -> None:
        self.client = connection
        self._after: list[Callable[[], None]] = []

    @property
    def name(self) -> str:
        return self.client.name

    @property
    def experimental(self) -> bool:
        return self.client.experimental

    def notify(self, kind: Notification, params: Struct) -> None:
        self.client.notify(kind, params)

    def on_close(self, callback: Callable[[], None]) -> None:
        self.client.on_close(callback)

    def after_reply(self, callback: Callable[[], None]) -> None:
        """Call back once the answer is on its way, or will not come: notifications about what the
        call did come after it."""
        self._after.append(callback)

    def replied(self) -> None:
        _call_all(self._after)


def _call_all(callbacks: list[Callable[[], None]]) -> None:
    """Call each once, in order, also after one that raised."""
    with ExitStack() as stack:
        for callback in reversed(callbacks):
            stack.callback(callback)
        callbacks.clear()
