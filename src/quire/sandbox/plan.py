"""From a policy to what a sandbox must mount: one immutable value, compared to know whether a
sandbox made earlier still fits.

Making a plan looks at the disk (lstat, readlink, a `.git` file) and changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from errno import ENAMETOOLONG, ENOTDIR
from os.path import dirname, isabs, join, realpath
from stat import S_ISDIR, S_ISLNK, S_ISREG

from msgspec import Struct

from quire.core.errors import AgentError
from quire.protocol.policy import PROTECTED_NAMES, SandboxPolicy
from quire.sandbox.mountpoints import MARK_NS
from quire.sandbox.repository import gitdir_of, shared_folder, submodule_pointers

HOME_FILES = (
    *(".bash_aliases", ".bash_login", ".bash_logout", ".bash_profile", ".bashrc", ".profile"),
    *(".zlogin", ".zprofile", ".zshenv", ".zshrc", ".config/fish", ".local/bin"),
    *(".config/autostart", ".config/systemd", ".config/git", ".gitconfig"),
    *(".gnupg", ".kube", ".netrc", ".npmrc", ".pypirc", ".ssh"),
)
"""What stays read-only, where it exists, when a writable root holds the whole home folder: files
that later commands outside any sandbox would run or trust."""

_KERNEL_TREES = ("/proc", "/sys", "/dev")
_MAX_STEPS = 4096


class Place(Struct, frozen=True):
    """An existing file or folder: its real path and what it is, to notice a swap."""

    path: str
    device: int
    inode: int


class Plan(Struct, frozen=True, kw_only=True):
    """What a sandboxed command may touch. All paths are absolute and real, sorted.

    `writable`: the roots, and the folders between a root and what is protected below it (a mount
    point cannot be renamed). `read_only`: what exists in them and stays protected. `missing`:
    protected names that are absent, or empty folders (which may be stand-ins made for a sandbox),
    and must stay so. `links`: symlinks that lead to what is protected; none must be replaced.
    `scratch`: those roots that are there only to hold temporary files. `hidden`: files and folders
    that cannot be seen.
    """

    writable: tuple[Place, ...] = ()
    read_only: tuple[Place, ...] = ()
    missing: tuple[str, ...] = ()
    links: tuple[Place, ...] = ()
    scratch: tuple[str, ...] = ()
    network: bool = False
    hidden: tuple[Place, ...] = ()


def make_plan(
    policy: SandboxPolicy,
    workspace_roots: tuple[str, ...],
    tmpdir: str | None,
    home: str,
    resolve: Callable[[str], str] = realpath,
) -> Plan:
    """The plan of `policy`, which is not `danger-full-access`.

    `tmpdir` is the command's `TMPDIR`; `home` is Quire's own folder, which is protected too;
    `resolve` gives the real path of a root. Roots that do not exist are left out. Raises
    `AgentError` for a root that would open the machine: `/`, `/proc`, `/sys`, `/dev`.
    """
    hidden = _hidden(policy, resolve)
    if policy.mode == "read-only":
        return Plan(hidden=hidden)
    lasting = _existing([*workspace_roots, *policy.writable_roots], resolve)
    scratch = _existing(_temporary(policy, tmpdir), resolve) - lasting
    roots = sorted(lasting | scratch)
    found = _Protected(roots)
    for root in roots:
        if os.path.isdir(root):
            for name in PROTECTED_NAMES:
                found.add(join(root, name))
            _add_gitdir(found, root)
            for pointer in submodule_pointers(root):
                found.add_resolved(pointer)
    _add_home(found, roots, home)
    for root in roots:
        found.pin(join(root, "."))
    for place in hidden:
        _check_hidden(place.path, roots)
        found.pin(place.path)
    writable = [found.pinned[path] for path in sorted(found.pinned) if not found.covers(path)]
    return Plan(
        writable=tuple(writable),
        read_only=tuple(sorted(found.read_only.values(), key=_path_of)),
        missing=tuple(sorted(found.missing)),
        links=tuple(sorted(found.links.values(), key=_path_of)),
        scratch=tuple(sorted(scratch)),
        network=policy.full_network,
        hidden=hidden,
    )


def _hidden(policy: SandboxPolicy, resolve: Callable[[str], str]) -> tuple[Place, ...]:
    """What exists of `denied_reads`, by its real path; what lies in another of them is left out.
    What does not exist has nothing to hide."""
    found: dict[str, Place] = {}
    for path in sorted(resolve(path) for path in policy.denied_reads if isabs(path)):
        _check_hidden(path, ["/usr"])
        place = _place(path)
        if place is not None and not any(within(path, other) for other in found):
            found[path] = place
    return tuple(found.values())


def _check_hidden(path: str, needed: list[str]) -> None:
    """Raise `AgentError` when hiding `path` would hide what commands need."""
    machine = any(within(path, tree) for tree in _KERNEL_TREES)
    if machine or any(within(root, path) for root in needed):
        raise AgentError(
            f"cannot make a sandbox: {path} cannot be hidden, it holds what commands need; change "
            "the permission profile"
        )


def _temporary(policy: SandboxPolicy, tmpdir: str | None) -> list[str]:
    folders = [] if policy.exclude_slash_tmp else ["/tmp"]
    if tmpdir and not policy.exclude_tmpdir_env_var:
        folders.append(tmpdir)
    return folders


def _existing(roots: list[str], resolve: Callable[[str], str]) -> set[str]:
    real = {resolve(root) for root in roots if isabs(root)}
    for root in real:
        if root == "/" or root in _KERNEL_TREES or root.startswith(("/proc/", "/sys/")):
            raise AgentError(
                f"cannot make a sandbox: the writable root {root} would open the whole machine; "
                "choose a folder with -C or writable_roots"
            )
    return {root for root in real if os.path.exists(root)}


class _Protected:
    """Collects protected paths below the writable roots, and the folders on the way to them."""

    def __init__(self, roots: list[str]) -> None:
        self._roots = roots
        self.read_only: dict[str, Place] = {}
        self.missing: set[str] = set()
        self.links: dict[str, Place] = {}
        self.pinned: dict[str, Place] = {}

    def add(self, path: str) -> None:
        """Protect `path`, whether it exists or not, unless it cannot be written anyway. The
        folder that holds it is real."""
        if not self._writable(path) or self.covers(path):
            return
        self.pin(path)
        try:
            stat = os.lstat(path)
        except OSError:
            self.missing.add(path)
            return
        if S_ISLNK(stat.st_mode):
            self.add_resolved(path)
        elif S_ISDIR(stat.st_mode) and (stat.st_mtime_ns == MARK_NS or _is_empty(path)):
            self.missing.add(path)
        else:
            self.read_only[path] = Place(path, stat.st_dev, stat.st_ino)

    def add_resolved(self, path: str) -> None:
        """Protect what `path` leads to and every symlink on the way. Of a path that does not
        exist, its first missing component is protected: nothing can then be made below."""
        done, todo = "/", _parts(path)
        for _ in range(_MAX_STEPS):
            if not todo:
                return self.add(done)
            part = todo.pop()
            if part == "..":
                self.pin(join(done, "."))
                done = dirname(done)
                continue
            step = join(done, part)
            try:
                stat = os.lstat(step)
            except OSError as exc:
                if exc.errno == ENAMETOOLONG:
                    return None  # It can never exist.
                return self.add(done if exc.errno == ENOTDIR else step)
            if not S_ISLNK(stat.st_mode):
                done = step
                continue
            if self._writable(step) and not self.covers(step):
                self.links[step] = Place(step, stat.st_dev, stat.st_ino)
                self.pin(step)
            target = os.readlink(step)
            todo += _parts(target)
            done = "/" if isabs(target) else done
        return None

    def pin(self, path: str) -> None:
        """Keep the folders between the outermost root and `path` from being renamed, which would
        make room for another file of that name: each is mounted on itself."""
        folder = dirname(path)
        while folder not in self.pinned and self._writable(folder):
            place = _place(folder)
            if place is not None:
                self.pinned[folder] = place
            folder = dirname(folder)

    def covers(self, path: str) -> bool:
        """True when `path` lies in something protected already."""
        return any(within(path, place) for place in (*self.read_only, *self.missing))

    def _writable(self, path: str) -> bool:
        return any(within(path, root) for root in self._roots)


def _add_gitdir(found: _Protected, root: str) -> None:
    """A worktree's or submodule's real repository, and what worktrees share."""
    pointer = join(root, ".git")
    try:
        if not S_ISREG(os.stat(pointer).st_mode):
            return
    except OSError:
        return
    gitdir = gitdir_of(pointer)
    if gitdir is None:
        return
    found.add_resolved(shared_folder(gitdir))
    found.add_resolved(gitdir)


def _add_home(found: _Protected, roots: list[str], home: str) -> None:
    if os.path.isdir(home):
        found.add_resolved(home)
    person = realpath(os.environ.get("HOME") or "/")
    if not any(within(person, root) for root in roots):
        return
    for name in HOME_FILES:
        path = join(person, name)
        if os.path.lexists(path):
            found.add_resolved(path)


def within(path: str, folder: str) -> bool:
    """True when the real `path` is `folder` or lies below it."""
    return path == folder or path.startswith(folder if folder == "/" else folder + "/")


def _place(path: str) -> Place | None:
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return Place(path, stat.st_dev, stat.st_ino)


def _path_of(place: Place) -> str:
    return place.path


def _parts(path: str) -> list[str]:
    """The components, the last one first."""
    return [part for part in reversed(path.split("/")) if part not in ("", ".")]


def _is_empty(folder: str) -> bool:
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is None
    except OSError:
        return False
