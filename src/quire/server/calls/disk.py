"""What `fs/*` does to the disk. Everything here blocks, and raises `OSError` or `RpcError`.

Nothing waits for the other end of a pipe: what is no regular file is neither read nor written.
"""

from __future__ import annotations

import os
from errno import ENXIO
from stat import S_ISDIR, S_ISLNK, S_ISREG

from quire.protocol.rpc.fs import FsGetMetadataResponse, FsReadDirectoryEntry
from quire.server.calls.blocking import shown
from quire.server.errors import InvalidRequest

MAX_READ = 512 * 1024 * 1024
"""Bytes of a file that is read (Codex 0.169)."""

_CHUNK = 1 << 20
_OPEN = os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def read_file(path: str) -> bytes:
    """The contents of a regular file of at most `MAX_READ` bytes."""
    with open(_open_regular(path, os.O_RDONLY), "rb") as file:
        if os.fstat(file.fileno()).st_size <= MAX_READ:
            data = file.read(MAX_READ + 1)
            if len(data) <= MAX_READ:
                return data
    raise InvalidRequest(f"file is too large to read: limit is {MAX_READ} bytes")


def write_file(path: str, data: bytes) -> None:
    """Replace the contents; a file that is missing is made. Links are followed."""
    try:
        fd = _open_regular(path, os.O_WRONLY | os.O_CREAT)
    except OSError as exc:
        if exc.errno == ENXIO:  # A pipe that nobody reads.
            raise _no_file(path) from None
        raise
    with open(fd, "wb", buffering=0) as file:
        file.truncate()
        view = memoryview(data)
        while len(view):
            view = view[file.write(view) :]


def create_directory(path: str, *, parents: bool) -> None:
    if parents:
        os.makedirs(path, exist_ok=True)
    else:
        os.mkdir(path)


def metadata(path: str) -> FsGetMetadataResponse:
    found = os.stat(path)
    return FsGetMetadataResponse(
        is_directory=S_ISDIR(found.st_mode),
        is_file=S_ISREG(found.st_mode),
        is_symlink=os.path.islink(path),
        created_at_ms=0,  # As the peer's Linux build, which cannot tell either.
        modified_at_ms=found.st_mtime_ns // 1_000_000,
    )


def read_directory(path: str) -> tuple[FsReadDirectoryEntry, ...]:
    """The entries in the order of the disk. Links that lead nowhere are left out."""
    entries: list[FsReadDirectoryEntry] = []
    with os.scandir(path) as found:
        for entry in found:
            try:
                mode = entry.stat().st_mode
            except OSError:
                continue
            entries.append(
                FsReadDirectoryEntry(
                    file_name=shown(entry.name),
                    is_directory=S_ISDIR(mode),
                    is_file=S_ISREG(mode),
                )
            )
    return tuple(entries)


def remove(path: str, *, recursive: bool, force: bool) -> None:
    """Remove a file, a link (not what it leads to) or a folder; with `force` a missing one is
    as good as removed."""
    if path == "/":
        raise InvalidRequest("fs/remove does not remove the root of the file system")
    try:
        if not S_ISDIR(os.lstat(path).st_mode):
            os.unlink(path)
        elif recursive:
            import shutil

            shutil.rmtree(path)
        else:
            os.rmdir(path)
    except FileNotFoundError:
        if not force:
            raise


def copy(source: str, destination: str, *, recursive: bool) -> None:
    """Copy a file with its mode, a link as a link, or with `recursive` a folder into another one
    that may be there already. Pipes and devices inside a folder are left out."""
    mode = os.lstat(source).st_mode
    if S_ISLNK(mode):
        os.symlink(os.readlink(source), destination)
    elif S_ISREG(mode):
        _copy_file(source, destination)
    elif not S_ISDIR(mode):
        raise InvalidRequest("fs/copy only supports regular files, directories, and symlinks")
    elif not recursive:
        raise InvalidRequest("fs/copy requires recursive: true when sourcePath is a directory")
    else:
        _copy_tree(source, destination)


def _copy_tree(source: str, destination: str) -> None:
    real = os.path.realpath(source)
    if (os.path.realpath(destination) + "/").startswith(real.rstrip("/") + "/"):
        raise InvalidRequest("fs/copy cannot copy a directory to itself or one of its descendants")
    os.makedirs(os.path.dirname(destination), exist_ok=True)
    left = [(source, destination)]
    while left:
        folder, target = left.pop()
        _make_folder(target, os.stat(folder).st_mode)
        with os.scandir(folder) as entries:
            for entry in entries:
                place = os.path.join(target, entry.name)
                if entry.is_symlink():
                    os.symlink(os.readlink(entry.path), place)
                elif entry.is_dir():
                    left.append((entry.path, place))
                elif entry.is_file():
                    _copy_file(entry.path, place)


def _make_folder(path: str, mode: int) -> None:
    """As private as the one it is a copy of, unless it is there already."""
    try:
        os.mkdir(path, mode & 0o777 | 0o700)
    except FileExistsError:
        if not os.path.isdir(path):
            raise


def _copy_file(source: str, destination: str) -> None:
    import shutil

    with open(_open_regular(source, os.O_RDONLY), "rb") as reading:
        found = os.fstat(reading.fileno())
        fd = _open_regular(destination, os.O_WRONLY | os.O_CREAT, found.st_mode & 0o777)
        with open(fd, "wb") as writing:
            if os.path.samestat(found, os.fstat(writing.fileno())):
                return  # Onto itself: emptying it first would lose it.
            writing.truncate()
            shutil.copyfileobj(reading, writing, _CHUNK)
            os.fchmod(writing.fileno(), found.st_mode & 0o777)


def _open_regular(path: str, flags: int, mode: int = 0o666) -> int:
    fd = os.open(path, flags | _OPEN, mode)
    if S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise _no_file(path)


def _no_file(path: str) -> InvalidRequest:
    return InvalidRequest(f"path `{path}` is not a file")
