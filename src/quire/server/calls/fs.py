"""`fs/*`: the files of the machine, for a client that has the rights of its user anyway."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from quire.protocol.rpc.fs import (
    FS_CHANGED,
    FsChangedNotification,
    FsCopyParams,
    FsCreateDirectoryParams,
    FsGetMetadataParams,
    FsGetMetadataResponse,
    FsReadDirectoryParams,
    FsReadDirectoryResponse,
    FsReadFileParams,
    FsReadFileResponse,
    FsRemoveParams,
    FsUnwatchParams,
    FsWatchParams,
    FsWatchResponse,
    FsWriteFileParams,
)
from quire.protocol.rpc.method import Empty
from quire.server.calls import base64, disk
from quire.server.calls.blocking import Blocking, absolute, os_fault, shown
from quire.server.calls.per_client import PerClient
from quire.server.errors import InvalidRequest
from quire.server.routes import Caller, Routes, route

MAX_AT_ONCE = 4
"""Calls that use the disk at one time: each may hold a file of `disk.MAX_READ` bytes."""


_Watches = dict[str, Callable[[], None]]


class Watcher(Protocol):
    """Tells what changes on the disk."""

    def watch(self, path: str, changed: Callable[[tuple[str, ...]], None]) -> Callable[[], None]:
        """Call `changed` with the paths that changed, now and then, until what is returned is
        called. `path` is absolute and need not exist. Raises `OSError`."""
        ...


class FsCalls:
    """Answers `fs/*`. Watches belong to the client that asked, and end with it."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._blocking = Blocking(MAX_AT_ONCE)
        self._watches = PerClient[_Watches](dict, _end_all)

    def routes(self) -> Routes:
        return {
            "fs/readFile": route(FsReadFileParams, self.read_file),
            "fs/writeFile": route(FsWriteFileParams, self.write_file),
            "fs/createDirectory": route(FsCreateDirectoryParams, self.create_directory),
            "fs/getMetadata": route(FsGetMetadataParams, self.get_metadata),
            "fs/readDirectory": route(FsReadDirectoryParams, self.read_directory),
            "fs/remove": route(FsRemoveParams, self.remove),
            "fs/copy": route(FsCopyParams, self.copy),
            "fs/watch": route(FsWatchParams, self.watch),
            "fs/unwatch": route(FsUnwatchParams, self.unwatch),
        }

    async def read_file(self, params: FsReadFileParams, caller: Caller) -> FsReadFileResponse:
        path = absolute(params.path)
        text = await self._blocking.run(lambda: base64.encode(disk.read_file(path)))
        return FsReadFileResponse(data_base64=text)

    async def write_file(self, params: FsWriteFileParams, caller: Caller) -> Empty:
        path = absolute(params.path)

        def write() -> None:
            try:
                data = base64.decode(params.data_base64)
            except ValueError as exc:
                text = f"fs/writeFile requires valid base64 dataBase64: {exc}"
                raise InvalidRequest(text) from None
            disk.write_file(path, data)

        await self._blocking.run(write)
        return Empty()

    async def create_directory(self, params: FsCreateDirectoryParams, caller: Caller) -> Empty:
        path, parents = absolute(params.path), params.recursive is not False
        await self._blocking.run(lambda: disk.create_directory(path, parents=parents))
        return Empty()

    async def get_metadata(
        self, params: FsGetMetadataParams, caller: Caller
    ) -> FsGetMetadataResponse:
        path = absolute(params.path)
        return await self._blocking.run(lambda: disk.metadata(path))

    async def read_directory(
        self, params: FsReadDirectoryParams, caller: Caller
    ) -> FsReadDirectoryResponse:
        path = absolute(params.path)
        entries = await self._blocking.run(lambda: disk.read_directory(path))
        return FsReadDirectoryResponse(entries=entries)

    async def remove(self, params: FsRemoveParams, caller: Caller) -> Empty:
        path, recursive = absolute(params.path), params.recursive is not False
        force = params.force is not False
        await self._blocking.run(lambda: disk.remove(path, recursive=recursive, force=force))
        return Empty()

    async def copy(self, params: FsCopyParams, caller: Caller) -> Empty:
        source, destination = absolute(params.source_path), absolute(params.destination_path)
        recursive = params.recursive
        await self._blocking.run(lambda: disk.copy(source, destination, recursive=recursive))
        return Empty()

    async def watch(self, params: FsWatchParams, caller: Caller) -> FsWatchResponse:
        path, watch_id = absolute(params.path), params.watch_id
        watches, client = self._watches.of(caller), caller.client
        if watch_id in watches:
            raise InvalidRequest(f"watchId already exists: {watch_id}")

        def changed(paths: tuple[str, ...]) -> None:
            found = tuple(map(shown, paths))
            told = FsChangedNotification(watch_id=watch_id, changed_paths=found)
            client.notify(FS_CHANGED, told)

        try:
            watches[watch_id] = self._watcher.watch(path, changed)
        except OSError as exc:
            raise os_fault(exc) from None
        return FsWatchResponse(path=path)

    async def unwatch(self, params: FsUnwatchParams, caller: Caller) -> Empty:
        end = self._watches.of(caller).pop(params.watch_id, None)
        if end is not None:
            end()
        return Empty()


def _end_all(watches: _Watches) -> None:
    for end in watches.values():
        end()
