"""Reading configuration and repository files that may be missing, broken or hostile."""

from __future__ import annotations

import os
import stat

from quire.config.errors import ConfigError
from quire.config.layers import is_list, is_table
from quire.config.overrides import Table

MAX_CONFIG_BYTES = 1 << 20
_MAX_DEPTH = 64
BOM = b"\xef\xbb\xbf"


def read_regular(path: str, limit: int) -> bytes | None:
    """At most `limit` + 1 bytes of a regular file; None when there is none.

    Never waits: a pipe, a device or a folder raises `OSError` like any unreadable file."""
    try:
        # Looked at first: opening alone can wake a device.
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise OSError(0, "not a regular file", path)
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(0, "not a regular file", path)
        return _read_up_to(descriptor, limit + 1)
    finally:
        os.close(descriptor)


def read_toml(path: str) -> Table | None:
    """A TOML file as a table; None when there is none. Raises `ConfigError` with the place."""
    try:
        data = read_regular(path, MAX_CONFIG_BYTES)
    except OSError as error:
        raise ConfigError(f"config: {path}: cannot be read: {error.strerror}") from None
    if data is None:
        return None
    if len(data) > MAX_CONFIG_BYTES:
        raise ConfigError(f"config: {path}: larger than {MAX_CONFIG_BYTES} bytes")
    return parse_toml(data, path)


def parse_toml(data: bytes, path: str) -> Table:
    """The table in `data`. Raises `ConfigError` with file, line and column."""
    import tomllib

    try:
        table = tomllib.loads(data.removeprefix(BOM).decode())
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"config: {path}: line {line}: not valid UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"config: {path}: {_place_first(str(error))}") from None
    except RecursionError:
        raise ConfigError(f"config: {path}: nested too deeply") from None
    if _is_deep(table):  # A key of a thousand dots needs no recursion, but all who read it do.
        raise ConfigError(f"config: {path}: nested too deeply")
    return table


def _is_deep(table: Table) -> bool:
    level: list[object] = [table]
    for _ in range(_MAX_DEPTH):
        level = [inner for value in level for inner in _inside(value)]
    return bool(level)


def _inside(value: object) -> list[object]:
    if is_table(value):
        return [*value.values()]
    return value if is_list(value) else []


def _place_first(message: str) -> str:
    """tomllib's `What (at line 3, column 5)` as `line 3, column 5: what`."""
    what, separator, place = message.rpartition(" (at ")
    if not separator:
        return message
    return f"{place.rstrip(')')}: {what[:1].lower()}{what[1:]}"


def _read_up_to(descriptor: int, limit: int) -> bytes:
    chunks: list[bytes] = []
    while limit > 0 and (chunk := os.read(descriptor, min(limit, 1 << 16))):
        chunks.append(chunk)
        limit -= len(chunk)
    return b"".join(chunks)
