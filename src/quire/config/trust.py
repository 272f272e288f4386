"""Which projects you trust: `[projects."/absolute/path"] trust_level` in your configuration."""

from __future__ import annotations

import os

from quire.config.errors import ConfigError
from quire.config.files import BOM, parse_toml
from quire.config.layers import as_table, is_table, table_at
from quire.config.overrides import Table
from quire.config.repository import find_root, folders_down_to, main_worktree
from quire.config.schema import TrustLevel


def trust_of(projects: Table, folder: str, root: str | None) -> TrustLevel | None:
    """What `projects` says of `folder`: its own entry, its project root's, or that of the main
    working tree of its repository; None when there is none."""
    entries = {_key(path): as_table(entry) or {} for path, entry in projects.items()}
    candidates = [folder]
    if root is not None:
        candidates += [root, *filter(None, [main_worktree(root)])]
    for candidate in candidates:
        for path in (candidate, os.path.realpath(candidate)):
            level = entries.get(path, {}).get("trust_level")
            if level == "trusted":
                return "trusted"
            if level == "untrusted":
                return "untrusted"
    return None


def trusted_folders(projects: Table, cwd: str, root: str | None) -> tuple[str, ...]:
    """The folders from the project's root down to `cwd` that are trusted, outermost first.
    `projects` is the configuration's table of that name; `root` the project's root if it has
    one."""
    top = root or cwd
    return tuple(
        folder
        for folder in folders_down_to(cwd, top)
        if trust_of(projects, folder, top) == "trusted"
    )


def trust_project(home: str, cwd: str, root: str | None) -> str:
    """Save in `HOME/config.toml` that the project of `cwd` is trusted; returns its path.

    Comments and layout of the file survive; it is replaced atomically and keeps its mode. Raises
    `ConfigError` when the file says `untrusted`, is broken, or cannot be written."""
    root = root or find_root(cwd) or cwd
    project = main_worktree(root) or root
    from quire.config.user_file import locked_user_file

    with locked_user_file(home) as file:
        data, path = file.read(), file.path
        level = trust_of(table_at(parse_toml(data, path), "projects"), project, None)
        if level == "untrusted":
            raise ConfigError(
                f"config: {path}: {project} is marked untrusted; change its trust_level there first"
            )
        if level is None:
            file.replace(_with_trust(data, project, path))
    return project


def _with_trust(data: bytes, project: str, path: str) -> bytes:
    """The file's text with an entry for `project`, everything else as it was."""
    import tomlkit
    from tomlkit.items import InlineTable

    text = tomlkit.parse(data.removeprefix(BOM).decode())
    document: Table = text
    projects = document.setdefault("projects", tomlkit.table(is_super_table=True))
    if is_table(projects):
        inline = isinstance(projects, InlineTable)
        entry = projects.setdefault(project, tomlkit.inline_table() if inline else tomlkit.table())
        if is_table(entry):
            entry["trust_level"] = "trusted"
    changed = text.as_string().encode()
    if trust_of(table_at(parse_toml(changed, path), "projects"), project, None) != "trusted":
        raise ConfigError(f"config: {path}: `projects` is no table of tables; correct it first")
    return changed


def _key(path: str) -> str:
    return os.path.normpath(os.path.expanduser(path))
