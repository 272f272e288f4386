"""The agent that a client of the protocol talks to. One for each connection."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from acp import PROTOCOL_VERSION
from acp.exceptions import RequestError
from acp.interfaces import Client
from acp.schema import (
    AcpMcpServer,
    AgentCapabilities,
    AuthenticateResponse,
    AvailableCommandsUpdate,
    ClientCapabilities,
    CloseSessionResponse,
    ConfigOptionUpdate,
    CurrentModeUpdate,
    ForkSessionResponse,
    HttpMcpServer,
    Implementation,
    InitializeResponse,
    ListSessionsResponse,
    LoadSessionResponse,
    McpServerStdio,
    NewSessionResponse,
    PromptCapabilities,
    PromptResponse,
    ResumeSessionResponse,
    SessionCapabilities,
    SessionCloseCapabilities,
    SessionForkCapabilities,
    SessionInfo,
    SessionListCapabilities,
    SessionResumeCapabilities,
    SetSessionConfigOptionResponse,
    SetSessionModeResponse,
    SseMcpServer,
)
from msgspec import Raw, Struct

from quire import __version__
from quire.acp import modes
from quire.acp.content import Block, user_input
from quire.acp.session import COMMANDS, Session
from quire.acp.updates import replay
from quire.client.errors import ClientError
from quire.client.events import UserInputRequest
from quire.client.options import ThreadOptions
from quire.client.questions import ApprovalRequest, Decision
from quire.client.quire import Quire
from quire.client.thread import Thread
from quire.protocol.rpc.config import ConfigReadParams, ConfigReadResponse
from quire.protocol.rpc.models import Model
from quire.protocol.rpc.thread import ThreadListParams, ThreadListResponse

PAGE = 50
COMMANDS_SECONDS = 0.05
"""A session's commands may be told only once the client knows the session; nothing says when it
does, so they follow its answer by this much."""

McpServers = Sequence[HttpMcpServer | SseMcpServer | AcpMcpServer | McpServerStdio]


class _Configured(Struct, frozen=True):
    sandbox_mode: str | None = None
    approval_policy: Raw = Raw(b"null")


class QuireAgent:
    """Implements `acp.Agent` over a client of the app-server."""

    def __init__(self, quire: Quire) -> None:
        self._quire = quire
        self._client: Client | None = None
        self._sessions: dict[str, Session] = {}
        self._models: tuple[Model, ...] = ()
        self._terminals = False
        self._later: set[asyncio.Task[None]] = set()

    def on_connect(self, conn: Client) -> None:
        self._client = conn

    async def initialize(
        self,
        protocol_version: int,
        client_capabilities: ClientCapabilities | None = None,
        client_info: Implementation | None = None,
        **kwargs: Any,
    ) -> InitializeResponse:
        meta = client_capabilities.field_meta if client_capabilities is not None else None
        self._terminals = (meta or {}).get("terminal_output") is True
        return InitializeResponse(
            protocol_version=min(protocol_version, PROTOCOL_VERSION),
            agent_capabilities=AgentCapabilities(
                load_session=True,
                prompt_capabilities=PromptCapabilities(
                    image=True, audio=False, embedded_context=True
                ),
                session_capabilities=SessionCapabilities(
                    list=SessionListCapabilities(),
                    fork=SessionForkCapabilities(),
                    resume=SessionResumeCapabilities(),
                    close=SessionCloseCapabilities(),
                ),
            ),
            agent_info=Implementation(name="quire", title="Quire", version=__version__),
            auth_methods=[],
        )

    async def authenticate(self, method_id: str, **kwargs: Any) -> AuthenticateResponse | None:
        """Keys come from the configuration and `quire login`: there is nothing to do here."""
        raise RequestError.invalid_params({"details": f"there is no method {method_id!r}"})

    async def new_session(
        self,
        cwd: str,
        additional_directories: list[str] | None = None,
        mcp_servers: McpServers | None = None,
        **kwargs: Any,
    ) -> NewSessionResponse:
        _without_servers(mcp_servers)
        try:
            thread = await self._quire.thread(**await self._defaults(cwd))
        except ClientError as exc:
            raise _refused(exc) from None
        session = await self._add(thread)
        return NewSessionResponse(
            session_id=session.id,
            modes=modes.mode_state(session.settings),
            config_options=modes.config_options(session.settings, self._models),
        )

    async def load_session(
        self,
        cwd: str,
        session_id: str,
        mcp_servers: McpServers | None = None,
        additional_directories: list[str] | None = None,
        **kwargs: Any,
    ) -> LoadSessionResponse | None:
        """Go on with a stored thread; the client is told all of it first."""
        session = await self._resume(cwd, session_id, mcp_servers)
        for turn in (await session.thread.read()).turns:
            for update in replay(turn.items):
                await session.send(update)
        return LoadSessionResponse(
            modes=modes.mode_state(session.settings),
            config_options=modes.config_options(session.settings, self._models),
        )

    async def resume_session(
        self,
        session_id: str,
        cwd: str,
        additional_directories: list[str] | None = None,
        mcp_servers: McpServers | None = None,
        **kwargs: Any,
    ) -> ResumeSessionResponse:
        session = await self._resume(cwd, session_id, mcp_servers)
        return ResumeSessionResponse(
            modes=modes.mode_state(session.settings),
            config_options=modes.config_options(session.settings, self._models),
        )

    async def fork_session(
        self,
        session_id: str,
        cwd: str,
        additional_directories: list[str] | None = None,
        mcp_servers: McpServers | None = None,
        **kwargs: Any,
    ) -> ForkSessionResponse:
        _without_servers(mcp_servers)
        try:
            thread = await self._quire.fork(session_id, **await self._defaults(cwd))
        except ClientError as exc:
            raise _refused(exc) from None
        session = await self._add(thread)
        return ForkSessionResponse(
            session_id=session.id,
            modes=modes.mode_state(session.settings),
            config_options=modes.config_options(session.settings, self._models),
        )

    async def list_sessions(
        self, cwd: str | None = None, cursor: str | None = None, **kwargs: Any
    ) -> ListSessionsResponse:
        params = ThreadListParams(cwd=cwd, cursor=cursor, limit=PAGE)
        try:
            page = await self._quire.call("thread/list", params, ThreadListResponse)
        except ClientError as exc:
            raise _refused(exc) from None
        return ListSessionsResponse(
            sessions=[
                SessionInfo(
                    session_id=thread.id,
                    cwd=thread.cwd,
                    title=thread.name or thread.preview or None,
                    updated_at=datetime.fromtimestamp(thread.updated_at, UTC).isoformat(),
                )
                for thread in page.data
            ],
            next_cursor=page.next_cursor,
        )

    async def set_session_mode(
        self, session_id: str, mode_id: str, **kwargs: Any
    ) -> SetSessionModeResponse | None:
        """It holds from the next turn on."""
        session = self._session(session_id)
        self._choose(session, modes.MODE, mode_id)
        options = modes.config_options(session.settings, self._models)
        await session.send(
            ConfigOptionUpdate(session_update="config_option_update", config_options=options)
        )
        return SetSessionModeResponse()

    async def set_config_option(
        self, config_id: str, session_id: str, value: str | bool, **kwargs: Any
    ) -> SetSessionConfigOptionResponse | None:
        session = self._session(session_id)
        self._choose(session, config_id, str(value))
        if config_id == modes.MODE:
            await session.send(
                CurrentModeUpdate(
                    session_update="current_mode_update", current_mode_id=session.settings.mode
                )
            )
        options = modes.config_options(session.settings, self._models)
        return SetSessionConfigOptionResponse(config_options=options)

    async def prompt(
        self, session_id: str, prompt: Sequence[Block], **kwargs: Any
    ) -> PromptResponse:
        session = self._session(session_id)
        return PromptResponse(stop_reason=await session.prompt(user_input(prompt)))

    async def cancel(self, session_id: str, **kwargs: Any) -> None:
        await self._session(session_id).cancel()

    async def close_session(self, session_id: str, **kwargs: Any) -> CloseSessionResponse | None:
        session = self._session(session_id)
        del self._sessions[session_id]
        await session.cancel()
        await session.thread.close()
        return CloseSessionResponse()

    async def ext_method(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        raise RequestError.method_not_found(f"_{method}")

    async def ext_notification(self, method: str, params: dict[str, Any]) -> None:
        """What others add to the protocol is passed over."""

    # --- sessions ----------------------------------------------------------------------------

    async def _resume(self, cwd: str, session_id: str, mcp_servers: McpServers | None) -> Session:
        _without_servers(mcp_servers)
        try:
            options = await self._defaults(cwd)
            return await self._add(await self._quire.resume(session_id, **options))
        except ClientError as exc:
            raise _refused(exc) from None

    async def _add(self, thread: Thread) -> Session:
        if self._client is None:
            raise RequestError.internal_error({"details": "there is no client"})
        if not self._models:
            self._models = await self._quire.models()
        session = Session(self._client, thread, terminals=self._terminals)
        self._sessions[session.id] = session
        task = asyncio.create_task(_tell_commands(session))
        self._later.add(task)
        task.add_done_callback(self._later.discard)
        return session

    async def _defaults(self, cwd: str) -> ThreadOptions:
        """A person is there and sees each change: without settings of their own, the workspace may
        be written, and what goes beyond it is asked about."""
        params = ConfigReadParams(cwd=cwd)
        answer = await self._quire.call("config/read", params, ConfigReadResponse)
        configured = msgspec.json.decode(answer.config, type=_Configured)
        options = ThreadOptions(cwd=cwd, approve=self._approve, answer=self._answer)
        if configured.sandbox_mode is None:
            options["sandbox"] = "workspace-write"
        if bytes(configured.approval_policy) == b"null":
            options["approval_policy"] = "on-request"
        return options

    def _session(self, session_id: str) -> Session:
        try:
            return self._sessions[session_id]
        except KeyError:
            details = f"there is no session {session_id}; create or load it first"
            raise RequestError.invalid_params({"details": details}) from None

    def _choose(self, session: Session, option: str, value: str) -> None:
        fault = modes.choose(session.settings, option, value, self._models)
        if fault is not None:
            raise RequestError.invalid_params({"details": fault})

    async def _approve(self, request: ApprovalRequest) -> Decision:
        session = self._sessions.get(request.thread_id)
        return "decline" if session is None else await session.approve(request)

    async def _answer(self, request: UserInputRequest) -> dict[str, str]:
        session = self._sessions.get(request.thread_id)
        return {} if session is None else await session.answer(request)


async def _tell_commands(session: Session) -> None:
    await asyncio.sleep(COMMANDS_SECONDS)
    await session.send(
        AvailableCommandsUpdate(
            session_update="available_commands_update", available_commands=COMMANDS
        )
    )


def _refused(exc: ClientError) -> RequestError:
    return RequestError(-32602, str(exc))


def _without_servers(mcp_servers: McpServers | None) -> None:
    for server in mcp_servers or ():
        sys.stderr.write(f"MCP server {server.name!r} is left out: it cannot be used yet\n")
