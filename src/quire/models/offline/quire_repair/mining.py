"""What failing tests mention: literals and expected exceptions, worth trying in a repair."""

from __future__ import annotations

import ast
from typing import NamedTuple

from .sources import FunctionNode, read_source

RAISES = ("raises", "assertRaises", "assertRaisesRegex")


class Mined(NamedTuple):
    ints: tuple[int, ...]
    strings: tuple[str, ...]
    exceptions: tuple[str, ...]


def mine(root: str, tests: list[tuple[str, str]]) -> Mined:
    """From (file, test id) pairs; at most a few dozen of each kind, in the order they stand."""
    ints: dict[int, None] = {}
    strings: dict[str, None] = {}
    exceptions: dict[str, None] = {}
    for file in dict.fromkeys(file for file, _ in tests):
        source = read_source(root, file) if file else None
        if source is None:
            continue
        names = {_function_name(name) for path, name in tests if path == file}
        for node in ast.walk(source.tree):
            if isinstance(node, FunctionNode) and node.name in names:
                _take(node, ints, strings, exceptions)
    return Mined(tuple(ints)[:24], tuple(strings)[:24], tuple(exceptions)[:4])


def _function_name(case: str) -> str:
    """`test_x` of `tests/test_a.py::TestB::test_x[1-2]` and of `tests.test_a.TestB.test_x`."""
    return case.split("[")[0].replace("::", ".").rsplit(".", 1)[-1]


def _take(
    function: ast.AST,
    ints: dict[int, None],
    strings: dict[str, None],
    exceptions: dict[str, None],
) -> None:
    for node in ast.walk(function):
        if isinstance(node, ast.Constant):
            if type(node.value) is int and abs(node.value) < 10**9:
                ints[node.value] = None
            elif isinstance(node.value, str) and len(node.value) <= 40:
                strings[node.value] = None
        elif isinstance(node, ast.Call) and node.args:
            name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            if name in RAISES and isinstance(node.args[0], ast.Name):
                exceptions[node.args[0].id] = None
