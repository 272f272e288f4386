"""May a patch write this path? Pure: what it must know of the disk is asked of a `Disk`.

Commands are held by the sandbox; patches are written by Quire itself and are judged here by the
same rules (Codex 0.169, rows S1, S2; its protected names and ours).
"""

from __future__ import annotations

from posixpath import basename, dirname, isabs, join, normpath
from typing import Protocol

from quire.protocol.policy import PROTECTED_NAMES, SandboxPolicy, TurnContext

_OUTSIDE = "patch rejected: writing outside of the project; rejected by user approval settings"
_READ_ONLY = (
    "patch rejected: writing is blocked by read-only sandbox; rejected by user approval settings"
)


_MACHINE = ("/", "/proc", "/sys", "/dev")


class Disk(Protocol):
    """What the judgement asks about files."""

    def root(self, path: str) -> str:
        """The absolute path of a writable root with every symlink resolved, as it was before any
        command ran: a root that a command has replaced by a symlink must not open what that leads
        to. Never raises."""
        ...

    def real(self, path: str) -> str:
        """The absolute path with every symlink resolved, the last component's too. What does not
        exist stays as written. Never raises."""
        ...

    def held(self, root: str) -> tuple[str, ...]:
        """What else stays protected where the resolved folder `root` is writable: what a `.git`
        file leads to, Quire's own folder, start-up files of a home. Absolute paths, not
        resolved, also of what does not exist. Never raises."""
        ...


def patch_refusal(policy: SandboxPolicy) -> str:
    """What the model is told of a patch that may not be written (Codex 0.169)."""
    return _READ_ONLY if policy.mode == "read-only" else _OUTSIDE


def writable_roots(turn: TurnContext, env_tmpdir: str | None) -> tuple[str, ...]:
    """The folders below which files may be written, absolute, not resolved: those that a command's
    sandbox opens. `env_tmpdir` is the value of `TMPDIR`, ignored unless absolute. Empty in
    `read-only`; `/` in `danger-full-access`.
    """
    policy = turn.sandbox
    if policy.mode == "danger-full-access":
        return ("/",)
    if policy.mode == "read-only":
        return ()
    roots = [*turn.workspace_roots, *policy.writable_roots]
    if not policy.exclude_slash_tmp:
        roots.append("/tmp")
    if env_tmpdir and isabs(env_tmpdir) and not policy.exclude_tmpdir_env_var:
        roots.append(env_tmpdir)
    return tuple(dict.fromkeys(normpath(root) for root in roots))


def writable(path: str, turn: TurnContext, env_tmpdir: str | None, disk: Disk) -> bool:
    """True when `path` (absolute, or relative to the turn's) may be made, changed or removed.

    It must lie below a writable root and in nothing protected: the names of `PROTECTED_NAMES`
    directly in a root, existing or not, in any case of letters (on some file systems they are the
    same file), and what the disk says is held. Both the entry itself (what removing it touches)
    and the file it leads to (what writing through it touches) are judged, with all symlinks
    resolved. A root that would open the machine opens nothing: commands have no sandbox for it.
    """
    if turn.sandbox.mode == "danger-full-access":
        return True
    entry = normpath(join(turn.cwd, path))
    if turn.sandbox.hides(entry, disk.real):
        return False
    touched = {disk.real(entry), join(disk.real(dirname(entry)), basename(entry))}
    named = {disk.root(root) for root in writable_roots(turn, env_tmpdir)}
    roots = [root for root in named if not is_machine(root)]
    held = {place.casefold() for root in roots for place in _protected(root, disk)}
    return all(
        any(within(target, root) for root in roots)
        and not any(within(target.casefold(), place) for place in held)
        for target in touched
    )


def is_machine(root: str) -> bool:
    """True when a writable root at this real path would open the machine."""
    return root in _MACHINE or root.startswith(("/proc/", "/sys/"))


def _protected(root: str, disk: Disk) -> set[str]:
    """The protected places of a resolved root: as named, and where symlinks lead."""
    named = [*(join(root, name) for name in PROTECTED_NAMES), *disk.held(root)]
    return {*named, *(disk.real(place) for place in named)}


def within(path: str, folder: str) -> bool:
    """True when `path` is `folder` or lies below it, as they are written."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")
