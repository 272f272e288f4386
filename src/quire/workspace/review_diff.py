"""Asks git what a review is about: the merge base, and the diff of the target.

The repository is not trusted. Whatever its configuration, its attributes or its submodules say,
nothing of it is run: no hook, filter, external diff, text conversion, file system monitor, pager,
transport or signature check. Names are resolved to hashes first, so none is taken for an option.
Time and output are limited.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from contextlib import suppress

from quire.core.errors import ToolError
from quire.protocol.review import (
    BaseBranchReviewTarget,
    CommitReviewTarget,
    CustomReviewTarget,
    Patch,
    ReviewTarget,
    UncommittedChangesReviewTarget,
)

MAX_DIFF = 64 << 20
MAX_NAMES = 16 << 20
_SMALL = 1 << 20
_CHUNK = 1 << 16
TIMEOUT_S = 30.0

_SETTINGS = {
    "core.fsmonitor": "false",
    "core.untrackedCache": "false",
    "core.hooksPath": "/dev/null",
    "core.pager": "cat",
    "core.sshCommand": "false",
    "core.alternateRefsCommand": "false",
    "credential.helper": "",
    "protocol.allow": "never",
    "log.showSignature": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "submodule.recurse": "false",
    "safe.bareRepository": "explicit",
}
_ENVIRONMENT = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "none",
    "LC_ALL": "C",
}
_DIFF = (
    *("diff", "--no-ext-diff", "--no-textconv", "--no-color", "--no-relative", "--unified=0"),
    *("--inter-hunk-context=0", "--src-prefix=a/", "--dst-prefix=b/", "--submodule=short"),
    *("--ignore-submodules=dirty", "--find-renames"),
)
_FILTERS = r"^filter\..*\.(clean|smudge|process|required)$"


class ReviewDiffs:
    """The git side of reviews: `server.reviews.ReviewDiffs`. `env` is the person's environment."""

    def __init__(self, env: Mapping[str, str], timeout_s: float = TIMEOUT_S) -> None:
        self._env = env
        self._timeout_s = timeout_s

    async def merge_base(self, cwd: str, branch: str) -> str | None:
        """The commit where the work left `branch`, or its upstream when that has commits which
        `branch` lacks (as Codex 0.169 does); None when git cannot tell. May be cancelled."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._merge_base(_Git(cwd, self._env), branch)
        except (ToolError, TimeoutError):
            return None

    async def patch(self, cwd: str, target: ReviewTarget, merge_base: str | None) -> Patch | None:
        """The lines that `target` is about; None for custom instructions, which name none.
        Raises `ToolError` with the reason when git cannot tell. May be cancelled."""
        if isinstance(target, CustomReviewTarget):
            return None
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._patch(_Git(cwd, self._env), target, merge_base)
        except TimeoutError:
            raise ToolError(f"git took longer than {self._timeout_s:.0f} s") from None

    async def _merge_base(self, git: _Git, branch: str) -> str | None:
        wanted = await git.commit(branch)
        with suppress(ToolError):
            upstream = await git.commit(f"{branch}@{{upstream}}")
            # Left: what only the branch has; right: what only its upstream has.
            counts = await git.line("rev-list", "--left-right", "--count", f"{wanted}...{upstream}")
            wanted = upstream if counts.split()[-1:] not in ([], ["0"]) else wanted
        return await git.line("merge-base", await git.commit("HEAD"), wanted)

    async def _patch(self, git: _Git, target: ReviewTarget, merge_base: str | None) -> Patch:
        roots = await git.roots()
        git = _Git(roots[0], self._env, await git.without_filters())
        match target:
            case CommitReviewTarget(sha):
                commit = await git.commit(sha)
                return Patch(roots, await git.diff(await git.before(commit), commit))
            case BaseBranchReviewTarget():
                if merge_base is None:
                    raise ToolError("the merge base is not known")
                return Patch(roots, await git.diff(merge_base), await git.untracked())
            case UncommittedChangesReviewTarget() | CustomReviewTarget():
                diff = await git.diff(await git.head_or_nothing())
                return Patch(roots, diff, await git.untracked())


class _Git:
    """git in one folder. Everything raises `ToolError` with the reason in one line."""

    def __init__(
        self, cwd: str, env: Mapping[str, str], settings: Mapping[str, str] | None = None
    ) -> None:
        self._cwd = cwd
        self._person = env
        self._settings = {**_SETTINGS, **(settings or {})}

    async def roots(self) -> tuple[str, ...]:
        """The working tree's top as git names it, and as `cwd` reaches it over links."""
        top = await self.line("rev-parse", "--show-toplevel")
        if not top.startswith("/"):
            raise ToolError("there is no working tree here")
        below = os.path.relpath(os.path.realpath(self._cwd), top)
        linked = self._cwd.rstrip("/")
        if below != ".":
            linked = linked.removesuffix("/" + below)
        same = os.path.realpath(linked or "/") == os.path.realpath(top)
        return (top, linked) if same and linked != top else (top,)

    async def without_filters(self) -> dict[str, str]:
        """Settings that switch off every filter that some configuration file names."""
        found = await self.run(
            "config", "--null", "--name-only", "--get-regexp", _FILTERS, fine=(0, 1)
        )
        names = [os.fsdecode(name) for name in found.split(b"\0") if name]
        return {name: "false" if name.endswith(".required") else "" for name in names}

    async def commit(self, name: str) -> str:
        """The hash of the commit that `name` leads to."""
        if "\0" in name:
            raise ToolError("a name cannot hold a NUL")
        spec = f"{name}^{{commit}}"
        return await self.line("rev-parse", "--verify", "--quiet", "--end-of-options", spec)

    async def before(self, commit: str) -> str:
        """The first parent of a commit; the empty tree for the first one."""
        try:
            return await self.commit(f"{commit}^1")
        except ToolError:
            return await self._empty_tree()

    async def head_or_nothing(self) -> str:
        try:
            return await self.commit("HEAD")
        except ToolError:
            return await self._empty_tree()

    async def _empty_tree(self) -> str:
        return await self.line("hash-object", "-t", "tree", "/dev/null")

    async def diff(self, *trees: str) -> bytes:
        return await self.run(*_DIFF, *trees, "--", limit=MAX_DIFF)

    async def untracked(self) -> tuple[str, ...]:
        found = await self.run("ls-files", "--others", "--exclude-standard", "-z", limit=MAX_NAMES)
        return tuple(name.decode("utf-8", "replace") for name in found.split(b"\0") if name)

    async def line(self, *words: str) -> str:
        """The first line of what a command prints."""
        text = os.fsdecode(await self.run(*words)).split("\n", 1)[0]
        if not text:
            raise ToolError(f"git {words[0]} said nothing")
        return text

    async def run(self, *words: str, limit: int = _SMALL, fine: tuple[int, ...] = (0,)) -> bytes:
        """What a command prints. Cancelled, it kills the command."""
        try:
            process = await asyncio.create_subprocess_exec(
                program(self._person.get("PATH", "")),
                *("--no-pager", "--literal-pathspecs", *words),
                cwd=self._cwd,
                env=self._environment(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
        except (OSError, ValueError) as exc:
            raise ToolError(f"git cannot be started: {exc}") from None
        try:
            output = await _limited(process, limit)
            code = await process.wait()
        finally:
            await _end(process)
        if output is None:
            raise ToolError(f"git {words[0]} printed more than {limit >> 20} MiB")
        if code not in fine:
            raise ToolError(f"git {words[0]} failed with code {code}")
        return output

    def _environment(self) -> dict[str, str]:
        """The person's, without what steers git, and with what keeps it from running things."""
        env = {key: value for key, value in self._person.items() if not key.startswith("GIT_")}
        env |= _ENVIRONMENT
        env["GIT_CONFIG_COUNT"] = str(len(self._settings))
        for number, (key, value) in enumerate(self._settings.items()):
            env[f"GIT_CONFIG_KEY_{number}"] = key
            env[f"GIT_CONFIG_VALUE_{number}"] = value
        return env


def program(path: str) -> str:
    """The absolute path of git. Folders of `PATH` that are relative do not count: they would
    lead into the repository. Raises `OSError`."""
    for folder in path.split(os.pathsep):
        file = os.path.join(folder, "git")
        if os.path.isabs(folder) and os.path.isfile(file) and os.access(file, os.X_OK):
            return file
    raise FileNotFoundError("there is no git on PATH")


async def _limited(process: asyncio.subprocess.Process, limit: int) -> bytes | None:
    """All that the process prints; None when that is more than `limit` bytes."""
    assert process.stdout is not None
    chunks: list[bytes] = []
    size = 0
    while chunk := await process.stdout.read(_CHUNK):
        size += len(chunk)
        if size > limit:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            return None
        chunks.append(chunk)
    return b"".join(chunks)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Nothing of the command is left. The group is named by its first process, whose number
    nobody else gets before it was waited for."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
