"""What `report`, `explain` and `bisect` print, as types. It comes from processes that ran the
project's code: it is shown, and never acted on."""

from __future__ import annotations

from msgspec import Struct

from quire.models.offline.findings import Lack, Suspect, last_document


class Cause(Struct, frozen=True, kw_only=True):
    """Tests that fail by one error at one line; `path` is empty when no line is the project's."""

    error: str
    message: str = ""
    path: str = ""
    line: int = 0
    code: str = ""
    function: str = ""
    count: int = 1
    tests: tuple[str, ...] = ()


class Timed(Struct, frozen=True):
    id: str
    seconds: float


class TestReport(Struct, frozen=True, kw_only=True):
    """Of `report`. `modules` cannot be loaded; `not_run` had no time; the framework `began`."""

    quire_report: int
    began: bool = True
    total: int = 0
    passed: int = 0
    skipped: int = 0
    failed: int = 0
    not_run: int = 0
    modules: int = 0
    causes: tuple[Cause, ...] = ()
    hanging: tuple[Timed, ...] = ()
    hang: int = 0
    environment: tuple[Lack, ...] = ()
    lacking: int = 0
    slowest: tuple[Timed, ...] = ()
    seconds: float = 0.0


class SeenCall(Struct, frozen=True):
    """`gives` is what it returned, or raised where `raised`."""

    call: str
    gives: str
    raised: bool = False


class Smallest(Struct, frozen=True, kw_only=True):
    """A small failing input. `how` is shrunk, hypothesis, set or given; `from_` is the input
    that it was shrunk from."""

    input: str
    how: str
    start: str = ""
    tried: int = 0


class Explained(Struct, frozen=True, kw_only=True):
    """One cause. `actual` and `expected` are the sides of the failing comparison, as written in
    the test and as they were; `failing_sets` and `passing_sets` are parameters."""

    cause: Cause
    sides: tuple[str, ...] = ()
    operator: str = ""
    actual: str = ""
    expected: str = ""
    suspects: tuple[Suspect, ...] = ()
    calls: tuple[SeenCall, ...] = ()
    failing_sets: tuple[str, ...] = ()
    passing_sets: tuple[str, ...] = ()
    smallest: Smallest | None = None


class Explanation(Struct, frozen=True, kw_only=True):
    """Of `explain`."""

    quire_explain: int
    report: TestReport
    explained: tuple[Explained, ...] = ()
    seconds: float = 0.0


class Commit(Struct, frozen=True, kw_only=True):
    hash: str
    date: str = ""
    author: str = ""
    subject: str = ""


class Break(Struct, frozen=True, kw_only=True):
    """What was found for some tests. `kind` is first_bad, range, oldest, named_good, working_tree,
    unjudged or no_time; `between` are commits of which one broke them."""

    tests: tuple[str, ...]
    kind: str
    commit: Commit | None = None
    good: Commit | None = None
    between: tuple[Commit, ...] = ()
    files: tuple[str, ...] = ()
    diff: str = ""
    is_merge: bool = False


class Bisection(Struct, frozen=True, kw_only=True):
    """Of `bisect`. `status` is done, nothing_fails, no_git, no_commits, no_temp, unknown_revision
    or no_tests; `skipped` are commits that could not be judged."""

    quire_bisect: int
    status: str
    reason: str = ""
    breaks: tuple[Break, ...] = ()
    skipped: tuple[Commit, ...] = ()
    tried: int = 0
    older: int = 0
    seconds: float = 0.0


def report_in(text: str) -> TestReport | None:
    """The report in a command's output; None when it is missing or damaged."""
    return last_document(text, '{"quire_report":', TestReport)


def explanation_in(text: str) -> Explanation | None:
    """The same of an explanation."""
    return last_document(text, '{"quire_explain":', Explanation)


def bisection_in(text: str) -> Bisection | None:
    """The same of a bisection."""
    return last_document(text, '{"quire_bisect":', Bisection)
