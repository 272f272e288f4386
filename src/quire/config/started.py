"""Every command that a shell script starts, wherever it stands in it.

Found behind assignments, quoting, escapes and braces, in lists, pipes, subshells, loops, functions
and substitutions, behind wrappers (`command`, `env`, `sudo`, `time`, `xargs`, `find -exec`), in
aliases (the shell's and git's), and in scripts handed to a shell (`sh -c`, `eval`, `trap`,
`source`, here-documents, what `echo` prints into it). Not found: what scripts in files, other
languages and aliases from elsewhere start.
"""

from __future__ import annotations

from collections.abc import Callable

from quire.config.programs import (
    FED_SHELLS,
    FIND_ACTIONS,
    FIND_PROGRAMS,
    RUN_AT_ONCE,
    RUN_WORDS,
    RUNNERS,
    SHELLS,
    UNKNOWN,
    WRAPPERS,
    base_name,
)

_MAX_DEPTH = 6
_MAX_CANDIDATES = 8
_MAX_FOUND = 20_000

Words = tuple[str, ...]


class StartedCommands:
    """Collects commands. `found` are their words, a wrapper before what it starts; `perhaps` are
    words behind a wrapper that are a command if the first, which is not known, is one; `broken` are
    scripts that the grammar could not read whole; `doubts` say what else could not be followed,
    and `too_deep` is true when there was too much of it. `wanted` tells by its base name whether a
    program is looked for behind a wrapper, whose options cannot be told from what it starts."""

    def __init__(self, wanted: Callable[[str], bool]) -> None:
        self._wanted = wanted
        self._seen: set[tuple[Words, str]] = set()
        self.found: list[Words] = []
        self.perhaps: list[Words] = []
        self.broken: list[str] = []
        self.doubts: list[str] = []
        self.too_deep = False

    def read(self, script: str, depth: int = 0, arguments: Words = ()) -> None:
        """Take a script in, whose own arguments are `arguments`, from `$0` on. Never raises."""
        if depth > _MAX_DEPTH:
            self._stop("scripts within scripts, too deep to follow")
            return
        from quire.config.shell_words import parse_script

        readings = [script]
        if "#" in script and "\\\n" in script:  # In a comment, a backslash joins no lines.
            readings.append(script.replace("\\\n", "\n"))
        for reading in readings:
            parsed = parse_script(reading, arguments)
            if parsed.broken and reading is script:
                self.broken.append(script)
            for command in parsed.commands:
                self.words(command.words, depth, command.stdin)

    def words(self, words: Words, depth: int = 0, stdin: str = "") -> None:
        """Take one command in, its words without quoting."""
        if not words or (words, stdin) in self._seen:
            return
        if depth > _MAX_DEPTH or len(self.found) > _MAX_FOUND:
            self._stop("more commands within commands than can be followed")
            return
        self._seen.add((words, stdin))
        self.found.append(words)
        # What is not known may be empty.
        name, arguments = base_name(words[0]).replace(UNKNOWN, ""), words[1:]
        if name in SHELLS:
            self._shell(name, arguments, stdin, depth)
        elif name in FED_SHELLS and stdin:
            self.read(stdin, depth + 1)
        if name in ("eval", "trap"):
            texts = arguments[1:] if arguments[:1] == ("--",) else arguments
            self._script_word(" ".join(texts if name == "eval" else texts[:1]), depth)
        elif name == "alias":
            for word in arguments:
                self.read(word.partition("=")[2], depth + 1)
        elif name in FIND_PROGRAMS:
            for started in _started_by_find(arguments):
                self.words(started, depth + 1)
        elif name == "git" or name.startswith("git-"):
            self._git(name, arguments, depth)
        elif name in WRAPPERS:
            fed = _fed(name, stdin)
            self._wrapper((*_unmarked(name, arguments), *fed), depth, len(arguments))
        elif name in RUNNERS:
            self._wrapper(_behind_run_word(name, arguments), depth)

    def _script_word(self, script: str, depth: int) -> None:
        if script.strip() == UNKNOWN:
            self._doubt("a script that is only known when it runs")
        else:
            self.read(script, depth + 1)

    def _shell(self, name: str, arguments: Words, stdin: str, depth: int) -> None:
        for index, word in enumerate(arguments):
            if word.startswith("-") and not word.startswith("--") and "c" in word:
                rest = arguments[index + 1 :]
                start = next((at for at, later in enumerate(rest) if later[:1] not in "-+"), None)
                if start is not None and rest[start].strip() == UNKNOWN:
                    self._doubt(f"a script for {name} that is only known when it runs")
                elif start is not None:
                    self.read(rest[start], depth + 1, rest[start + 1 :])
                break
        else:
            if all(word[:1] in "-+" for word in arguments) and (
                (not stdin and "--version" not in arguments) or UNKNOWN in stdin
            ):
                self._doubt(f"a script for {name} that is only known when it runs")
        if stdin:
            self.read(stdin, depth + 1)

    def _wrapper(self, arguments: Words, depth: int, given: int | None = None) -> None:
        """Options of wrappers may take values: each word may be where the command begins, but not
        an unknown one behind those that are `given`."""
        candidates = 0
        for index, word in enumerate(arguments):
            base = base_name(word).replace(UNKNOWN, "")
            if self._wanted(base) or base in SHELLS or base in ("eval", "find"):
                candidates += 1
                if candidates > _MAX_CANDIDATES:  # Nobody means so many.
                    self._stop("a wrapper with more commands behind it than can be followed")
                    return
                self.words(arguments[index:], depth + 1)
            elif word == UNKNOWN:
                if index < (len(arguments) if given is None else given):
                    self._unknown(arguments[index:])
            elif any(character.isspace() for character in word):
                self.read(_without_option(word), depth + 1)  # env -S, script -c, watch 'x y'

    def _git(self, name: str, arguments: Words, depth: int) -> None:
        """Git's own aliases, and the commands that it runs for others."""
        if name != "git":
            self.words(("git", name[len("git-") :], *arguments), depth + 1)
            return
        aliases: dict[str, str] = {}
        for index, word in enumerate(arguments):
            if word == "-c" or word.startswith("-calias."):
                given = arguments[index + 1 :][:1] if word == "-c" else (word[2:],)
                key, _, value = (given[0] if given else "").partition("=")
                if key.lower().startswith("alias."):
                    aliases[key[len("alias.") :].lower()] = value
                elif any(c.isspace() for c in value):
                    self.read(value, depth + 1)  # core.pager, core.sshCommand and their like
            elif word.startswith("--config-env"):
                self._doubt("a git setting that is only known when it runs")
            elif word.lower() in aliases:
                value, rest = aliases[word.lower()], arguments[index + 1 :]
                self._git_alias(value, arguments[:index], rest, depth)
            elif word.lower().startswith("alias."):
                self._git_alias(" ".join(arguments[index + 1 : index + 2]), (), (), depth)
            elif word in ("foreach", "run", "-x", "--exec"):
                rest = arguments[index + 1 :]
                self._wrapper(rest, depth)

    def _git_alias(self, value: str, options: Words, rest: Words, depth: int) -> None:
        """Take in what an alias stands for, which may be another of the same `options`."""
        if value.startswith("!"):
            self._script_word(value[1:], depth)
        elif value:
            self.words(("git", *options, *value.split(), *rest), depth + 1)

    def _unknown(self, words: Words) -> None:
        """A word behind a wrapper that may be a program, or an option's value."""
        if all(word.startswith("-") for word in words[1:]):
            self.found.append(words)
        else:
            self.perhaps.append(words)

    def _stop(self, why: str) -> None:
        self.too_deep = True
        self._doubt(why)

    def _doubt(self, why: str) -> None:
        if why not in self.doubts:
            self.doubts.append(why)


def _fed(name: str, stdin: str) -> Words:
    """The words that `xargs` and `parallel` add to what they start."""
    return (tuple(stdin.split()) or (UNKNOWN,)) if name in ("xargs", "parallel") else ()


def _unmarked(name: str, arguments: Words) -> Words:
    """The same words with what `xargs -I` replaces as unknown."""
    if name not in ("xargs", "parallel"):
        return arguments
    markers = {"{}"}
    for index, word in enumerate(arguments):
        if word in ("-I", "--replace", "-i"):
            markers.update(arguments[index + 1 : index + 2])
        elif word.startswith("-I"):
            markers.add(word[2:])
    return tuple(UNKNOWN if word in markers else word for word in arguments)


def _behind_run_word(name: str, arguments: Words) -> Words:
    if name in RUN_AT_ONCE:
        return arguments
    start = next((at for at, word in enumerate(arguments) if word in RUN_WORDS), len(arguments))
    return arguments[start + 1 :]


def _started_by_find(arguments: Words) -> list[Words]:
    """The commands after `-exec` and its like, each up to its end."""
    found: list[list[str]] = []
    ended = True
    for word in arguments:
        if word in FIND_ACTIONS:
            found.append([])
            ended = False
        elif word in (";", "+"):
            ended = True
        elif not ended:
            found[-1].append(word)
    return [tuple(words) for words in found]


def _without_option(word: str) -> str:
    """The value in `--option=value`, or of an option like `-S` that stands before it."""
    if word.startswith("--"):
        return word.partition("=")[2]
    if word.startswith("-"):
        return word.lstrip("-")[1:] if word[1:2] != "v" else word[3:]
    return word
