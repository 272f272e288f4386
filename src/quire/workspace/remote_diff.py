"""What a working tree has that no remote has, as one diff."""

from __future__ import annotations

import asyncio
import os
from stat import S_ISLNK, S_ISREG

from quire.workspace.git import MAX_OUTPUT, Git
from quire.workspace.new_file import new_file_diff

MAX_UNTRACKED = 10_000
MAX_UNTRACKED_BYTES = 32 << 20
"""Of all untracked files together."""

_MAX_COMPARED = 16
_DIFF = (
    *("diff", "--no-ext-diff", "--no-textconv", "--no-color", "--no-relative", "--binary"),
    *("--ignore-submodules=dirty", "--submodule=short", "--src-prefix=a/", "--dst-prefix=b/"),
)


class RemoteDiffs:
    """Implements `server.calls.git.RemoteDiffer`."""

    def __init__(self, git: Git) -> None:
        self._git = git

    async def to_remote(self, cwd: str) -> tuple[str, str] | None:
        said = await self._git.run(cwd, "rev-parse", "--show-toplevel", "HEAD")
        lines = (said or b"").splitlines()
        if len(lines) != 2:
            return None
        top, head = os.fsdecode(lines[0]), lines[1].decode("ascii", "replace")
        base = await self._nearest(top, head)
        if base is None:
            return None
        filters = await self._git.foreign_filters(top)
        changed, untracked = await asyncio.gather(
            self._git.run(top, *_DIFF, base, "--", config=filters),
            self._git.run(top, "ls-files", "-z", "--others", "--exclude-standard"),
        )
        if changed is None or untracked is None:
            return None
        names = [os.fsdecode(name) for name in untracked.split(b"\0") if name]
        new = await asyncio.to_thread(_all_new, top, names, len(base))
        if new is None or len(changed) + len(new) > MAX_OUTPUT:
            return None
        return base, (changed + new).decode("utf-8", "replace")

    async def _nearest(self, top: str, head: str) -> str | None:
        """The commit at or below `head` that a remote has and that lacks least."""
        said = await self._git.run(
            top, "rev-list", "--topo-order", "--boundary", head, "--not", "--remotes"
        )
        if said is None:
            return None
        lines = said.decode("ascii", "replace").split()
        shared = [line[1:] for line in lines if line.startswith("-")]
        if not lines:
            return await self._known(top, head)
        if len(shared) <= 1:
            return shared[0] if shared else None
        best: tuple[int, str] | None = None
        for commit in shared[:_MAX_COMPARED]:
            count = await self._git.run(top, "rev-list", "--count", f"{commit}..{head}")
            if count is not None and (best is None or int(count) < best[0]):
                best = int(count), commit
        return best[1] if best else None

    async def _known(self, top: str, head: str) -> str | None:
        """`head` itself, if a remote has anything at all."""
        refs = await self._git.run(top, "for-each-ref", "--count=1", "refs/remotes")
        return head if refs else None


def _all_new(top: str, names: list[str], hash_length: int) -> bytes | None:
    """The untracked files as new ones; None when they are too many or too large."""
    if len(names) > MAX_UNTRACKED:
        return None
    diffs: list[bytes] = []
    size = 0
    for name in names:
        found = _contents(os.path.join(top, name))
        if found is None:
            continue
        mode, data = found
        size += len(data)
        if size > MAX_UNTRACKED_BYTES:
            return None
        diffs.append(new_file_diff(os.fsencode(name), mode, data, sha256=hash_length == 64))
    return b"".join(diffs)


def _contents(path: str) -> tuple[str, bytes] | None:
    """Git's mode of a file, and what is in it; None for what git does not keep. Never waits."""
    try:
        mode = os.lstat(path).st_mode
        if S_ISLNK(mode):
            return "120000", os.fsencode(os.readlink(path))
        if not S_ISREG(mode):
            return None
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(path, flags), "rb") as file:
            data = file.read(MAX_UNTRACKED_BYTES + 1)
    except OSError:
        return None
    return "100755" if mode & 0o100 else "100644", data
