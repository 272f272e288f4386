"""The functions of the project that live in this process: find them, swap their code, undo."""

from __future__ import annotations

import copy
import functools
import gc
import os
import sys
from collections.abc import Iterable, Iterator
from types import CodeType, FunctionType
from typing import Any

from .sources import Edit, Source, Unit

Path = tuple[tuple[str, int], ...]
"""Where a code object lies inside another: names, each with its number among equal ones."""

PLAIN = (int, float, bool, str, bytes, type(None))
CACHE: type = type(functools.lru_cache(maxsize=1)(len))
CONTAINERS = (list, dict, set)
MANY = 2000


class Live:
    """Which functions run the code of which unit. Made once, before anything is forked."""

    def __init__(self, sources: dict[str, Source]) -> None:
        self._functions: dict[tuple[str, int], list[tuple[FunctionType, Path]]] = {}
        self._caches: list[Any] = []
        self._swapped: list[tuple[FunctionType, CodeType]] = []
        files = {os.path.realpath(s.absolute): s for s in sources.values()}
        functions, self._caches = _living(files)
        places: dict[int, tuple[str, int, Path]] = {}
        for function, source in functions:
            code = function.__code__
            for unit in source.units:
                if unit.name == code.co_name and unit.first_line == code.co_firstlineno:
                    for inner, path in _nested(code, ()):
                        places[id(inner)] = (source.path, unit.index, path)
        for function, _ in functions:
            place = places.get(id(function.__code__))
            if place is not None:
                key = (place[0], place[1])
                self._functions.setdefault(key, []).append((function, place[2]))

    def knows(self, path: str, unit: int) -> bool:
        """False for a function that no live function runs: its module is not loaded, or it is
        made only while tests run."""
        return any(not inside for _, inside in self._functions.get((path, unit), []))

    def functions_of(self, path: str, unit: int) -> list[FunctionType]:
        """The live functions that run the unit itself."""
        return [f for f, inside in self._functions.get((path, unit), []) if not inside]

    def swap(self, source: Source, unit: Unit, edits: list[Edit]) -> CodeType | None:
        """Put edited code in place. None when it does not compile or cannot be swapped (other
        free variables); nothing is changed then."""
        code = source.compile_unit(unit, edits)
        return self.install(source.path, unit.index, code) if code is not None else None

    def install(self, path: str, unit: int, code: CodeType) -> CodeType | None:
        """Put a unit's compiled code in place, also in the functions made inside it."""
        pairs: list[tuple[FunctionType, CodeType]] = []
        for function, inside in self._functions.get((path, unit), []):
            part = _at(code, inside)
            if part is None:
                continue
            if part.co_freevars != function.__code__.co_freevars:
                return None
            pairs.append((function, part))
        for function, part in pairs:
            self._swapped.append((function, function.__code__))
            function.__code__ = part
        self.clear_caches()
        return code

    def restore(self) -> None:
        """Undo all swaps."""
        while self._swapped:
            function, code = self._swapped.pop()
            function.__code__ = code
        self.clear_caches()

    def clear_caches(self) -> None:
        for cache in self._caches:
            cache.cache_clear()


def _living(files: dict[str, Source]) -> tuple[list[tuple[FunctionType, Source]], list[Any]]:
    """All functions whose code comes from one of the files, and all caches of such functions."""
    real: dict[str, str] = {}
    functions: list[tuple[FunctionType, Source]] = []
    caches: list[Any] = []
    for thing in gc.get_objects():
        if type(thing) is FunctionType:
            name = thing.__code__.co_filename
            if name not in real:
                real[name] = os.path.realpath(name)
            source = files.get(real[name])
            if source is not None:
                functions.append((thing, source))
        elif type(thing) is CACHE:
            caches.append(thing)
    known = {id(function) for function, _ in functions}
    return functions, [cache for cache in caches if id(cache.__wrapped__) in known]


def _nested(code: CodeType, path: Path) -> Iterator[tuple[CodeType, Path]]:
    """A code object and all that are made inside it."""
    yield code, path
    counts: dict[str, int] = {}
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            number = counts[constant.co_name] = counts.get(constant.co_name, 0) + 1
            yield from _nested(constant, (*path, (constant.co_name, number)))


def _at(code: CodeType, path: Path) -> CodeType | None:
    for inner, where in _nested(code, ()):
        if where == path:
            return inner
    return None


class State:
    """Module globals, class attributes and defaults made of plain values: what one candidate
    changes must not be seen by the next."""

    def __init__(self, sources: dict[str, Source], tests: Iterable[str] = ()) -> None:
        """Of the modules made of these sources, and of those of tests (absolute paths)."""
        self._names: list[tuple[object, str, object]] = []
        self._containers: list[tuple[Any, Any]] = []
        files = {os.path.realpath(source.absolute) for source in sources.values()}
        files |= {os.path.realpath(path) for path in tests}
        for name, module in sorted(sys.modules.items()):
            file = vars(module).get("__file__")
            if name != "__main__" and file and os.path.realpath(file) in files:
                self._take(module, module.__name__, [])

    def restore(self) -> None:
        for owner, name, value in self._names:
            if vars(owner).get(name) is not value:
                setattr(owner, name, value)
        for container, saved in self._containers:
            if container != saved:
                _refill(container, copy.deepcopy(saved))

    def _take(self, owner: object, module: str, classes: list[type]) -> None:
        for name, value in list(vars(owner).items()):
            if name.startswith("__"):
                continue
            if isinstance(value, PLAIN):
                self._names.append((owner, name, value))
            elif type(value) in CONTAINERS:
                self._keep(value)
            elif isinstance(value, FunctionType):
                for default in value.__defaults__ or ():
                    self._keep(default)
            elif isinstance(value, type) and value.__module__ == module and value not in classes:
                self._take(value, module, [*classes, value])

    def _keep(self, value: Any) -> None:
        if type(value) in CONTAINERS and _is_plain(value, 4):
            self._containers.append((value, copy.deepcopy(value)))


def _is_plain(value: Any, depth: int) -> bool:
    """Made of plain values all through, and not big."""
    if type(value) in PLAIN:
        return True
    if depth == 0 or type(value) not in (*CONTAINERS, tuple) or len(value) > MANY:
        return False
    items: list[Any] = list(value)
    if type(value) not in (list, set, tuple):
        items.extend(value.values())
    return all(_is_plain(item, depth - 1) for item in items)


def _refill(container: Any, saved: Any) -> None:
    container.clear()
    if isinstance(saved, list):
        container.extend(saved)
    else:
        container.update(saved)
