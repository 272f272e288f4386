"""`config/*` and `configRequirements/read`."""

from __future__ import annotations

import asyncio
from typing import Protocol

from quire.core.errors import UsageError
from quire.protocol.rpc.config import (
    ConfigBatchWriteParams,
    ConfigEdit,
    ConfigReadParams,
    ConfigReadResponse,
    ConfigRequirementsReadResponse,
    ConfigValueWriteParams,
    ConfigWriteErrorData,
    ConfigWriteResponse,
    SettingsRefusal,
)
from quire.protocol.rpc.method import Empty
from quire.server.errors import InternalError, RpcError
from quire.server.routes import Caller, Routes, route


class SettingsFile(Protocol):
    """The configuration: all layers to read, the user's file to write."""

    def read(self, cwd: str | None, *, layers: bool) -> ConfigReadResponse:
        """As seen from a folder. Raises `UsageError` when a layer cannot be read."""
        ...

    def write(
        self, edits: tuple[ConfigEdit, ...], path: str | None, expected: str | None
    ) -> ConfigWriteResponse | SettingsRefusal:
        """Make all edits or none; blocks while another writer is at it. Raises `UsageError` when
        the file cannot be read or written; it is then as it was."""
        ...

    def requirements(self) -> ConfigRequirementsReadResponse:
        """What this machine's administrator demands. Raises `UsageError`."""
        ...


class ConfigCalls:
    """Answers about settings."""

    def __init__(self, settings: SettingsFile) -> None:
        self._settings = settings

    def routes(self) -> Routes:
        return {
            "config/read": route(ConfigReadParams, self.read),
            "config/value/write": route(ConfigValueWriteParams, self.write_value),
            "config/batchWrite": route(ConfigBatchWriteParams, self.write_batch),
            "configRequirements/read": route(Empty, self.requirements),
        }

    async def read(self, params: ConfigReadParams, caller: Caller) -> ConfigReadResponse:
        try:
            return self._settings.read(params.cwd, layers=params.include_layers)
        except UsageError as exc:
            raise InternalError(f"failed to read configuration layers: {exc}") from None

    async def write_value(
        self, params: ConfigValueWriteParams, caller: Caller
    ) -> ConfigWriteResponse:
        edit = ConfigEdit(
            key_path=params.key_path, value=params.value, merge_strategy=params.merge_strategy
        )
        return await self._write((edit,), params.file_path, params.expected_version)

    async def write_batch(
        self, params: ConfigBatchWriteParams, caller: Caller
    ) -> ConfigWriteResponse:
        return await self._write(params.edits, params.file_path, params.expected_version)

    async def requirements(self, params: Empty, caller: Caller) -> ConfigRequirementsReadResponse:
        try:
            return self._settings.requirements()
        except UsageError as exc:
            raise InternalError(f"failed to read requirements: {exc}") from None

    async def _write(
        self, edits: tuple[ConfigEdit, ...], path: str | None, expected: str | None
    ) -> ConfigWriteResponse:
        """In a thread, since another program may hold the lock. A write that has begun is
        finished even when the caller is gone."""
        try:
            answer = await asyncio.to_thread(self._settings.write, edits, path, expected)
        except UsageError as exc:
            raise InternalError(f"failed to load configuration: {exc}") from None
        if isinstance(answer, SettingsRefusal):
            raise RpcError(answer.message, data=ConfigWriteErrorData(answer.code))
        return answer
