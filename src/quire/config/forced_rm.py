"""Does a shell script hold a forced `rm`? (row A10, in every spelling that the grammar finds)

Found behind assignments, quoting, escapes and braces, in lists, pipes, subshells, loops, functions
and substitutions, behind wrappers (`command`, `env`, `sudo`, `time`, `xargs`, `find -exec`), in
aliases, and in scripts handed to a shell (`sh -c`, `eval`, `trap`, `source`, here-documents, what
`echo` prints into it). The peer misses several of these. Not found: a name that is only known when
the script runs, and what other languages start.
"""

from __future__ import annotations

_MAX_DEPTH = 6
_MAX_CANDIDATES = 8
_MAX_SCRIPT = 131_072  # no longer one can be an argument, and so a command
_SHELLS = frozenset(
    (
        *("ash", "bash", "csh", "dash", "fish", "ksh", "ksh93", "lksh", "mksh", "oksh", "posh"),
        *("rbash", "rksh", "sh", "tcsh", "yash", "zsh"),
    )
)
_WRAPPERS = frozenset(
    (
        *("at", "batch", "builtin", "busybox", "bwrap", "chroot", "chrt", "command", "coproc"),
        *("dbus-run-session", "doas", "entr", "env", "exec", "fakeroot", "firejail", "flock"),
        *("gdb", "ionice", "linux32", "linux64", "ltrace", "nice", "nohup", "nsenter", "numactl"),
        *("parallel", "pkexec", "proot", "runuser", "screen", "script", "setarch", "setpriv"),
        *("setsid", "ssh", "stdbuf", "strace", "su", "sudo", "systemd-run", "taskset", "time"),
        *("timeout", "tmux", "toybox", "unbuffer", "unshare", "valgrind", "watch", "xargs"),
    )
)
_FIND_ACTIONS = frozenset(["-exec", "-execdir", "-ok", "-okdir"])
_SOURCE = (".", "source")
_QUOTING = str.maketrans("", "", "'\"\\\n")
_PUNCTUATION = _QUOTING | dict.fromkeys(map(ord, "\n;|&(){},<>`$"), " ")


def has_forced_rm(script: str) -> bool:
    """True when some command in `script` is `rm` with a force option. A script that the grammar
    cannot read is judged by its text, on the safe side."""
    return len(script) <= _MAX_SCRIPT and _in_script(script, 0)


def _in_script(script: str, depth: int, arguments: tuple[str, ...] = ()) -> bool:
    """`arguments` are the script's own, from `$0` on."""
    # Nothing that is not spelt r-m somewhere, quoting aside, can be found by the grammar.
    told = (script.translate(_QUOTING), *arguments)
    if "$'" not in script and not any("rm" in text for text in told):
        return False
    if depth > _MAX_DEPTH:
        return True
    from quire.config.shell_words import parse_script

    parsed = parse_script(script, arguments)
    if parsed.broken and _looks_forced(script):
        return True
    return any(
        _in_words(command.words, depth, command.stdin)
        or _fed_to_shell(command.words, command.stdin, depth)
        for command in parsed.commands
    )


def _in_words(words: tuple[str, ...], depth: int, stdin: str = "") -> bool:
    if not words:
        return False
    if depth > _MAX_DEPTH:
        return True
    name, arguments = words[0].rpartition("/")[2], words[1:]
    if name == "rm":
        return _is_forced(arguments)
    if name in _SHELLS:
        return _shell_script(arguments, depth)
    if name in ("eval", "trap"):
        texts = arguments[1:] if arguments[:1] == ("--",) else arguments
        return _in_script(" ".join(texts if name == "eval" else texts[:1]), depth + 1)
    if name == "alias":
        return any(_in_script(word.partition("=")[2], depth + 1) for word in arguments)
    if name == "find":
        return any(_in_words(started, depth + 1) for started in _started_by_find(arguments))
    if name in _WRAPPERS:
        fed = stdin.split() if name == "xargs" else ()
        return _behind_wrapper((*arguments, *fed), depth)
    return False


def _started_by_find(arguments: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The commands after `-exec` and its like, each up to its end."""
    found: list[list[str]] = []
    ended = True
    for word in arguments:
        if word in _FIND_ACTIONS:
            found.append([])
            ended = False
        elif word in (";", "+"):
            ended = True
        elif not ended:
            found[-1].append(word)
    return [tuple(words) for words in found]


def _behind_wrapper(arguments: tuple[str, ...], depth: int) -> bool:
    """Options of wrappers may take values, so that each word may be where the command begins."""
    candidates = 0
    for index, word in enumerate(arguments):
        base = word.rpartition("/")[2]
        if base == "rm" or base in _SHELLS or base in ("eval", "find"):
            candidates += 1
            if candidates > _MAX_CANDIDATES or _in_words(arguments[index:], depth + 1):
                return True  # Nobody means so many; on the safe side.
        elif any(character.isspace() for character in word) and (
            _in_script(_without_option(word), depth + 1)
        ):
            return True  # env -S, script -c, watch 'rm -f x'
    return False


def _without_option(word: str) -> str:
    """The value in `--option=value`, or of an option like `-S` that stands before it."""
    if word.startswith("--"):
        return word.partition("=")[2]
    if word.startswith("-"):
        return word.lstrip("-")[1:] if word[1:2] != "v" else word[3:]
    return word


def _shell_script(arguments: tuple[str, ...], depth: int) -> bool:
    for index, word in enumerate(arguments):
        if word.startswith("-") and not word.startswith("--") and "c" in word:
            rest = arguments[index + 1 :]
            start = next((at for at, later in enumerate(rest) if later[:1] not in "-+"), None)
            return start is not None and _in_script(rest[start], depth + 1, rest[start + 1 :])
    return False


def _fed_to_shell(words: tuple[str, ...], stdin: str, depth: int) -> bool:
    name = words[0].rpartition("/")[2] if words else ""
    reads = name in _SHELLS or name in _SOURCE or name in ("at", "batch")
    return bool(stdin) and reads and _in_script(stdin, depth + 1)


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
        if word.rpartition("/")[2] == "rm":
            return _is_forced(tuple(later for later in words[index + 1 :] if later != "--"))
    return False
