"""From a method's name to the function that answers it.

Each namespace has a file in `server/calls/` with a class whose `routes()` names its methods:

    def routes(self) -> Routes:
        return {"fs/readFile": route(FsReadFileParams, self.read_file)}
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Protocol, TypeVar

import msgspec
from msgspec import Raw, Struct

from quire.protocol.rpc.method import Empty, Notification, ServerRequest
from quire.server.errors import InvalidRequest
from quire.server.thread_ids import names_thread, with_thread_id


class Client(Protocol):
    """A client's connection."""

    @property
    def name(self) -> str: ...

    @property
    def gone(self) -> bool: ...

    def notify(self, kind: Notification, params: Struct) -> None:
        """Tell it something. Never waits; a lossy kind may be dropped."""
        ...

    def forward(self, kind: Notification, frame: bytes) -> None:
        """`notify` with a frame that was encoded already."""
        ...

    def ask(
        self, kind: ServerRequest, params: Struct, answered: Callable[[Raw | None], None]
    ) -> int:
        """Put a question to it; its id. `answered` is called at most once, with the result, or
        with None when the client answered with an error."""
        ...

    def withdraw(self, request_id: int) -> None:
        """An answer to this question that comes later is passed over."""
        ...

    def on_close(self, callback: Callable[[], None]) -> None:
        """Call back when it is gone."""
        ...


class Caller(Protocol):
    """The client that made a call, as its handlers see it."""

    @property
    def name(self) -> str:
        """What it called itself in `initialize`."""
        ...

    @property
    def experimental(self) -> bool:
        """True when it asked for the experimental part of the protocol."""
        ...

    def notify(self, kind: Notification, params: Struct) -> None:
        """Tell this client something. Never waits; a lossy kind may be dropped. After the client
        is gone it does nothing."""
        ...

    def on_close(self, callback: Callable[[], None]) -> None:
        """Call back when this client is gone."""
        ...

    def after_reply(self, callback: Callable[[], None]) -> None:
        """Call back once this call's answer is on its way: what it set off is told after it."""
        ...

    @property
    def client(self) -> Client:
        """The connection itself, for what outlives the call."""
        ...


Handler = Callable[[Raw, Caller], Awaitable[Struct]]
Routes = Mapping[str, Handler]


class LateRoutes(Mapping[str, Handler]):
    """Routes of which some are made when a method is asked for that the first do not have."""

    def __init__(self, first: Routes, late: Callable[[], Routes]) -> None:
        self._known = dict(first)
        self._late: Callable[[], Routes] | None = late

    def complete(self) -> Mapping[str, Handler]:
        """All routes, made by now."""
        if self._late is not None:
            self._known |= self._late()
            self._late = None
        return self._known

    def __getitem__(self, name: str) -> Handler:
        return self._known[name] if name in self._known else self.complete()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.complete())

    def __len__(self) -> int:
        return len(self.complete())


_Params = TypeVar("_Params", bound=Struct)


def route(
    params_type: type[_Params], handle: Callable[[_Params, Caller], Awaitable[Struct]]
) -> Handler:
    """A handler that decodes its parameters. What is missing or wrong in them is an
    `InvalidRequest` in the words of Codex 0.169."""

    of_thread = names_thread(params_type)

    async def handler(raw: Raw, caller: Caller) -> Struct:
        params = decode_params(params_type, raw)
        if of_thread:
            params = with_thread_id(params, bytes(raw))
        return await handle(params, caller)

    return handler


def decode_params(params_type: type[_Params], raw: Raw) -> _Params:
    """Raises `InvalidRequest`. Only a call that takes none may leave its parameters out."""
    given = bytes(raw)
    if given in (b"", b"null"):
        if params_type is not Empty:
            raise InvalidRequest("Invalid request: missing field `params`")
        given = b"{}"
    try:
        return msgspec.json.decode(given, type=params_type)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise InvalidRequest(f"Invalid request: {_explained(given, params_type, exc)}") from None


def _explained(given: bytes, params_type: type[Struct], exc: Exception) -> str:
    from quire.server.param_faults import fault

    try:
        return fault(given, params_type) or str(exc)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return str(exc)
