"""Run the tests one by one with limits and tell how they ended, the failing ones by cause."""

from __future__ import annotations

import os
import time
from typing import Any, NamedTuple

from . import baseline
from .baseline import Fact
from .cases import Case, Collected, Plan, collect
from .children import Emit, values_of
from .environment import is_foreign, lacks_environment
from .limits import FAIL, PASS, SKIP, TIMEOUT, attempt
from .loading import Broken
from .project import is_test_file, python_files
from .sources import read_source

VERSION = 1
MOST = 20
MOST_NAMES = 8
SLOWEST = 8
LONG = 300
NO_START = "pytest cannot start here"
NOTICEABLE = 0.01
HANG_SECONDS = 8.0
"""How long a test that did not end at first is waited for; less where there are many."""


class Ran(NamedTuple):
    """The outcomes; `hanging` maps the tests that do not end to the seconds that they had."""

    facts: dict[int, Fact]
    hanging: dict[int, float]


def report_tests(plan: Plan, seconds: float, outcomes: str) -> dict[str, Any]:
    """The result as plain values. With `outcomes` also how each single test ended, and with
    `lines` which lines those that fail run."""
    started = time.monotonic()
    result: dict[str, Any] = {"quire_report": VERSION, "framework": plan.framework}

    def then(collected: Collected) -> None:
        found = without_wishes(collected)
        left = seconds - (time.monotonic() - started) - 0.5
        ran = run_all(plan.root, found.cases, left)
        result.update(told(plan.root, found, ran))
        if outcomes:
            result["outcomes"] = _outcomes(plan.root, found, ran)
        if outcomes == "lines":
            _add_lines(plan.root, found.cases, ran, result["outcomes"])

    collect(plan, then)
    result.setdefault("began", False)
    result["seconds"] = round(time.monotonic() - started, 2)
    return result


def without_wishes(found: Collected) -> Collected:
    """Without examples in docstrings that the project's own run leaves out."""
    return Collected([case for case in found.cases if not case.wish], found.broken)


def run_all(root: str, cases: list[Case], seconds: float) -> Ran:
    """All cases, as far as the time allows. What fails the short way is run the whole way."""
    deadline = time.monotonic() + seconds
    order = list(range(len(cases)))
    facts = baseline.run_cases(root, cases, order, seconds * 0.6)
    failing = [i for i in sorted(facts) if facts[i].status == FAIL]
    whole = {i: care for i in failing if (care := cases[i].careful) is not None}
    left = deadline - time.monotonic()
    again = baseline.run_cases(root, list(whole.values()), list(range(len(whole))), left * 0.5)
    for number, index in enumerate(whole):
        if number in again and again[number].status != FAIL:
            facts[index] = again[number]
    return Ran(facts, _settled(root, cases, facts, deadline))


def _settled(
    root: str, cases: list[Case], facts: dict[int, Fact], deadline: float
) -> dict[int, float]:
    """Run what did not end once more, alone and for longer; what still does not is returned."""
    for index, fact in facts.items():
        if fact.error == baseline.ENDED:
            facts[index] = fact._replace(status=FAIL)
    late = [i for i in sorted(facts) if facts[i].status == TIMEOUT]
    hanging = {i: max(facts[i].wall, facts[i].cpu) for i in late}
    for number, index in enumerate(late):
        share = (deadline - time.monotonic()) / (len(late) - number)
        limit = min(HANG_SECONDS if len(late) <= 3 else 2.0, share)
        if limit < 0.5:
            break

        def task(emit: Emit, index: int = index, limit: float = limit) -> None:
            outcome = attempt(cases[index].run, limit, limit)
            emit(baseline.fact_of(root, cases[index], outcome))

        again = next(values_of(task, limit, limit), None)
        if again is not None and again[2] != TIMEOUT:
            facts[index] = Fact(*again)
            del hanging[index]
        else:
            hanging[index] = round(limit, 1)
    return hanging


def told(root: str, found: Collected, ran: Ran) -> dict[str, Any]:
    """What is reported of a run, as plain values."""
    files = {os.path.realpath(os.path.join(root, p)): p for p in python_files(root)}
    foreign = [one for one in found.broken if is_foreign(one, root, files.values())]
    broken = [one for one in found.broken if one not in foreign]
    failing = [f for f in ran.facts.values() if f.status == FAIL]
    lacking = [f for f in failing if lacks_environment(f, root)]
    failing = [f for f in failing if f not in lacking]
    environment = [{"id": plain_name(b.id), "reason": b.message[:LONG]} for b in foreign]
    environment += [{"id": f.id, "reason": f"{f.error}: {f.message}"[:LONG]} for f in lacking]
    ended = [f for f in ran.facts.values() if f.status in (PASS, FAIL) and f.wall >= NOTICEABLE]
    slow = sorted((f for f in ended if f.error != baseline.ENDED), key=lambda f: -f.wall)[:SLOWEST]
    return {
        "began": bool(found.cases or any(one.message != NO_START for one in found.broken)),
        "total": len(found.cases),
        "passed": sum(f.status == PASS for f in ran.facts.values()),
        "skipped": sum(f.status == SKIP for f in ran.facts.values()),
        "failed": len(failing),
        "not_run": len(found.cases) - len(ran.facts),
        "modules": len(broken),
        "causes": causes(root, files, failing, broken),
        "hanging": [
            {"id": ran.facts[i].id, "seconds": round(s, 1)} for i, s in ran.hanging.items()
        ][:MOST],
        "hang": len(ran.hanging),
        "environment": environment[:MOST],
        "lacking": len(environment),
        "slowest": [{"id": f.id, "seconds": round(f.wall, 3)} for f in slow],
    }


def causes(
    root: str, files: dict[str, str], failing: list[Fact], broken: list[Broken]
) -> list[dict[str, Any]]:
    """The failing tests and modules by error and innermost line of the project, the biggest
    groups first. `files` maps real paths to those relative to the project."""
    groups: dict[tuple[str, str, int], list[tuple[str, str]]] = {}
    for fact in failing:
        key = (fact.error, *innermost(fact.frames, files))
        groups.setdefault(key, []).append((fact.id, fact.message))
    for one in broken:
        # What lacks a name says nothing of the name; the test that asks for it does.
        asking = [f for f in one.frames if is_test_file(files.get(os.path.realpath(f[0]), ""))]
        frames = (asking if one.error == "ImportError" else []) or one.frames
        key = (one.error, *innermost(frames, files))
        groups.setdefault(key, []).append((plain_name(one.id), one.message))
    ranked = sorted(groups.items(), key=lambda item: -len(item[1]))
    return [_cause(root, key, tests) for key, tests in ranked[:MOST]]


def plain_name(module: str) -> str:
    """A module that unittest could not load, without unittest's own words."""
    return module.replace("unittest.loader._FailedTest.", "", 1)


def innermost(
    frames: tuple[tuple[str, int], ...] | list[tuple[str, int]], files: dict[str, str]
) -> tuple[str, int]:
    """The last frame that lies in a file of the project; without one an empty path."""
    for path, line in reversed(frames):
        own = files.get(os.path.realpath(path))
        if own is not None:
            return own, line
    return "", 0


def _cause(root: str, key: tuple[str, str, int], tests: list[tuple[str, str]]) -> dict[str, Any]:
    error, path, line = key
    return {
        "error": error,
        "message": tests[0][1].strip()[:LONG],
        "path": path,
        "line": line,
        **code_at(root, path, line),
        "count": len(tests),
        "tests": [name for name, _ in tests[:MOST_NAMES]],
    }


def code_at(root: str, path: str, line: int) -> dict[str, str]:
    """The text of a line and the function around it."""
    source = read_source(root, path) if path else None
    if source is None or not 0 < line <= len(source.lines):
        return {"code": "", "function": ""}
    unit = source.unit_of(line)
    function = unit.qualname if unit is not None else ""
    return {"code": source.lines[line - 1].strip()[:LONG], "function": function}


def _outcomes(root: str, found: Collected, ran: Ran) -> list[dict[str, Any]]:
    """Each test with its status and error; modules that cannot be loaded have `broken`, and what
    lacks its environment `lacking`."""
    files = python_files(root)
    told: list[dict[str, Any]] = []
    for index, fact in ran.facts.items():
        lacks = fact.status == FAIL and lacks_environment(fact, root)
        status = TIMEOUT if index in ran.hanging else "lacking" if lacks else fact.status
        told.append({"id": fact.id, "status": status, "error": fact.error})
    for one in found.broken:
        status = "lacking" if is_foreign(one, root, files) else "broken"
        told.append({"id": one.id, "status": status, "error": one.error})
    return told


def _add_lines(root: str, cases: list[Case], ran: Ran, told: list[dict[str, Any]]) -> None:
    """The lines of the project's code, by path, for the tests that fail."""
    every = [path for path in python_files(root) if not is_test_file(path)]
    files = {os.path.realpath(os.path.join(root, path)): path for path in every}
    failing = {i: f for i, f in ran.facts.items() if f.status in (FAIL, TIMEOUT)}
    covered, _ = baseline.coverage(cases, failing, files, 10.0)
    by_id = {one["id"]: one for one in told}
    for index, lines in covered.items():
        found: dict[str, list[int]] = {}
        for path, line in sorted(lines):
            found.setdefault(path, []).append(line)
        by_id[ran.facts[index].id]["lines"] = found
