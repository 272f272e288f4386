"""Asks git what a review is about: the merge base, and the diff of the target.

Names that people and clients give are resolved to hashes first, so none is taken for an option.
"""

from __future__ import annotations

import asyncio
import os

from quire.core.errors import ToolError
from quire.protocol.review import (
    BaseBranchReviewTarget,
    CommitReviewTarget,
    CustomReviewTarget,
    Patch,
    ReviewTarget,
)
from quire.workspace.git import TIMEOUT_SECONDS, Git

_DIFF = (
    *("diff", "--no-ext-diff", "--no-textconv", "--no-color", "--no-relative", "--unified=0"),
    *("--inter-hunk-context=0", "--src-prefix=a/", "--dst-prefix=b/", "--submodule=short"),
    *("--ignore-submodules=dirty", "--find-renames"),
)


class ReviewDiffs:
    """Implements `server.reviews.ReviewDiffs`."""

    def __init__(self, git: Git) -> None:
        self._git = git

    async def merge_base(self, cwd: str, branch: str) -> str | None:
        """The commit where the work left `branch`, or its upstream when that has commits which
        `branch` lacks (as Codex 0.169 does); None when git cannot tell. May be cancelled."""
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return await self._merge_base(cwd, branch)
        except (ToolError, TimeoutError):
            return None

    async def patch(self, cwd: str, target: ReviewTarget, merge_base: str | None) -> Patch | None:
        """The lines that `target` is about; None for custom instructions, which name none.
        Raises `ToolError` with the reason when git cannot tell. May be cancelled."""
        if isinstance(target, CustomReviewTarget):
            return None
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return await self._patch(cwd, target, merge_base)
        except TimeoutError:
            raise ToolError(f"git took longer than {TIMEOUT_SECONDS:.0f} s") from None

    async def _merge_base(self, cwd: str, branch: str) -> str:
        wanted = await self._commit(cwd, branch)
        try:
            upstream = await self._commit(cwd, f"{branch}@{{upstream}}")
            # Left: what only the branch has; right: what only its upstream has.
            words = ("rev-list", "--left-right", "--count", f"{wanted}...{upstream}")
            ahead = (await self._line(cwd, *words)).split()[-1:]
            wanted = upstream if ahead not in ([], ["0"]) else wanted
        except ToolError:
            pass  # it has none
        return await self._line(cwd, "merge-base", await self._commit(cwd, "HEAD"), wanted)

    async def _patch(self, cwd: str, target: ReviewTarget, merge_base: str | None) -> Patch:
        roots = await self._roots(cwd)
        top = roots[0]
        if isinstance(target, CommitReviewTarget):
            commit = await self._commit(top, target.sha)
            return Patch(roots, await self._diff(top, await self._before(top, commit), commit))
        if isinstance(target, BaseBranchReviewTarget):
            if merge_base is None:
                raise ToolError("the merge base is not known")
            start = merge_base
        else:
            start = await self._commit_or_nothing(top, "HEAD")
        return Patch(roots, await self._diff(top, start), await self._untracked(top))

    async def _roots(self, cwd: str) -> tuple[str, ...]:
        """The working tree's top as git names it, and as `cwd` reaches it over links."""
        top = await self._line(cwd, "rev-parse", "--show-toplevel")
        if not top.startswith("/"):
            raise ToolError("there is no working tree here")
        below = os.path.relpath(os.path.realpath(cwd), top)
        linked = cwd.rstrip("/")
        if below != ".":
            linked = linked.removesuffix("/" + below)
        same = os.path.realpath(linked or "/") == os.path.realpath(top)
        return (top, linked) if same and linked != top else (top,)

    async def _commit(self, cwd: str, name: str) -> str:
        """The hash of the commit that `name` leads to."""
        if "\0" in name:
            raise ToolError("a name cannot hold a NUL")
        words = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        return await self._line(cwd, *words)

    async def _before(self, cwd: str, commit: str) -> str:
        """The first parent of a commit; the empty tree for the first one."""
        return await self._commit_or_nothing(cwd, f"{commit}^1")

    async def _commit_or_nothing(self, cwd: str, name: str) -> str:
        try:
            return await self._commit(cwd, name)
        except ToolError:
            return await self._line(cwd, "hash-object", "-t", "tree", "/dev/null")

    async def _diff(self, top: str, *trees: str) -> bytes:
        filters = await self._git.foreign_filters(top)
        return _answered("diff", await self._git.run(top, *_DIFF, *trees, "--", config=filters))

    async def _untracked(self, top: str) -> tuple[str, ...]:
        said = await self._git.run(top, "ls-files", "--others", "--exclude-standard", "-z")
        names = _answered("ls-files", said).split(b"\0")
        return tuple(name.decode("utf-8", "replace") for name in names if name)

    async def _line(self, cwd: str, *words: str) -> str:
        """The first line of what a command prints."""
        text = os.fsdecode(_answered(words[0], await self._git.run(cwd, *words)))
        line = text.split("\n", 1)[0]
        if not line:
            raise ToolError(f"git {words[0]} said nothing")
        return line


def _answered(command: str, answer: bytes | None) -> bytes:
    if answer is None:
        raise ToolError(f"git {command} failed, or said too much")
    return answer
