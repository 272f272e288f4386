"""Collect a project's tests with its own pytest, inside this process, and keep them alive."""

from __future__ import annotations

import copy
import importlib.util
import inspect
import unittest
from collections.abc import Callable, Generator
from typing import Any

import pytest

from .cases import Case, Collected, Plan, UnittestCase, relative, with_examples
from .fixtures import BUILTIN, Fixture, made, plain_fixtures
from .limits import PASS, SKIP, OutOfTime, attempt
from .loading import Broken, broken_from_error, broken_from_text

QUIET = [
    "-q",
    "--assert=plain",
    "--capture=no",
    "--continue-on-collection-errors",
    *("-p", "no:cacheprovider"),
    *("-p", "no:faulthandler"),
    *("-p", "no:randomly"),
]
USAGE_ERROR = 4
NO_START = "pytest cannot start here"
SIMPLE = (int, float, bool, str, bytes, type(None))


class DirectCase:
    """A test with none but plain fixtures of the project: its function is called with fresh copies
    of its parameters. Fixtures that plugins add to every test are left out (`careful` has them)."""

    def __init__(
        self,
        item: pytest.Function,
        values: dict[str, Any],
        fixtures: list[Fixture],
        careful: ProtocolCase,
    ) -> None:
        self.id = careful.id
        self.file = careful.file
        self.careful: Case | None = careful
        self.wish = False
        self._function = _function_of(item)
        self._owner = item.cls
        self._values = values
        self._plain = _are_simple(values)
        self._fixtures = fixtures
        self._accepted = _accepted(item)

    def run(self) -> None:
        values = self._values if self._plain else copy.deepcopy(self._values)
        if not self._fixtures:
            self._call(values)
            return
        with made(self._fixtures, values) as all_values:
            self._call({name: all_values[name] for name in self._accepted})

    def _call(self, values: dict[str, Any]) -> None:
        if self._owner is None:
            self._function(**values)
        else:
            self._function(self._owner(), **values)


class ProtocolCase:
    """A test that needs fixtures, marks or plugins: pytest's whole protocol for one item."""

    def __init__(self, item: pytest.Item, file: str, watcher: _Watcher) -> None:
        self.id = item.nodeid
        self.file = file
        self.careful: Case | None = None
        self.wish = False
        self._item = item
        self._watcher = watcher
        self._values = _parameters(item)
        self._saved = None if _are_simple(self._values) else _copied(self._values)

    def run(self) -> None:
        if self._saved is not None:
            self._values.update(copy.deepcopy(self._saved))
        self._watcher.error = None
        self._item.ihook.pytest_runtest_protocol(item=self._item, nextitem=None)
        if self._watcher.error is not None:
            raise self._watcher.error


def _parameters(item: pytest.Item) -> dict[str, Any]:
    """The live values of a parametrized test; `callspec` exists on these only."""
    callspec = vars(item).get("callspec")
    return callspec.params if callspec is not None else {}


def _are_simple(values: dict[str, Any]) -> bool:
    return all(isinstance(value, SIMPLE) for value in values.values())


def _copied(values: dict[str, Any]) -> dict[str, Any] | None:
    """A deep copy, or None of what cannot be copied."""
    copies: list[dict[str, Any]] = []
    attempt(lambda: copies.append(copy.deepcopy(values)), 1.0)
    return copies[0] if copies else None


class _Watcher:
    """The plugin: takes over when collection is done, and keeps what each test raised."""

    def __init__(
        self,
        plan: Plan,
        then: Callable[[Collected], None],
        before: Callable[[Callable[[], Collected]], None] | None = None,
    ) -> None:
        self._root = plan.root
        self._seconds = plan.load_seconds
        self._only = plan.only
        self._then = then
        self._before = before
        self.broken: list[Broken] = []
        self.error: BaseException | None = None
        self.called = False

    @pytest.hookimpl(hookwrapper=True)
    def pytest_load_initial_conftests(self) -> Generator[None, Any, None]:
        outcome = yield
        if outcome.excinfo is not None:
            error: BaseException = outcome.excinfo[1]
            cause: object = vars(error).get("cause")
            error = cause if isinstance(cause, BaseException) else error
            self.broken.append(broken_from_error("conftest.py", error, self._root))

    @pytest.hookimpl(tryfirst=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> object:
        """Load a test module here, with a limit; what can be loaded is pytest's from there on."""
        if not isinstance(collector, pytest.Module):
            return None
        outcome = attempt(lambda: collector.obj, self._seconds, self._seconds)
        if outcome.status in (PASS, SKIP):
            return None
        error = outcome.error or OutOfTime()
        broken = broken_from_error(collector.nodeid, error, self._root, outcome.trace)
        self.broken.append(broken)
        return pytest.CollectReport(collector.nodeid, "failed", broken.message, [])

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed and all(one.id != report.nodeid for one in self.broken):
            self.broken.append(broken_from_text(report.nodeid, report.longreprtext))

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> bool | None:
        if self._before is None:
            return None
        self.called = True
        self._before(lambda: self._collected(session))
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if self._before is None:
            self.called = True
            self._then(self._found(session))
        return True

    def _collected(self, session: pytest.Session) -> Collected:
        session.perform_collect()
        return self._found(session)

    def _found(self, session: pytest.Session) -> Collected:
        terminal = session.config.pluginmanager.get_plugin("terminalreporter")
        if terminal is not None:
            session.config.pluginmanager.unregister(terminal)
        expected = [item for item in session.items if item.get_closest_marker("xfail") is None]
        found = Collected([self.case(item) for item in expected], self.broken)
        try:
            runs_them = bool(session.config.getoption("doctestmodules"))
        except ValueError:
            runs_them = False
        if self._only:
            return found
        return with_examples(self._root, found, wish=False if runs_them else None)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> pytest.TestReport:
        """Only what `ProtocolCase.run` and pytest's own steps need: no traceback is printed."""
        raised = call.excinfo.value if call.excinfo is not None else None
        if raised is not None and self.error is None:
            self.error = raised
        return pytest.TestReport(
            nodeid=item.nodeid,
            location=item.location,
            keywords={},
            outcome="passed" if raised is None else "failed",
            longrepr=None,
            when="call" if call.when == "collect" else call.when,
        )

    @pytest.hookimpl(tryfirst=True, optionalhook=True)
    def pytest_timeout_set_timer(self) -> bool:
        """pytest-timeout would take the signals that time a test here, and with its own method
        end the process."""
        return True

    @pytest.hookimpl(tryfirst=True, optionalhook=True)
    def pytest_timeout_cancel_timer(self) -> bool:
        """There is none; see above."""
        return True

    def case(self, item: pytest.Item) -> Case:
        file = relative(self._root, str(item.path))
        whole = ProtocolCase(item, file, self)
        if isinstance(item, pytest.Function):
            values = self._direct_values(item)
            if values is not None:
                return DirectCase(item, *values, whole)
            owner = item.cls
            if owner is not None and issubclass(owner, unittest.TestCase) and _is_bare(item):
                return UnittestCase(owner(item.name), file, item.nodeid)
        if type(item).__name__ == "DoctestItem":
            from .doctest_cases import from_pytest

            return from_pytest(vars(item), file) or whole
        return whole

    def _direct_values(self, item: pytest.Function) -> tuple[dict[str, Any], list[Fixture]] | None:
        """The parameters and plain fixtures of a test that needs nothing else, or None."""
        marks = {mark.name for mark in item.iter_markers()} - {"parametrize"}
        indirect = any("indirect" in m.kwargs for m in item.iter_markers("parametrize"))
        if marks or indirect or type(item) is not pytest.Function:
            return None
        function = _function_of(item)
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            return None
        values = _parameters(item)
        if values and _copied(values) is None:
            return None
        names = [name for name in item.fixturenames if name not in {*values, "request"}]
        own = [name for name in names if name in BUILTIN or self._is_own(item, name)]
        info = vars(item).get("_fixtureinfo")
        definitions: Any = info.name2fixturedefs if info is not None else {}
        fixtures = plain_fixtures(own, definitions, set(values))
        if fixtures is None:
            return None
        known = {*values, *(fixture.name for fixture in fixtures)}
        return (values, fixtures) if set(_accepted(item)) <= known else None

    def _is_own(self, item: pytest.Function, fixture: str) -> bool:
        """The project defines the fixture, or nobody knows who does."""
        info = vars(item).get("_fixtureinfo")
        definitions: Any = info.name2fixturedefs.get(fixture) if info is not None else None
        if not definitions:
            return True
        code = definitions[-1].func.__code__
        xunit = fixture.startswith(("_xunit", "xunit"))
        return xunit or bool(relative(self._root, code.co_filename))


def _is_bare(item: pytest.Function) -> bool:
    """A unittest test that uses nothing of pytest's."""
    marked = any(True for _ in item.iter_markers())
    return not marked and all("unittest_set" in name for name in item.fixturenames)


def _accepted(item: pytest.Function) -> list[str]:
    """The names of the values that a test is called with."""
    return [n for n in inspect.signature(_function_of(item)).parameters if n != "self"]


def _function_of(item: pytest.Function) -> Callable[..., object]:
    """The test's own function, unbound where it is a method."""
    test = item.obj
    return test.__func__ if inspect.ismethod(test) else test


def collect_pytest(plan: Plan, then: Callable[[Collected], None]) -> None:
    """Collect with the project's options; without them where they cannot work here."""
    broken: list[Broken] = []
    for arguments in ([*QUIET, *_tamed_plugins()], [*QUIET, "-o", "addopts="]):
        watcher = _Watcher(plan, then)
        status = pytest.main([*arguments, *(plan.only or [plan.root])], plugins=[watcher])
        if watcher.called:
            return
        broken = watcher.broken
        if status != USAGE_ERROR:
            break
    then(Collected([], broken or [Broken("pytest", "UsageError", NO_START, [])]))


def ready_to_collect(plan: Plan, then: Callable[[Callable[[], Collected]], None]) -> bool:
    """Start pytest as far as it goes without loading tests, and call `then` there, with what
    collects them. False when it cannot be started."""
    watcher = _Watcher(plan, _ignore, then)
    pytest.main([*QUIET, *_tamed_plugins(), *(plan.only or [plan.root])], plugins=[watcher])
    return watcher.called


def _ignore(_collected: Collected) -> None:
    return


def _tamed_plugins() -> list[str]:
    """Options that keep installed plugins from doing what only a whole run should do."""
    options: list[str] = []
    if importlib.util.find_spec("xdist") is not None:
        options += ["-n0"]
    if importlib.util.find_spec("pytest_cov") is not None:
        options += ["--no-cov"]
    return options
