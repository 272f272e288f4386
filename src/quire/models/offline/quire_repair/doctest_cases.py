"""Examples in docstrings (doctest) as test cases: one for each docstring."""

from __future__ import annotations

import copy
import doctest
import importlib
import os
import sys
import unittest
from collections.abc import Callable
from types import ModuleType, TracebackType
from typing import Any, NoReturn

from .cases import Case
from .limits import OutOfTime, attempt
from .loading import Broken, broken_from_error

MARK = " (doctest)"
LOAD_SECONDS = 10.0

ExcInfo = tuple[type[BaseException], BaseException, "TracebackType | None"]


class _Runner(doctest.DocTestRunner):
    """Raises at the first example that does not give what it says."""

    def report_failure(
        self, out: Callable[[str], object], test: doctest.DocTest, example: Any, got: str
    ) -> NoReturn:
        assertEqual(got, example.want)
        raise AssertionError(_difference(example, got))

    def report_unexpected_exception(
        self, out: Callable[[str], object], test: doctest.DocTest, example: Any, exc_info: ExcInfo
    ) -> NoReturn:
        raise exc_info[1]


def assertEqual(first: str, second: str) -> None:
    """Named like unittest's: what it compares is read from its frame."""
    if first != second:
        raise AssertionError(f"expected {second.strip()[:200]!r}, got {first.strip()[:200]!r}")


def _difference(example: Any, got: str) -> str:
    return f"expected {example.want.strip()[:200]!r}, got {got.strip()[:200]!r}"


class DoctestCase:
    """The examples of one docstring. Names are looked up anew in each run, so that they find what
    the module holds then. A `wish` is one that nobody runs but who reads it."""

    def __init__(self, test: doctest.DocTest, name: str, file: str, wish: bool) -> None:
        self.id = name
        self.file = file
        self.wish = wish
        self.careful: Case | None = None
        self.name = test.name
        self._test = test
        self._globals: dict[str, Any] = dict(test.globs)
        self._live: dict[str, Any] | None = None
        self._flags = 0
        self._checker: doctest.OutputChecker | None = None

    def of_module(self, module: ModuleType) -> DoctestCase:
        """With the names of a module."""
        self._live = vars(module)
        return self

    def with_options(self, flags: int, checker: doctest.OutputChecker | None) -> DoctestCase:
        """With options that hold for all examples."""
        self._flags, self._checker = flags, checker
        return self

    def run(self) -> None:
        test = copy.copy(self._test)
        test.globs = dict(self._globals if self._live is None else self._live)
        test.globs.setdefault("__name__", "__main__")
        runner = _Runner(self._checker, verbose=False, optionflags=self._flags)
        runner.run(test, out=_unheard, clear_globs=False)


def _unheard(_text: str) -> None:
    return


def from_unittest(test: unittest.TestCase, name: str, root: str) -> DoctestCase | None:
    """Of what `DocTestSuite` makes; None where it has something to set up."""
    held = vars(test)
    inner = held.get("_dt_test")
    if not isinstance(inner, doctest.DocTest) or held.get("_dt_setUp") or held.get("_dt_tearDown"):
        return None
    case = DoctestCase(inner, name, _relative(root, inner.filename or ""), wish=False)
    return case.with_options(held.get("_dt_optionflags", 0), held.get("_dt_checker"))


def from_pytest(item: dict[str, Any], file: str) -> DoctestCase | None:
    """Of pytest's own item for examples, by what it holds; None where that is something else."""
    test, runner = item.get("dtest"), item.get("runner")
    if not isinstance(test, doctest.DocTest) or not isinstance(runner, doctest.DocTestRunner):
        return None
    case = DoctestCase(test, f"{file}::{test.name}{MARK}", file, wish=False)
    held = vars(runner)
    return case.with_options(runner.optionflags, held.get("_checker"))


def from_loaded(
    modules: list[tuple[ModuleType, str]], known: set[str], wish: bool
) -> list[DoctestCase]:
    """Of modules with their paths. `known` are names of examples that are among the tests
    anyway."""
    cases: list[DoctestCase] = []
    for module, path in modules:
        cases += [case for case in _of_module(module, path, wish) if case.name not in known]
        known.update(case.name for case in cases)
    return cases


def from_files(root: str, files: tuple[str, ...]) -> tuple[list[DoctestCase], list[Broken]]:
    """Load these modules and take their examples: for projects without other tests."""
    cases: list[DoctestCase] = []
    broken: list[Broken] = []
    for path in files:
        folder, name = _module_name(root, path)
        if folder not in sys.path:
            sys.path.insert(0, folder)
        outcome = attempt(lambda name=name: importlib.import_module(name), LOAD_SECONDS)
        if outcome.error is not None:
            broken.append(broken_from_error(path, outcome.error, root))
        elif name in sys.modules:
            cases += _of_module(sys.modules[name], path, wish=False)
        else:
            broken.append(broken_from_error(path, OutOfTime(), root, outcome.trace))
    return cases, broken


def _of_module(module: ModuleType, path: str, wish: bool) -> list[DoctestCase]:
    found: list[doctest.DocTest] = []
    outcome = attempt(lambda: found.extend(doctest.DocTestFinder().find(module)), LOAD_SECONDS)
    if outcome.error is not None:
        return []
    prefix = module.__name__ + "."
    cases: list[DoctestCase] = []
    for test in found:
        if test.examples:
            name = test.name[len(prefix) :] if test.name.startswith(prefix) else "module"
            cases.append(DoctestCase(test, f"{path}::{name}{MARK}", path, wish).of_module(module))
    return cases


def _module_name(root: str, path: str) -> tuple[str, str]:
    """The folder to import a file from, and its dotted name there."""
    *folders, name = path[: -len(".py")].split("/")
    names = [] if name == "__init__" else [name]
    while folders and os.path.exists(os.path.join(root, *folders, "__init__.py")):
        names.insert(0, folders.pop())
    return os.path.join(root, *folders), ".".join(names)


def _relative(root: str, path: str) -> str:
    prefix = os.path.join(os.path.realpath(root), "")
    absolute = os.path.realpath(path)
    return absolute[len(prefix) :].replace(os.sep, "/") if absolute.startswith(prefix) else ""
