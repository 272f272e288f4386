"""`fs/*`: files of the machine that the server runs on (Codex 0.169, app-server).

Paths are absolute. Contents are base64. Times are milliseconds since the epoch, 0 when unknown.
"""

from __future__ import annotations

from msgspec import Struct

from quire.protocol.rpc.method import Empty, Method, Notification, ServerRequest


class FsReadFileParams(Struct, frozen=True, kw_only=True, rename="camel"):
    path: str


class FsReadFileResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    data_base64: str


class FsWriteFileParams(Struct, frozen=True, kw_only=True, rename="camel"):
    """The file is made when it is missing, its folder is not."""

    path: str
    data_base64: str


class FsCreateDirectoryParams(Struct, frozen=True, kw_only=True, rename="camel"):
    """`recursive` (True when absent) makes the folders above as well, and accepts one that is
    there."""

    path: str
    recursive: bool | None = None


class FsGetMetadataParams(Struct, frozen=True, kw_only=True, rename="camel"):
    path: str


class FsGetMetadataResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    """What the path leads to; `is_symlink` is about the path itself."""

    is_directory: bool
    is_file: bool
    is_symlink: bool
    created_at_ms: int
    modified_at_ms: int


class FsReadDirectoryParams(Struct, frozen=True, kw_only=True, rename="camel"):
    path: str


class FsReadDirectoryEntry(Struct, frozen=True, kw_only=True, rename="camel"):
    """A name, and what it leads to."""

    file_name: str
    is_directory: bool
    is_file: bool


class FsReadDirectoryResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    entries: tuple[FsReadDirectoryEntry, ...]


class FsRemoveParams(Struct, frozen=True, kw_only=True, rename="camel"):
    """Both switches are True when absent; `force` passes over what is missing."""

    path: str
    recursive: bool | None = None
    force: bool | None = None


class FsCopyParams(Struct, frozen=True, kw_only=True, rename="camel"):
    """`recursive` is needed for a folder."""

    source_path: str
    destination_path: str
    recursive: bool = False


class FsWatchParams(Struct, frozen=True, kw_only=True, rename="camel"):
    """`watch_id` is the client's own. What is watched is the path and, for a folder, its direct
    entries; it may come into being later."""

    watch_id: str
    path: str


class FsWatchResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    """The path, normalised."""

    path: str


class FsUnwatchParams(Struct, frozen=True, kw_only=True, rename="camel"):
    watch_id: str


class FsChangedNotification(Struct, frozen=True, kw_only=True, rename="camel"):
    """What changed since the last one of this watch, sorted."""

    watch_id: str
    changed_paths: tuple[str, ...]


FS_CHANGED = Notification("fs/changed", FsChangedNotification)

METHODS: tuple[Method, ...] = (
    Method("fs/readFile", FsReadFileParams, FsReadFileResponse),
    Method("fs/writeFile", FsWriteFileParams, Empty),
    Method("fs/createDirectory", FsCreateDirectoryParams, Empty),
    Method("fs/getMetadata", FsGetMetadataParams, FsGetMetadataResponse),
    Method("fs/readDirectory", FsReadDirectoryParams, FsReadDirectoryResponse),
    Method("fs/remove", FsRemoveParams, Empty),
    Method("fs/copy", FsCopyParams, Empty),
    Method("fs/watch", FsWatchParams, FsWatchResponse),
    Method("fs/unwatch", FsUnwatchParams, Empty),
)
NOTIFICATIONS: tuple[Notification, ...] = (FS_CHANGED,)
REQUESTS: tuple[ServerRequest, ...] = ()
