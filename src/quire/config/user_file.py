"""`config.toml` of the home folder, changed without losing anything: one writer at a time, the new
text beside the old one and then in its place."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager

from quire.config.errors import ConfigError
from quire.config.files import MAX_CONFIG_BYTES, read_regular


class UserFile:
    """The file while its lock is held; from `locked_user_file`. `path` is where it stands."""

    def __init__(self, path: str) -> None:
        self.path = path

    def read(self) -> bytes:
        """Its bytes, empty when there is none. Raises `OSError`, and `ConfigError` when it is too
        large to be a configuration."""
        data = read_regular(self.path, MAX_CONFIG_BYTES) or b""
        if len(data) > MAX_CONFIG_BYTES:
            raise ConfigError(f"config: {self.path}: larger than {MAX_CONFIG_BYTES} bytes")
        return data

    def replace(self, data: bytes) -> None:
        """Put `data` in its place: a reader sees the old text or the new one. Mode and owner stay;
        a symbolic link stays one. Raises `OSError`."""
        _replace(os.path.realpath(self.path), data)


@contextmanager
def locked_user_file(home: str) -> Generator[UserFile]:
    """`HOME/config.toml`, with other writers locked out (an advisory lock on the folder, which
    waits). Makes the folder. An `OSError` inside becomes a `ConfigError`."""
    from quire.config.locking import lock_for_a_change

    path = os.path.join(home, "config.toml")
    try:
        os.makedirs(home, mode=0o700, exist_ok=True)
        lock = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            lock_for_a_change(lock)
            yield UserFile(path)
        finally:
            os.close(lock)
    except OSError as error:
        raise ConfigError(f"config: {path}: cannot be written: {error.strerror}") from None


def _replace(path: str, data: bytes) -> None:
    try:
        old = os.stat(path)
    except FileNotFoundError:
        old = None
    temporary = f"{path}.{os.getpid()}.new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if old is not None:
                _take_over(file.fileno(), old)
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _take_over(descriptor: int, old: os.stat_result) -> None:
    """Mode and owner of the file that goes. Who cannot give it back to its owner does not replace
    it: it may be somebody's who manages this machine."""
    mine = os.fstat(descriptor)
    if (mine.st_uid, mine.st_gid) != (old.st_uid, old.st_gid):
        os.fchown(descriptor, old.st_uid, old.st_gid)
    os.fchmod(descriptor, old.st_mode & 0o777)
