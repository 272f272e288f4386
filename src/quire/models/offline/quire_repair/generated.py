"""Property tests: fewer examples, the same each time, while thousands of candidates are tried."""

from __future__ import annotations

import importlib
import importlib.util
import os
import tempfile
from typing import Any

from .limits import attempt
from .project import holds_tests, python_files, read_text

EXAMPLES = 20
MOST_READ = 400
PROFILE = "quire-search"


def calm(root: str) -> None:
    """Once, before tests are loaded: what Hypothesis does by default where a test says nothing else
    (its settings, `max_examples`, `derandomize`). The project's own run has all its examples."""
    if importlib.util.find_spec("hypothesis") is not None and _is_used(root):
        attempt(_load_profile, 5.0)


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
    settings.register_profile(
        PROFILE,
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    settings.load_profile(PROFILE)
