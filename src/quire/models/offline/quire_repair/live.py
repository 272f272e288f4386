"""The functions of the project that live in this process: find them, swap their code, undo."""

from __future__ import annotations

import collections
import functools
import gc
import operator
import os
import sys
from collections.abc import Iterable, Iterator
from itertools import chain
from types import CodeType, FunctionType, ModuleType
from typing import Any

from .sources import Edit, Source, Unit

Path = tuple[tuple[str, int], ...]
"""Where a code object lies inside another: names, each with its number among equal ones."""

CACHE: type = type(functools.lru_cache(maxsize=1)(len))
PLAIN = (int, float, bool, str, bytes, type(None))
ROWS = (list, set, collections.deque, bytearray)
TABLES = (dict, collections.defaultdict, collections.OrderedDict, collections.Counter)
MANY = 2000
MOST = 20_000
"""Entries of one container, and of all, that are watched. A thousand take about 20 microseconds."""

DEEP = 20


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
    """What one candidate changes must not be seen by the next: the names of modules and classes,
    and the containers that they, and defaults and closures of functions, lead to.

    Objects are remembered, not copies: what was one object stays one, and nothing of the project
    is called to compare. Changes inside objects of other types are not seen.
    """

    def __init__(self, sources: dict[str, Source], tests: Iterable[str] = ()) -> None:
        """Of the modules made of these sources, and of those of tests (absolute paths)."""
        self._spaces: list[tuple[object, dict[str, Any], bool]] = []
        self._holders: list[tuple[Any, list[Any]]] = []
        self._met: dict[int, object] = {id(sys.modules): sys.modules}
        self._left = MOST
        own = {os.path.realpath(source.absolute) for source in sources.values()}
        files = own | {os.path.realpath(path) for path in tests}
        found: list[tuple[bool, str, ModuleType]] = []
        for name, module in sys.modules.items():
            file = vars(module).get("__file__")
            path = os.path.realpath(file) if name != "__main__" and file else ""
            if path in files:
                found.append((path not in own, name, module))
        # The project's own first: what tests lead to may be more than is watched.
        for is_test, _, module in sorted(found, key=lambda item: item[:2]):
            self._take(module, module.__name__, not is_test)
        spaces = [vars(owner) for owner, _, _ in self._spaces]
        holders = [container for container, _ in self._holders]
        self._rows = [some for some in holders if type(some) in ROWS]
        self._tables = [*spaces, *(some for some in holders if type(some) in TABLES)]
        self._sizes, self._things = self._look(), list(self._every())

    def restore(self) -> None:
        """Put everything back. Quick where nothing changed."""
        sizes = self._look()
        if sizes == self._sizes and all(map(operator.is_, self._every(), self._things)):
            return
        for owner, saved, is_whole in self._spaces:
            _put_names(owner, saved, is_whole)
        for container, saved in self._holders:
            now = _items(container)
            if len(now) != len(saved) or not all(map(operator.is_, now, saved)):
                _refill(container, saved)
        self._sizes, self._things = self._look(), list(self._every())

    def _look(self) -> list[int]:
        return [*map(len, self._rows), *map(len, self._tables)]

    def _every(self) -> Iterator[Any]:
        """All that the names and containers hold now, always in the same order."""
        values = map(operator.methodcaller("values"), self._tables)
        return chain.from_iterable(chain(self._rows, self._tables, values))

    def _take(self, owner: object, module: str, is_whole: bool) -> None:
        """Of tests only plain names are put back and none is removed: fixtures may set others."""
        if id(owner) in self._met:
            return
        self._met[id(owner)] = owner
        saved: dict[str, Any] = {}
        for name, value in list(vars(owner).items()):
            if not _is_special(name):
                if is_whole or type(value) in PLAIN or type(value) in (*ROWS, *TABLES):
                    saved[name] = value
                self._keep(value, DEEP)
            elif isinstance(value, FunctionType):
                self._keep(value, DEEP)
            if isinstance(value, type) and value.__module__ == module:
                self._take(value, module, is_whole)
        self._spaces.append((owner, saved, is_whole))

    def _keep(self, thing: object, depth: int) -> None:
        """Watch the containers that a value leads to."""
        kind = type(thing)
        value: Any = thing
        if kind in PLAIN or issubclass(kind, (type, ModuleType)):
            return
        if depth == 0 or id(value) in self._met:
            return
        inner: list[Any] = []
        if kind in (*ROWS, *TABLES, tuple):
            inner = _items(value)
            if len(inner) > 2 * MANY or len(inner) > self._left:
                return
            self._left -= len(inner)
            if kind is not tuple:
                self._holders.append((value, inner))
        elif kind in (staticmethod, classmethod, CACHE):
            inner = [value.__wrapped__ if kind is CACHE else value.__func__]
        elif kind is property:
            inner = [value.fget, value.fset, value.fdel]
        elif kind is FunctionType:
            inner = _hidden(value)
        self._met[id(value)] = value
        for some in inner:
            self._keep(some, depth - 1)


def _is_special(name: str) -> bool:
    """Python's own, or that of an enumeration."""
    return name.startswith("_") and name.endswith("_")


def _hidden(function: FunctionType) -> list[Any]:
    """What a function keeps from call to call."""
    found: list[Any] = [function.__defaults__, function.__kwdefaults__]
    if vars(function):
        found.append(vars(function))
    for cell in function.__closure__ or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:
            continue  # an empty cell
    return found


def _items(container: Any) -> list[Any]:
    """What it holds: of a table, keys and then values."""
    return [*container, *container.values()] if type(container) in TABLES else [*container]


def _put_names(owner: object, saved: dict[str, Any], is_whole: bool) -> None:
    """Names get their objects again; with `is_whole`, new ones go. Modules stay: importing one
    again does not set its name in its package."""
    now = dict(vars(owner))
    new = [n for n in now if n not in saved and not _is_special(n)] if is_whole else []
    for name, value in saved.items():
        if name in now and now[name] is value:
            continue
        if isinstance(owner, type):
            type.__setattr__(owner, name, value)
        else:
            vars(owner)[name] = value
    for name in new:
        if isinstance(now[name], ModuleType):
            continue
        if isinstance(owner, type):
            type.__delattr__(owner, name)
        else:
            del vars(owner)[name]


def _refill(container: Any, saved: list[Any]) -> None:
    container.clear()
    if type(container) in TABLES:
        half = len(saved) // 2
        for number in range(half):
            container[saved[number]] = saved[half + number]
    else:
        add = "update" if isinstance(container, set) else "extend"
        operator.methodcaller(add, saved)(container)
