"""The functions of the project that a module can call by the names it has: its own, imported ones,
those of modules that it imported whole."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import NamedTuple

from .fragments import annotated, names_seen
from .probe import Key, Types, shape
from .sources import Source, Unit

MOST = 40


class Helper(NamedTuple):
    """`head` is how it is called; it takes `least` to `most` values by position. `takes` are the
    types of the first, `gives` those of the result, as far as known. `own`: it stands in the
    module itself."""

    head: str
    least: int
    most: int
    takes: Types
    gives: Types
    own: bool


class Helpers:
    """Of the modules that live in this process. `files` are the project's modules by their real
    path, `sources` those that were read."""

    def __init__(
        self, files: dict[str, str], sources: dict[str, Source], types: dict[Key, Types]
    ) -> None:
        self._files = files
        self._sources = sources
        self._types = types
        self._modules = {
            os.path.realpath(file): module
            for name, module in sorted(sys.modules.items())
            if name != "__main__" and isinstance(file := vars(module).get("__file__"), str)
        }

    def of(self, source: Source) -> tuple[Helper, ...]:
        """What this module can call, its own first."""
        module = self._modules.get(os.path.realpath(source.absolute))
        found = self._named(module, source.path) if module is not None else ()
        return tuple(sorted(found, key=lambda helper: not helper.own)[:MOST])

    def _named(self, module: ModuleType, path: str) -> Iterator[Helper]:
        for name, value in vars(module).items():
            if isinstance(value, FunctionType):
                yield from self._helper(name, value, path)
            elif isinstance(value, ModuleType) and value is not module and self._is_own(value):
                for inner, thing in vars(value).items():
                    if isinstance(thing, FunctionType) and not inner.startswith("_"):
                        yield from self._helper(f"{name}.{inner}", thing, path)

    def _is_own(self, module: ModuleType) -> bool:
        file = vars(module).get("__file__")
        return isinstance(file, str) and os.path.realpath(file) in self._files

    def _helper(self, head: str, function: FunctionType, path: str) -> Iterator[Helper]:
        """None for a function that is not the project's, or that needs values by keyword."""
        code = function.__code__
        home = self._files.get(os.path.realpath(code.co_filename))
        keywords = code.co_varnames[code.co_argcount :][: code.co_kwonlyargcount]
        if home is None or head.startswith("__"):
            return
        if any(name not in (function.__kwdefaults__ or ()) for name in keywords):
            return
        least = code.co_argcount - len(function.__defaults__ or ())
        takes: Types = ()
        gives: Types = ()
        source = self._sources.get(home)
        for unit in source.units if source is not None else ():
            same = unit.first_line == code.co_firstlineno and unit.name == code.co_name
            if source is not None and same and code.co_argcount:
                takes = names_seen(source, unit, self._types).get(code.co_varnames[0], ())
                gives = self._results(source, unit)
        yield Helper(head, least, code.co_argcount, takes, gives, home == path)

    def _results(self, source: Source, unit: Unit) -> Types:
        """The types of what a function returns: seen, or else as annotated."""
        found: set[str] = set()
        for node in ast.walk(unit.node):
            if isinstance(node, ast.Return) and node.value is not None:
                seen = self._types.get((source.path, *source.span(node.value)), ())
                found.update(seen or shape(node.value))
        return tuple(sorted(found)) or annotated(unit.node.returns)
