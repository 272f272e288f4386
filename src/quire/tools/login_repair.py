"""What a real login shell must do after its profile files and before the command.

Profile files may export secrets, reset `PATH` and choose a pager. The text made here takes the
excluded variables away again and sets those that commands are promised.
"""

from __future__ import annotations

from quire.tools.environment import OUTPUT, EnvironmentPolicy

REPAIR = "QUIRE_AFTER_LOGIN"
"""The variable that holds the text; it removes itself."""

_POSIX_SHELLS = frozenset(["ash", "bash", "dash", "ksh", "sh", "zsh"])
_KEPT = ("HOME", "OLDPWD", "PATH", "PWD", "SHLVL", "_")


def repair_script(
    policy: EnvironmentPolicy, kind: str, environment: dict[str, str], path_prefix: str | None
) -> str | None:
    """Text to `eval` after the profile files; None for a shell that it would not suit. `kind` is
    the shell's name. `environment` is a command's; its `PATH` loses the prefix here, which the
    text puts before whatever the profile files make of it.

    Only bash can name its variables: in other shells what a profile exports is not taken away."""
    if kind not in _POSIX_SHELLS:
        return None
    lines = [_removal(policy)] if kind == "bash" else []
    before_prefix = f"{path_prefix}:" if path_prefix else ""
    if "PATH" in environment:
        environment["PATH"] = environment["PATH"].removeprefix(before_prefix)
    lines += [
        f"export {name}={quote(value)}"
        for name, value in sorted(environment.items())
        if name in OUTPUT or name in policy.set or name.startswith("CODEX_")
    ]
    if before_prefix:
        lines.append(f"export PATH={quote(before_prefix)}$PATH")
    return "\n".join((*lines, f"unset -v {REPAIR}"))


def quote(text: str) -> str:
    """`text` as one word of any POSIX shell."""
    return "'" + text.replace("'", "'\\''") + "'"


def _removal(policy: EnvironmentPolicy) -> str:
    """A loop of bash over all exported names."""
    excluded = "|".join(map(_case_pattern, policy.excluded))
    arms = f"{excluded}) unset -v $quire_name;;"
    if policy.include_only:
        kept = "|".join((*_KEPT, *map(_case_pattern, policy.include_only)))
        arms += f" {kept}) ;; *) unset -v $quire_name;;"
    loop = f"while IFS= read -r quire_name; do case $quire_name in {arms} esac; done"
    return f"{loop} < <(compgen -e); unset -v quire_name"


def _case_pattern(pattern: str) -> str:
    """A pattern of the policy as one of bash's `case`: any case of letters, only `*` and `?`."""
    parts: list[str] = []
    for character in pattern:
        if character.isalpha() and character.isascii():
            parts.append(f"[{character.lower()}{character.upper()}]")
        else:
            parts.append(character if character in "*?" else quote(character))
    return "".join(parts) or "''"
