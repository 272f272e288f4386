"""The commands that models ran, as the stored threads have them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import msgspec
from msgspec import Struct

from quire.core.errors import RolloutError
from quire.rollout.listing import days
from quire.rollout.paths import ARCHIVED, thread_id_of
from quire.rollout.scan import Scan

_TOOLS = ("exec_command", "shell", "shell_command")


class StoredCommands(Struct, frozen=True):
    """`scripts` are the command lines, oldest file first, each call once (a fork repeats the calls
    of its origin). `unreadable` counts the files that could not be read."""

    scripts: tuple[str, ...]
    threads: int
    unreadable: int


class _Call(Struct, frozen=True):
    type: str = ""
    name: str = ""
    call_id: str = ""
    arguments: str = ""


class _Line(Struct, frozen=True):
    payload: _Call
    timestamp: str = ""
    type: str = ""


class _Arguments(Struct, frozen=True):
    cmd: str = ""
    command: str | list[str] = ""


def stored_commands(home: str, since: float) -> StoredCommands:
    """The commands of all threads below `home`, archived ones too, from `since` on (seconds since
    the epoch). Files and lines that cannot be read are passed over."""
    from quire.rollout.lines import timestamp

    first = timestamp(since) if since > 0 else ""
    calls: dict[str, str] = {}
    threads: set[str] = set()
    unreadable = 0
    for path in _files(home, since):
        threads.add(thread_id_of(os.path.basename(path)) or path)
        try:
            for line in _lines(path):
                if line.timestamp >= first and (script := _script(line.payload)):
                    calls.setdefault(line.payload.call_id or f"{path}#{len(calls)}", script)
        except RolloutError:
            unreadable += 1
    return StoredCommands(tuple(calls.values()), len(threads), unreadable)


def _files(home: str, since: float) -> list[str]:
    """The files written since then, oldest first."""
    found: list[tuple[float, str]] = []
    for folder in (*days(home), os.path.join(home, ARCHIVED)):
        try:
            with os.scandir(folder) as entries:
                found += (
                    (changed, entry.path)
                    for entry in entries
                    if thread_id_of(entry.name) is not None
                    and (changed := entry.stat().st_mtime) >= since
                )
        except OSError:
            continue
    return [path for _, path in sorted(found)]


def _lines(path: str) -> Iterator[_Line]:
    """The calls of shells in a file. Raises `RolloutError`."""
    decoder = msgspec.json.Decoder(_Line)
    for _, data in Scan(path, ()):
        if b'"function_call"' not in data or not any(tool.encode() in data for tool in _TOOLS):
            continue
        try:
            line = decoder.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        if line.type == "response_item" and line.payload.type == "function_call":
            yield line


def _script(call: _Call) -> str:
    if call.name not in _TOOLS:
        return ""
    try:
        arguments = msgspec.json.decode(call.arguments, type=_Arguments)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    if arguments.cmd or isinstance(arguments.command, str):
        return arguments.cmd or str(arguments.command)
    return arguments.command[-1] if arguments.command else ""
