"""Questions of a thread that wait for a person, and who was asked.

A question goes to every client that watches the thread, also to one that comes later; the first
answer counts, and the others are told that it needs none any more. It waits while nobody watches.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from msgspec import Raw, Struct

from quire.protocol.rpc.approvals import (
    SERVER_REQUEST_RESOLVED,
    ServerRequestResolvedNotification,
)
from quire.protocol.rpc.method import ServerRequest
from quire.protocol.rpc.thread import ThreadActiveFlag
from quire.server.routes import Client


class Question:
    """One question under way."""

    def __init__(self, kind: ServerRequest, params: Struct, flag: ThreadActiveFlag) -> None:
        self.kind = kind
        self.params = params
        self.flag: ThreadActiveFlag = flag
        self.asked: dict[Client, int] = {}
        self.answer: asyncio.Future[Raw | None] = asyncio.get_running_loop().create_future()

    def put_to(self, client: Client) -> None:
        self.asked[client] = client.ask(self.kind, self.params, self._answered)

    def _answered(self, result: Raw | None) -> None:
        if not self.answer.done():
            # The frame it lies in is dropped; copy it.
            self.answer.set_result(None if result is None else Raw(bytes(result)))


class Questions:
    """The open questions of one thread. `changed` is called when the flags may have changed."""

    def __init__(self, thread_id: str, changed: Callable[[], None]) -> None:
        self._thread_id = thread_id
        self._changed = changed
        self._open: list[Question] = []

    @property
    def flags(self) -> tuple[ThreadActiveFlag, ...]:
        """What the thread waits for, each once."""
        flags: list[ThreadActiveFlag] = []
        for question in self._open:
            if question.flag not in flags:
                flags.append(question.flag)
        return tuple(flags)

    async def ask(
        self,
        kind: ServerRequest,
        params: Struct,
        flag: ThreadActiveFlag,
        clients: Iterable[Client],
    ) -> Raw | None:
        """Wait for the first answer; None when a client answered with an error. A cancellation
        withdraws the question."""
        question = Question(kind, params, flag)
        self._open.append(question)
        self._changed()
        for client in clients:
            question.put_to(client)
        try:
            return await question.answer
        finally:
            self._open.remove(question)
            for client, request_id in question.asked.items():
                client.withdraw(request_id)
                client.notify(
                    SERVER_REQUEST_RESOLVED,
                    ServerRequestResolvedNotification(
                        thread_id=self._thread_id, request_id=request_id
                    ),
                )
            self._changed()

    def joined(self, client: Client) -> None:
        """A client watches from now on: it may answer too."""
        for question in self._open:
            if client not in question.asked:
                question.put_to(client)

    def left(self, client: Client) -> None:
        for question in self._open:
            question.asked.pop(client, None)
