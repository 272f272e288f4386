"""What a command line does, part by part, for people: `commandActions` (Codex 0.169).

A line of which every part reads, lists or searches is shown as those parts; any other is shown as
it is. Nothing is decided by it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from quire.config.rules.line import read_line
from quire.protocol.quoting import command_line
from quire.protocol.rpc.items import (
    CommandAction,
    ListFilesCommandAction,
    ReadCommandAction,
    SearchCommandAction,
    UnknownCommandAction,
)

Words = tuple[str, ...]
_Action = Callable[[Words, str], CommandAction | None]

_SEARCHERS = frozenset(("grep", "egrep", "fgrep", "rg", "ag", "ack"))
_LISTERS = frozenset(("ls", "eza", "exa", "tree"))
_READERS = frozenset(("cat", "bat", "batcat", "less", "more", "nl", "head", "tail"))
_SHAPERS = frozenset(
    (
        "awk",
        "column",
        "cut",
        "head",
        "less",
        "more",
        "nl",
        "sed",
        "sort",
        "tail",
        "tr",
        "uniq",
        "wc",
    )
)
"""Programs that only shape what they are fed, when no file is named."""
_WITH_VALUE = frozenset(
    (
        *("-A", "-B", "-C", "-m", "-g", "-t", "-T", "-j", "-M", "-I", "-d", "-n", "-c"),
        *("--glob", "--type", "--max-count", "--context", "--include", "--exclude"),
        *("--exclude-dir", "--max-depth", "--after-context", "--before-context", "--lines"),
    )
)
"""Options whose value is the next word, among the programs named here."""
_NO_VALUE = {"grep": frozenset("nITc"), "rg": frozenset("nIc"), "cat": frozenset("nT")}
"""Letters of `_WITH_VALUE` that take no value in these programs."""


def command_actions(script: str) -> tuple[CommandAction, ...]:
    """The actions of a script; paths are as written. Never raises."""
    line = read_line(script)
    whole = (UnknownCommandAction(command=script),)
    if line.opaque or not line.parts:
        return whole
    actions: list[CommandAction] = []
    folder = ""
    for words in (part.words for part in line.parts):
        if words[0] == "cd" and len(words) == 2 and len(line.parts) > 1:
            folder = _joined(folder, words[1])
            continue
        action = _action(words, folder)
        if action is not None:
            actions.append(action)
        elif not (actions and _shapes(words)):
            return whole
    return tuple(actions) or whole


def _action(words: Words, folder: str) -> CommandAction | None:
    program = words[0].rpartition("/")[2]
    if program in _READERS:
        return _read(words, folder, _operands(program, words[1:]))
    if program in _LISTERS:
        return _list(words, _operands(program, words[1:]))
    if program in _SEARCHERS:
        return _search(words, program, words[1:])
    special: dict[str, _Action] = {
        "sed": _sed,
        "awk": _awk,
        "git": _git,
        "find": _find,
        "fd": _fd,
        "fdfind": _fd,
    }
    known = special.get(program)
    return known(words, folder) if known is not None else None


def _operands(program: str, words: Sequence[str]) -> list[str]:
    """The words that are neither options nor their values."""
    found: list[str] = []
    free = _NO_VALUE.get(program, frozenset[str]())
    skip = False
    for position, word in enumerate(words):
        if skip:
            skip = False
        elif word == "--":
            return [*found, *words[position + 1 :]]
        elif word.startswith("-") and word != "-":
            skip = word in _WITH_VALUE and word[1:] not in free
        else:
            found.append(word)
    return found


def _shapes(words: Words) -> bool:
    if words[0] not in _SHAPERS:
        return False
    operands = _operands(words[0], words[1:])
    programs = 1 if words[0] in ("awk", "sed") else 2 if words[0] == "tr" else 0
    return len(operands) <= programs


def _read(words: Words, folder: str, files: list[str]) -> CommandAction | None:
    if len(files) != 1 or files[0] == "-":
        return None
    path = files[0]
    name = path.rstrip("/").rpartition("/")[2] or path
    return ReadCommandAction(command=command_line(words), name=name, path=_joined(folder, path))


def _list(words: Words, folders: list[str]) -> CommandAction:
    return ListFilesCommandAction(
        command=command_line(words), path=_shown(folders[0]) if folders else None
    )


def _search(words: Words, program: str, rest: Sequence[str]) -> CommandAction | None:
    if program == "rg" and "--files" in rest:
        return _list(words, _operands(program, rest))
    operands = _operands(program, rest)
    for option in ("-e", "--regexp"):
        if option in rest[:-1]:
            operands.insert(0, rest[list(rest).index(option) + 1])
            operands = list(dict.fromkeys(operands))
    return _found(words, operands)


def _found(words: Words, operands: list[str]) -> CommandAction | None:
    if not operands:
        return None
    path = _shown(operands[1]) if len(operands) > 1 else None
    return SearchCommandAction(command=command_line(words), query=operands[0], path=path)


def _sed(words: Words, folder: str) -> CommandAction | None:
    if len(words) == 4 and words[1] == "-n" and _line_range(words[2]):
        return _read(words, folder, [words[3]])
    return None


def _line_range(text: str) -> bool:
    numbers = text.removesuffix("p").split(",")
    return text.endswith("p") and len(numbers) <= 2 and all(part.isdigit() for part in numbers)


def _awk(words: Words, folder: str) -> CommandAction | None:
    if len(words) != 3 or words[1].startswith("-"):
        return None
    return _read(words, folder, [words[2]])


def _git(words: Words, folder: str) -> CommandAction | None:
    if len(words) < 2:
        return None
    if words[1] == "grep":
        return _search(words, "grep", words[2:])
    if words[1] == "ls-files":
        return _list(words, _operands("git", words[2:]))
    return None


def _find(words: Words, folder: str) -> CommandAction | None:
    roots: list[str] = []
    for word in words[1:]:
        if word.startswith(("-", "(", "!")):
            break
        roots.append(word)
    if any(word in ("-delete", "-exec", "-execdir", "-ok", "-okdir") for word in words):
        return None
    for option in ("-name", "-iname", "-path", "-regex"):
        if option in words[:-1]:
            query = words[words.index(option) + 1]
            return _found(words, [query, *roots[:1]])
    return _list(words, roots)


def _fd(words: Words, folder: str) -> CommandAction | None:
    operands = _operands("fd", words[1:])
    return _found(words, operands) if operands else _list(words, [])


def _shown(path: str) -> str:
    """The last part of a path, where it says enough."""
    return path.rstrip("/").rpartition("/")[2] or path


def _joined(folder: str, path: str) -> str:
    return path if not folder or path.startswith(("/", "~")) else f"{folder.rstrip('/')}/{path}"
