"""Find the commit since which tests fail: they are run, as they are today, in copies of older
commits."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from .cases import Plan
from .history import Commit, History, overlay_tests
from .limits import FAIL, PASS, TIMEOUT
from .report import plain_name

VERSION = 1
MOST_TESTS = 40
MOST_BETWEEN = 20
MOST_PROBES = 24
LONGEST_DIFF = 40
ONE_RUN = 60.0
BAD, GOOD, UNKNOWN = "bad", "good", "unknown"


class Question(NamedTuple):
    """`good` is empty or names the revision or time when all was well; `options` are those of the
    plan, for the runs in copies."""

    plan: Plan
    seconds: float
    good: list[str]
    options: dict[str, str]


class Verdict(NamedTuple):
    """For one test; places are those of commits in the line, -1 where there is none."""

    kind: str
    bad: int
    good: int


class _OutOfTime(Exception):
    """No other commit can be run."""


def bisect(question: Question, report: Callable[[str], None]) -> dict[str, Any]:
    """The result as plain values."""
    started = time.monotonic()
    result: dict[str, Any] = {"quire_bisect": VERSION, "status": "done"}
    signal.signal(signal.SIGTERM, _leave)
    try:
        folder = tempfile.mkdtemp(prefix="quire-bisect-")
    except OSError:
        return {**result, "status": "no_temp"}
    try:
        _Bisecting(question, folder, report, result).run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    result["seconds"] = round(time.monotonic() - started, 2)
    return result


def _leave(_number: int, _frame: object) -> None:
    """The folder is removed on the way out."""
    raise SystemExit(1)


class _Bisecting:
    """One attempt; what it finds goes into the result."""

    def __init__(
        self,
        question: Question,
        folder: str,
        report: Callable[[str], None],
        result: dict[str, Any],
    ) -> None:
        self._question = question
        self._root = question.plan.root
        self._folder = folder
        self._report = report
        self._result = result
        self._started = time.monotonic()
        self._deadline = self._started + question.seconds
        self._history = History(self._root)
        self._commits = self._history.commits
        self._today: dict[str, dict[str, str]] = {}
        self._judged: dict[int, dict[str, str]] = {}

    def run(self) -> None:
        named: int | None = None
        if not self._history.exists or not self._commits:
            self._result["status"] = "no_commits" if self._history.exists else "no_git"
            return
        for word in self._question.good[:1]:
            named = self._history.find(word)
            if named is None and not word.isalpha():
                self._result.update(status="unknown_revision", reason=word)
                return
        outcomes = self._run_in(self._root, list(self._question.plan.only))
        failing = [o for o in outcomes or [] if o["status"] in (FAIL, TIMEOUT, "broken")]
        if not failing:
            self._result["status"] = "nothing_fails" if outcomes else "no_tests"
            return
        self._today = {_selector(o): o for o in failing[:MOST_TESTS]}
        found: dict[Verdict, list[str]] = {}
        for test in self._today:
            found.setdefault(self._search(test, named), []).append(test)
        self._result["breaks"] = [self._told(v, tests) for v, tests in found.items()]
        unknown = [i for i, some in self._judged.items() if UNKNOWN in some.values()]
        self._result["skipped"] = [self._commit(i) for i in sorted(unknown)[:MOST_BETWEEN]]
        self._result["tried"] = len(self._judged)

    # --- the search ------------------------------------------------------------------------

    def _search(self, test: str, named: int | None) -> Verdict:
        """For one test; runs of a commit are shared by all tests."""
        bad = -1
        try:
            state = self._state(0, test)
            if state != BAD:
                return Verdict("working_tree" if state == GOOD else "unjudged", -1, -1)
            bad, good = self._good_end(test, named)
            if good < 0:
                end = "oldest" if named is None else "named_good"
                return Verdict("unjudged" if good == -2 else end, bad, -1)
            while good - bad > 1:
                between = self._judgeable(test, bad, good)
                if between is None:
                    return Verdict("range", bad, good)
                if self._state(between, test) == BAD:
                    bad = between
                else:
                    good = between
            return Verdict("first_bad", bad, good)
        except _OutOfTime:
            known = [i for i, some in self._judged.items() if some.get(test) == BAD]
            return Verdict("no_time", max([bad, *known]), -1)

    def _good_end(self, test: str, named: int | None) -> tuple[int, int]:
        """The oldest place known to be bad, and a good one behind it: -1 when the oldest commit
        looked at is bad, -2 when none could be judged."""
        bad, last = 0, len(self._commits) - 1
        if named is not None:
            state = self._state(named, test)
            if state != UNKNOWN:
                return (named, -1) if state == BAD else (bad, named)
            return self._among_unknown(test, bad, [named])
        step, unknown = 1, list[int]()
        while step <= last:
            state = self._state(step, test)
            if state == GOOD:
                return bad, step
            if state == BAD:
                bad = step
            else:
                unknown.append(step)
            if step == last:
                break
            step = min(step * 2, last)
        unknown = [place for place in unknown if place > bad]
        return self._among_unknown(test, bad, unknown) if unknown else (bad, -1)

    def _among_unknown(self, test: str, bad: int, unknown: list[int]) -> tuple[int, int]:
        """A good place in the gaps between places that cannot be judged, the wide ones first."""
        gaps = [([bad, *unknown][n], high) for n, high in enumerate(unknown)]
        probes = 0
        while gaps and probes < MOST_PROBES:
            low, high = gaps.pop(0)
            middle = (low + high) // 2
            if high - low <= 1 or high <= bad:
                continue
            probes += 1
            state = self._state(middle, test)
            if state == GOOD:
                below = [i for i in self._judged if i < middle and self._state(i, test) == BAD]
                return max(below), middle
            if state == BAD:
                bad = max(bad, middle)
            gaps += [(low, middle), (middle, high)]
        return bad, -2

    def _judgeable(self, test: str, bad: int, good: int) -> int | None:
        """The place nearest to the middle that can be judged."""
        middle = (bad + good) // 2
        for place in sorted(range(bad + 1, good), key=lambda p: (abs(p - middle), p)):
            if self._state(place, test) != UNKNOWN:
                return place
        return None

    # --- runs ------------------------------------------------------------------------------

    def _state(self, place: int, test: str) -> str:
        if place not in self._judged:
            self._judged[place] = self._judge(place)
            seconds = time.monotonic() - self._started
            self._report(f"  {seconds:.1f} s: {len(self._judged)} commits tried")
        return self._judged[place].get(test, UNKNOWN)

    def _judge(self, place: int) -> dict[str, str]:
        if self._deadline - time.monotonic() < 1.0:
            raise _OutOfTime
        copy = self._copy(place)
        outcomes = self._run_in(copy, list(self._today)) if copy else None
        if outcomes is None and self._deadline - time.monotonic() < 1.0:
            raise _OutOfTime
        if copy:
            shutil.rmtree(copy, ignore_errors=True)
        return {test: _state_of(test, today, outcomes or []) for test, today in self._today.items()}

    def _copy(self, place: int) -> str | None:
        """A folder with that commit and the tests of today."""
        copy = os.path.join(self._folder, str(place))
        os.makedirs(copy, exist_ok=True)
        if not self._history.export(self._commits[place], copy):
            return None
        overlay_tests(self._root, copy)
        return copy

    def _run_in(
        self, folder: str, only: list[str], lines: bool = False
    ) -> list[dict[str, Any]] | None:
        """How the tests end there, in a process of their own; None when it tells nothing."""
        seconds = min(ONE_RUN, self._deadline - time.monotonic())
        words = [sys.executable, "-B", os.path.abspath(sys.argv[0]), "report"]
        words += [w for n, value in self._question.options.items() for w in (f"--{n}", value)]
        words += ["--only", json.dumps(only)] if only else []
        words += ["--outcomes", "lines" if lines else "1"]
        words += ["--max-seconds", f"{max(seconds - 0.5, 1.0):.1f}"]
        environment = {**os.environ, "PWD": folder, "PYTHONPATH": ""}
        process = subprocess.Popen(
            words,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            text = process.communicate(timeout=max(seconds + 1, 2.0))[0].decode("utf-8", "replace")
        except subprocess.TimeoutExpired:
            return None
        finally:
            _end(process)
        return _outcomes_in(text)

    # --- telling ---------------------------------------------------------------------------

    def _commit(self, place: int) -> dict[str, str]:
        commit: Commit = self._history.commit(self._commits[place])
        return commit._asdict()

    def _told(self, verdict: Verdict, tests: list[str]) -> dict[str, Any]:
        kind, bad, good = verdict
        told: dict[str, Any] = {"tests": tests, "kind": kind}
        if bad >= 0:
            told["commit"] = self._commit(bad)
        if kind == "range":
            told["between"] = [self._commit(i) for i in range(bad, min(good, bad + MOST_BETWEEN))]
        if kind == "first_bad":
            told["good"] = self._commit(good)
            diff = self._history.diff(self._commits[bad], self._lines(bad, tests), LONGEST_DIFF)
            told.update(files=diff.files[:MOST_BETWEEN], diff=diff.text, is_merge=diff.is_merge)
        return told

    def _lines(self, place: int, tests: list[str]) -> dict[str, set[int]]:
        """The lines that the tests run at that commit."""
        copy = self._copy(place) if self._deadline - time.monotonic() > 2.0 else None
        found: dict[str, set[int]] = {}
        for outcome in (self._run_in(copy, tests, lines=True) if copy else None) or []:
            for path, numbers in outcome.get("lines", {}).items():
                found.setdefault(path, set()).update(numbers)
        return found


def _end(process: subprocess.Popen[bytes]) -> None:
    """With all that it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        process.kill()
    process.wait()


def _outcomes_in(text: str) -> list[dict[str, Any]] | None:
    """The outcomes of a report, each with texts as `id`, `status` and `error`."""
    lines = [line for line in text.split("\n") if line.startswith('{"quire_report":')]
    try:
        outcomes = json.loads(lines[-1])["outcomes"] if lines else None
    except (ValueError, KeyError, TypeError):
        return None
    if outcomes is None:
        return None
    names = ("id", "status", "error")
    return [o for o in outcomes if all(isinstance(o.get(name), str) for name in names)]


def _selector(outcome: dict[str, Any]) -> str:
    """By which name the test, or the module that cannot be loaded, is asked for."""
    return plain_name(str(outcome["id"]))


def _state_of(test: str, today: dict[str, Any], outcomes: list[dict[str, Any]]) -> str:
    """Bad is what fails as it does today; what fails otherwise says nothing."""
    own = [o for o in outcomes if _selector(o) == test]
    if today["status"] == "broken":
        inside = [o for o in outcomes if _selector(o).startswith((f"{test}::", f"{test}."))]
        loads = bool(inside) and not own
        return GOOD if loads else BAD if own and own[0]["error"] == today["error"] else UNKNOWN
    if not own:
        return UNKNOWN
    if own[0]["status"] == PASS:
        return GOOD
    same = (own[0]["status"], own[0]["error"]) == (today["status"], today["error"])
    return BAD if same else UNKNOWN
