"""Does a shell script hold a forced `rm`? (row A10, in every spelling that the grammar finds)

The peer misses several of the places that `started` names. Not found: a name that is only known
when the script runs, and what other languages start.
"""

from __future__ import annotations

from quire.config.programs import base_name

_MAX_SCRIPT = 131_072  # no longer one can be an argument, and so a command
_QUOTING = str.maketrans("", "", "'\"\\\n")
_PUNCTUATION = _QUOTING | dict.fromkeys(map(ord, "\n;|&(){},<>`$"), " ")


def has_forced_rm(script: str) -> bool:
    """True when some command in `script` is `rm` with a force option. A script that the grammar
    cannot read is judged by its text, on the safe side."""
    # Nothing that is not spelt r-m somewhere, quoting aside, can be found by the grammar.
    if len(script) > _MAX_SCRIPT or ("$'" not in script and "rm" not in script.translate(_QUOTING)):
        return False
    from quire.config.started import StartedCommands

    started = StartedCommands(wanted=lambda name: name == "rm")
    started.read(script)
    return has_forced_rm_among(started.found, started.broken) or started.too_deep


def has_forced_rm_among(commands: list[tuple[str, ...]], broken: list[str]) -> bool:
    """The same for the commands that a script starts, and for its parts that cannot be read."""
    if any(base_name(words[0]) == "rm" and _is_forced(words[1:]) for words in commands):
        return True
    return any(_looks_forced(script) for script in broken)


def _is_forced(arguments: tuple[str, ...]) -> bool:
    for word in arguments:
        if word == "--":
            return False
        if word.startswith("--"):
            if len(word) > 2 and "--force".startswith(word):
                return True
        elif word.startswith("-") and "f" in word:
            return True
    return False


def _looks_forced(script: str) -> bool:
    words = script.translate(_PUNCTUATION).split()
    for index, word in enumerate(words):
        if base_name(word) == "rm":
            return _is_forced(tuple(later for later in words[index + 1 :] if later != "--"))
    return False
