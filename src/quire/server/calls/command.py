"""`command/exec`: one command in the sandbox, outside of any thread."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Protocol

from quire.core.errors import UsageError
from quire.core.ports import Sandbox, SpawnSpec
from quire.protocol.policy import SandboxPolicy
from quire.protocol.rpc import values
from quire.protocol.rpc.command import (
    COMMAND_OUTPUT,
    COMMAND_OUTPUT_UNCAPPED,
    CommandExecOutputDeltaNotification,
    CommandExecParams,
    CommandExecResizeParams,
    CommandExecResponse,
    CommandExecTerminalSize,
    CommandExecTerminateParams,
    CommandExecWriteParams,
)
from quire.protocol.rpc.method import Empty
from quire.server.calls import base64
from quire.server.calls.blocking import absolute
from quire.server.calls.controls import Controls
from quire.server.calls.per_client import PerClient
from quire.server.calls.running import (
    OUTPUT_CAP,
    TIMEOUT_MS,
    Jobs,
    Order,
    Stream,
    merged,
    quoted,
    seconds,
    spoken,
)
from quire.server.errors import INVALID_PARAMS, InvalidRequest, RpcError
from quire.server.routes import Caller, Routes, route

NETWORK_OFF = "CODEX_SANDBOX_NETWORK_DISABLED"
"""Set to 1 for commands without network: programs look for this name (Codex 0.169)."""


class Permissions(Protocol):
    """What commands may do when their call does not say it."""

    def configured(self) -> SandboxPolicy:
        """As the person's configuration says. Raises `UsageError` when it cannot be read."""
        ...

    def refused(self, policy: SandboxPolicy) -> str | None:
        """Why the administrator does not allow it; None when he does. Raises `UsageError` when
        what he demands cannot be read."""
        ...

    def profile(self, name: str) -> SandboxPolicy:
        """Of a permission profile. Raises `UsageError` when there is none of this name."""
        ...


class CommandCalls:
    """Answers `command/exec` and what belongs to it. `environment` gives what commands inherit,
    without secrets; `cwd` is the server's folder, which `workspaceWrite` makes writable."""

    def __init__(
        self,
        sandbox: Sandbox,
        environment: Callable[[], dict[str, str]],
        permissions: Permissions,
        cwd: str,
    ) -> None:
        self._sandbox = sandbox
        self._environment = environment
        self._permissions = permissions
        self._cwd = cwd
        self._jobs = PerClient[Jobs](Jobs, Jobs.end)
        self._controls = Controls(
            self._jobs, "command/exec", "no active command/exec for process id"
        )

    def routes(self) -> Routes:
        return {
            "command/exec": route(CommandExecParams, self.exec),
            "command/exec/write": route(CommandExecWriteParams, self.write),
            "command/exec/terminate": route(CommandExecTerminateParams, self.terminate),
            "command/exec/resize": route(CommandExecResizeParams, self.resize),
        }

    async def exec(self, params: CommandExecParams, caller: Caller) -> CommandExecResponse:
        """Run to the end. Cancelled, it kills the command."""
        if params.permission_profile is not None and not caller.experimental:
            text = "command/exec.permissionProfile requires experimentalApi capability"
            raise InvalidRequest(text)
        order = self._order(params)
        jobs, name = self._jobs.of(caller), params.process_id
        if name is None and (order.streamed or order.spec.stdin or params.tty):
            raise InvalidRequest(
                "command/exec tty or streaming requires a client-supplied processId"
            )
        if name is not None and jobs.taken(name):
            raise InvalidRequest(f"duplicate active command/exec process id: {quoted(name)}")
        kind = COMMAND_OUTPUT_UNCAPPED if order.cap is None else COMMAND_OUTPUT

        def tell(stream: Stream, data: bytes, cut: bool) -> None:
            told = CommandExecOutputDeltaNotification(
                process_id=name or "",
                stream=stream,
                delta_base64=base64.encode(data),
                cap_reached=cut,
            )
            caller.notify(kind, told)

        job, forget = await jobs.start(self._sandbox, name, order, "command")
        try:
            ended = await job.run(tell)
        finally:
            forget()
        return CommandExecResponse(
            exit_code=ended.exit_code, stdout=spoken(ended.stdout), stderr=spoken(ended.stderr)
        )

    async def write(self, params: CommandExecWriteParams, caller: Caller) -> Empty:
        name, text = params.process_id, params.delta_base64
        method = "command/exec/write"
        return await self._controls.write(caller, name, method, text, close=params.close_stdin)

    async def terminate(self, params: CommandExecTerminateParams, caller: Caller) -> Empty:
        return await self._controls.kill(caller, params.process_id)

    async def resize(self, params: CommandExecResizeParams, caller: Caller) -> Empty:
        size = self._size(params.size)
        return await self._controls.resize(caller, params.process_id, size)

    def _size(self, size: CommandExecTerminalSize) -> tuple[int, int]:
        return self._controls.checked_size(size.cols, size.rows)

    def _order(self, params: CommandExecParams) -> Order:
        """Raises `RpcError`, for the first of several faults that the peer would name."""
        if not params.command:
            raise InvalidRequest("command must not be empty")
        if params.sandbox_policy is not None and params.permission_profile is not None:
            raise InvalidRequest("`permissionProfile` cannot be combined with `sandboxPolicy`")
        if params.size is not None and not params.tty:
            raise RpcError("command/exec size requires tty: true", INVALID_PARAMS)
        size = None if params.size is None else self._size(params.size)
        policy, roots = self._policy(params)
        environment = merged(self._environment(), params.env)
        if not policy.full_network:
            environment[NETWORK_OFF] = "1"
        cap, timeout = _limits(params)
        spec = SpawnSpec(
            argv=params.command,
            cwd=os.path.join(self._cwd, params.cwd) if params.cwd else self._cwd,
            env=environment,
            policy=policy,
            workspace_roots=roots,
            tty=params.tty,
            size=size or (80, 24),
            stdin=params.stream_stdin and not params.tty,
            split=not params.tty,
        )
        streamed = params.tty or params.stream_stdout_stderr
        return Order(spec=spec, timeout=timeout, cap=cap, streamed=streamed)

    def _policy(self, params: CommandExecParams) -> tuple[SandboxPolicy, tuple[str, ...]]:
        """What the command may do, and the folders that `workspace-write` is about."""
        try:
            if params.sandbox_policy is not None:
                policy = core_policy(params.sandbox_policy)
                refused = self._permissions.refused(policy)
                if refused is not None:
                    raise InvalidRequest(f"invalid sandbox policy: {refused}")
                written = isinstance(params.sandbox_policy, values.WorkspaceWriteSandboxPolicy)
                return policy, (self._cwd,) if written else ()
            if params.permission_profile is None:
                return self._permissions.configured(), (self._cwd,)
            return self._permissions.profile(params.permission_profile), (self._cwd,)
        except UsageError as exc:
            raise InvalidRequest(str(exc)) from None


def core_policy(policy: values.SandboxPolicy) -> SandboxPolicy:
    """A policy of the protocol as one of the core. Raises `InvalidRequest` for a relative path.

    `externalSandbox` says that the server itself runs in a sandbox: none is made then. Reading
    with the network is writing with nothing to write."""
    match policy:
        case values.WorkspaceWriteSandboxPolicy():
            return SandboxPolicy(
                mode="workspace-write",
                writable_roots=tuple(map(absolute, policy.writable_roots)),
                network_access=policy.network_access,
                exclude_tmpdir_env_var=policy.exclude_tmpdir_env_var,
                exclude_slash_tmp=policy.exclude_slash_tmp,
            )
        case values.ReadOnlySandboxPolicy(network_access=True):
            return SandboxPolicy(
                mode="workspace-write",
                network_access=True,
                exclude_tmpdir_env_var=True,
                exclude_slash_tmp=True,
            )
        case values.ReadOnlySandboxPolicy():
            return SandboxPolicy(mode="read-only")
        case _:
            return SandboxPolicy(mode="danger-full-access")


def _limits(params: CommandExecParams) -> tuple[int | None, float | None]:
    """Bytes of a stream, and seconds. Raises `RpcError`."""
    if params.disable_output_cap and params.output_bytes_cap is not None:
        text = "command/exec cannot set both outputBytesCap and disableOutputCap"
        raise RpcError(text, INVALID_PARAMS)
    if params.disable_timeout and params.timeout_ms is not None:
        text = "command/exec cannot set both timeoutMs and disableTimeout"
        raise RpcError(text, INVALID_PARAMS)
    cap = OUTPUT_CAP if params.output_bytes_cap is None else params.output_bytes_cap
    timeout = TIMEOUT_MS if params.timeout_ms is None else params.timeout_ms
    return (
        None if params.disable_output_cap else cap,
        seconds(None if params.disable_timeout else timeout, "command/exec"),
    )
