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

_SEARCH = os.O_PATH if sys.platform == "linux" else os.O_RDONLY
_FOLDER = _SEARCH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)
_OWNER_BITS = stat.S_ISUID | stat.S_ISGID


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


def place_to_write(path: str) -> Place:
    """Where writing to `path` (absolute, normal) ends: through symlinks, to what they lead to."""
    if os.path.islink(path):
        folder, name = os.path.split(os.path.realpath(path))
        return Place(folder, (), name, through_link=True)
    return place_of_entry(path)


def place_of_entry(path: str) -> Place:
    """Where the entry `path` itself is, be it a symlink: what removing it removes."""
    folder, name = os.path.split(path)
    missing: list[str] = []
    while not os.path.lexists(folder):
        folder, last = os.path.split(folder)
        missing.insert(0, last)
    return Place(os.path.realpath(folder), tuple(missing), name)


class NoParentError(OSError):
    """The folder of a place cannot be made."""


class _Folder:
    """An open folder, and the folders that were made on the way to it."""

    def __init__(self, place: Place) -> None:
        self._made: list[tuple[int, str]] = []
        self.fd = os.open("/", _FOLDER)
        try:
            for name in filter(None, place.folder.split("/")):
                self._enter(name)
        except FileNotFoundError as error:
            self.close()
            if place.through_link:
                raise
            raise NoParentError(error.errno, error.strerror) from None
        except OSError:
            self.close()
            raise
        try:
            for name in place.missing:
                self._make(name)
        except OSError as error:
            self.undo()
            raise NoParentError(error.errno, error.strerror) from None

    def _enter(self, name: str) -> None:
        inner = os.open(name, _FOLDER, dir_fd=self.fd)
        os.close(self.fd)
        self.fd = inner

    def _make(self, name: str) -> None:
        try:
            os.mkdir(name, dir_fd=self.fd)
        except FileExistsError:
            pass
        else:
            self._made.append((os.dup(self.fd), name))
        self._enter(name)

    def check_writable(self) -> None:
        """Raises `PermissionError` where entries cannot be added or removed."""
        if not os.access(".", os.W_OK | os.X_OK, dir_fd=self.fd, effective_ids=True):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        while self._made:
            os.close(self._made.pop()[0])

    def undo(self) -> None:
        """Close, and remove again the folders that were made, while they are empty."""
        for parent, name in reversed(self._made):
            try:
                os.rmdir(name, dir_fd=parent)
            except OSError:
                break
        self.close()


class NewFile:
    """New content, made ready beside its place: `commit` puts it there, `discard` forgets it.

    The file keeps the mode and the owner of `like`, or of what is there now; a new file gets the
    defaults. Raises `OSError` in each step; when the constructor or `commit` raises, the place
    has its old content.
    """

    def __init__(self, place: Place, data: bytes, like: os.stat_result | None = None) -> None:
        self._name = place.name
        self._data = data
        self._temporary: str | None = None
        self._target = -1
        self._folder = _Folder(place)
        try:
            self._open_target()
            self._write_beside(like)
        except BaseException:
            self.discard()
            raise

    def _open_target(self) -> None:
        """Open what is there now, if anything: it must be a file that we may write."""
        flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            mode = os.lstat(self._name, dir_fd=self._folder.fd).st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISREG(mode):
            code = errno.EISDIR if stat.S_ISDIR(mode) else errno.ELOOP
            raise OSError(code, os.strerror(code))
        self._target = os.open(self._name, flags, dir_fd=self._folder.fd)

    def _write_beside(self, like: os.stat_result | None) -> None:
        if like is None and self._target >= 0:
            like = os.fstat(self._target)
        name = f".quire-{os.urandom(8).hex()}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            fd = os.open(name, flags, 0o666 if like is None else 0o600, dir_fd=self._folder.fd)
        except OSError as error:
            if error.errno in _DENIED and self._target >= 0:
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
        fd = self._folder.fd
        if self._temporary is None:
            self._write_in_place()
        else:
            try:
                os.rename(self._temporary, self._name, src_dir_fd=fd, dst_dir_fd=fd)
                self._temporary = None
            except OSError as error:
                if error.errno not in (*_DENIED, errno.EBUSY) or self._target < 0:
                    raise
                self._write_in_place()  # a mount point cannot be renamed over
        status = os.lstat(self._name, dir_fd=fd)
        self._close()
        self._folder.close()
        return status

    def _write_in_place(self) -> None:
        if sys.platform == "linux" and self._data:
            os.posix_fallocate(self._target, 0, len(self._data))  # room first, or nothing
        os.lseek(self._target, 0, os.SEEK_SET)
        _write_all(self._target, self._data)
        os.ftruncate(self._target, len(self._data))

    def discard(self) -> None:
        """Leave everything as it was. Idempotent, also after `commit`; never raises."""
        self._close()
        self._folder.undo()

    def _close(self) -> None:
        if self._target >= 0:
            os.close(self._target)
            self._target = -1
        if self._temporary is not None:
            _unlink_if_possible(self._temporary, self._folder.fd)
            self._temporary = None


class Removal:
    """An entry to remove; the constructor checks what can be checked. Raises `OSError`."""

    def __init__(self, place: Place) -> None:
        self._name = place.name
        self._folder = _Folder(place)
        try:
            self._folder.check_writable()
            self._status = os.lstat(self._name, dir_fd=self._folder.fd)
        except BaseException:
            self._folder.close()
            raise

    def commit(self, replaced_by: os.stat_result | None = None) -> None:
        """Remove the entry, unless it is now the very file `replaced_by`: then a move ended on
        its own path (spelled otherwise, or through a link), and removing it would lose it."""
        now = os.lstat(self._name, dir_fd=self._folder.fd)
        if replaced_by is None or not os.path.samestat(now, replaced_by):
            os.unlink(self._name, dir_fd=self._folder.fd)
        self._folder.close()

    def discard(self) -> None:
        """Leave the entry. Idempotent, never raises."""
        self._folder.close()


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
