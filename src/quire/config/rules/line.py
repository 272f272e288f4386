"""A command line as its parts, as far as it is plain.

A line is plain when running its parts is all that happens in it: words without expansions, joined
by `&&`, `||`, `|`, `;`, line ends, `( )`, `{ }` and `!`. Only a plain line can be allowed as a
whole. What makes a line more than that is named in `opaque`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from tree_sitter import Node

_MAX_LINE = 131_072
_MAX_PARTS = 1000
TOO_MUCH = "too much text"
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@%+,")
_BARE = _LETTERS | frozenset("=^#")
_KEYWORDS = frozenset(
    (
        *("if", "then", "elif", "else", "fi", "for", "while", "until", "do", "done", "case"),
        *("esac", "select", "function", "in", "time", "coproc", "{", "}", "!", "[["),
    )
)
_DECLARATIONS = frozenset(
    (
        *("export", "declare", "typeset", "local", "readonly", "unset", "unsetenv", "alias"),
        *("unalias", "eval", "source", ".", "exec", "trap", "hash", "enable", "set", "shopt"),
    )
)
"""Builtins that change what later parts of the line do, or run what they are given."""
_JOINTS = frozenset(("&&", "||", ";", "|", "|&", "\n", "(", ")", "{", "}", "!", "comment"))
_HOLDERS = frozenset(("program", "list", "pipeline", "subshell", "compound_statement"))
_NAMES = {
    "&": "something that runs in the background",
    "command_substitution": "a command substitution",
    "process_substitution": "a process substitution",
    "simple_expansion": "a variable",
    "expansion": "a variable",
    "arithmetic_expansion": "an arithmetic expansion",
    "variable_assignment": "an assignment",
    "variable_assignments": "an assignment",
    "declaration_command": "a declaration",
    "unset_command": "a declaration",
    "heredoc_redirect": "a here-document",
    "herestring_redirect": "a here-string",
    "file_redirect": "a redirection",
    "for_statement": "a loop",
    "c_style_for_statement": "a loop",
    "while_statement": "a loop",
    "if_statement": "a condition",
    "case_statement": "a condition",
    "test_command": "a condition",
    "function_definition": "a function",
    "ERROR": "something that cannot be read",
}
_HARMLESS = frozenset(
    (
        *("CI", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "FORCE_COLOR", "LANG", "LANGUAGE"),
        *("LINES", "NO_COLOR", "PYTHONDONTWRITEBYTECODE", "PYTHONHASHSEED", "PYTHONUNBUFFERED"),
        *("RUST_BACKTRACE", "RUST_LOG", "TERM", "TZ"),
    )
)
"""Variables that cannot change which program runs, nor what it loads."""


class Part(Struct, frozen=True):
    """One simple command: its words without quoting, and as it is written."""

    words: tuple[str, ...]
    text: str


class Line(Struct, frozen=True):
    """A line's parts in order, and what keeps it from being plain (nothing, when it is)."""

    parts: tuple[Part, ...]
    opaque: tuple[str, ...] = ()


class _Opaque(Exception):
    """Something that is not plain; its text says what."""


def read_line(script: str) -> Line:
    """Read a command line. Never raises."""
    words = script.split(" ") if _LETTERS.issuperset(script.replace(" ", "a")) else None
    if words is not None:  # Nothing in it means anything to a shell.
        found = tuple(word for word in words if word)
        if found and found[0] not in _KEYWORDS and found[0] not in _DECLARATIONS:
            return Line((Part(found, script.strip(" ")),))
    if len(script) > _MAX_LINE:
        return Line((), (TOO_MUCH,))
    if odd := odd_character(script):
        return Line((), (odd,))
    return _Reader().read(script)


def odd_character(text: str) -> str | None:
    """Says so when a character is invisible, or not what it looks like to a shell."""
    if text.isascii() and all(c >= " " or c in "\n\t" for c in text) and "\x7f" not in text:
        return None
    for character in text:
        category = unicodedata.category(character)
        if (category[0] == "C" and character not in "\n\t") or (
            category[0] == "Z" and character != " "
        ):
            return f"an invisible character (U+{ord(character):04X})"
    return None


class _Reader:
    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._opaque: list[str] = []
        self._source = b""

    def read(self, script: str) -> Line:
        from quire.config.shell_words import joined_lines, syntax_tree

        if "\\\n" in script:
            if "'" in script or '"' in script or "#" in script:
                self._opaque.append("a line that goes on within quotes")
            script = joined_lines(script)
        root = syntax_tree(script)
        self._source = script.encode("utf-8", "replace")
        self._check_gap(0, root.start_byte)
        if root.has_error:
            self._opaque.append(_NAMES["ERROR"])
        for count, node in enumerate(self._commands(root)):
            if count >= _MAX_PARTS:
                self._opaque.append(TOO_MUCH)
                break
            self._take(node)
        if not self._parts and not self._opaque:
            self._opaque.append("no command")
        return Line(tuple(self._parts), tuple(dict.fromkeys(self._opaque)))

    def _commands(self, root: Node) -> Iterator[Node]:
        """The commands in the holders that keep a line plain; anything else is noted."""
        waiting = [root]
        while waiting:
            node = waiting.pop()
            if node.type == "command":
                yield node
            elif node.type in _HOLDERS or node.type == "negated_command":
                self._check_gaps(node)
                waiting.extend(reversed(node.children))
            elif node.type == "redirected_statement":
                waiting.extend(reversed(self._without_redirects(node)))
            elif node.type not in _JOINTS:
                self._opaque.append(_NAMES.get(node.type, "more than words"))

    def _check_gaps(self, node: Node) -> None:
        """The grammar passes over what it takes for space; the shell may not."""
        at = node.start_byte
        for child in node.children:
            self._check_gap(at, child.start_byte)
            at = child.end_byte
        self._check_gap(at, node.end_byte)
        first = self._source[node.start_byte + 1 : node.start_byte + 2]
        if node.type == "compound_statement" and not first.isspace():
            self._opaque.append("braces")

    def _check_gap(self, start: int, end: int) -> None:
        if self._source[start:end].strip(b" \t\n"):
            self._opaque.append(_NAMES["ERROR"])

    def _without_redirects(self, statement: Node) -> list[Node]:
        self._check_gaps(statement)
        kept: list[Node] = []
        for child in statement.children:
            if child.type == "file_redirect":
                self._redirect(child)
            elif child.type.endswith("_redirect"):
                self._opaque.append(_NAMES.get(child.type, "a redirection"))
            else:
                kept.append(child)
        return kept

    def _redirect(self, node: Node) -> None:
        """To nowhere, or to another of its own outputs: nothing is written."""
        from quire.config.shell_words import node_text

        text = node_text(node).replace(" ", "")
        target = text.lstrip("0123456789&").lstrip("<>|")
        if target != "/dev/null" and not (target[:1] == "&" and target[1:] in ("1", "2")):
            self._opaque.append(f"a redirection ({node_text(node)})")

    def _take(self, node: Node) -> None:
        from quire.config.shell_words import node_text

        self._check_gaps(node)
        words: list[str] = []
        end = -1
        try:
            for child in node.children:
                if child.type == "variable_assignment":
                    _check_assignment(child)
                elif child.type == "file_redirect":
                    self._redirect(child)
                elif child.start_byte == end:
                    raise _Opaque(_NAMES["ERROR"])
                else:
                    words.append(_word(child))
                    end = child.end_byte
        except _Opaque as found:
            self._opaque.append(str(found))
            self._parts.append(Part((), node_text(node)))
            return
        if words and (words[0] in _DECLARATIONS or words[0] in _KEYWORDS):
            self._opaque.append(f"`{words[0]}`, which changes what is run")
        self._parts.append(Part(tuple(words), node_text(node)))


def _check_assignment(node: Node) -> None:
    from quire.config.shell_words import node_text

    name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
    variable = "" if name is None else node_text(name)
    if value is not None:
        _word(value)
    if variable not in _HARMLESS and not variable.startswith("LC_"):
        raise _Opaque(f"an assignment ({variable})")


def _word(node: Node) -> str:
    """The word that a node is. Raises `_Opaque` when only the shell can tell."""
    from quire.config.shell_words import node_text, unescaped, unescaped_in_quotes

    text = node_text(node)
    match node.type:
        case "command_name":
            return "".join(_word(child) for child in node.children)
        case "concatenation":
            if text == "{}":
                return text
            return "".join(_word(child) for child in node.children)
        case "word" | "number":
            _check_bare(text)
            return unescaped(text)
        case "raw_string":
            return text[1:-1]
        case "string" if text.startswith('"'):
            for child in node.named_children:
                if child.type != "string_content":
                    raise _Opaque(_NAMES.get(child.type, "an expansion"))
            if "$" in text.replace("\\$", "") or "`" in text.replace("\\`", ""):
                raise _Opaque("an expansion")
            return unescaped_in_quotes(text[1:-1])
        case _:
            raise _Opaque(_NAMES.get(node.type, "more than words"))


def _check_bare(text: str) -> None:
    if text == "!":  # As an argument it is only a word.
        return
    escaped = False
    for index, character in enumerate(text):
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character in "*?[]":
            raise _Opaque("a pattern for file names")
        elif character == "~":
            raise _Opaque("a home folder")
        elif character in "{}":
            raise _Opaque("braces")
        elif character.isascii() and (character not in _BARE or (not index and character in "=#")):
            raise _Opaque("more than words")
