"""The commands: `look` surveys a project, `test` and `report` run its tests, `search` repairs it,
`explain` says why tests fail, `bisect` finds the commit that broke them."""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cases import Plan

BEGAN = "QUIRE_REPAIR_BEGAN"
"""The time of the monotonic clock at which the first of the two processes began."""

USAGE = (
    "usage: search_main.py look | test | search | report | explain | bisect [--option value ...]"
)
ASKED = ("report", "explain", "bisect")


def main(arguments: list[str]) -> int:
    """Run one command in the current directory. One line of the output is a JSON object; what
    comes after it is its short form for people."""
    options = _options(arguments[1:])
    if not arguments or options is None:
        print(USAGE, file=sys.stderr)
        return 2
    root = os.getcwd()
    if arguments[0] == "look":
        from .look import look
        from .named import words_in

        return look(root, sys.executable, words_in(options.get("named", "")))
    if arguments[0] in ("search", "test", *ASKED):
        _fix_hash_seed()
        return _run(arguments[0], root, options)
    print(USAGE, file=sys.stderr)
    return 2


def _run(command: str, root: str, options: dict[str, str]) -> int:
    began = float(os.environ.pop(BEGAN, time.monotonic()))
    from .children import HIDDEN, Emit

    plan = _plan(root, options)
    sys.path[:0] = [p for p in options.get("path", "").split(os.pathsep) if p]
    if root not in sys.path:
        sys.path.insert(0, root)
    sys.dont_write_bytecode = True
    output = os.dup(1)
    HIDDEN.append(output)

    def report(text: str) -> None:
        os.write(output, (text + "\n").encode())

    def on_fault(kind: type[BaseException], fault: BaseException, trace: object) -> None:
        report("".join(traceback.format_exception(kind, fault, fault.__traceback__)))

    # The project's code gets no output; a fault of the search itself must still show.
    sys.excepthook = on_fault

    if plan.framework == "pytest":
        from . import pytest_cases as pytest_cases
    if command in ASKED:
        from .answers import answer_for

        report(json.dumps(answer_for(command, plan, options, report)))
        return 0
    from .account import told
    from .ground import Settings
    from .limits import install_timer, silence
    from .search import search
    from .supervise import supervised
    from .testrun import TEST_SECONDS, run_tests

    install_timer()
    silence()
    asked = float(options.get("max-seconds", "60"))
    seconds = max(asked - (time.monotonic() - began), asked / 2)

    def run_search(emit: Emit) -> dict[str, Any]:
        def note(known: dict[str, Any]) -> None:
            emit([False, known])

        return search(Settings(plan, seconds, report, note))

    def work(emit: Emit) -> None:
        try:
            emit([True, run_tests(plan, report) if command == "test" else run_search(emit)])
        except BaseException:
            report(traceback.format_exc())
            raise

    result = supervised(work, TEST_SECONDS if command == "test" else seconds)
    report(json.dumps(result))
    for line in told(result):
        report(line)
    return 0 if result["status"] in ("repaired", "nothing_fails") else 1


def _plan(root: str, options: dict[str, str]) -> Plan:
    from .cases import Plan
    from .named import words_in

    return Plan(
        root=root,
        framework=options.get("framework", "unittest"),
        start=options.get("start", "."),
        top=options.get("top", "."),
        files=tuple(name for name in options.get("files", "").split(os.pathsep) if name),
        only=tuple(words_in(options.get("only", ""))),
        mend=tuple(words_in(options.get("mend", ""))),
        doctests=options.get("doctests", "no") == "yes",
    )


def _options(arguments: list[str]) -> dict[str, str] | None:
    """`--name value` pairs."""
    found: dict[str, str] = {}
    position = 0
    while position < len(arguments):
        name = arguments[position]
        if not name.startswith("--") or position + 1 >= len(arguments):
            return None
        found[name[2:]] = arguments[position + 1]
        position += 2
    return found


def _fix_hash_seed() -> None:
    """Start this program anew with a fixed order of sets, so that it always finds the same."""
    if os.environ.get("PYTHONHASHSEED") != "0":
        environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
        environment[BEGAN] = str(time.monotonic())
        os.execve(sys.executable, [sys.executable, "-B", *sys.argv], environment)
