"""`scripts/bench`: ratios to the real Codex and to a bare Python, measured in one run.
`scripts/bench repair` measures the offline model instead (`benchmarks/repair`).

Exit codes: 0 all measured targets are met, 1 one is missed or a run went wrong, 2 it cannot run.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import shlex
import sys
import time
from collections.abc import Generator

import msgspec

from benchmarks import report
from benchmarks.processes import adopt_orphans, wait_for_quiet
from benchmarks.subjects import (
    BenchError,
    Place,
    Subject,
    bare_python,
    check_root,
    default_root,
    find_peer,
    find_quire,
    install_peer,
    version,
)
from benchmarks.targets import Measured, Results
from benchmarks.workloads import WORKLOADS, Bench, Workload
from quire.testing.responses_server import ResponsesServerProcess

QUIET_WAIT = 1.0


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["repair"]:
        from benchmarks.repair.run import main as repair

        return repair(arguments[1:])
    options = _parser().parse_args(arguments)
    try:
        return _run(options, arguments)
    except BenchError as exc:
        print(f"bench: {exc}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    names = ",".join(workload.name for workload in WORKLOADS)
    add = parser.add_argument
    add("--quick", action="store_true", help="fewer runs, without W6: one to two minutes")
    add("--workloads", metavar="LIST", help=f"some of {names}")
    add("--reps", type=int, metavar="N", help="timed runs of each workload and program")
    add("--json", metavar="FILE", help="write all samples and verdicts to FILE")
    add("--root", default=default_root(), help="folder for scratch data and the peer: %(default)s")
    add("--install-peer", action="store_true", help="install Codex below the root with npm first")
    add("--peer", metavar="PATH", help="a Codex binary that is installed already")
    add("--quire", metavar="PATH", help="the quire to measure; default: of this environment")
    add("--only", metavar="LIST", help="leave out all but these of quire,codex,python")
    return parser


def _run(options: argparse.Namespace, arguments: list[str]) -> int:
    root = check_root(options.root)
    if options.install_peer:
        install_peer(root)
    subjects = _subjects(options, root)
    workloads = _workloads(options)
    print(f"`{shlex.join(['scripts/bench', *arguments])}`")
    told = ", ".join(f"{subject.name}: {version(subject)}" for subject in subjects)
    print(f"{told}; {os.cpu_count()} cores\n", flush=True)
    adopt_orphans()
    log = os.path.join(root, "quire-bench-requests.jsonl")
    with _alone(root):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(log)
        with ResponsesServerProcess(log) as server:
            bench = Bench(server, Place(root, server.url))
            results = _measure_all(bench, subjects, workloads, options)
    print(report.table(results), "", *report.notes(results), sep="\n")
    if options.json:
        _save(options.json, arguments, subjects, results)
    failures = report.failures(results)
    if failures:
        print(f"\nFAILED: {', '.join(failures)}")
    return 1 if failures else 0


@contextlib.contextmanager
def _alone(root: str) -> Generator[None, None, None]:
    """Hold the root for this run. Raises `BenchError` when another benchmark has it."""
    with open(os.path.join(root, "quire-bench.lock"), "w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BenchError(f"another benchmark runs in {root}: wait, or choose --root") from None
        yield


def _subjects(options: argparse.Namespace, root: str) -> list[Subject]:
    wanted = (options.only or "quire,codex,python").split(",")
    found: list[Subject] = []
    if "quire" in wanted:
        found.append(find_quire(options.quire))
    if "codex" in wanted:
        peer = find_peer(options.peer, root)
        if peer is None:
            print("Codex is not installed here (--install-peer does it): no ratios to it.")
        else:
            found.append(peer)
    if "python" in wanted:
        found.append(bare_python())
    return found


def _workloads(options: argparse.Namespace) -> list[Workload]:
    """The workloads to run, in their usual order. Raises `BenchError` for an unknown name."""
    known = {workload.name: workload for workload in WORKLOADS}
    if options.workloads is None:
        return [one for one in WORKLOADS if not options.quick or one.quick_reps]
    names = options.workloads.split(",")
    for name in names:
        if name not in known:
            raise BenchError(f"no workload {name}: there are {', '.join(known)}")
    return [one for one in WORKLOADS if one.name in names]


def _measure_all(
    bench: Bench,
    subjects: list[Subject],
    workloads: list[Workload],
    options: argparse.Namespace,
) -> Results:
    results: Results = {}
    for workload in workloads:
        runners = [one for one in subjects if one.is_agent or workload.kind == "version"]
        results[workload.name] = {subject.name: Measured() for subject in runners}
        normal = workload.quick_reps or 1 if options.quick else workload.reps
        reps = options.reps or normal
        memory_reps = min(reps, workload.memory_reps)
        rounds = [("warm-up", False)] if workload.warm_up else []
        rounds += [("timed", False)] * reps + [("memory", True)] * memory_reps
        for number, (purpose, memory) in enumerate(rounds):
            # Turn about, so that no program always runs after the same one.
            for subject in runners if number % 2 else reversed(runners):
                _progress(f"{workload.name} {purpose} {number + 1}/{len(rounds)} {subject.name}")
                wait_for_quiet(QUIET_WAIT)
                sample = bench.measure(workload, subject, memory=memory)
                measured = results[workload.name][subject.name]
                if purpose != "warm-up":
                    (measured.memory if memory else measured.timed).append(sample)
    _progress("")
    return results


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def _save(path: str, arguments: list[str], subjects: list[Subject], results: Results) -> None:
    document = {
        "command": ["scripts/bench", *arguments],
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "cores": os.cpu_count(),
        "versions": {subject.name: version(subject) for subject in subjects},
        "verdicts": report.verdicts(results),
        "failures": report.failures(results),
        "samples": results,
    }
    with open(path, "wb") as file:
        file.write(msgspec.json.encode(document))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
