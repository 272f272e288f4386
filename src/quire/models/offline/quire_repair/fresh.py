"""Try whole changed files in processes that never loaded the project: for code that runs when a
module is imported, and to confirm what was found by swapping code."""

from __future__ import annotations

import importlib.machinery
import marshal
import os
import select
import signal
import struct
import sys
import time
from collections.abc import Callable
from types import CodeType
from typing import Any, NamedTuple

from .cases import Case, Collected, Plan, collect
from .children import in_child, leave_parent, write_all
from .configured import configured
from .evaluate import LATE, LIMITS, RIGHT, STUCK, WRONG, Verdict
from .limits import PASS, SKIP, TIMEOUT, attempt
from .project import is_test_file, python_files

HEAD = struct.Struct("<I")
LOAD_SECONDS = 4.0
OVERTIME = 0.3


class Request(NamedTuple):
    """`files` are (absolute path, text); the cases run in order until one of them fails, and at
    most `allowed` modules may fail to load. `must` holds the ids that have to be there; without any
    ids, all cases run. `generous` is the wall time for the cases where it is not 0; each case may
    then take long. It ends at the time `until` of the monotonic clock in any case."""

    files: tuple[tuple[str, str], ...]
    must: tuple[str, ...]
    then: tuple[str, ...]
    allowed: int
    generous: float
    until: float


class Zygote:
    """A process forked before the project was imported. It forks a child for each request, one
    at a time; keep one for each core."""

    def __init__(self, plan: Plan, older: list[Zygote]) -> None:
        ours, theirs = _pipes()
        self.pid = os.fork()
        if self.pid == 0:
            for descriptor in (*ours, *(d for z in older for d in (z.output, z._input))):
                os.close(descriptor)
            try:
                leave_parent()
                _serve(plan, *theirs)
            finally:
                os._exit(0)
        for descriptor in theirs:
            os.close(descriptor)
        self.output, self._input = ours

    def send(self, request: Request) -> None:
        data = marshal.dumps(tuple(request))
        write_all(self._input, HEAD.pack(len(data)) + data)

    def receive(self) -> Verdict:
        """The answer to the request sent last; waits for it. `fixed` counts the cases that
        passed."""
        value = _read(self.output)
        if not value:
            return Verdict(STUCK, (), 0.0)
        return Verdict(value[0], tuple(value[2:]), value[1])

    def close(self) -> None:
        """Kill it and what it runs. Idempotent."""
        if self.pid:
            for target in (os.killpg, os.kill):
                try:
                    target(self.pid, signal.SIGKILL)
                except (ProcessLookupError, PermissionError):
                    continue
            os.waitpid(self.pid, 0)
            os.close(self.output)
            os.close(self._input)
            self.pid = 0


def ask(zygote: Zygote, request: Request) -> Verdict:
    zygote.send(request)
    return zygote.receive()


def ask_all(zygotes: list[Zygote], requests: list[Request], deadline: float) -> list[Verdict]:
    """Answers in the order of the requests, for as many as the time allows."""
    answers: dict[int, Verdict] = {}
    busy: dict[int, tuple[Zygote, int]] = {}
    free, following = list(zygotes), 0
    while busy or (following < len(requests) and time.monotonic() < deadline):
        while free and following < len(requests) and time.monotonic() < deadline:
            zygote = free.pop()
            request = requests[following]
            zygote.send(request._replace(until=min(request.until, deadline + OVERTIME)))
            busy[zygote.output] = (zygote, following)
            following += 1
        for descriptor in select.select(list(busy), [], [])[0]:
            zygote, number = busy.pop(descriptor)
            answers[number] = zygote.receive()
            free.append(zygote)
    return [answers[number] for number in sorted(answers)]


def _pipes() -> tuple[tuple[int, int], tuple[int, int]]:
    """Two (reading, writing) pairs that talk to each other."""
    a_reading, b_writing = os.pipe()
    b_reading, a_writing = os.pipe()
    return (a_reading, a_writing), (b_reading, b_writing)


def _read(descriptor: int) -> Any:
    """One framed value; None at the end."""
    head = _exactly(descriptor, HEAD.size)
    data = _exactly(descriptor, HEAD.unpack(head)[0]) if head else None
    return marshal.loads(data) if data else None


def _exactly(descriptor: int, size: int) -> bytes | None:
    received = b""
    while len(received) < size:
        data = os.read(descriptor, size - len(received))
        if not data:
            return None
        received += data
    return received


def _serve(plan: Plan, reading: int, writing: int) -> None:
    """The life of a zygote. With pytest it waits where all is ready but nothing is loaded; but a
    conftest that is read at the start may load parts of the project, and then it cannot."""
    first = _read(reading)
    if first is None:
        return
    if plan.framework == "pytest" and (
        not _loads_at_start(plan.root) or in_child(lambda: _starts_clean(plan), LOAD_SECONDS)
    ):
        from .pytest_cases import ready_to_collect

        ready_to_collect(plan, lambda now: _answer(plan, (reading, writing), first, now))
    else:
        _answer(plan, (reading, writing), first, None)


def _loads_at_start(root: str) -> bool:
    """pytest may load code of the project before it looks for tests: through a conftest, or a
    plugin that is named in its settings. Without either there is no need to try."""
    names = (path.rsplit("/", 1)[-1] for path in python_files(root))
    return "conftest.py" in names or configured(root).plugins


def _starts_clean(plan: Plan) -> bool:
    from .pytest_cases import ready_to_collect

    answers: list[bool] = []
    ready_to_collect(plan, lambda _: answers.append(not _has_loaded(plan.root)))
    return answers == [True]


def _answer(
    plan: Plan, pipes: tuple[int, int], value: Any, collect_now: Callable[[], Collected] | None
) -> None:
    while value is not None:
        request = Request(*value)
        total = LOAD_SECONDS + (request.generous or 6.0)
        total = max(min(total, request.until - time.monotonic()), 0.0)
        answer = in_child(lambda request=request: _try_files(plan, request, collect_now), total)
        data = marshal.dumps(answer or [STUCK, 0.0])
        write_all(pipes[1], HEAD.pack(len(data)) + data)
        value = _read(pipes[0])


def _has_loaded(root: str) -> bool:
    prefix = os.path.join(os.path.realpath(root), "")
    files = [vars(module).get("__file__") for module in list(sys.modules.values())]
    own = (os.path.realpath(file) for file in files if isinstance(file, str))
    return any(f.startswith(prefix) and not is_test_file(f[len(prefix) :]) for f in own)


def _try_files(
    plan: Plan, request: Request, collect_now: Callable[[], Collected] | None
) -> list[Any]:
    answer: list[Any] = [WRONG, 0.0]
    plan = plan._replace(load_seconds=min(plan.load_seconds, LOAD_SECONDS))
    overlay(dict(request.files))

    def then(found: Collected) -> None:
        answer[:] = _run(found, request)

    if collect_now is not None:
        attempt(lambda: then(collect_now()), LOAD_SECONDS + 60.0)
    else:
        attempt(lambda: collect(plan, then), LOAD_SECONDS + 60.0)
    return answer


def _run(found: Collected, request: Request) -> list[Any]:
    cases: dict[str, Case] = {case.id: case for case in found.cases}
    if len(found.broken) > request.allowed or not cases.keys() >= set(request.must):
        return [WRONG, 0.0]
    wanted = [cases[name] for name in (*request.must, *request.then) if name in cases]
    if not request.must and not request.then:
        wanted = list(cases.values())
    cpu = 0.0
    for case in wanted:
        outcome = attempt(case.run, LIMITS[3 if request.generous else 2])
        cpu += outcome.cpu
        if outcome.status not in (PASS, SKIP):
            return [LATE if outcome.status == TIMEOUT else WRONG, cpu]
    return [RIGHT, cpu, len(wanted)]


def overlay(files: dict[str, str]) -> None:
    """From now on in this process, importing one of these paths runs the given text."""
    real = {os.path.realpath(path): text for path, text in files.items()}
    loader = importlib.machinery.SourceFileLoader
    original = loader.get_code

    def get_code(self: importlib.machinery.SourceFileLoader, fullname: str) -> CodeType | None:
        text = real.get(os.path.realpath(self.path))
        if text is None:
            return original(self, fullname)
        return compile(text, self.path, "exec", dont_inherit=True)

    loader.get_code = get_code
