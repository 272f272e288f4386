"""One session: a thread, its settings, and the turn that runs."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from acp.exceptions import RequestError
from acp.interfaces import Client
from acp.schema import AvailableCommand, AvailableCommandInput, StopReason, UnstructuredCommandInput

from quire.acp import permissions
from quire.acp.modes import settings
from quire.acp.updates import Update, Updates
from quire.client.errors import CallRefused, ClientError
from quire.client.events import ItemStarted, TurnCompleted, UserInputRequest
from quire.client.questions import ApprovalRequest, Decision
from quire.client.run import TurnResult, TurnRun
from quire.client.thread import Thread
from quire.protocol.review import (
    BaseBranchReviewTarget,
    CommitReviewTarget,
    CustomReviewTarget,
    ReviewTarget,
    UncommittedChangesReviewTarget,
)
from quire.protocol.rpc.items import TextUserInput, UserInput

SHOWN_SECONDS = 2.0
"""How long a question waits for its tool call to be shown first."""


class Session:
    """Events of a turn become updates; `terminals`: the client shows terminals of its own."""

    def __init__(self, client: Client, thread: Thread, *, terminals: bool) -> None:
        self._client = client
        self._thread = thread
        self._terminals = terminals
        self._prompting = self._stopped = False
        self._shown: dict[str, asyncio.Event] = {}
        self.settings = settings(thread.info)

    @property
    def id(self) -> str:
        return self._thread.id

    @property
    def thread(self) -> Thread:
        return self._thread

    async def send(self, update: Update) -> None:
        await self._client.session_update(self.id, update)

    async def prompt(self, parts: list[UserInput]) -> StopReason:
        """Run one turn. Raises `RequestError` when it fails or cannot start."""
        if self._prompting:
            raise RequestError(-32600, "a prompt of this session is still running")
        self._prompting, self._stopped = True, False
        try:
            return await self._prompt(parts)
        finally:
            self._prompting = False
            self._shown.clear()

    async def cancel(self) -> None:
        """Stop the turn that runs, or is about to."""
        self._stopped = True
        with suppress(ClientError):  # None runs, or not yet.
            await self._thread.interrupt()

    async def approve(self, request: ApprovalRequest) -> Decision:
        """Ask the person. The call that is asked about is shown first."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SHOWN_SECONDS):
                await self._is_shown(request.item_id).wait()
        response = await self._client.request_permission(
            session_id=self.id,
            tool_call=permissions.tool_call(request),
            options=permissions.options(request),
        )
        return permissions.decision(response, request)

    async def answer(self, request: UserInputRequest) -> dict[str, str]:
        """Put the model's questions one by one; without an answer to one, there is none at all."""
        answers: dict[str, str] = {}
        for question in request.questions:
            response = await self._client.request_permission(
                session_id=self.id,
                tool_call=permissions.question_call(request, question),
                options=permissions.choices(question),
            )
            chosen = permissions.choice(response, question)
            if chosen is None:
                return {}
            answers[question.id] = chosen
        return answers

    async def _prompt(self, parts: list[UserInput]) -> StopReason:
        target = review_target(parts)
        if target is None:
            run = self._thread.run(parts, **self.settings.turn())
        else:
            run = self._thread.review(target)
        try:
            await self._follow(run)
            return _stop_reason(run.outcome)
        except CallRefused as exc:
            raise RequestError(-32600, str(exc)) from None
        except ClientError as exc:
            raise RequestError(-32603, str(exc)) from None

    async def _follow(self, run: TurnRun) -> None:
        updates = Updates(terminals=self._terminals)
        async with run:
            async for event in run:
                for update in updates.take(event):
                    await self.send(update)
                if isinstance(event, ItemStarted):
                    self._is_shown(event.item.id).set()
                if self._stopped and not isinstance(event, TurnCompleted):
                    break

    def _is_shown(self, item_id: str) -> asyncio.Event:
        return self._shown.setdefault(item_id, asyncio.Event())


def _stop_reason(result: TurnResult) -> StopReason:
    """Raises `RequestError` for a turn that failed."""
    if result.status == "completed":
        return "end_turn"
    if result.status != "failed":
        return "cancelled"
    error = result.error
    code = None if error is None else error.codex_error_info
    if code == "contextWindowExceeded":
        return "max_tokens"
    text = "the turn failed" if error is None else error.message
    if code == "unauthorized":
        raise RequestError(-32000, text)
    raise RequestError(-32603, text)


COMMANDS = [
    AvailableCommand(
        name="review",
        description="Review what is not committed, or what you say",
        input=AvailableCommandInput(root=UnstructuredCommandInput(hint="what to look for")),
    ),
    AvailableCommand(
        name="review-branch",
        description="Review the changes since a branch",
        input=AvailableCommandInput(root=UnstructuredCommandInput(hint="branch")),
    ),
    AvailableCommand(
        name="review-commit",
        description="Review one commit",
        input=AvailableCommandInput(root=UnstructuredCommandInput(hint="commit")),
    ),
]


def review_target(parts: list[UserInput]) -> ReviewTarget | None:
    """What a prompt that is a review command wants reviewed; None for any other prompt."""
    if len(parts) != 1 or not isinstance(parts[0], TextUserInput):
        return None
    name, _, words = parts[0].text.strip().partition(" ")
    words = words.strip()
    match name:
        case "/review":
            return CustomReviewTarget(words) if words else UncommittedChangesReviewTarget()
        case "/review-branch" if words:
            return BaseBranchReviewTarget(words)
        case "/review-commit" if words:
            return CommitReviewTarget(words)
        case _:
            return None
