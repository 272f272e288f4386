"""JSON-RPC from the client's side: calls out, answers, notifications and questions in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import TypeVar

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from quire.client.channel import Channel
from quire.client.errors import CallRefused, ClientError, ConnectionLost

RequestId = int | str
Params = Struct | Mapping[str, object]
_Result = TypeVar("_Result")

METHOD_NOT_FOUND = -32601
DECLINED = -32000


class Question(Struct, frozen=True):
    """A request of the server."""

    id: RequestId
    method: str
    params: Raw


class Unanswered(ClientError):
    """Raised for a question that this client has no answer to: the server is told so."""


class Handler(Struct, frozen=True):
    """What happens with what the server says. `told` never waits. `asked` gives the result of a
    question, or raises `Unanswered`. `lost` is called once, when no more will come."""

    told: Callable[[str, Raw], None]
    asked: Callable[[Question], Awaitable[Struct]]
    lost: Callable[[], None]


class _Error(Struct, frozen=True):
    code: int
    message: str


class _Incoming(Struct, frozen=True):
    id: RequestId | UnsetType | None = UNSET
    method: str | UnsetType = UNSET
    params: Raw = Raw(b"{}")
    result: Raw | UnsetType = UNSET
    error: _Error | UnsetType = UNSET


_decoder = msgspec.json.Decoder(_Incoming)
_encoder = msgspec.json.Encoder()


class Connection:
    """One connection to a server, over a channel that it owns."""

    def __init__(self, channel: Channel, handler: Handler) -> None:
        self._channel = channel
        self._handler = handler
        self._next_id = 0
        self._waiting: dict[RequestId, tuple[str, asyncio.Future[Raw]]] = {}
        self._asked: dict[RequestId, asyncio.Task[None]] = {}
        self._sending = asyncio.Lock()
        self._closed = False
        self._reader = asyncio.create_task(self._read())

    async def call(self, method: str, params: Params, result_type: type[_Result]) -> _Result:
        """Raises `CallRefused`, `ConnectionLost`, and `ClientError` for an answer of another
        shape. After a cancellation the call may still be carried out."""
        request_id = self._next_id
        self._next_id += 1
        answer: asyncio.Future[Raw] = asyncio.get_running_loop().create_future()
        if self._closed:
            raise ConnectionLost(f"{method}: the connection is closed")
        self._waiting[request_id] = (method, answer)
        try:
            await self._send({"method": method, "id": request_id, "params": params})
            result = await answer
        finally:
            self._waiting.pop(request_id, None)
        try:
            return msgspec.json.decode(result, type=result_type)
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise ClientError(f"{method}: the answer cannot be read: {exc}") from None

    async def notify(self, method: str) -> None:
        await self._send({"method": method})

    def withdraw(self, request_id: RequestId) -> None:
        """The server does not want an answer any more: stop looking for one."""
        task = self._asked.pop(request_id, None)
        if task is not None:
            task.cancel()

    async def aclose(self) -> None:
        self._reader.cancel()
        self._lose()
        await asyncio.gather(self._reader, *self._asked.values(), return_exceptions=True)
        await self._channel.aclose()

    async def _send(self, message: Mapping[str, object]) -> None:
        frame = _encoder.encode(message)
        try:
            async with self._sending:
                await self._channel.send(frame)
        except ConnectionError:
            raise ConnectionLost("the server is gone") from None

    async def _read(self) -> None:
        try:
            while (frame := await self._channel.receive()) is not None:
                try:
                    self._take(_decoder.decode(frame))
                except (msgspec.DecodeError, UnicodeDecodeError):
                    continue  # No message of ours; the next may be one.
        finally:
            self._lose()

    def _take(self, message: _Incoming) -> None:
        if isinstance(message.method, str):
            if isinstance(message.id, int | str):
                question = Question(message.id, message.method, message.params)
                task = asyncio.create_task(self._answer(question))
                self._asked[message.id] = task
                task.add_done_callback(lambda _: self._asked.pop(question.id, None))
            else:
                self._handler.told(message.method, message.params)
        elif isinstance(message.id, int | str) and message.id in self._waiting:
            method, answer = self._waiting.pop(message.id)
            if answer.done():
                return
            if isinstance(message.error, _Error):
                error = message.error
                answer.set_exception(CallRefused(method, error.code, error.message))
            else:
                answer.set_result(message.result if isinstance(message.result, Raw) else Raw())

    async def _answer(self, question: Question) -> None:
        with suppress(ConnectionLost):
            try:
                result = await self._handler.asked(question)
                await self._send({"id": question.id, "result": result})
            except Unanswered as exc:
                error = {"code": DECLINED, "message": str(exc)}
                await self._send({"id": question.id, "error": error})

    def _lose(self) -> None:
        if self._closed:
            return
        self._closed = True
        for method, answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ConnectionLost(f"{method}: the server is gone"))
        self._waiting.clear()
        for task in self._asked.values():
            task.cancel()
        self._handler.lost()
