"""What of Git repositories must stay as it is, read from files that anybody may have written.

Git follows a `.git` file wherever it leads and runs what the config there names, also in every
submodule when only `git status` is asked for. So a command that could replace one would have its
own program run outside the sandbox.
"""

from __future__ import annotations

import os
from os.path import dirname, isdir, join, lexists, normpath
from stat import S_ISREG

MAX_SUBMODULES = 64
_MAX_TEXT = 8192
_MAX_DEPTH = 8


def gitdir_of(path: str) -> str | None:
    """Where the `.git` file `path` points to, absolute; None when it is no such file."""
    key, _, target = small_text(path).partition(":")
    if key != "gitdir" or not target:
        return None
    return join(dirname(path), target.lstrip())


def shared_folder(gitdir: str) -> str:
    """What the worktrees of one repository share; the git directory itself when it has none."""
    return join(gitdir, small_text(join(gitdir, "commondir")))


def submodule_pointers(root: str) -> list[str]:
    """The `.git` entries of all submodules of the repository that holds the folder `root`, also
    of those that are empty yet; at most `MAX_SUBMODULES`."""
    top = _top(root)
    if top is None:
        return []
    folders: list[str] = []
    pointer = join(top, ".git")
    gitdir = pointer if isdir(pointer) else gitdir_of(pointer)
    if gitdir is not None:
        _add_modules(join(shared_folder(gitdir), "modules"), folders, _MAX_DEPTH)
    listed = small_text(join(top, ".gitmodules"))
    folders += [folder for folder in _values(listed, "path", top) if isdir(folder)]
    return [join(folder, ".git") for folder in dict.fromkeys(folders)][:MAX_SUBMODULES]


def small_text(path: str) -> str:
    """The text of a small regular file, stripped; empty when there is none, or no path could be
    in it. Never waits: a repository can hold anything by any name."""
    try:
        if not S_ISREG(os.stat(path).st_mode):
            return ""
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        with open(fd, "rb") as file:
            data = file.read(_MAX_TEXT)
    except OSError:
        return ""
    return "" if b"\0" in data else os.fsdecode(data).strip("\r\n ")


def _top(folder: str) -> str | None:
    """The nearest folder from `folder` upwards that holds a `.git`."""
    while not lexists(join(folder, ".git")):
        if folder == "/":
            return None
        folder = dirname(folder)
    return folder


def _add_modules(folder: str, found: list[str], depth: int) -> None:
    """The working folders of the repositories below `modules`, whose names may hold slashes."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return
    for name in names:
        module = join(folder, name)
        if len(found) >= MAX_SUBMODULES or depth == 0:
            return
        if os.path.isfile(join(module, "HEAD")):
            found += _values(small_text(join(module, "config")), "worktree", module)
            _add_modules(join(module, "modules"), found, depth - 1)
        else:
            _add_modules(module, found, depth - 1)


def _values(text: str, key: str, folder: str) -> list[str]:
    """The paths that `key = PATH` lines of a Git config name, from `folder` on."""
    pairs = [line.partition("=") for line in text.split("\n")]
    values = [value.strip().strip('"') for name, _, value in pairs if name.strip() == key]
    return [normpath(join(folder, value)) for value in values if value]
