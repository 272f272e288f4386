"""The commands in a shell script, found with a real bash grammar.

The grammar costs 20 ms to load, so callers look first whether they need it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from msgspec import Struct
from tree_sitter import Language, Node, Parser

UNKNOWN = "\ufffc"
"""Stands in a word for what is only known when the script runs."""
_MAX_NODES = 200_000
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "e": "\x1b"}


class SimpleCommand(Struct, frozen=True):
    """One simple command: its words without quoting, and the text fed to its stdin where that
    stands in the script (here-document, here-string)."""

    words: tuple[str, ...]
    stdin: str = ""


class Script(Struct, frozen=True):
    """All simple commands of a script, wherever they stand. `broken` is true when the grammar
    could not read all of it."""

    commands: tuple[SimpleCommand, ...]
    broken: bool


def parse_script(script: str) -> Script:
    """Read a script. Never raises: what cannot be read makes it `broken`."""
    source = script.replace("\\\n", "").encode("utf-8", "replace")
    root = _parser().parse(source).root_node
    commands: list[SimpleCommand] = []
    for count, node in enumerate(_nodes(root)):
        if count > _MAX_NODES:
            return Script(tuple(commands), broken=True)
        if node.type == "command":
            commands.append(SimpleCommand(_words(node), _stdin(node)))
    return Script(tuple(commands), broken=root.has_error)


@cache
def _parser() -> Parser:
    import tree_sitter_bash

    return Parser(Language(tree_sitter_bash.language()))


def _nodes(root: Node) -> Iterator[Node]:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(node.children))


def _words(command: Node) -> tuple[str, ...]:
    skipped = ("variable_assignment", "file_redirect", "herestring_redirect", "heredoc_redirect")
    return tuple(_value(child) for child in command.named_children if child.type not in skipped)


def _value(node: Node) -> str:
    """The word that the shell makes of `node`, with `UNKNOWN` for what is expanded later."""
    text = (node.text or b"").decode("utf-8", "replace")
    match node.type:
        case "command_name" | "concatenation":
            return "".join(_value(child) for child in node.named_children)
        case "word" | "number" | "extglob_pattern":
            return _unescaped(text)
        case "raw_string":
            return text[1:-1]
        case "ansi_c_string":
            return _ansi_c(text[2:-1])
        case "string":
            return "".join(_value(child) for child in node.named_children)
        case "translated_string":
            return "".join(_value(child) for child in node.named_children)
        case "string_content":
            return _unescaped_in_quotes(text)
        case _:
            return UNKNOWN


def _unescaped(text: str) -> str:
    characters = iter(text)
    return "".join(next(characters, "") if c == "\\" else c for c in characters)


def _unescaped_in_quotes(text: str) -> str:
    out: list[str] = []
    index = 0
    while index < len(text):
        if text[index] == "\\" and text[index + 1 : index + 2] in ("$", "`", '"', "\\"):
            index += 1
        out.append(text[index])
        index += 1
    return "".join(out)


def _ansi_c(text: str) -> str:
    """`$'...'`: the escapes that make letters (bash manual, ANSI-C Quoting)."""
    out: list[str] = []
    index = 0
    while index < len(text):
        if text[index] != "\\" or index + 1 >= len(text):
            out.append(text[index])
            index += 1
            continue
        letter = text[index + 1]
        index += 2
        if letter in "xuU":
            digits = _digits(text, index, {"x": 2, "u": 4, "U": 8}[letter], 16)
            index += len(digits)
            out.append(_character(int(digits, 16)) if digits else "")
        elif letter in "01234567":
            digits = _digits(text, index - 1, 3, 8)
            index += len(digits) - 1
            out.append(_character(int(digits, 8)))
        else:
            out.append(_ESCAPES.get(letter, letter))
    return "".join(out)


def _digits(text: str, start: int, most: int, base: int) -> str:
    allowed = "0123456789abcdefABCDEF" if base == 16 else "01234567"
    end = start
    while end < min(start + most, len(text)) and text[end] in allowed:
        end += 1
    return text[start:end]


def _character(code: int) -> str:
    return chr(code) if code < 0x110000 else UNKNOWN


def _stdin(command: Node) -> str:
    """The text of here-documents and here-strings that reach this command, also through a pipe."""
    found: list[str] = []
    for child in command.named_children:
        if child.type == "herestring_redirect":
            found += [_value(part) for part in child.named_children]
    above = command.parent
    while above is not None and above.type in (
        "redirected_statement",
        "pipeline",
        "heredoc_redirect",
    ):
        for redirect in above.children:
            found += _redirected_text(redirect)
        found += _redirected_text(above)
        above = above.parent
    return "\n".join(found)


def _redirected_text(redirect: Node) -> list[str]:
    if redirect.type == "heredoc_redirect":
        bodies = [child for child in redirect.children if child.type == "heredoc_body"]
        return [(body.text or b"").decode("utf-8", "replace") for body in bodies]
    if redirect.type == "herestring_redirect":
        return [_value(part) for part in redirect.named_children]
    return []
