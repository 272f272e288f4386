"""The commands that change nothing and search no edits: `report`, `explain`, `bisect`."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from typing import Any

from .cases import Plan
from .limits import install_timer, silence
from .named import words_in


def answer_for(
    command: str, plan: Plan, options: dict[str, str], report: Callable[[str], None]
) -> dict[str, Any]:
    """The result as plain values. `report` tells how far it is."""
    install_timer()
    silence()
    folder = _scratch()
    try:
        return _answer(command, plan, options, report)
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


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
