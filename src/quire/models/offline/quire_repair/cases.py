"""Test cases of any framework as things that can be run again and again, and their collection."""

from __future__ import annotations

import copy
import importlib
import importlib.util
import inspect
import os
import re
import sys
import unittest
from collections.abc import Callable, Iterator
from types import ModuleType, TracebackType
from typing import Any, ClassVar, NamedTuple, Protocol

from .limits import PASS, SKIP, OutOfTime, attempt
from .loading import Broken, broken_from_error, broken_from_text
from .named import is_chosen
from .project import loaded_with_examples, read_text

RUNS_EXAMPLES = re.compile(r"\btestmod\(|DocTestSuite|DocFileSuite|\btestfile\(")
LOAD_SECONDS = 20.0
"""For one test module: CPU time, and time without using the processor."""


class Case(Protocol):
    """One test. `run` raises whatever makes it fail; it can be called many times. `careful` is
    the same test run in a slower way that leaves nothing out, where there is one. A `wish` need
    not be mended when it fails."""

    id: str
    file: str
    careful: Case | None
    wish: bool

    def run(self) -> None: ...


def function_of(case: Case) -> Any:
    """The test's own function, not bound to anything; None where there is none."""
    item, test = vars(case).get("_item"), vars(case).get("_test")
    function = vars(case).get("_function") or (
        item.obj if item is not None and hasattr(item, "obj") else None
    )
    if function is None and isinstance(test, unittest.TestCase):
        name = test.id().rsplit(".", 1)[-1]
        function = next((vars(k)[name] for k in type(test).__mro__ if name in vars(k)), None)
    return function.__func__ if inspect.ismethod(function) else function


class Collected(NamedTuple):
    cases: list[Case]
    broken: list[Broken]


class Plan(NamedTuple):
    """Which tests to collect and how: `framework` is pytest, unittest or plain; `start` and `top`
    are unittest's discovery folders; `files` are the test files of plain projects. `only` are the
    tests to keep, and `mend` those to mend while all others are kept from breaking, both as the
    framework names them; all without any. `doctests` says that the files hold no tests but the
    examples in their docstrings. One module may take `load_seconds` to load."""

    root: str
    framework: str
    start: str
    top: str
    files: tuple[str, ...]
    only: tuple[str, ...] = ()
    mend: tuple[str, ...] = ()
    doctests: bool = False
    load_seconds: float = LOAD_SECONDS


def collect(plan: Plan, then: Callable[[Collected], None]) -> None:
    """Load the tests and call `then` while they are alive (pytest's end with its session)."""
    if plan.framework == "pytest":
        from .pytest_cases import collect_pytest

        collect_pytest(plan, then)
    elif plan.doctests:
        from .doctest_cases import from_files

        cases, broken = from_files(plan.root, plan.files)
        then(_kept(Collected([*cases], broken), plan.only))
    elif plan.framework == "unittest":
        then(_kept(with_examples(plan.root, _collect_unittest(plan)), plan.only))
    else:
        then(_kept(with_examples(plan.root, _collect_plain(plan)), plan.only))


def with_examples(root: str, found: Collected, wish: bool | None = None) -> Collected:
    """With the examples in docstrings of what the tests loaded. They are wishes where the tests do
    not run them, if nobody knows better."""
    modules = loaded_with_examples(root)
    if not modules:
        return found
    from .doctest_cases import DoctestCase, from_loaded

    known = {case.name for case in found.cases if isinstance(case, DoctestCase)}
    if wish is None:
        files = sorted({case.file for case in found.cases if case.file})
        wish = not any(RUNS_EXAMPLES.search(read_text(root, file)) for file in files)
    examples: list[Case] = [*from_loaded(modules, known, wish)]
    return Collected([*found.cases, *examples], found.broken)


def _kept(found: Collected, only: tuple[str, ...]) -> Collected:
    """Without the tests, and the modules that cannot be loaded, that nobody asked for."""
    cases = [case for case in found.cases if is_chosen(case.id, only)]
    loader = "unittest.loader._FailedTest."
    broken = [
        one
        for one in found.broken
        if is_chosen(one.id, only)
        or any(name.startswith(one.id.replace(loader, "", 1)) for name in only)
    ]
    return Collected(cases, broken)


# --- unittest ------------------------------------------------------------------------------


class _Recorder(unittest.TestResult):
    """Keeps the first failure and formats nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.error: BaseException | None = None

    def addError(self, test: unittest.TestCase, err: object) -> None:
        self._keep(err)

    def addFailure(self, test: unittest.TestCase, err: object) -> None:
        self._keep(err)

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: object) -> None:
        self._keep(err)

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        self.error = self.error or unittest.SkipTest(reason)

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:
        self.error = self.error or AssertionError("unexpected success")

    def _keep(self, err: object) -> None:
        if self.error is None and isinstance(err, tuple) and isinstance(err[1], BaseException):
            self.error = err[1]


class UnittestCase:
    """Class fixtures run around each test where a class has its own; module fixtures run once in
    each process."""

    _modules_ready: ClassVar[set[str]] = set()

    def __init__(self, test: unittest.TestCase, file: str, name: str) -> None:
        self._test = test
        self.id = name
        self.file = file
        self.careful: Case | None = None
        self.wish = False
        default = unittest.TestCase
        own = type(test)
        self._class_fixtures = (
            own.setUpClass.__func__ is not default.setUpClass.__func__
            or own.tearDownClass.__func__ is not default.tearDownClass.__func__
        )

    def run(self) -> None:
        self.set_up_module()
        own = type(self._test)
        if self._class_fixtures:
            own.setUpClass()
        try:
            result = _Recorder()
            copy.copy(self._test).run(result)
            if result.error is not None:
                raise result.error
        finally:
            if self._class_fixtures:
                own.tearDownClass()
                own.doClassCleanups()

    def set_up_module(self) -> None:
        """Once in each process; what it raises is raised only then."""
        name = type(self._test).__module__
        if name in self._modules_ready:
            return
        self._modules_ready.add(name)
        set_up = vars(sys.modules[name]).get("setUpModule") if name in sys.modules else None
        if callable(set_up):
            set_up()


def _flattened(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from _flattened(test)
        else:
            yield test


class _Loader(unittest.TestLoader):
    """Gives up on a module that takes too long to load. unittest makes a failing test of whatever
    is raised here."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds
        self.raised: dict[str, tuple[BaseException, TracebackType | None]] = {}

    def _get_module_from_name(self, name: str) -> ModuleType:
        outcome = attempt(lambda: importlib.import_module(name), self._seconds, self._seconds)
        if outcome.status == PASS:
            return sys.modules[name]
        if outcome.status == SKIP:
            raise unittest.SkipTest(name)
        error = outcome.error or OutOfTime()
        self.raised[name] = (error, outcome.trace)
        raise error


def _collect_unittest(plan: Plan) -> Collected:
    loader = _Loader(plan.load_seconds)
    suite = loader.discover(plan.start, top_level_dir=plan.top)
    found = Collected([], [])
    for test in _flattened(suite):
        raised = loader.raised.get(test.id().split("_FailedTest.", 1)[-1])
        if raised is not None and type(test).__module__ == "unittest.loader":
            found.broken.append(broken_from_error(test.id(), raised[0], plan.root, raised[1]))
        else:
            _add_unittest(test, plan.root, found)
    return found


def _add_unittest(test: unittest.TestCase, root: str, found: Collected) -> None:
    if type(test).__module__ != "unittest.loader":
        module = sys.modules.get(type(test).__module__)
        file = relative(root, (module.__file__ if module else None) or "")
        case: Case | None = None
        if type(test).__module__ == "doctest":
            from .doctest_cases import from_unittest

            case = from_unittest(test, test.id(), root)
        found.cases.append(case or UnittestCase(test, file, test.id()))
        return
    result = _Recorder()
    test.run(result)
    if result.error is not None and not isinstance(result.error, unittest.SkipTest):
        found.broken.append(broken_from_text(test.id(), str(result.error)))


# --- plain functions, for projects whose interpreter has no pytest --------------------------


class FunctionCase:
    """A test function, or a method of a test class (made anew for each run)."""

    def __init__(self, name: str, file: str, function: Callable[[], object]) -> None:
        self.id = name
        self.file = file
        self.careful: Case | None = None
        self.wish = False
        self._function = function

    def run(self) -> None:
        self._function()


def _collect_plain(plan: Plan) -> Collected:
    found = Collected([], [])
    for file in plan.files:
        folder = os.path.join(plan.root, os.path.dirname(file))
        if folder not in sys.path:
            sys.path.insert(0, folder)
        module = _load(file, plan.root, plan.load_seconds, found)
        if module is None:
            continue
        for name, value in list(vars(module).items()):
            if inspect.isclass(value) and issubclass(value, unittest.TestCase):
                tests = unittest.defaultTestLoader.loadTestsFromTestCase(value)
                for test in _flattened(tests):
                    _add_unittest(test, plan.root, found)
            elif name.startswith("test") and inspect.isfunction(value):
                _add_function(f"{file}::{name}", file, value, found)
            elif name.startswith("Test") and inspect.isclass(value):
                _add_methods(f"{file}::{name}", file, value, found)
    return found


def _load(file: str, root: str, seconds: float, found: Collected) -> ModuleType | None:
    name = os.path.basename(file)[:-3]
    spec = importlib.util.spec_from_file_location(name, os.path.join(root, file))
    if spec is None or spec.loader is None:
        return None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    outcome = attempt(lambda: spec.loader and spec.loader.exec_module(module), seconds, seconds)
    if outcome.status == PASS:
        return module
    if outcome.status != SKIP:
        error = outcome.error or OutOfTime()
        found.broken.append(broken_from_error(file, error, root, outcome.trace))
    return None


def _add_function(name: str, file: str, function: Callable[[], object], found: Collected) -> None:
    needed = [
        p.name
        for p in inspect.signature(function).parameters.values()
        if p.default is p.empty and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    ]
    if needed:
        message = f"No module named 'pytest' (fixtures: {', '.join(needed)})"
        found.broken.append(Broken(name, "ModuleNotFoundError", message, []))
    else:
        found.cases.append(FunctionCase(name, file, function))


def _add_methods(name: str, file: str, owner: type, found: Collected) -> None:
    for method in sorted(n for n in dir(owner) if n.startswith("test")):

        def run(method: str = method) -> None:
            instance = owner()
            for step in ("setup_method", method, "teardown_method"):
                bound = getattr(instance, step, None)
                if callable(bound):
                    bound()

        found.cases.append(FunctionCase(f"{name}::{method}", file, run))


# --- shared --------------------------------------------------------------------------------


def relative(root: str, path: str) -> str:
    """A path below `root` with slashes; empty when it lies elsewhere."""
    absolute = os.path.realpath(path) if path else ""
    prefix = os.path.join(os.path.realpath(root), "")
    return absolute[len(prefix) :].replace(os.sep, "/") if absolute.startswith(prefix) else ""
