"""Constants of modules in place of others: the assignment is run again, changed, in the module that
lives, and so is each that is made of it. Much quicker than a process for each candidate."""

from __future__ import annotations

import ast
import os
import sys
from types import CodeType, ModuleType
from typing import Any

from .limits import PASS, attempt
from .sources import Edit, FunctionNode, Source

SECONDS = 0.05
HARMLESS = frozenset(
    [
        *("dict", "list", "set", "tuple", "frozenset", "range", "sorted", "str", "int", "float"),
        *("compile", "Decimal", "Fraction", "timedelta", "date", "time", "datetime", "len", "min"),
        *("max", "sum", "zip", "enumerate", "join", "split", "items", "keys", "values", "lower"),
        *("upper", "strip", "fromkeys", "deque", "Counter", "namedtuple", "MappingProxyType"),
    ]
)
"""What an assignment may call to be run again and again."""


class Constants:
    """Of the modules that live in this process. Made once, before anything is forked."""

    def __init__(self, sources: dict[str, Source]) -> None:
        self._sources = sources
        self._modules = {
            os.path.realpath(file): module
            for name, module in sorted(sys.modules.items())
            if name != "__main__" and (file := vars(module).get("__file__"))
        }
        self._saved: list[tuple[ModuleType, str, Any]] = []
        self._compiled: dict[tuple[str, int], CodeType | None] = {}

    def knows(self, edit: Edit) -> bool:
        """The edit lies in an assignment that can be run again, of names that only functions
        read, or other such assignments."""
        source = self._sources.get(edit.path)
        statement = _statement_at(source, edit) if source is not None else None
        if source is None or statement is None or self._module(source) is None:
            return False
        wanted = {statement, *_dependents(source, statement)}
        names = {name for one in wanted for name in _names(one)}
        return all(_is_harmless(one) for one in wanted) and names.isdisjoint(_fixed(source))

    def swap(self, path: str, edits: list[Edit]) -> bool:
        """Run the changed assignments. False when one cannot be run; `restore` undoes all."""
        source = self._sources[path]
        module = self._module(source)
        statements = {_statement_at(source, edit): edit for edit in edits}
        if module is None or None in statements:
            return False
        for statement in statements:
            if statement is None:
                return False
            mine = [e for e in edits if _statement_at(source, e) is statement]
            code = _compiled(source, statement, mine)
            if code is None or not self._run(module, statement, code):
                return False
            for other in _dependents(source, statement):
                key = (path, other.lineno)
                if key not in self._compiled:
                    self._compiled[key] = _compiled(source, other, [])
                again = self._compiled[key]
                if again is None or not self._run(module, other, again):
                    return False
        return True

    def restore(self) -> None:
        """All names as they were."""
        for module, name, value in reversed(self._saved):
            vars(module)[name] = value
        self._saved.clear()

    def _module(self, source: Source) -> ModuleType | None:
        return self._modules.get(os.path.realpath(source.absolute))

    def _run(self, module: ModuleType, statement: ast.stmt, code: CodeType) -> bool:
        own = vars(module)
        old = {name: own[name] for name in _names(statement) if name in own}
        outcome = attempt(lambda: exec(code, own), SECONDS)
        for name, value in old.items():
            self._saved.append((module, name, value))
            for other in self._modules.values():
                if other is not module and vars(other).get(name, self) is value:
                    self._saved.append((other, name, value))
                    vars(other)[name] = own[name]
        return outcome.status == PASS


def _statement_at(source: Source | None, edit: Edit) -> ast.Assign | ast.AnnAssign | None:
    for node in source.tree.body if source is not None else ():
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            start, end = source.span(node.value) if source is not None else (0, 0)
            if start <= edit.start and edit.end <= end:
                return node
    return None


def _names(statement: ast.stmt) -> list[str]:
    """The variables that a statement assigns."""
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    if isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    nodes = (node for target in targets for node in ast.walk(target))
    return [node.id for node in nodes if isinstance(node, ast.Name)]


def _read(node: ast.AST) -> set[str]:
    names = (n for n in ast.walk(node) if isinstance(n, ast.Name))
    return {n.id for n in names if isinstance(n.ctx, ast.Load)}


def _dependents(source: Source, first: ast.stmt) -> list[ast.stmt]:
    """Later assignments of the module that are made of it, in order."""
    changed, found = set(_names(first)), list[ast.stmt]()
    body = source.tree.body
    for statement in body[body.index(first) + 1 :]:
        plain = isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign))
        if plain and not changed.isdisjoint(_read(statement)):
            found.append(statement)
            changed.update(_names(statement))
    return found


def _is_harmless(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.AugAssign):
        return False
    for node in ast.walk(statement):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            name = node.func.id if isinstance(node.func, ast.Name) else name
            if name not in HARMLESS:
                return False
        elif isinstance(node, (ast.Await, ast.Yield, ast.NamedExpr, ast.Lambda)):
            return False
    return True


def _fixed(source: Source) -> set[str]:
    """Names that are read while the module is imported by more than assignments: classes,
    defaults, decorators, loops and calls outside functions."""
    found: set[str] = set()
    for node in source.tree.body:
        if isinstance(node, FunctionNode):
            for part in (*node.decorator_list, node.args):
                found |= _read(part)
        elif not isinstance(node, (ast.Assign, ast.AnnAssign, ast.Import, ast.ImportFrom)):
            found |= _read_at_import(node)
    return found


def _read_at_import(node: ast.AST) -> set[str]:
    """Without what is read inside of functions only."""
    if isinstance(node, FunctionNode):
        return set[str]().union(*(_read(part) for part in (*node.decorator_list, node.args)))
    own = {node.id} if isinstance(node, ast.Name) else set[str]()
    return own.union(*(_read_at_import(child) for child in ast.iter_child_nodes(node)))


def _compiled(source: Source, statement: ast.stmt, edits: list[Edit]) -> CodeType | None:
    start, end = source.span(statement)
    text = source.text[start:end]
    for edit in sorted(edits, key=lambda e: e.start, reverse=True):
        text = text[: edit.start - start] + edit.text + text[edit.end - start :]
    try:
        return compile(text, source.absolute, "exec", source.flags, dont_inherit=True)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
        return None
