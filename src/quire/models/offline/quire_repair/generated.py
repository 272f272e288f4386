"""Property tests: fewer examples, the same each time, while thousands of candidates are tried."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
import tempfile
from typing import Any

from .cases import Case, function_of
from .limits import PASS, attempt
from .project import holds_tests, python_files, read_text

EXAMPLES, MANY = 20, 200
"""Of each test, for candidates; at most, to see which tests fail."""

MOST_READ = 400
PROFILE = "quire-search"
CALM: dict[str, Any] = {"derandomize": True, "database": None, "deadline": None}
CHECKS = "suppress_health_check"
SETTINGS = "_hypothesis_internal_use_settings"
"""Where a test of Hypothesis 6 keeps its settings. A version that keeps them elsewhere runs as its
project says."""


def calm(root: str) -> None:
    """Once, before tests are loaded: what Hypothesis does by default where a test says nothing else
    (its settings, `derandomize`). The project's own run does as it says."""
    if importlib.util.find_spec("hypothesis") is not None and _is_used(root):
        attempt(_load_profile, 5.0)


def calm_each(cases: list[Case], most: int = MANY) -> None:
    """Once they are loaded: those whose project says what Hypothesis does, in its own profile or at
    the test, the same way; and a failing one stops at the first example that fails."""
    hypothesis: Any = sys.modules.get("hypothesis")
    functions = [function_of(case) for case in cases] if hypothesis is not None else []
    for function in dict.fromkeys(functions):
        attempt(lambda function=function: _calm(function, hypothesis, most), 1.0)


def fewer(cases: list[Case], failing: list[Case]) -> None:
    """`EXAMPLES` for each from now on, but for those that fail only with more."""
    wanted = [case for case in failing if _settings(function_of(case)) is not None]
    before = {id(case): _settings(function_of(case)) for case in wanted}
    calm_each(cases, EXAMPLES)
    for case in wanted:
        if attempt(case.run, 1.0).status == PASS:
            setattr(function_of(case), SETTINGS, before[id(case)])


def _settings(function: Any) -> Any:
    return vars(function).get(SETTINGS) if inspect.isfunction(function) else None


def _calm(function: Any, hypothesis: Any, most: int) -> None:
    own = _settings(function)
    if own is not None:
        phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
        calm = {**CALM, CHECKS: list(hypothesis.HealthCheck), "phases": phases}
        examples = min(own.max_examples, most)
        setattr(function, SETTINGS, hypothesis.settings(own, max_examples=examples, **calm))


def _is_used(root: str) -> bool:
    tests = [path for path in python_files(root) if holds_tests(path)][:MOST_READ]
    return any("hypothesis" in read_text(root, path) for path in tests)


def _load_profile() -> None:
    # What it keeps for itself stays out of the project.
    os.environ.setdefault(
        "HYPOTHESIS_STORAGE_DIRECTORY", os.path.join(tempfile.gettempdir(), "quire-hypothesis")
    )
    hypothesis: Any = importlib.import_module("hypothesis")
    settings = hypothesis.settings
    settings.register_profile(PROFILE, **{**CALM, CHECKS: list(hypothesis.HealthCheck)})
    settings.load_profile(PROFILE)
