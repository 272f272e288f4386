"""Writes and removes files at places that were fixed beforehand.

A `Place` is a resolved path: no component of it is a symlink. It is opened component by component
without following links, so what was judged is what is written, even when somebody swaps a folder
for a symlink in between. A file is replaced by renaming a new one over it: readers see the old or
the new content, never half of it.
"""

from __future__ import annotations

import errno
import os
import stat
import sys

TYPE_CHECKING = False  # the command starts without `typing`
if TYPE_CHECKING:
    from collections.abc import Callable

_SEARCH = os.O_PATH if sys.platform == "linux" else os.O_RDONLY
_FOLDER = _SEARCH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN_FILE = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_READ_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)
_OWNER_BITS = stat.S_ISUID | stat.S_ISGID
_ATTEMPTS = 100

MAX_READ = 64 * 1024 * 1024
"""The largest file that can be patched, in bytes."""


class Place:
    """Where a file is or will be: an existing folder, folders yet to make below it, a name."""

    __slots__ = ("folder", "missing", "name", "through_link")

    def __init__(
        self, folder: str, missing: tuple[str, ...], name: str, through_link: bool = False
    ) -> None:
        self.folder = folder
        self.missing = missing
        self.name = name
        self.through_link = through_link

    @property
    def path(self) -> str:
        return os.path.join(self.folder, *self.missing, self.name)


def real_path(path: str) -> str:
    """`path` with every symlink resolved; what does not exist stays as written. Never raises: for
    a path whose links keep changing it is `/`, which is no file and in no folder."""
    for _ in range(_ATTEMPTS):
        try:
            return os.path.realpath(path)
        except OSError:
            continue  # A link was replaced between the look at it and the reading.
    return "/"


def place_to_write(path: str) -> Place:
    """Where writing to `path` (absolute, normal) ends: through symlinks, to what they lead to."""
    if os.path.islink(path):
        folder, name = os.path.split(real_path(path))
        return Place(folder, (), name, through_link=True)
    return place_of_entry(path)


def place_of_entry(path: str) -> Place:
    """Where the entry `path` itself is, be it a symlink: what removing it removes."""
    folder, name = os.path.split(path)
    missing: list[str] = []
    while not os.path.lexists(folder):
        folder, last = os.path.split(folder)
        missing.insert(0, last)
    return Place(real_path(folder), tuple(missing), name)


def read_place(place: Place, limit: int = MAX_READ) -> tuple[bytes, os.stat_result]:
    """The content of the file at a place, or its first `limit` bytes, and its status. What it says
    of its own size is believed: a file of the kernel, which says 0, is empty here. Raises
    `OSError`, without a number for what is no file or too large to be read as a whole."""
    folder = _open(place)
    try:
        # Looked at first: opening alone can wake a device.
        _require_file(os.lstat(place.name, dir_fd=folder), place)
        fd = os.open(place.name, _READ_FILE, dir_fd=folder)
    finally:
        os.close(folder)
    with open(fd, "rb") as file:
        status = os.fstat(fd)
        _require_file(status, place)
        if limit >= MAX_READ < status.st_size:
            raise OSError(f"path `{place.path}` is larger than {MAX_READ >> 20} MiB")
        return file.read(min(limit, status.st_size)), status


def _require_file(status: os.stat_result, place: Place) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(f"path `{place.path}` is not a file")


class NoParentError(OSError):
    """The folder of a place cannot be made."""


class NewFile:
    """New content, made ready beside its place: `commit` puts it there, `discard` forgets it.

    The file keeps the mode and the owner of `like`, or of what is there now; a new file gets the
    defaults. No descriptor stays open in between, so that a patch may hold any number of files.
    Raises `OSError` in each step; when the constructor or `commit` raises, the place has its old
    content.
    """

    def __init__(self, place: Place, data: bytes, like: os.stat_result | None = None) -> None:
        self._place = place
        self._data = data
        self._temporary: str | None = None
        fd, self._made = _open_or_make(place)
        try:
            self._write_beside(fd, like)
        except BaseException:
            self.discard()
            raise
        finally:
            os.close(fd)

    def _write_beside(self, folder: int, like: os.stat_result | None) -> None:
        now = _writable_file(self._place.name, folder)
        like = like or now
        name = f".quire-{os.urandom(8).hex()}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            fd = os.open(name, flags, 0o666 if like is None else 0o600, dir_fd=folder)
        except OSError as error:
            if error.errno in _DENIED and now is not None:
                return  # the folder takes no new file: `commit` writes in place
            raise
        self._temporary = name
        try:
            _write_all(fd, self._data)
            if like is not None:
                _take_after(fd, like)
        finally:
            os.close(fd)

    def commit(self) -> os.stat_result:
        """Put the content in its place; gives the file's new status."""
        folder = _open(self._place)
        try:
            if self._temporary is None:
                _write_in_place(self._place.name, folder, self._data)
            else:
                self._rename(self._temporary, folder)
            return os.lstat(self._place.name, dir_fd=folder)
        finally:
            os.close(folder)

    def _rename(self, temporary: str, folder: int) -> None:
        name = self._place.name
        try:
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError as error:
            if error.errno not in (*_DENIED, errno.EBUSY):
                raise
            # A mount point, or somebody else's file in a sticky folder.
            _write_in_place(name, folder, self._data)
            _unlink_if_possible(temporary, folder)
        self._temporary = None
        self._made.clear()

    def discard(self) -> None:
        """Leave everything as it was. Idempotent, also after `commit`; never raises."""
        if self._temporary is not None:
            _in_folder_of(self._place, self._temporary, _unlink_if_possible)
            self._temporary = None
        _remove_again(self._made)


class Removal:
    """An entry to remove; the constructor checks what can be checked. Raises `OSError`."""

    def __init__(self, place: Place) -> None:
        self._place = place
        folder = _open(place)
        try:
            if not os.access(".", os.W_OK | os.X_OK, dir_fd=folder, effective_ids=True):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            os.lstat(place.name, dir_fd=folder)
        finally:
            os.close(folder)

    def commit(self, replaced_by: os.stat_result | None = None) -> None:
        """Remove the entry, unless it is now the very file `replaced_by`: then a move ended on
        its own path (spelled otherwise, or through a link), and removing it would lose it."""
        name = self._place.name
        folder = _open(self._place)
        try:
            now = os.lstat(name, dir_fd=folder)
            if replaced_by is None or not os.path.samestat(now, replaced_by):
                os.unlink(name, dir_fd=folder)
        finally:
            os.close(folder)


def _open(place: Place) -> int:
    """Open the folder of a place, without following any link."""
    fd = os.open("/", _FOLDER)
    for name in (*place.folder.split("/"), *place.missing):
        if name:
            fd = _enter(fd, name)
    return fd


def _enter(folder: int, name: str) -> int:
    """Open a folder in an open folder, which is closed."""
    try:
        return os.open(name, _FOLDER, dir_fd=folder)
    finally:
        os.close(folder)


def _open_or_make(place: Place) -> tuple[int, list[Place]]:
    """Open the folder of a place, made if need be, and tell which folders were made."""
    made: list[Place] = []
    try:
        fd = _open(Place(place.folder, (), place.name))
    except FileNotFoundError as error:
        if place.through_link:
            raise
        raise NoParentError(error.errno, error.strerror) from None
    try:
        for depth, name in enumerate(place.missing):
            if _make(name, fd):
                made.append(Place(place.folder, place.missing[:depth], name))
            fd = _enter(fd, name)
    except OSError as error:
        _remove_again(made)
        raise NoParentError(error.errno, error.strerror) from None
    return fd, made


def _make(name: str, folder: int) -> bool:
    """Make a folder; False when it is there by now. Closes `folder` when it cannot."""
    try:
        os.mkdir(name, dir_fd=folder)
    except FileExistsError:
        return False
    except OSError:
        os.close(folder)
        raise
    return True


def _remove_again(made: list[Place]) -> None:
    """Remove folders that are of no use now, the innermost first, while they are empty."""
    while made:
        place = made.pop()
        _in_folder_of(place, place.name, _rmdir_if_empty)


def _writable_file(name: str, folder: int) -> os.stat_result | None:
    """What is there now, if anything: it must be a file that we may write."""
    try:
        mode = os.lstat(name, dir_fd=folder).st_mode
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(mode):
        code = errno.EISDIR if stat.S_ISDIR(mode) else errno.ELOOP
        raise OSError(code, os.strerror(code))
    fd = os.open(name, _OPEN_FILE, dir_fd=folder)
    try:
        return os.fstat(fd)
    finally:
        os.close(fd)


def _write_in_place(name: str, folder: int, data: bytes) -> None:
    """Not atomic, but there is room for all of it before the first byte changes."""
    fd = os.open(name, _OPEN_FILE, dir_fd=folder)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        if data:
            _reserve(fd, len(data))
        _write_all(fd, data)
        os.ftruncate(fd, len(data))
    finally:
        os.close(fd)


def _reserve(fd: int, size: int) -> None:
    if sys.platform != "linux":
        return
    try:
        os.posix_fallocate(fd, 0, size)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
            raise  # anything else than a file system that cannot reserve


def _in_folder_of(place: Place, name: str, action: Callable[[str, int], None]) -> None:
    try:
        folder = _open(place)
    except OSError:
        return  # it was moved away
    action(name, folder)
    os.close(folder)


def _rmdir_if_empty(name: str, folder: int) -> None:
    try:
        os.rmdir(name, dir_fd=folder)
    except OSError:
        return  # somebody uses it by now


def _unlink_if_possible(name: str, folder: int) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except OSError:
        return  # the folder is gone, or takes no changes any more


def _write_all(fd: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(fd, left) :]


def _take_after(fd: int, like: os.stat_result) -> None:
    """Give an open file the owner and the mode of another one, as far as we may."""
    mode = stat.S_IMODE(like.st_mode)
    own = os.fstat(fd)
    if (own.st_uid, own.st_gid) != (like.st_uid, like.st_gid):
        try:
            os.fchown(fd, like.st_uid, like.st_gid)
        except PermissionError:
            mode &= ~_OWNER_BITS  # they would lend the wrong owner's rights
    os.fchmod(fd, mode)
