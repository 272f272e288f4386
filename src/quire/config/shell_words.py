"""The commands in a shell script, found with a real bash grammar.

The grammar costs 20 ms to load, so callers look first whether they need it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from functools import cache

from msgspec import Struct
from tree_sitter import Language, Node, Parser

from quire.config.programs import SHELLS, STARTED_BY_VARIABLES, UNKNOWN, base_name

_MAX_NODES = 200_000
_MAX_NESTED = 8
_NO_WORDS = ("variable_assignment", "file_redirect", "herestring_redirect", "heredoc_redirect")
_CARRIERS = ("redirected_statement", "pipeline", "heredoc_redirect")
_PLAIN = ("word", "string", "raw_string", "concatenation", "ansi_c_string", "simple_expansion")
_DEFAULTS = (":-", "-", ":=", "=")
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


def syntax_tree(script: str) -> Node:
    """The root node of a script's syntax tree."""
    return _parser().parse(script.encode("utf-8", "replace")).root_node


def joined_lines(script: str) -> str:
    """The script without the line ends that a backslash takes back (outside of quotes and
    comments, which the caller knows about)."""
    if "\\\n" not in script:
        return script
    pieces = [piece.replace("\\\n", "") for piece in script.split("\\\\")]
    return "\\\\".join(pieces)


def parse_script(script: str, arguments: tuple[str, ...] = ()) -> Script:
    """Read a script, whose own arguments are `arguments`, from `$0` on. Never raises: what cannot
    be read makes it `broken`."""
    source = joined_lines(script).encode("utf-8", "replace")
    root = _parser().parse(source).root_node
    reader = _Reader(arguments)
    for count, node in enumerate(_nodes(root)):
        if count > _MAX_NODES:
            return Script(reader.commands(), broken=True)
        reader.take(node)
    return Script(reader.commands(), broken=root.has_error)


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


class _Reader:
    """Takes the nodes of a script in their order, and knows what variables hold by then."""

    def __init__(self, arguments: tuple[str, ...]) -> None:
        self._arguments = arguments[1:]
        self._known = {str(number): word for number, word in enumerate(arguments)}
        self._found: list[tuple[Node, tuple[str, ...]]] = []
        self._more: list[SimpleCommand] = []
        self._said: list[tuple[int, str]] = []
        self._fed: dict[int, list[str]] = {}
        self._depth = 0

    def take(self, node: Node) -> None:
        if node.type == "command":
            words = self._words(node)
            self._found.append((node, words))
            if words[:1] == ("set",):
                self._arguments = (UNKNOWN,)
            if words and words[0] in ("echo", "printf"):
                self._said.append((node.start_byte, _ansi_c(" ".join(words[1:]))))
                if words[0] == "printf":
                    self._said.append((node.start_byte, _ansi_c("\n".join(words[1:]))))
        elif node.type == "variable_assignment":
            self._assign(node)
        elif node.type == "heredoc_body":
            self._more += _in_backticks(node)

    def commands(self) -> tuple[SimpleCommand, ...]:
        """All that were found."""
        found = [SimpleCommand(words, self._fed_to(node, words)) for node, words in self._found]
        return (*found, *self._more)

    def _fed_to(self, node: Node, words: tuple[str, ...]) -> str:
        stdin = self._stdin(node)
        # What a shell reads from a filter is not what went into the filter.
        if words and base_name(words[0]) in SHELLS and _comes_from_filter(node):
            return f"{stdin}\n{UNKNOWN}"
        return stdin

    def _assign(self, node: Node) -> None:
        name = node.child_by_field_name("name")
        value = node.child_by_field_name("value")
        if name is None or value is None:
            return
        text = self._value(value)
        self._known.pop(node_text(name), None)
        if node_text(name) in STARTED_BY_VARIABLES:
            self._more.append(SimpleCommand(("eval", text)))
        if UNKNOWN not in text:
            self._known[node_text(name)] = text

    # --- words -----------------------------------------------------------------------------

    def _words(self, command: Node) -> tuple[str, ...]:
        parts = [child for child in command.named_children if child.type not in _NO_WORDS]
        above = command.parent if self._depth == 0 else None  # Looking up costs the depth.
        if above is not None and above.type == "redirected_statement":
            parts += _behind_redirects(above)
        return tuple(word for part in parts for word in self._split(part))

    def _split(self, node: Node) -> list[str]:
        """The words that come of `node`: an expansion without quotes may give several, or none."""
        children = node.named_children
        if node.type == "command_name" and len(children) == 1:
            return self._split(children[0])
        if node.type in ("string", "simple_expansion") and _is_all_arguments(node):
            return list(self._arguments)
        if node.type in ("simple_expansion", "expansion", "command_substitution"):
            return self._value(node).split()
        if node.type == "concatenation" and any(node_text(child) == "{" for child in children):
            return _braces(self._value(node))
        return [self._value(node)]

    def _value(self, node: Node) -> str:
        """The text that the shell makes of `node`, with `UNKNOWN` for what is not known."""
        if self._depth >= _MAX_NESTED:
            return UNKNOWN
        self._depth += 1
        try:
            return self._text_of(node)
        finally:
            self._depth -= 1

    def _text_of(self, node: Node) -> str:
        match node.type:
            case "command_name" | "concatenation" | "string" | "translated_string":
                return "".join(self._value(child) for child in node.named_children)
            case "word" | "number" | "extglob_pattern":
                return _matching(node_text(node))
            case "raw_string":
                return node_text(node)[1:-1]
            case "ansi_c_string":
                return _ansi_c(node_text(node)[2:-1])
            case "string_content":
                return unescaped_in_quotes(node_text(node))
            case "simple_expansion" | "expansion":
                return self._expanded(node)
            case "command_substitution":
                return self._printed(node)
            case _:
                return UNKNOWN

    def _expanded(self, node: Node) -> str:
        """What a variable holds by now, or the default that stands beside it."""
        children = node.named_children
        if not children:
            return UNKNOWN
        if len(children) == 1:
            return self._known.get(node_text(children[0]), UNKNOWN)
        if len(children) == 2 and any(child.type in _DEFAULTS for child in node.children):
            return self._known.get(node_text(children[0])) or self._value(children[1])
        return UNKNOWN

    def _printed(self, node: Node) -> str:
        """What a substitution like `$(which rm)` or `$(echo -f)` prints."""
        children = node.named_children
        if len(children) != 1 or children[0].type != "command":
            return UNKNOWN
        words = self._words(children[0])
        if words[:1] in (("echo",), ("printf",)):
            return " ".join(words[1:])
        if words[:1] in (("which",), ("command",), ("type",)):
            return words[-1]
        return UNKNOWN

    # --- stdin -----------------------------------------------------------------------------

    def _stdin(self, command: Node) -> str:
        """The text of here-documents and here-strings that reach this command, also through a
        pipe, and what `echo` prints into it or into a file that it is told to read."""
        found: list[str] = []
        for child in command.named_children:
            if child.type == "herestring_redirect":
                found += [self._value(part) for part in child.named_children]
            elif child.type == "process_substitution":
                found += self._said_in(child)
        above = command.parent
        while above is not None and above.type in _CARRIERS:
            if above.id not in self._fed:
                self._fed[above.id] = self._carried(above)
            found += self._fed[above.id]
            above = above.parent
        return "\n".join(found)

    def _carried(self, node: Node) -> list[str]:
        """The texts that a redirected statement or a pipeline hands to what is in it."""
        found = self._redirected(node)
        for child in node.children:
            found += self._redirected(child)
        if node.type == "pipeline":
            for child in node.named_children[:-1]:
                found += self._said_in(child)
        return found

    def _redirected(self, redirect: Node) -> list[str]:
        if redirect.type == "heredoc_redirect":
            bodies = [child for child in redirect.children if child.type == "heredoc_body"]
            return [node_text(body) for body in bodies]
        if redirect.type == "herestring_redirect":
            return [self._value(part) for part in redirect.named_children]
        return []

    def _said_in(self, node: Node) -> list[str]:
        start = bisect_left(self._said, (node.start_byte, ""))
        end = bisect_left(self._said, (node.end_byte, ""))
        return [text for _, text in self._said[start:end]]


def _comes_from_filter(command: Node) -> bool:
    """Whether the stage before this one in a pipeline changes what it passes on."""
    stage = command
    while stage.parent is not None and stage.parent.type == "redirected_statement":
        stage = stage.parent
    if stage.parent is None or stage.parent.type != "pipeline":
        return False
    before = stage.prev_named_sibling
    while before is not None and before.type == "command":
        name = before.child_by_field_name("name")
        text = "" if name is None else node_text(name)
        if text not in _PASSING_ON:
            return text not in _SAYING
        before = before.prev_named_sibling
    return False


_PASSING_ON = ("cat", "tee")
_SAYING = ("echo", "printf")


def _is_all_arguments(node: Node) -> bool:
    return node.end_byte - node.start_byte <= 4 and node_text(node).strip('"') in ("$@", "$*")


def _behind_redirects(statement: Node) -> list[Node]:
    """Words of the command that stand after a redirect, as in `rm >log -f x`."""
    found: list[Node] = []
    for redirect in statement.named_children:
        if redirect.type == "file_redirect":
            parts = [part for part in redirect.named_children if part.type != "file_descriptor"]
            found += parts[1:]
        elif redirect.type == "heredoc_redirect":
            found += [part for part in redirect.named_children if part.type in _PLAIN]
    return found


def _in_backticks(body: Node) -> list[SimpleCommand]:
    """The commands in backticks of a here-document; the grammar finds only `$(...)` there."""
    pieces = node_text(body).split("`")[1::2]
    beside = body.parent.children if body.parent is not None else []
    start = next((child for child in beside if child.type == "heredoc_start"), None)
    quoted = start is not None and any(mark in node_text(start) for mark in "'\"\\")
    return [] if quoted else [SimpleCommand(("eval", piece)) for piece in pieces]


def _braces(text: str) -> list[str]:
    """`a{b,c}d` as `abd` and `acd`: the first pair of braces, which is all that is needed here."""
    before, opened, rest = text.partition("{")
    inside, closed, after = rest.partition("}")
    if not opened or not closed or "," not in inside:
        return [text]
    if before.endswith(UNKNOWN):  # In `$X{a,b}` the pieces become part of the name.
        return [before + after] * len(inside.split(","))
    return [f"{before}{part}{after}" for part in inside.split(",")]


def node_text(node: Node) -> str:
    """The source of a node."""
    return (node.text or b"").decode("utf-8", "replace")


def unescaped(text: str) -> str:
    """What the shell makes of a word without quotes."""
    characters = iter(text)
    return "".join(next(characters, "") if c == "\\" else c for c in characters)


def _matching(text: str) -> str:
    """The same for a word in which `*` and `?` stand for what files are called."""
    if "*" not in text and "?" not in text:
        return unescaped(text)
    pieces = [unescaped(piece) for piece in text.replace("?", "*").split("*")]
    return unescaped(text) if "\\" in text else UNKNOWN.join(pieces)


def unescaped_in_quotes(text: str) -> str:
    """What the shell makes of the inside of double quotes, expansions aside."""
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
