"""Answers `core.writable.Disk` from the real file system."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from os.path import join

from quire.tools.patch_files import real_path

_LIMIT = 8192


class RealDisk:
    """Symlinks and `.git` files as they are now.

    `quire_home` is Quire's own folder. `home_files` are names below `home` (the person's) that
    stay protected where a whole home is writable. `root` gives the real path of a writable root,
    the same one for as long as commands run; `submodules` the `.git` entries of the submodules
    of the repository that a root is in.
    """

    def __init__(
        self,
        quire_home: str | None = None,
        home: str | None = None,
        home_files: tuple[str, ...] = (),
        root: Callable[[str], str] = real_path,
        submodules: Callable[[str], list[str]] | None = None,
    ) -> None:
        self._quire_home = quire_home
        self._home = home
        self._home_files = home_files
        self._root = root
        self._submodules = submodules

    def root(self, path: str) -> str:
        """The real path of a writable root, as it was before any command ran."""
        return self._root(path)

    def real(self, path: str) -> str:
        """`path` with every symlink resolved; what does not exist stays as written."""
        return real_path(path)

    def held(self, root: str) -> tuple[str, ...]:
        """A repository's folders outside the worktree `root`, its submodules' `.git`, Quire's own
        folder, and the start-up files of a home that lies below `root`."""
        held = _git_folders(root)
        if self._submodules is not None:
            held += self._submodules(root)
        if self._quire_home is not None:
            held.append(self._quire_home)
        if self._home is not None and _within(real_path(self._home), root):
            held += [join(self._home, name) for name in self._home_files]
        return tuple(held)


def _git_folders(root: str) -> list[str]:
    """Where a `.git` file (`gitdir: PATH`) points to, and what its worktrees share."""
    text = _first_bytes(join(root, ".git"))
    key, _, target = text.partition(b"gitdir:")
    if key.strip() or not target.strip():
        return []
    gitdir = join(root, _path(target))
    common = _path(_first_bytes(join(gitdir, "commondir")))
    return [gitdir, join(gitdir, common)] if common else [gitdir]


def _path(text: bytes) -> str:
    line = os.fsdecode(text.strip().partition(b"\n")[0].strip())
    return line.partition("\0")[0]


def _first_bytes(path: str) -> bytes:
    try:
        # Looked at first: opening alone can wake a device.
        if not stat.S_ISREG(os.stat(path).st_mode):
            return b""
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        with open(fd, "rb") as file:
            return file.read(_LIMIT) or b""
    except (OSError, ValueError):
        return b""


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
