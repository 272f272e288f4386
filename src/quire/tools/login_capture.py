"""What bash's profile files do, found by running them once: the script and how to read its output.

The capture runs bash twice, without and with profile files, and has both describe themselves:
exported variables, other variables, functions, options, `umask`, limits, traps. The difference is
what the files do. A trace of the second run shows which files they read.
"""

from __future__ import annotations

import os

from msgspec import Struct

_START, _END = b"quire-login-start\0", b"quire-login-end\0"

CAPTURE = """\
cd -- "$HOME" || exit
exec 3>&1 4>&1 >/dev/null 2>&1 </dev/null
"$1" --noprofile -lc "$2"
BASH_XTRACEFD=4; export BASH_XTRACEFD
exec "$1" -x -lc "$2"
"""
"""For `sh -c CAPTURE sh BASH DESCRIBE`. What profile files print goes nowhere."""

DESCRIBE = """\
set +x
{ printf 'quire-login-start\\0'
printf 'umask '; umask; printf '\\0set '; set +o; printf '\\0shopt '; shopt -p
printf '\\0trap '; trap -p; printf '\\0disabled '; enable -n
printf '\\0limits '; ulimit -Sa; ulimit -Ha; printf '\\0files '; echo /proc/$$/fd/*
printf '\\0functions '; declare -f; printf '\\0names '; declare -F
compgen -v | while IFS= read -r quire_name; do
printf '\\0variable %s ' "$quire_name"; declare -p "$quire_name"; done
printf '\\0environment\\0'; /usr/bin/env -0; printf 'quire-login-end\\0'
} >&3
"""

_VOLATILE_NAMES = """
    BASHOPTS BASHPID BASH_XTRACEFD COLUMNS DIRSTACK EPOCHREALTIME EPOCHSECONDS HISTCMD LINENO LINES
    OLDPWD PIPESTATUS PPID PWD RANDOM SECONDS SHELLOPTS SHLVL SRANDOM _ quire_name
"""
VOLATILE = frozenset(_VOLATILE_NAMES.split())
"""Variables that bash itself keeps changing, or that only say how the capture ran."""

_UNREPEATABLE = ("trap", "disabled", "limits", "files")
"""What cannot be said again in a few lines for each command."""


_FACTS = frozenset(["umask", "set", "shopt", *_UNREPEATABLE, "functions", "names"])


class LoginEffect(Struct, frozen=True):
    """What profile files change. `exported` and `removed` are about the environment; `prelude` is
    bash text for everything else (functions, shell variables, options, `umask`), often empty."""

    exported: dict[str, str] = {}
    removed: tuple[str, ...] = ()
    prelude: str = ""


class _Description(Struct, frozen=True):
    facts: dict[str, str]
    variables: dict[str, str]
    environment: dict[str, str]


def is_complete(output: bytes | bytearray) -> bool:
    """Whether nothing more is to come."""
    return output.endswith(_END) and output.count(_START) == 2


def read_capture(output: bytes) -> tuple[LoginEffect, tuple[str, ...]] | None:
    """The effect of the profile files, and the files that their trace shows them reading.

    None when the output is not whole (a profile that exits or runs another shell) or when the
    files do something that cannot be repeated: traps, limits, open files, aliases, `BASH_ENV`."""
    parts = output.split(_START)
    if len(parts) != 3 or not parts[2].endswith(_END):
        return None
    before, separator, trace = parts[1].partition(_END)
    after = parts[2]
    if not separator:
        return None
    old, new = _describe(before), _describe(after.removesuffix(_END))
    if old is None or new is None:
        return None
    effect = _difference(old, new)
    return None if effect is None else (effect, _sourced(trace))


def _describe(text: bytes) -> _Description | None:
    facts: dict[str, str] = {}
    variables: dict[str, str] = {}
    head, separator, exported = text.decode("utf-8", "surrogateescape").partition("\0environment\0")
    if not separator:
        return None
    for record in head.split("\0"):
        key, _, value = record.partition(" ")
        if key == "variable":
            name, _, declaration = value.partition(" ")
            variables[name] = declaration.rstrip("\n")
        elif key == "files":
            facts[key] = " ".join(sorted(os.path.basename(path) for path in value.split()))
        else:
            facts[key] = value.strip("\n")
    if facts.keys() != _FACTS:
        return None
    pairs = (entry.partition("=") for entry in exported.split("\0") if entry)
    return _Description(facts, variables, {name: value for name, _, value in pairs})


def _difference(old: _Description, new: _Description) -> LoginEffect | None:
    if any(old.facts.get(fact) != new.facts.get(fact) for fact in _UNREPEATABLE):
        return None
    exported = {k: v for k, v in new.environment.items() if old.environment.get(k) != v}
    exported = {k: v for k, v in exported.items() if k not in VOLATILE}
    removed = [k for k in old.environment if k not in new.environment and k not in VOLATILE]
    prelude = _prelude(old, new)
    if prelude is None or "BASH_ENV" in exported:
        return None
    return LoginEffect(exported, tuple(removed), prelude)


def _prelude(old: _Description, new: _Description) -> str | None:
    """Bash text for what is no environment variable; None when it cannot be said."""
    names = new.facts["names"].splitlines()
    if not set(names) >= set(old.facts["names"].splitlines()):
        return None
    # First what decides how functions are read, last what could stop the reading.
    lines = _new_lines(old.facts["shopt"], new.facts["shopt"])
    if any(line.endswith(" expand_aliases") for line in lines):
        return None
    if new.facts["functions"] != old.facts["functions"]:
        lines.append(new.facts["functions"])
    for name, declaration in new.variables.items():
        if name in new.environment or name in VOLATILE or name.startswith("BASH_"):
            continue
        if declaration and declaration != old.variables.get(name):
            lines.append(declaration)
    gone = old.variables.keys() - new.variables.keys() - old.environment.keys() - VOLATILE
    lines += [f"unset -v {name}" for name in sorted(gone)]
    if new.facts["umask"] != old.facts["umask"]:
        lines.append(f"umask {new.facts['umask']}")
    return "\n".join(lines + _new_lines(old.facts["set"], new.facts["set"]))


def _new_lines(old: str, new: str) -> list[str]:
    known = set(old.splitlines())
    return [line for line in new.splitlines() if line not in known]


def _sourced(trace: bytes) -> tuple[str, ...]:
    """Absolute paths in lines like `++ . /home/you/.extra`."""
    files: dict[str, None] = {}
    for line in trace.decode("utf-8", "surrogateescape").splitlines():
        words = line.lstrip("+").split(" ", 3)
        if line.startswith("+") and len(words) > 2 and words[1] in (".", "source"):
            path = words[2].strip("'")
            if path.startswith("/"):
                files[path] = None
    return tuple(files)
