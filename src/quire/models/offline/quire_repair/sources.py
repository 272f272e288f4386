"""Source files as text and tree at once, and the functions in them that can be compiled alone."""

from __future__ import annotations

import ast
import os
import sys
import tokenize
from collections.abc import Iterator
from types import CodeType
from typing import NamedTuple

FunctionNode = (ast.FunctionDef, ast.AsyncFunctionDef)
Headers = tuple[str, ...]


class Edit(NamedTuple):
    """One splice: `text` takes the place of the characters `start` to `end` of the file `path`
    (relative to the project). `unit` is the index of the function it lies in, -1 for none."""

    path: str
    unit: int
    start: int
    end: int
    text: str
    kind: str
    cost: float


class Unit:
    """A function or method as it stands in the module: compiled and swapped as one piece.

    `start` and `end` are offsets of whole lines, from its `def` (decorators excluded) to its last
    line; `classes` are the classes around it, outermost first.
    """

    def __init__(
        self,
        index: int,
        node: ast.FunctionDef | ast.AsyncFunctionDef,
        classes: Headers,
        span: tuple[int, int],
    ) -> None:
        self.index = index
        self.node = node
        self.classes = classes
        self.start, self.end = span
        self.name = node.name
        self.first_line = min([node.lineno, *(d.lineno for d in node.decorator_list)])

    @property
    def qualname(self) -> str:
        return ".".join([*self.classes, self.name])


class Source:
    """One file of the project. Columns of the tree are bytes; everything here is characters."""

    def __init__(self, root: str, path: str, text: str) -> None:
        self.root = root
        self.path = path
        self.absolute = os.path.join(root, *path.split("/"))
        self.text = text
        self.tree = ast.parse(text)
        self.lines = text.split("\n")
        self._starts = _line_starts(self.lines)
        indented = (line for line in self.lines if line[:1] in (" ", "\t") and line.strip())
        first = next(indented, "    .")
        self.step = first[: len(first) - len(first.lstrip())]
        self.bare = bare(text)
        self.flags = _future_flags(self.tree)
        self.units: list[Unit] = []
        self._find_units(self.tree.body, ())

    def offset(self, line: int, column: int) -> int:
        """From a tree's position (1-based line, column in UTF-8 bytes) to a text offset."""
        text = self.lines[line - 1]
        if not text.isascii():
            column = len(text.encode()[:column].decode(errors="replace"))
        return self._starts[line - 1] + column

    def line_start(self, line: int) -> int:
        """Offset of a 1-based line; one past the last line is the end of the text."""
        return self._starts[line - 1] if line <= len(self.lines) else len(self.text)

    def line_of(self, offset: int) -> int:
        """The 1-based line that holds an offset."""
        low, high = 0, len(self._starts)
        while high - low > 1:
            middle = (low + high) // 2
            if self._starts[middle] <= offset:
                low = middle
            else:
                high = middle
        return low + 1

    def span(self, node: ast.expr | ast.stmt | ast.arg | ast.keyword) -> tuple[int, int]:
        """Start and end offset of a node."""
        end_line, end_column = node.end_lineno, node.end_col_offset
        if end_line is None or end_column is None:
            end_line, end_column = node.lineno, node.col_offset
        return self.offset(node.lineno, node.col_offset), self.offset(end_line, end_column)

    def segment(self, node: ast.expr | ast.stmt | ast.arg | ast.keyword) -> str:
        start, end = self.span(node)
        return self.text[start:end]

    def indent_of(self, line: int) -> str:
        text = self.lines[line - 1]
        return text[: len(text) - len(text.lstrip())]

    def unit_of(self, line: int) -> Unit | None:
        """The function whose lines hold this one."""
        offset = self.line_start(line)
        for unit in self.units:
            if unit.start <= offset < unit.end:
                return unit
        return None

    def spliced(self, edits: list[Edit]) -> str:
        """The text with edits that do not overlap."""
        return _spliced(self.text, edits, 0)

    def compile_unit(self, unit: Unit, edits: list[Edit]) -> CodeType | None:
        """The code object of one function with edits inside it, or None when it is no Python."""
        text = _spliced(self.text[unit.start : unit.end], edits, unit.start)
        headers = [f"class {name}:" for name in unit.classes]
        if not headers and text[:1] in " \t":
            headers = ["if 1:"]
        wrapper = "".join(f"{' ' * depth}{header}\n" for depth, header in enumerate(headers))
        padding = "\n" * max(unit.node.lineno - 1 - len(headers), 0)
        try:
            code = compile(
                padding + wrapper + text, self.absolute, "exec", self.flags, dont_inherit=True
            )
        except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
            return None
        return find_code(code, [*unit.classes, unit.name])

    def _find_units(self, body: list[ast.stmt], classes: Headers) -> None:
        for node in body:
            if isinstance(node, FunctionNode):
                start = self.line_start(node.lineno)
                end = self.line_start((node.end_lineno or node.lineno) + 1)
                if not self.text[start : self.offset(node.lineno, node.col_offset)].strip():
                    self.units.append(Unit(len(self.units), node, classes, (start, end)))
            elif isinstance(node, ast.ClassDef):
                self._find_units(node.body, (*classes, node.name))
            else:
                for block in blocks(node):
                    self._find_units(block, classes)


def blocks(node: ast.AST) -> Iterator[list[ast.stmt]]:
    """The lists of statements directly inside a node: bodies, else branches, handlers, cases."""
    if isinstance(node, (ast.If, ast.For, ast.AsyncFor, ast.While)):
        yield from (node.body, node.orelse)
    elif isinstance(node, (ast.With, ast.AsyncWith, ast.ClassDef, ast.Module, *FunctionNode)):
        yield node.body
    elif isinstance(node, ast.Try):
        yield from (node.body, *(h.body for h in node.handlers), node.orelse, node.finalbody)
    elif sys.version_info >= (3, 10) and isinstance(node, ast.Match):
        yield from (case.body for case in node.cases)
    elif sys.version_info >= (3, 11) and isinstance(node, ast.TryStar):
        yield from (node.body, *(h.body for h in node.handlers), node.orelse, node.finalbody)


def _spliced(text: str, edits: list[Edit], base: int) -> str:
    for edit in sorted(edits, key=lambda e: (e.start, e.end), reverse=True):
        text = text[: edit.start - base] + edit.text + text[edit.end - base :]
    return text


def find_code(code: CodeType, names: list[str]) -> CodeType | None:
    """The code object reached by this path of names; scopes of type parameters count as none."""
    if not names:
        return code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            if constant.co_name == names[0]:
                found = find_code(constant, names[1:])
            elif constant.co_name.startswith("<generic"):
                found = find_code(constant, names)
            else:
                continue
            if found is not None:
                return found
    return None


def read_source(root: str, path: str) -> Source | None:
    """Read a file as Python would; None when it cannot be read or parsed."""
    try:
        with tokenize.open(os.path.join(root, *path.split("/"))) as file:
            return Source(root, path, file.read())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None


def bare(text: str) -> str:
    """Without parentheses, to compare expressions whatever their grouping needs."""
    return text.replace("(", "").replace(")", "")


def _line_starts(lines: list[str]) -> list[int]:
    starts: list[int] = []
    position = 0
    for line in lines:
        starts.append(position)
        position += len(line) + 1
    return starts


def _future_flags(tree: ast.Module) -> int:
    """Compiler flags of the module's `from __future__` imports."""
    flags = 0
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            names = {alias.name for alias in node.names}
            flags |= CO_FUTURE_ANNOTATIONS if "annotations" in names else 0
    return flags


CO_FUTURE_ANNOTATIONS = 0x1000000
"""`__future__.annotations.compiler_flag`, the one future feature that 3.9 and later still know."""
