"""Answers `core.writable.Disk` from the real file system."""

from __future__ import annotations

import os

_GITDIR_LIMIT = 4096


class RealDisk:
    """Symlinks and `.git` files as they are now; nothing is remembered."""

    def real(self, path: str) -> str:
        """`path` with every symlink resolved; what does not exist stays as written."""
        return os.path.realpath(path)

    def gitdir(self, root: str) -> str | None:
        """The target of a `.git` file in `root` (git's `gitdir: PATH`), absolute, or None."""
        try:
            with open(os.path.join(root, ".git"), "rb") as file:
                head, _, target = file.read(_GITDIR_LIMIT).partition(b"gitdir:")
        except (OSError, ValueError):
            return None
        path = os.fsdecode(target.split(b"\n")[0].strip())
        if head.strip() or not path or "\0" in path:
            return None
        return os.path.normpath(os.path.join(root, path))
