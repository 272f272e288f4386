"""Does a shell script hold a forced `rm`? (row A10, in every spelling that the grammar finds)

Found behind assignments, quoting and escapes, in lists, pipes, subshells, loops, functions and
substitutions, behind wrappers (`command`, `env`, `sudo`, `time`, `xargs`, `find -exec`), and in
scripts handed to a shell (`sh -c`, `eval`, `trap`, here-documents). The peer misses several of
these. Not found: a name that is only put together when the script runs (`$cmd -f`).
"""

from __future__ import annotations

_MAX_DEPTH = 6
_SHELLS = frozenset(["sh", "bash", "dash", "zsh", "ksh", "ash"])
_WRAPPERS = frozenset(
    (
        *("builtin", "busybox", "chroot", "command", "doas", "env", "exec", "ionice", "nice"),
        *("nohup", "parallel", "script", "setpriv", "setsid", "stdbuf", "strace", "sudo", "time"),
        *("timeout", "toybox", "unshare", "watch", "xargs"),
    )
)
_FIND_ACTIONS = frozenset(["-exec", "-execdir", "-ok", "-okdir"])
_QUOTING = str.maketrans("", "", "'\"\\\n")


def has_forced_rm(script: str) -> bool:
    """True when some command in `script` is `rm` with a force option. A script that the grammar
    cannot read is judged by its text, on the safe side."""
    return _in_script(script, 0)


def _in_script(script: str, depth: int) -> bool:
    # Nothing that is not spelt r-m somewhere, quoting aside, can be found by the grammar.
    if "rm" not in script.translate(_QUOTING) and "$'" not in script:
        return False
    if depth > _MAX_DEPTH:
        return True
    from quire.config.shell_words import parse_script

    parsed = parse_script(script)
    if parsed.broken and _looks_forced(script):
        return True
    return any(
        _in_words(command.words, depth) or _fed_to_shell(command.words, command.stdin, depth)
        for command in parsed.commands
    )


def _in_words(words: tuple[str, ...], depth: int) -> bool:
    if not words or depth > _MAX_DEPTH:
        return False
    name, arguments = words[0].rpartition("/")[2], words[1:]
    if name == "rm":
        return _is_forced(arguments)
    if name in _SHELLS:
        return _shell_script(arguments, depth)
    if name in ("eval", "trap"):
        text = " ".join(arguments) if name == "eval" else "".join(arguments[:1])
        return _in_script(text, depth + 1)
    if name == "find":
        starts = [i + 1 for i, word in enumerate(arguments) if word in _FIND_ACTIONS]
        return any(_in_words(arguments[start:], depth + 1) for start in starts)
    if name in _WRAPPERS:
        return _behind_wrapper(arguments, depth)
    return False


def _behind_wrapper(arguments: tuple[str, ...], depth: int) -> bool:
    """Options of wrappers may take values, so that each word may be where the command begins."""
    for index, word in enumerate(arguments):
        base = word.rpartition("/")[2]
        if base == "rm" or base in _SHELLS or base in _WRAPPERS or base in ("eval", "find"):
            return _in_words(arguments[index:], depth + 1)
        if " " in word and _in_script(word, depth + 1):  # env -S, script -c, watch 'rm -f x'
            return True
    return False


def _shell_script(arguments: tuple[str, ...], depth: int) -> bool:
    for index, word in enumerate(arguments):
        if word.startswith("-") and not word.startswith("--") and "c" in word:
            rest = [later for later in arguments[index + 1 :] if not later.startswith("-")]
            return bool(rest) and _in_script(rest[0], depth + 1)
    return False


def _fed_to_shell(words: tuple[str, ...], stdin: str, depth: int) -> bool:
    name = words[0].rpartition("/")[2] if words else ""
    return bool(stdin) and name in _SHELLS and _in_script(stdin, depth + 1)


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
    words = script.translate(_QUOTING | {ord("\n"): " "}).replace(";", " ").split()
    for index, word in enumerate(words):
        if word.rpartition("/")[2] == "rm" and _is_forced(tuple(words[index + 1 :])):
            return True
    return False
