"""The workloads: what the scripted model says, and what must have happened after a run."""

from __future__ import annotations

import itertools
import os
import time

import msgspec
from msgspec import Struct

from benchmarks.app_server import FOLDERS, serve
from benchmarks.processes import Command, Cost, Watch, run
from benchmarks.subjects import BenchError, Place, Subject
from quire.testing.responses_http import Received
from quire.testing.responses_server import ResponsesServerProcess

_LIMIT = 300.0
_LOG_DELAY = 0.02
"""The server may write its last line a moment after the client has ended."""
_LINE = "All work and no play makes a dull agent. "
_SEED_LANE = "-w9"

Script = dict[str, object]


class Workload(Struct, frozen=True, kw_only=True):
    """One workload. `reps` and `quick_reps` count timed runs of the full and the quick benchmark,
    `memory_reps` runs that are only watched for memory. `calls` is how many tool calls the model
    makes, `answer` its last text; `writes` tells that the work folder gets an `out.txt`. `seed`
    is a script that is played once before, as the session that is then resumed."""

    name: str
    what: str
    turns: tuple[object, ...] = ()
    kind: str = "exec"
    reps: int
    quick_reps: int = 0
    memory_reps: int = 0
    warm_up: bool = True
    parallel: int = 1
    calls: int = 0
    answer: str = ""
    writes: bool = False
    seed: tuple[object, ...] = ()

    @property
    def script(self) -> Script:
        return {"turns": self.turns, "by_history": True}


_ONE_CALL = ({"sh": "echo hello > out.txt"}, {"text": "Done: wrote out.txt."})
_ONE_TEXT = ({"text": "Done: nothing to do."},)

WORKLOADS = (
    Workload(name="W0", what="`--version`", kind="version", reps=15, quick_reps=7),
    Workload(
        name="W1",
        what="one text answer",
        turns=_ONE_TEXT,
        reps=11,
        quick_reps=5,
        answer="Done: nothing to do.",
    ),
    Workload(
        name="W2",
        what="one command that writes a file, then a text",
        turns=_ONE_CALL,
        reps=11,
        quick_reps=5,
        memory_reps=3,
        calls=1,
        answer="Done: wrote out.txt.",
        writes=True,
    ),
    Workload(
        name="W3",
        what="50 trivial commands",
        turns=({"sh": "echo {i}", "times": 50}, {"text": "Done: fifty calls."}),
        reps=3,
        quick_reps=1,
        calls=50,
        answer="Done: fifty calls.",
    ),
    Workload(
        name="W4",
        what="one answer of 410 KB in 11,390 deltas",
        turns=({"text": _LINE, "repeat": 10_000, "chunk": 36},),
        reps=7,
        quick_reps=3,
        answer=_LINE * 10_000,
    ),
    Workload(
        name="W5",
        what="one command that prints 50 MB",
        turns=(
            {"sh": "yes 'fifty megabytes of tool output, one line at a time' | head -c 50000000"},
            {"text": "Done: a lot of output."},
        ),
        reps=5,
        quick_reps=3,
        memory_reps=3,
        calls=1,
        answer="Done: a lot of output.",
    ),
    Workload(
        name="W6",
        what="300 commands of 4 KB output",
        turns=({"sh": "printf %04096d {i}", "times": 300}, {"text": "Done: three hundred calls."}),
        reps=2,
        warm_up=False,
        calls=300,
        answer="Done: three hundred calls.",
    ),
    Workload(
        name="W7x32",
        what="32 times W2 at once",
        turns=_ONE_CALL,
        reps=3,
        quick_reps=1,
        memory_reps=2,
        warm_up=False,
        parallel=32,
        calls=1,
        answer="Done: wrote out.txt.",
        writes=True,
    ),
    Workload(
        name="W8x50",
        what="app-server: W2 in 50 threads of one process at once",
        turns=_ONE_CALL,
        kind="app-server",
        reps=5,
        quick_reps=2,
        parallel=50,
        calls=1,
        writes=True,
    ),
    Workload(
        name="W8x200",
        what="app-server: W2 in 200 threads of one process at once",
        turns=_ONE_CALL,
        kind="app-server",
        reps=3,
        warm_up=False,
        parallel=200,
        calls=1,
        writes=True,
    ),
    Workload(
        name="W9",
        what="resume of a session of 20 MB",
        turns=_ONE_TEXT,
        kind="resume",
        reps=5,
        quick_reps=2,
        memory_reps=3,
        answer="Done: nothing to do.",
        seed=(
            [{"text": _LINE, "repeat": 5000, "chunk": 4000}, {"sh": "echo {i}"}],
            {"text": "Done: seeded."},
        ),
    ),
)


class Sample(Struct, kw_only=True):
    """One run: its cost and what the server saw. `turnarounds` are the seconds from the end of
    each response to the next request; `first_request` is the time from the start to the first
    one; `request_size` its bytes; `initialize` and `per_thread` are those of `Served`. `wrong`
    says what was not as it should be."""

    cost: Cost
    turnarounds: list[float] = []
    first_request: float | None = None
    request_size: int | None = None
    initialize: float | None = None
    per_thread: float | None = None
    wrong: list[str] = []


class Bench:
    """Runs workloads against one scripted server."""

    def __init__(self, server: ResponsesServerProcess, place: Place) -> None:
        self._server = server
        self._place = place
        self._seeded: set[str] = set()

    def measure(self, workload: Workload, subject: Subject, *, memory: bool = False) -> Sample:
        """One run. Raises `BenchError` when a session to resume cannot be made."""
        if workload.seed:
            self._seed(workload, subject)
        if workload.kind == "app-server":
            return self._serve(workload, subject)
        watch = None
        if memory:
            parallel = workload.parallel > 1
            watch = Watch(0.02, 0.1) if parallel else Watch(0.002)
        self._server.swap(workload.script)
        commands = self._commands(workload, subject)
        cost = run(commands, _LIMIT, watch)
        time.sleep(_LOG_DELAY)
        requests = self._server.requests()
        sample = Sample(cost=cost)
        if subject.is_agent:
            sample.wrong = _mistakes(workload, commands, cost, requests)
        if requests:
            sample.first_request = requests[0].t - cost.started
            sample.request_size = requests[0].size
        if workload.parallel == 1:
            sample.turnarounds = [
                later.t - earlier.done
                for earlier, later in itertools.pairwise(requests)
                if earlier.done is not None
            ]
        return sample

    def _serve(self, workload: Workload, subject: Subject) -> Sample:
        folders = [self._place.work(subject, f"-{n:02}") for n in range(FOLDERS)]
        for folder in folders:
            if os.path.exists(f"{folder}/out.txt"):
                os.unlink(f"{folder}/out.txt")
        self._server.swap(workload.script)
        command = self._place.command(subject, workload.kind)
        served = serve(command, folders, workload.parallel)
        time.sleep(_LOG_DELAY)
        expected = (workload.calls + 1) * workload.parallel
        requests = len(self._server.requests())
        if requests != expected:
            served.wrong.append(f"{requests} requests instead of {expected}")
        missing = [folder for folder in folders if not os.path.exists(f"{folder}/out.txt")]
        if missing:
            served.wrong.append("out.txt was not written")
        return Sample(
            cost=served.cost,
            initialize=served.initialize,
            per_thread=served.per_thread,
            wrong=served.wrong,
        )

    def _commands(self, workload: Workload, subject: Subject) -> list[Command]:
        home_lane = _SEED_LANE if workload.seed else ""
        single = workload.parallel == 1
        lanes = [home_lane] if single else [f"-{n:02}" for n in range(workload.parallel)]
        commands = [
            self._place.command(subject, workload.kind, lane=lane, home_lane=home_lane)
            for lane in lanes
        ]
        for command in commands:
            if os.path.exists(f"{command.cwd}/out.txt"):
                os.unlink(f"{command.cwd}/out.txt")
        return commands

    def _seed(self, workload: Workload, subject: Subject) -> None:
        if subject.name in self._seeded:
            return
        first, last = workload.seed
        turns = [{"items": first, "times": 100}, last]
        self._server.swap({"turns": turns, "by_history": True})
        command = self._place.command(subject, "exec", lane=_SEED_LANE, home_lane=_SEED_LANE)
        cost = run([command], _LIMIT)
        if cost.codes != [0] or len(self._server.requests()) != 101:
            raise BenchError(f"{subject.name}: the session to resume could not be made")
        self._seeded.add(subject.name)


class _Item(Struct, frozen=True):
    type: str = ""
    text: str = ""


class _ExecEvent(Struct, frozen=True):
    """A line of `exec --json`, as far as it is read here."""

    type: str
    item: _Item = _Item()


def last_answer(output: str) -> str | None:
    """The last message in the output of `exec --json`; None when there is none."""
    answer: str | None = None
    with open(output, "rb") as file:
        for line in file:
            try:
                event = msgspec.json.decode(line, type=_ExecEvent)
            except msgspec.DecodeError:
                continue
            if event.type == "item.completed" and event.item.type == "agent_message":
                answer = event.item.text
    return answer


def _mistakes(
    workload: Workload, commands: list[Command], cost: Cost, requests: list[Received]
) -> list[str]:
    """What a run did wrong, in a few words each."""
    wrong = [f"exit code {code}" for code in cost.codes if code != 0]
    if workload.kind == "version":
        return wrong
    expected = (workload.calls + 1) * workload.parallel
    if len(requests) != expected:
        wrong.append(f"{len(requests)} requests instead of {expected}")
    wrong += [f"request refused: {one.status}" for one in requests if one.status != 200]
    if workload.name == "W6" and any((one.last_output or 4096) < 4096 for one in requests):
        wrong.append("an output is too short")
    for command in commands:
        if last_answer(command.output) != workload.answer:
            wrong.append("another final answer")
        if workload.writes and not os.path.exists(f"{command.cwd}/out.txt"):
            wrong.append("out.txt was not written")
    return wrong
