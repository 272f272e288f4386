"""What a command line reads, lists and searches, for people who watch it run.

`commandActions` of the app-server and `parsed_cmd` of rollouts, as Codex 0.169 tells them: only
lines of plain words joined by `&&`, `||`, `;`, `|` and line ends are told apart; formatting at the
end of a pipe is left out; when one part is something else, the whole line is `unknown`. Nothing is
decided by it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from quire.config.rules.line import Part, read_line
from quire.protocol.quoting import command_line
from quire.protocol.rpc.items import (
    CommandAction,
    ListFilesCommandAction,
    ReadCommandAction,
    SearchCommandAction,
    UnknownCommandAction,
)

Words = Sequence[str]

_VIEWERS = {
    "cat": (),
    "bat": ("--theme", "--language", "--line-range", "--style", "--tabs", "--terminal-width"),
    "batcat": ("--theme", "--language", "--line-range", "--style", "--tabs", "--terminal-width"),
    "less": ("-p", "-P", "-x", "-y", "-z", "-j", "--pattern", "--prompt", "--tabs", "--window"),
    "more": (),
}
_LISTERS = {
    "ls": ("-I", "-w", "--block-size", "--format", "--time-style", "--quoting-style", "--ignore"),
    "eza": ("-I", "--ignore-glob", "--color", "--sort", "--time-style", "--time", "-L", "--level"),
    "exa": ("-I", "--ignore-glob", "--color", "--sort", "--time-style", "--time", "-L", "--level"),
    "tree": ("-L", "-P", "-I", "--charset", "--filelimit", "--sort"),
    "du": ("-d", "--max-depth", "-B", "--block-size", "--exclude", "--time-style"),
}
_SEARCH_VALUES = (
    *("-g", "--glob", "--iglob", "-t", "--type", "--type-add", "--type-not", "-m", "--max-count"),
    *("-A", "-B", "-C", "--context", "--max-depth"),
)
_SEARCHERS = ("rg", "grep", "egrep", "fgrep", "ack", "ag", "pt")
_FD_VALUES = ("-t", "--type", "-e", "--extension", "-E", "--exclude", "-d", "--max-depth")
_NL_VALUES = ("-b", "-d", "-f", "-h", "-i", "-l", "-n", "-s", "-v", "-w")
_AWK_VALUES = ("-F", "-v", "-f", "--field-separator", "--assign", "--file")
_FIND_TESTS = ("-name", "-iname", "-path", "-regex")
_FORMATTERS = ("wc", "tr", "cut", "sort", "uniq", "xargs", "tee", "column", "yes", "printf")
_LISTING_PYTHON = ("os.listdir", "os.walk", "os.scandir", "glob.glob", "glob.iglob")
_SAY_LITTLE = ("build", "dist", "node_modules", "src")
_JOINTS = str.maketrans("", "", "&|; \n\t")


def command_actions(script: str, cwd: str = "") -> tuple[CommandAction, ...]:
    """The actions in a command line that runs in `cwd`; a file that is read is named by its path
    from there. Never raises."""
    parts = _plain_parts(script)
    if not parts:
        return (UnknownCommandAction(command=script),)
    if len(parts) == 1 and parts[0][0] != "cd":
        only = _action(parts[0], cwd)
        return (UnknownCommandAction(command=script) if _is_unknown(only) else only,)
    found = _actions(parts, cwd)
    if found is None or (not found and not _says_nothing(parts)):
        return (UnknownCommandAction(command=script),)
    match found:
        case [ReadCommandAction() as read] if "|" in script and any(map(_shows_lines, parts)):
            return (ReadCommandAction(command=script, name=read.name, path=read.path),)
        case _:
            return tuple(found)


def _plain_parts(script: str) -> list[tuple[str, ...]]:
    """The words of each part; none when the line is more than words and joints."""
    line = read_line(script)
    if line.opaque:
        return []
    rest = script
    for part in line.parts:
        before, found, rest = rest.partition(part.text)
        if not found or before.translate(_JOINTS) or not _is_plain(part):
            return []
    return [] if rest.translate(_JOINTS) else [part.words for part in line.parts]


def _is_plain(part: Part) -> bool:
    """No assignment, no quotes in the program's name, no escapes outside of quotes."""
    if not part.text.startswith(part.words[0]) or "{}" in part.words:
        return False
    quote = ""
    for character in part.text:
        if character == "\\" and quote != "'":
            return False
        if character in "'\"" and quote in ("", character):
            quote = "" if quote else character
    return True


def _actions(parts: list[tuple[str, ...]], cwd: str) -> list[CommandAction] | None:
    """The actions of several parts; None when one of them is something else."""
    found: list[CommandAction] = []
    for index, words in enumerate(parts):
        if words[0] == "cd":
            cwd = os.path.join(cwd, *_operands(words[1:])[-1:])
        elif words[0] == "echo" and not found and index < len(parts) - 1:
            continue
        elif words != ("true",) and not _formats(words):
            action = _action(words, cwd)
            if _is_unknown(action):
                return None
            found.append(action)
    return found


def _is_unknown(action: CommandAction) -> bool:
    return isinstance(action, UnknownCommandAction)


def _says_nothing(parts: list[tuple[str, ...]]) -> bool:
    return all(words[0] == "cd" or words == ("true",) for words in parts)


def _action(words: Words, cwd: str) -> CommandAction:
    """What one command does."""
    name, arguments, command = words[0], words[1:], command_line(tuple(words))
    if (path := _read_path(name, arguments)) is not None:
        whole = os.path.normpath(os.path.join(cwd, path))
        return ReadCommandAction(command=command, name=_short(path), path=whole)
    if name in _LISTERS:
        return _list(command, _operands(arguments, _LISTERS[name]))
    if name == "git" and arguments[:1] == ("ls-files",):
        return _list(command, _operands(arguments[1:]))
    if name == "rg" and "--files" in arguments:
        return _list(command, _operands(arguments, _SEARCH_VALUES))
    if name in _SEARCHERS or (name == "git" and arguments[:1] == ("grep",)):
        given = arguments[1:] if name == "git" else arguments
        return _search(command, _operands(given, _SEARCH_VALUES))
    if name == "fd":
        operands = _operands(arguments, _FD_VALUES)
        return _search(command, operands) if operands else _list(command, operands)
    if name == "find":
        return _find(command, arguments)
    if name.startswith("python") and any(
        call in word for call in _LISTING_PYTHON for word in arguments if "-c" in arguments
    ):
        return ListFilesCommandAction(command=command)
    return UnknownCommandAction(command=command)


def _read_path(name: str, arguments: Words) -> str | None:
    """The one file that a command shows."""
    if name in _VIEWERS:
        operands = _operands(arguments, _VIEWERS[name])
        return operands[0] if len(operands) == 1 else None
    if name == "nl":
        return next(iter(_operands(arguments, _NL_VALUES)), None)
    if name in ("head", "tail"):
        return _head_path(arguments)
    if name == "sed" and len(arguments) == 3 and _shows_lines((name, *arguments)):
        return arguments[2]
    if name == "awk":
        return next(iter(_operands(arguments, _AWK_VALUES)[1:]), None)
    return None


def _head_path(arguments: Words) -> str | None:
    """`head FILE`, `head -n 3 FILE`, `tail -n+3 FILE`."""
    match list(arguments):
        case [path] if not path.startswith("-"):
            return path
        case ["-n", count, path, *_] if _is_count(count) and not path.startswith("-"):
            return path
        case [flag, path, *_] if flag.startswith("-n") and _is_count(flag[2:]):
            return None if path.startswith("-") else path
        case _:
            return None


def _is_count(text: str) -> bool:
    return text.removeprefix("+").isdigit()


def _shows_lines(words: Words) -> bool:
    """`sed -n 3p`, `sed -n 1,5p`."""
    if words[0] != "sed" or list(words[1:2]) != ["-n"] or not words[2:]:
        return False
    return words[2].endswith("p") and all(n.isdigit() for n in words[2][:-1].split(",", 1))


def _formats(words: Words) -> bool:
    """Only reshapes what it is fed."""
    name, arguments = words[0], words[1:]
    if name in _FORMATTERS:
        return True
    if name in ("head", "tail"):
        return not _operands(arguments, ("-n", "-c"))
    if name in ("sed", "awk", "nl"):
        return _read_path(name, arguments) is None
    return False


def _find(command: str, arguments: Words) -> CommandAction:
    path = next((word for word in arguments if word[:1] not in ("-", "!", "(", ")")), None)
    for index, word in enumerate(arguments[:-1]):
        if word in _FIND_TESTS:
            return _search(command, [arguments[index + 1], *([path] if path is not None else [])])
    return _list(command, [path] if path is not None else [])


def _list(command: str, operands: list[str]) -> CommandAction:
    path = _short(operands[0]) if operands else None
    return ListFilesCommandAction(command=command, path=path)


def _search(command: str, operands: list[str]) -> CommandAction:
    return SearchCommandAction(
        command=command,
        query=operands[0] if operands else None,
        path=_short(operands[1]) if len(operands) > 1 else None,
    )


def _operands(arguments: Words, with_value: Words = ()) -> list[str]:
    """The words that are no options, nor the values of those `with_value`."""
    found: list[str] = []
    words = iter(arguments)
    for word in words:
        if word in with_value:
            next(words, None)
        elif not word.startswith("-"):
            found.append(word)
    return found


def _short(path: str) -> str:
    """The last part of a path that says something."""
    parts = path.rstrip("/").split("/")
    return next((part for part in reversed(parts) if part not in _SAY_LITTLE), path.rstrip("/"))
