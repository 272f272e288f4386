"""What git knows about a folder, read from its files: no process is started.

Everything here is written by whoever made the repository: sizes are limited, pipes and devices are
never opened, and what makes no sense counts as unknown.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from quire.config.files import read_regular
from quire.protocol.records import GitInfo

_SMALL = 4096
_CONFIG = 1 << 20
_PACKED_REFS = 16 << 20
_MAX_SYMBOLIC_STEPS = 5


def find_root(cwd: str, markers: Sequence[str] = (".git",)) -> str | None:
    """The nearest folder from `cwd` (absolute) upwards that holds one of `markers`."""
    folder = cwd
    while True:
        if any(os.path.lexists(os.path.join(folder, marker)) for marker in markers):
            return folder
        parent = os.path.dirname(folder)
        if parent == folder:
            return None
        folder = parent


def folders_down_to(cwd: str, root: str | None) -> list[str]:
    """The folders from `root` down to `cwd`, both included; only `cwd` without a
    root above it."""
    folders = [cwd]
    if root is not None and (cwd == root or cwd.startswith(root.rstrip("/") + "/")):
        while folders[-1] != root:
            folders.append(os.path.dirname(folders[-1]))
    return folders[::-1]


def git_directory(root: str) -> str | None:
    """The git directory of a working tree: `.git`, or what its `gitdir:` line names."""
    path = os.path.join(root, ".git")
    if os.path.isdir(path):
        return path
    target = _first_line(path)
    if target is None or not target.startswith("gitdir:"):
        return None
    directory = os.path.normpath(os.path.join(root, target[len("gitdir:") :].strip()))
    return directory if os.path.isdir(directory) else None


def main_worktree(root: str) -> str | None:
    """The main working tree of the repository whose linked worktree is `root`.

    None when `root` is no linked worktree, or when the repository does not name it as one: a
    `.git` file alone proves nothing, nor does a git directory of its own that claims to share
    another one's."""
    directory = git_directory(root)
    if directory is None:
        return None
    back = _first_line(os.path.join(directory, "gitdir"))
    if back is None or not _same_place(os.path.join(directory, back), os.path.join(root, ".git")):
        return None
    common = _common_directory(directory)
    if not _same_place(os.path.join(directory, os.pardir), os.path.join(common, "worktrees")):
        return None
    return os.path.dirname(common) if os.path.basename(common) == ".git" else None


def git_info(root: str) -> GitInfo | None:
    """Commit, branch and remote address of the working tree at `root`; None without git.

    Credentials are removed from the address."""
    directory = git_directory(root)
    if directory is None:
        return None
    common = _common_directory(directory)
    head = _first_line(os.path.join(directory, "HEAD")) or ""
    return GitInfo(
        commit_hash=_resolve(head, directory, common),
        branch=_branch(head),
        repository_url=_remote_url(os.path.join(common, "config")),
    )


def without_credentials(url: str) -> str:
    """The address without user name, password and query."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        # user@host:path keeps its user, which is no secret; user:password@... does not.
        user, at, place = url.partition("@")
        return place if at and ":" in user else url
    authority, slash, path = rest.partition("/")
    host = authority.rpartition("@")[2]
    path = path.partition("?")[0].partition("#")[0]
    return f"{scheme}://{host}{slash}{path}"


def _branch(head: str) -> str | None:
    name = head.removeprefix("ref:").strip()
    branch = name.removeprefix("refs/heads/")
    if branch in ("", name, ".invalid"):  # git writes `.invalid` where HEAD is kept elsewhere
        return None
    return branch.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _resolve(value: str, directory: str, common: str) -> str | None:
    """The commit that a `HEAD` or ref line leads to."""
    for _ in range(_MAX_SYMBOLIC_STEPS):
        if not value.startswith("ref:"):
            return value if _is_hash(value) else None
        name = value[len("ref:") :].strip()
        if not name.startswith("refs/") or ".." in name or "\0" in name:
            return None
        value = (
            _first_line(os.path.join(directory, name))
            or _first_line(os.path.join(common, name))
            or _packed(name, os.path.join(common, "packed-refs"))
            or ""
        )
    return None


def _packed(name: str, path: str) -> str | None:
    data = _read(path, _PACKED_REFS)
    wanted = b" " + os.fsencode(name)
    start = data.find(wanted + b"\n")
    if start < 0 and data.endswith(wanted):
        start = len(data) - len(wanted)
    if start < 0:
        return None
    line = data[data.rfind(b"\n", 0, start) + 1 : start]
    return line.decode("ascii", "replace")


def _common_directory(directory: str) -> str:
    """Where refs and config live: for a linked worktree not its own git directory."""
    common = _first_line(os.path.join(directory, "commondir"))
    return os.path.normpath(os.path.join(directory, common)) if common else directory


def _remote_url(path: str) -> str | None:
    """`url` of the remote `origin`, else of the first one."""
    first = None
    for section, key, value in _config_entries(_read(path, _CONFIG)):
        if key == "url" and section.startswith("remote "):
            if section == 'remote "origin"':
                return without_credentials(value)
            first = first or without_credentials(value)
    return first


def _config_entries(data: bytes) -> Iterator[tuple[str, str, str]]:
    """(section, key, value) of a git config file, as far as plain lines go."""
    section = ""
    for line in data.decode("utf-8", "replace").splitlines():
        text = line.strip()
        if text.startswith("["):
            section = text[1 : text.find("]")].strip()
        elif "=" in text and text[0] not in "#;":
            key, _, value = text.partition("=")
            yield section, key.strip().lower(), value.strip().strip('"')


def _first_line(path: str) -> str | None:
    data = _read(path, _SMALL)
    line = data.split(b"\n", 1)[0].decode("utf-8", "surrogateescape").strip()
    return line if line and "\0" not in line else None


def _read(path: str, limit: int) -> bytes:
    """The file, or nothing when it is missing, unreadable or too large."""
    try:
        data = read_regular(path, limit)
    except OSError:
        return b""
    return b"" if data is None or len(data) > limit else data


def _is_hash(text: str) -> bool:
    return len(text) in (40, 64) and all(c in "0123456789abcdef" for c in text)


def _same_place(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)
