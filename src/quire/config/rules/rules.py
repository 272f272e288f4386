"""The rules of a person, a project and a machine: found, loaded when first needed, judged by."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from quire.core.errors import UsageError
from quire.core.ports import CommandAction, Judgement

if TYPE_CHECKING:
    from quire.config.load import LoadedConfig
    from quire.config.rules.judge import Findings
    from quire.config.rules.layers import Loaded
    from quire.config.rules.policy import Policy

SYSTEM_FOLDER = "/etc/quire"
_FOLDER = "rules"
_SUFFIX = ".rules"

File = tuple[str, str]
"""The path of a rule file, and its layer: `system`, `user`, `project` or `option`."""


def load_rules(
    home: str, project_folders: Sequence[str] = (), system_folder: str = SYSTEM_FOLDER
) -> Rules:
    """The rules of `SYSTEM/rules`, `HOME/rules`, and `.quire/rules` and `.codex/rules` of each of
    `project_folders` (absolute; only of trusted projects, see `trusted_folders`).

    Only looks for files: nothing is read before the first command, and without a file nothing is
    imported at all. Never raises."""
    own = os.path.realpath(home)
    folders = [
        (os.path.join(project, name, _FOLDER), "project")
        for project in project_folders
        for name in (".codex", ".quire")
        if os.path.realpath(os.path.join(project, name)) != own
    ]
    folders.append((os.path.join(system_folder, _FOLDER), "system"))
    return Rules(home, [file for folder, kind in folders for file in files_in(folder, kind)])


def rules_for(loaded: LoadedConfig, home: str, cwd: str) -> Rules:
    """`load_rules` for a thread that works in `cwd` under this configuration. Never raises."""
    from quire.config.trust import trusted_folders

    if loaded.trust != "trusted":
        return load_rules(home)
    projects: dict[str, object] = {
        path: {"trust_level": project.trust_level}
        for path, project in loaded.config.projects.items()
    }
    return load_rules(home, trusted_folders(projects, cwd, loaded.project_root))


def files_in(folder: str, kind: str) -> list[File]:
    """The rule files of a folder, by name. A folder that is missing has none; one that cannot be
    read stands for a file that cannot."""
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(_SUFFIX))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError:
        return [(folder, kind)]
    return [(os.path.join(folder, name), kind) for name in names]


class Rules:
    """Implements `CommandRules`. Files of the system and of projects are as they were when they
    were first needed; the person's own are read again when they change, so that what another
    thread or process remembers counts here too."""

    def __init__(self, home: str, files: Sequence[File] = (), *, own: bool = True) -> None:
        """`own` False leaves the person's files out (`--ignore-rules`); what is remembered is
        stored there all the same."""
        self._home = home
        self._own = own
        self._folder = os.path.join(home, _FOLDER)
        self._files = tuple(files)
        self._fixed: Loaded | None = None
        self._loaded: Loaded | None = None
        self._seen: tuple[tuple[str, int, int], ...] | None = None

    @property
    def problems(self) -> tuple[str, ...]:
        """One line for each broken rule file. While there is one every command is asked about:
        what the file forbids is not known."""
        loaded = self._load()
        return loaded.problems if loaded else ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """One line for each rule that does not count."""
        loaded = self._load()
        return loaded.warnings if loaded else ()

    @property
    def policy(self) -> Policy:
        """All rules that could be read."""
        from quire.config.rules.policy import Policy

        loaded = self._load()
        return loaded.policy if loaded else Policy()

    def check(self) -> None:
        """Raises `UsageError` for a broken rule file: a run that nobody watches should not begin
        with one."""
        if self.problems:
            raise UsageError(self.problems[0])

    def judge(self, action: CommandAction) -> Judgement:
        """See `CommandRules`. Without rule files it costs no more than looking for forced rm."""
        from quire.config.forced_rm import has_forced_rm

        forced = has_forced_rm(action.script)
        if self._load() is None and not action.escalated and not forced:
            return Judgement()
        from quire.config.rules.judge import judgement

        return judgement(self.find(action.script), action, forced)

    def with_changed(self, paths: Sequence[str]) -> Policy:
        """The same rules with other files: each takes the place of the person's file of the same
        name, or comes to them. Raises `UsageError` when one cannot be read."""
        from quire.config.rules.layers import read_files
        from quire.config.rules.source import require_file

        names = {os.path.basename(path) for path in paths}
        own = files_in(self._folder, "user")
        kept = [file for file in own if os.path.basename(file[0]) not in names]
        policy = read_files([*self._files, *kept]).policy
        for path in paths:
            policy = policy.joined(require_file(path, "option"))
        return policy

    def find(self, script: str) -> Findings:
        """What the rules find in a command line, for people. Never raises."""
        from quire.config.rules.judge import find

        return find(self.policy, script, self.problems)

    def remember(self, prefixes: tuple[tuple[str, ...], ...]) -> None:
        """See `CommandRules`."""
        from quire.config.rules.store import remember

        remember(self._home, prefixes)
        self._seen = None

    def _load(self) -> Loaded | None:
        """What is read by now; None while there is no rule file at all."""
        signature = _signature(self._folder)
        if self._seen == signature:
            return self._loaded
        self._seen = signature
        own = files_in(self._folder, "user") if self._own else []
        if not own and not self._files:
            self._loaded = None
            return None
        from quire.config.rules.layers import read_files

        if self._fixed is None:
            self._fixed = read_files(self._files)
        self._loaded = self._fixed.joined(read_files(own))
        return self._loaded


def _signature(folder: str) -> tuple[tuple[str, int, int], ...]:
    """Changes when a rule file in `folder` does."""
    found: list[tuple[str, int, int]] = []
    for path, _ in files_in(folder, "user"):
        try:
            status = os.stat(path)
        except OSError:
            found.append((path, 0, 0))
        else:
            found.append((path, status.st_mtime_ns, status.st_size))
    return tuple(found)
