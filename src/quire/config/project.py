"""A project's own configuration: `.quire/config.toml` from its root down to the working folder.

A repository is somebody else's text that changes with every pull. Its files count only when you
trust the project, and even then they cannot reach beyond it.
"""

from __future__ import annotations

import os

from quire.config.files import read_toml
from quire.config.keys import PROJECT_KEYS
from quire.config.layers import Layer, Origin, is_list, is_table, with_absolute_paths
from quire.config.overrides import Table
from quire.config.repository import folders_down_to
from quire.config.schema import Config, TrustLevel
from quire.config.trust import trust_of

FOLDER = ".quire"


class ProjectFiles:
    """The project that `cwd` belongs to, and what its files may say."""

    def __init__(self, cwd: str, root: str | None, home: str, projects: Table) -> None:
        self._cwd = cwd
        self._root = root or cwd
        self._home = home
        self._projects = projects
        self.trust: TrustLevel | None = trust_of(projects, cwd, self._root)
        self.warnings: list[str] = []

    def layers(self) -> list[Layer]:
        """The trusted files, nearest last. Raises `ConfigError` when one is broken."""
        found: list[Layer] = []
        untrusted: list[str] = []
        for folder in folders_down_to(self._cwd, self._root):
            directory = os.path.join(folder, FOLDER)
            path = os.path.join(directory, "config.toml")
            if not os.path.lexists(path) or self._is_home(directory):
                continue
            if trust_of(self._projects, folder, self._root) != "trusted":
                untrusted.append(path)
            elif (values := read_toml(path)) is not None:
                origin = Origin("project", path)
                allowed = self._restricted(with_absolute_paths(values, directory), path)
                found.append(Layer(origin, directory, allowed))
        if untrusted:
            self.warnings.append(
                "Untrusted project-local configuration is disabled. Run `quire exec --trust` to "
                f"allow {', '.join(untrusted)} for this and future runs in the project. Explicitly "
                "untrusted projects must have their trust setting updated first."
            )
        return found

    def _is_home(self, directory: str) -> bool:
        """In the home folder, `.quire` is your own configuration."""
        return os.path.realpath(directory) == os.path.realpath(self._home)

    def _restricted(self, values: Table, path: str) -> Table:
        """What of a file may count. Names that nobody knows stay: they get their own warning."""
        known = frozenset(Config.__struct_fields__)
        refused = [key for key in values if key in known and key not in PROJECT_KEYS]
        allowed = {key: value for key, value in values.items() if key not in refused}
        if allowed.get("sandbox_mode") == "danger-full-access":
            del allowed["sandbox_mode"]
            refused.append('sandbox_mode = "danger-full-access"')
        for table, limit in _LIMITS.items():
            if is_table(inner := allowed.get(table)):
                allowed[table] = limit(inner, refused, self._root)
        if refused:
            self.warnings.append(
                f"config: {path}: a project may not set {', '.join(f'`{r}`' for r in refused)}; "
                f"if you want it, set it in {os.path.join(self._home, 'config.toml')}"
            )
        return allowed


def _sandbox(values: Table, refused: list[str], root: str) -> Table:
    """No network, and no writing outside of the project: it may only narrow what you allow."""
    allowed = dict(values)
    wider = {"network_access": True, "exclude_tmpdir_env_var": False, "exclude_slash_tmp": False}
    for key, value in wider.items():
        if allowed.get(key) is value:
            del allowed[key]
            refused.append(f"sandbox_workspace_write.{key}")
    if is_list(roots := allowed.get("writable_roots")):
        inside = [r for r in roots if not isinstance(r, str) or _is_inside(r, root)]
        allowed["writable_roots"] = inside
        refused += [f'writable_roots "{r}"' for r in roots if r not in inside]
    return allowed


def _environment(values: Table, refused: list[str], root: str) -> Table:
    """It may set variables, not decide which of yours its commands see, nor where their temporary
    folder is: that one can be written."""
    refused += [f"shell_environment_policy.{key}" for key in values if key in _YOUR_VARIABLES]
    allowed = {key: value for key, value in values.items() if key not in _YOUR_VARIABLES}
    if is_table(variables := allowed.get("set")) and "TMPDIR" in variables:
        refused.append("shell_environment_policy.set.TMPDIR")
        allowed["set"] = {name: value for name, value in variables.items() if name != "TMPDIR"}
    return allowed


_YOUR_VARIABLES = ("inherit", "ignore_default_excludes", "exclude", "include_only")


_LIMITS = {"sandbox_workspace_write": _sandbox, "shell_environment_policy": _environment}


def _is_inside(path: str, root: str) -> bool:
    real, real_root = os.path.realpath(path), os.path.realpath(root)
    return real == real_root or real.startswith(real_root.rstrip("/") + "/")
