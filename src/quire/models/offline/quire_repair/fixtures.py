"""Fixtures that need nothing of pytest's: plain functions of the project, called for each run."""

from __future__ import annotations

import contextlib
import inspect
import os
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Generator
from typing import Any, NamedTuple


def _folder() -> Generator[pathlib.Path, None, None]:
    """As pytest's `tmp_path`, where pytest would make it; removed after each run."""
    root = os.environ.get("PYTEST_DEBUG_TEMPROOT") or None
    path = tempfile.mkdtemp(prefix="quire-test-", dir=root)
    yield pathlib.Path(path).resolve()
    shutil.rmtree(path, ignore_errors=True)


def _patches() -> Generator[Any, None, None]:
    """pytest's own `monkeypatch`."""
    import pytest

    patch = pytest.MonkeyPatch()
    yield patch
    patch.undo()


BUILTIN: dict[str, Callable[..., Any]] = {"tmp_path": _folder, "monkeypatch": _patches}
"""Fixtures of pytest's that are as good without it."""


class Fixture(NamedTuple):
    """`needs` are the values that it is called with; one that yields is ended after the test."""

    name: str
    function: Callable[..., Any]
    needs: tuple[str, ...]


def plain_fixtures(
    names: list[str], definitions: dict[str, Any], given: set[str]
) -> list[Fixture] | None:
    """The fixtures of these names in an order in which each finds what it needs. `definitions` are
    pytest's (`FuncFixtureInfo.name2fixturedefs`), `given` what is there already. None when one of
    them is more than a plain function: parametrized, made once for several tests, a method, one
    that overrides another, or one that needs pytest."""
    found: dict[str, Fixture] = {}
    for name in names:
        if not _add(name, definitions, given, found, ()):
            return None
    return list(found.values())


def _add(
    name: str,
    definitions: dict[str, Any],
    given: set[str],
    found: dict[str, Fixture],
    above: tuple[str, ...],
) -> bool:
    if name in given or name in found:
        return True
    if name in BUILTIN:
        found[name] = Fixture(name, BUILTIN[name], ())
        return True
    known = definitions.get(name)
    if name in above or not known or len(known) != 1:
        return False
    definition = known[0]
    function, needs = definition.func, tuple(definition.argnames)
    if definition.params or definition.scope != "function" or not inspect.isfunction(function):
        return False
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        return False
    if set(inspect.signature(function).parameters) != set(needs):
        return False
    if not all(_add(need, definitions, given, found, (*above, name)) for need in needs):
        return False
    found[name] = Fixture(name, function, needs)
    return True


@contextlib.contextmanager
def made(fixtures: list[Fixture], values: dict[str, Any]) -> Generator[dict[str, Any], None, None]:
    """The values and those of the fixtures. Raises what a fixture raises."""
    values = dict(values)
    with contextlib.ExitStack() as stack:
        for fixture in fixtures:
            result: Any = fixture.function(**{need: values[need] for need in fixture.needs})
            if inspect.isgeneratorfunction(fixture.function):
                stack.callback(next, result, None)
                result = next(result)
            values[fixture.name] = result
        yield values
