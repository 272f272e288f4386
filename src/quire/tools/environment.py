"""The environment of commands: what they inherit, what is kept from them, what they are told.

Rules of `[shell_environment_policy]` and names of the added variables are Codex's (0.169), with two
differences: variables that look like secrets are removed by default, and `set` beats the added
variables that only shape output.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from msgspec import Struct

from quire import __version__

MODEL_KEYS = ("QUIRE_API_KEY", "CODEX_API_KEY", "OPENAI_API_KEY")
SECRET_PATTERNS = ("*KEY*", "*SECRET*", "*TOKEN*")

_CORE_NAMES = "HOME LANG LC_ALL LC_CTYPE LOGNAME PATH SHELL TEMP TMP TMPDIR USER USERNAME"
_CORE = frozenset(_CORE_NAMES.split())
_DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"
OUTPUT = {
    "CODEX_CI": "1",
    "COLORTERM": "",
    "GH_PAGER": "cat",
    "GIT_PAGER": "cat",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "LC_CTYPE": "C.UTF-8",
    "NO_COLOR": "1",
    "PAGER": "cat",
}
"""Variables that keep the output of commands plain; `set` may change them."""


class EnvironmentPolicy(Struct, frozen=True, kw_only=True):
    """`[shell_environment_policy]`. Patterns know `*` and `?` and ignore case. `model_keys` names
    further variables that hold keys of the model: with the well-known ones they are removed
    whatever else is said, unless `set` names them. `allow_login` is `allow_login_shell`."""

    inherit: Literal["all", "core", "none"] = "all"
    ignore_default_excludes: bool = False
    exclude: tuple[str, ...] = ()
    set: dict[str, str] = {}
    include_only: tuple[str, ...] = ()
    model_keys: tuple[str, ...] = ()
    allow_login: bool = True

    @property
    def excluded(self) -> tuple[str, ...]:
        """Patterns of all names that commands do not see."""
        secrets = () if self.ignore_default_excludes else SECRET_PATTERNS
        return (*secrets, *self.exclude, *MODEL_KEYS, *self.model_keys)


def inherited(policy: EnvironmentPolicy, parent: Mapping[str, str]) -> dict[str, str]:
    """What of the parent's environment commands start from, before any profile file runs."""
    if policy.inherit == "none":
        return {}
    if policy.inherit == "core":
        parent = {name: value for name, value in parent.items() if name in _CORE}
    return permitted(policy, parent)


def permitted(policy: EnvironmentPolicy, variables: Mapping[str, str]) -> dict[str, str]:
    """`variables` without the names that the policy keeps from commands."""
    excluded, only = policy.excluded, policy.include_only
    return {
        name: value
        for name, value in variables.items()
        if not matches_any(excluded, name) and (not only or matches_any(only, name))
    }


def command_environment(
    policy: EnvironmentPolicy,
    variables: Mapping[str, str],
    thread_id: str,
    call_id: str,
    network_disabled: bool,
    path_prefix: str | None,
) -> dict[str, str]:
    """The whole environment of one command. `variables` is what `inherited` gave, or what a login
    shell made of it and `permitted` left; `path_prefix` is a folder to find programs in before all
    others."""
    environment = {**variables, **OUTPUT}
    environment["SHLVL"] = str(_shell_level(variables.get("SHLVL", "")))
    environment.setdefault("TERM", "dumb")
    only = policy.include_only
    environment |= {k: v for k, v in policy.set.items() if not only or matches_any(only, k)}
    environment |= {
        "CODEX_SESSION_ID": thread_id,
        "CODEX_THREAD_ID": thread_id,
        "CODEX_TOOL_CALL_ID": call_id,
        "CODEX_VERSION": __version__,
    }
    if network_disabled:
        environment["CODEX_SANDBOX_NETWORK_DISABLED"] = "1"
    if path_prefix:
        environment["PATH"] = f"{path_prefix}:{environment.get('PATH') or _DEFAULT_PATH}"
    return environment


def matches_any(patterns: Iterable[str], name: str) -> bool:
    """Whether one of the patterns matches the whole name, in any case."""
    upper = name.upper()
    return any(_matches(pattern.upper(), upper) for pattern in patterns)


def _matches(pattern: str, name: str) -> bool:
    """`*` stands for any text, `?` for one character; linear in practice, quadratic at worst."""
    at = position = 0
    star, resume = -1, 0
    while position < len(name):
        here = pattern[at : at + 1]
        if here == "*":
            star, resume = at, position
            at += 1
        elif here and here in ("?", name[position]):
            at += 1
            position += 1
        elif star >= 0:
            resume += 1
            at, position = star + 1, resume
        else:
            return False
    return not pattern[at:].strip("*")


def _shell_level(inherited_level: str) -> int:
    """At least 1: below that, bash may take itself for a remote shell and read `~/.bashrc`."""
    return max(int(inherited_level), 1) if inherited_level.isdecimal() else 1
