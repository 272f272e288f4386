"""What changes on the disk, told by the kernel: Linux's inotify.

One descriptor serves all watches, and nothing is polled. A library that fits was looked for:
`watchfiles` takes a thread and one of the user's 128 inotify instances for each watch.
"""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import Callable, Iterator
from os.path import basename, dirname, isdir, islink, join, lexists, realpath

from quire.workspace.inotify import (
    APPEARS_OR_GOES,
    IGNORED,
    OVERFLOW,
    SELF_GONE,
    add_folder,
    drop_folder,
    open_inotify,
)

GATHER_SECONDS = 0.2
"""After a change, how long further ones are gathered (Codex 0.169)."""
MAX_PATHS = 10_000
"""Paths that one report names; where more changed, it names the watched path instead."""

_EVENT = struct.Struct("iIII")
_READ_BYTES = 65_536

Changed = Callable[[tuple[str, ...]], None]


class InotifyWatcher:
    """Implements `server.calls.fs.Watcher`. Belongs to the event loop it is first used in."""

    def __init__(self) -> None:
        self._fd = -1
        self._folders: dict[int, dict[_Watch, set[str | None]]] = {}

    def watch(self, path: str, changed: Changed) -> Callable[[], None]:
        """As the port says. A folder is watched with its direct entries; a link with what it
        leads to. What is missing is reported when it appears."""
        if self._fd < 0:
            self._fd = open_inotify()
            asyncio.get_running_loop().add_reader(self._fd, self._read)
        watch = _Watch(path, changed)
        try:
            self._arm(watch)
        except OSError:
            self._end(watch)
            raise
        return lambda: self._end(watch)

    def close(self) -> None:
        """End all watches. Idempotent."""
        if self._fd >= 0:
            asyncio.get_running_loop().remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1
        for watches in self._folders.values():
            for watch in watches:
                watch.end()
        self._folders.clear()

    def _arm(self, watch: _Watch) -> None:
        """Watch the folders that tell of `watch` now, and no others."""
        armed: dict[int, set[str | None]] = {}
        for folder, name in watch.sources():
            number = add_folder(self._fd, folder)
            if number is not None:
                armed.setdefault(number, set()).add(name)
        for number in watch.folders.keys() - armed.keys():
            self._leave(number, watch)
        for number, names in armed.items():
            self._folders.setdefault(number, {})[watch] = names
        watch.folders = armed

    def _leave(self, number: int, watch: _Watch) -> None:
        watches = self._folders.get(number, {})
        watches.pop(watch, None)
        if not watches and self._folders.pop(number, None) is not None:
            drop_folder(self._fd, number)

    def _end(self, watch: _Watch) -> None:
        watch.end()
        for number in watch.folders:
            self._leave(number, watch)
        watch.folders = {}

    def _read(self) -> None:
        try:
            data = os.read(self._fd, _READ_BYTES)
        except BlockingIOError:
            return
        at = 0
        while at < len(data):
            number, mask, _, length = _EVENT.unpack_from(data, at)
            at += _EVENT.size + length
            self._tell(number, mask, os.fsdecode(data[at - length : at].rstrip(b"\0")))

    def _tell(self, number: int, mask: int, name: str) -> None:
        if mask & OVERFLOW:  # The kernel lost some: everything may have changed.
            for watch in {watch for watches in self._folders.values() for watch in watches}:
                self._again(watch)
                watch.note(watch.path)
            return
        watches = self._folders.get(number, {})
        if mask & IGNORED:
            self._folders.pop(number, None)
        for watch, wanted in list(watches.items()):
            if None in wanted and not mask & IGNORED:
                watch.note(join(watch.path, name) if name else watch.path)
            named = bool(name) and name in wanted
            if mask & (SELF_GONE | IGNORED) or (named and mask & APPEARS_OR_GOES):
                self._again(watch)
            if named and watch.concerned_by(name):
                watch.note(watch.path)

    def _again(self, watch: _Watch) -> None:
        try:
            self._arm(watch)
        except OSError:
            watch.note(watch.path)  # No watches left: a last word, so that somebody looks.


class _Watch:
    """One watched path. `folders` are the kernel's numbers of the folders that tell of it, each
    with the names that count there: None for all."""

    def __init__(self, path: str, changed: Changed) -> None:
        self.path = path
        self.folders: dict[int, set[str | None]] = {}
        self._changed = changed
        self._noted: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None

    def sources(self) -> Iterator[tuple[str, str | None]]:
        """The folders to watch, and the name that counts in each: the path itself when it is a
        folder, the nearest folder above that exists, and where a link leads."""
        if isdir(self.path):
            yield self.path, None
        elif islink(self.path):
            target = realpath(self.path)
            yield dirname(target), basename(target)
        folder, name = dirname(self.path), basename(self.path)
        while not isdir(folder):
            folder, name = dirname(folder), basename(folder)
        if name:
            yield folder, name

    def concerned_by(self, name: str) -> bool:
        """False for a folder above that came while the path itself is still missing."""
        return name == basename(self.path) or lexists(self.path)

    def note(self, path: str) -> None:
        """Report `path` soon."""
        self._noted.add(path)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GATHER_SECONDS, self._report)

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _report(self) -> None:
        self._timer = None
        noted, self._noted = self._noted, set()
        self._changed(tuple(sorted(noted)) if len(noted) <= MAX_PATHS else (self.path,))
