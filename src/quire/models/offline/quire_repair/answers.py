"""The commands that change nothing and search no edits: `report`, `explain`, `bisect`."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from typing import Any

from .cases import Plan
from .children import Emit
from .limits import install_timer, silence
from .named import words_in
from .supervise import LOADING, watched


def answer_for(
    command: str, plan: Plan, options: dict[str, str], report: Callable[[str], None]
) -> dict[str, Any]:
    """The result as plain values. `report` tells how far it is. What loads tests in its own
    process is watched from another; `bisect` lets others load them."""
    install_timer()
    silence()
    folder = _scratch()
    seconds = float(options.get("max-seconds", "60"))
    try:
        if command == "bisect":
            return _answer(command, plan, options, report)

        def work(emit: Emit) -> None:
            emit([True, _answer(command, plan, options, report)])

        final, result, how, took = watched(work, seconds)
        return result if final else _unfinished(command, plan, how, took)
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _unfinished(command: str, plan: Plan, how: str, seconds: float) -> dict[str, Any]:
    """What can be told of tests that end the process, or keep it, while they are loaded."""
    took = round(seconds, 2)
    cause: dict[str, Any] = {"error": how, "path": "", "line": 0, "count": 1, "tests": [LOADING]}
    told: dict[str, Any] = {
        "quire_report": 1,
        "framework": plan.framework,
        "began": True,
        "modules": 1,
    }
    told.update(causes=[cause], seconds=took)
    if command == "report":
        return told
    return {"quire_explain": 1, "report": told, "explained": [], "seconds": took}


def _scratch() -> str | None:
    """A folder for what hypothesis would keep in the project; None where there is no room."""
    try:
        folder = tempfile.mkdtemp(prefix="quire-tests-")
    except OSError:
        return None
    os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = folder
    return folder


def _answer(
    command: str, plan: Plan, options: dict[str, str], report: Callable[[str], None]
) -> dict[str, Any]:
    seconds = float(options.get("max-seconds", "60"))
    if command == "report":
        from .report import report_tests

        return report_tests(plan, seconds, options.get("outcomes", ""))
    if command == "explain":
        from .explain import explain

        return explain(plan, seconds)
    from .bisect import Question, bisect

    passed_on = {
        name: value
        for name, value in options.items()
        if name not in ("only", "max-seconds", "good")
    }
    return bisect(Question(plan, seconds, words_in(options.get("good", "")), passed_on), report)
